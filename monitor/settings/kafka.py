"""How to reach Kafka."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator

from monitor.settings.base import ExistingFile, Secret, SecretFile, SecretPath, SettingsType, only_one
from monitor.settings.quantities import Text, moment, refusal, sentence

_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")


def _broker(value: object) -> str:
    match = _BROKER.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < int(match[2]) < 65536:
        raise refusal("is not a broker; write host:port")
    return match[0]


def _brokers(value: object) -> object:
    return [broker.strip() for broker in value.split(",")] if isinstance(value, str) else value


def _start(value: object) -> object:
    if value in ("earliest", "latest"):
        return value
    try:
        return moment(value)
    except ValueError:
        raise refusal("is not a start; write earliest, latest, or a time with a zone: 2030-01-31T06:00:00Z") from None


def _tls(value: object) -> object:
    return {} if value is True else None if value is False else value


class TlsSettings(SettingsType):
    """TLS to the brokers. `tls: true` trusts the machine's own authorities."""

    ca_file: ExistingFile | None = Field(
        default=None, description="Certificates to trust, PEM; default: the machine's."
    )
    cert_file: ExistingFile | None = Field(default=None, description="Our certificate, PEM, where brokers ask for one.")
    key_file: SecretPath | None = Field(default=None, description="Key of our certificate, PEM.")
    check_hostname: bool = Field(default=True, description="Whether a broker's certificate must name its host.")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise sentence("cert_file and key_file belong together; give both or neither")
        return self


def _endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
        known = parts.port is None or parts.port > 0
    except ValueError:
        known = False
    if not known or parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.fragment:
        raise refusal("is not the URL of a token endpoint; write https://HOST/PATH")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise refusal("shows the secret to whoever listens; write https://")
    return value


class TokenSettings(SettingsType):
    """Where tokens are fetched: an OAuth 2.0 (OpenID Connect) token endpoint, by client credentials."""

    endpoint: Annotated[Text, AfterValidator(_endpoint)] = Field(
        description="URL that gives tokens, https://...; without TLS only on this machine."
    )
    client_id: Text = Field(description="The client's name there.")
    client_secret: Secret | None = Field(default=None, description="The client's secret, usually as ${NAME}.")
    client_secret_file: SecretFile | None = Field(default=None, description="A file that holds the secret.")
    scope: Text | None = Field(
        default=None, description="What is asked for, scopes with blanks; default: nothing by name."
    )

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        only_one("client_secret", self.client_secret, self.client_secret_file, needed=True)
        return self

    @property
    def secret(self) -> SecretStr:
        """The client's secret, whichever way it was given."""
        return self.client_secret or self.client_secret_file or SecretStr("")


class SaslSettings(SettingsType):
    """Who we are to the brokers: a user with a password, or with OAUTHBEARER a token."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        description="How it is proved. PLAIN shows the brokers the password, so it needs tls."
    )
    user: Text | None = Field(
        default=None, description="The user's name; not with OAUTHBEARER, where the token says it."
    )
    token_file: SecretPath | None = Field(
        default=None,
        description="With OAUTHBEARER: a file that holds the token. It is read anew for each connection, so whoever renews the "
        "token only has to replace the file.",
    )
    token: TokenSettings | None = Field(
        default=None, description="With OAUTHBEARER: where tokens are fetched, anew before one expires."
    )
    password: Secret | None = Field(default=None, description="The password, usually as ${NAME}.")
    password_file: SecretFile | None = Field(default=None, description="A file that holds the password.")

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        if self.mechanism == "OAUTHBEARER":
            if (self.token_file is None) == (self.token is None) or self.user or self.password or self.password_file:
                raise sentence("OAUTHBEARER needs token_file or token, one of them, and neither user nor password")
            return self
        if self.token_file is not None or self.token is not None:
            given = "token" if self.token_file is None else "token_file"
            raise sentence(f"{given} belongs to OAUTHBEARER; {self.mechanism} needs user and password_file")
        if self.user is None:
            raise sentence(f"user is needed with {self.mechanism}")
        only_one("password", self.password, self.password_file, needed=True)
        return self

    @property
    def secret(self) -> str:
        """The password or the client's secret, whichever way it was given; "" with a token file. Never to be shown."""
        given = self.password or self.password_file or (self.token.secret if self.token is not None else None)
        return given.get_secret_value() if given else ""


class KafkaSettings(SettingsType):
    """Where events are read from."""

    brokers: Annotated[
        tuple[Annotated[str, BeforeValidator(_broker), WithJsonSchema({"type": "string", "x-kind": "host:port"})], ...],
        BeforeValidator(_brokers),
        Field(min_length=1),
    ] = Field(description="Brokers to ask first, host:port; a list, or one text with commas.")
    tls: Annotated[TlsSettings | None, BeforeValidator(_tls)] = Field(default=None, description="TLS; default: none.")
    sasl: SaslSettings | None = Field(default=None, description="Authentication; default: none.")
    topic_prefix: str = Field(default="", description="Put before the name of every topic of the models.")
    start: Annotated[
        Literal["earliest", "latest"] | int,
        BeforeValidator(_start),
        WithJsonSchema({"type": "string", "x-kind": "earliest, latest, or a time like 2030-01-31T06:00:00Z"}),
    ] = Field(
        default="latest",
        description="Where a partition is begun that has no stored position: earliest, latest, or a time (then ms since the epoch).",
    )

    @model_validator(mode="after")
    def _not_in_clear(self) -> Self:
        if self.sasl is not None and self.tls is None and self.sasl.mechanism in ("PLAIN", "OAUTHBEARER"):
            what = "password" if self.sasl.mechanism == "PLAIN" else "token"
            raise sentence(
                f"{self.sasl.mechanism} shows the {what} to whoever listens; add tls: true, or take SCRAM-SHA-512"
            )
        return self

"""The shared part of a config: everything a model need not repeat."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, SecretStr, model_validator
from pydantic_core import CoreSchema

from monitor.settings.base import Secret, SecretFile, SettingsType, also_as, only_one, text_as
from monitor.settings.kafka import KafkaSettings
from monitor.settings.quantities import (
    Duration,
    FalseAlarms,
    Name,
    PositiveDuration,
    Text,
    as_written,
    refusal,
    sentence,
)
from monitor.settings.retention import RetentionSettings

DEFAULT_TEAM = "default"
"""The team of a model that names none."""
_TURNS_A_LEASE, _SHORTEST_LEASE = 4, 3_000

SLACK = "slack"
"""Name of the destination that `slack:` defines."""


_SHORTEST_KEY = 16


class SecretUrl(SettingsType):
    """A URL that holds a secret, given in the config or in a file."""

    expected: ClassVar[str] = "a URL"

    url: Secret | None = Field(default=None, description="The URL, usually as ${NAME}.")
    url_file: SecretFile | None = Field(default=None, description="A file that holds the URL.")

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        only_one("url", self.url, self.url_file, needed=True)
        if "://" not in self.secret.get_secret_value():
            raise sentence(f"the text given is not {self.expected}")
        return self

    @property
    def secret(self) -> SecretStr:
        """The URL, whichever way it was given."""
        given = self.url or self.url_file
        return given if given is not None else SecretStr("")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A map, or the URL alone."""
        return also_as(handler.resolve_ref_schema(handler(schema)), "string")


class Destination(SecretUrl):
    """One place that messages can be sent to: an apprise URL. May also be written as the URL alone."""

    expected: ClassVar[str] = "an apprise URL, which begins with a scheme: slack://... or mailtos://..."


class DatabaseSettings(SecretUrl):
    """Where state is kept: an SQLAlchemy URL. May also be written as the URL alone."""

    expected: ClassVar[str] = "a database URL: sqlite:///loopwatch.db or postgresql+psycopg://host/name"


DestinationField = Annotated[Destination, text_as("url")]


def _names(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _destination_name(value: object) -> str:
    if isinstance(value, str) and "://" in value:
        raise refusal("belongs under notify:, under a name of your choice; write that name here")
    if isinstance(value, str) and value.startswith(("#", "@")):
        raise refusal(
            "is a channel, and channels belong to the URL of a destination; write the name of one under notify:"
        )
    if not isinstance(value, str) or not value:
        raise refusal("is not the name of a destination under notify:")
    return value


DestinationNames = Annotated[tuple[Annotated[str, BeforeValidator(_destination_name)], ...], BeforeValidator(_names)]


class TeamSettings(SettingsType):
    """Who is told, and how often they may be told wrongly. The budget is shared over all watches of the team's models."""

    page: DestinationNames | None = Field(
        default=None,
        description="Destinations of pages: one name or a list; default: slack, or the only one under notify.",
    )
    digest: DestinationNames | None = Field(
        default=None, description="Destinations of what can wait; default: those of pages."
    )
    false_pages: FalseAlarms = as_written("1 per 28d", "False pages that may be expected.")
    false_warnings: FalseAlarms = as_written("4 per 28d", "False warnings that may be expected.")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HttpSettings(SettingsType):
    """The page, the API and the metrics."""

    host: Text = Field(
        default="127.0.0.1",
        description="Address to listen on; one that is not this machine's own loopback needs a token.",
    )
    port: int = Field(default=8642, ge=0, le=65535, description="Port to listen on; 0 lets the system choose.")
    token: Secret | None = Field(default=None, description="Bearer token that requests must bring, usually as ${NAME}.")
    token_file: SecretFile | None = Field(default=None, description="A file that holds the token.")

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        only_one("token", self.token, self.token_file, needed=False)
        if self.secret is None and not _is_loopback(self.host):
            raise sentence(
                f"host {self.host} opens the page, which names groups of people, to the network; add token_file: with a token that "
                "requests must bring (Authorization: Bearer ...), or leave host out"
            )
        return self

    @property
    def secret(self) -> SecretStr | None:
        """The token, whichever way it was given; None if none is asked for."""
        return self.token or self.token_file


class LimitSettings(SettingsType):
    """How much is taken in before state is committed, for each model, and how soon another daemon may take over."""

    turn: PositiveDuration = as_written("500ms", "Longest time between two commits while events flow.")
    turn_records: int = Field(default=50_000, ge=1, le=10_000_000, description="Most records between two commits.")
    waiting_rows: int = Field(
        default=2_000_000,
        ge=10_000,
        description="Rows of a model that may wait for their windows; above it, partitions that run ahead of the slowest wait.",
    )
    lease: PositiveDuration = as_written(
        "30s", "How long a daemon that died keeps others, and itself when started again, from taking its place."
    )

    @model_validator(mode="after")
    def _lease_outlasts_turns(self) -> Self:
        least = max(_TURNS_A_LEASE * self.turn, _SHORTEST_LEASE)
        if self.lease < least:
            raise sentence(
                f"a lease of {self.lease / 1000:g} s could end in the middle of a turn; allowed: at least {least / 1000:g} s "
                f"(and {_TURNS_A_LEASE} times turn:)"
            )
        return self


class IdSettings(SettingsType):
    """What ids of people and items are hashed with, before anything is kept of them. Their text is stored nowhere.

    Without a key of yours, who has the database and a list of ids can find out which of them are in it.
    """

    key: Secret | None = Field(
        default=None, description="A long random text, usually as ${NAME}; it must never change."
    )
    key_file: SecretFile | None = Field(default=None, description="A file that holds it.")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        only_one("key", self.key, self.key_file, needed=True)
        if len(self.secret.get_secret_value()) < _SHORTEST_KEY:
            raise sentence(f"the key has fewer than {_SHORTEST_KEY} characters; make one with: openssl rand -hex 32")
        return self

    @property
    def secret(self) -> SecretStr:
        """The key, whichever way it was given."""
        return self.key or self.key_file or SecretStr("")


class HeartbeatSettings(SecretUrl):
    """Who hears that all is well, and misses it when it is not: a GET to this URL after a good turn of every model."""

    expected: ClassVar[str] = "the URL of a dead-man's switch: https://..."

    every: PositiveDuration = as_written("1m", "Time between two beats at least.")


class Settings(SettingsType):
    """The shared file; in a one-file config these keys stand beside those of the model."""

    kafka: KafkaSettings | None = Field(
        default=None, description="Where events are read from; not needed to replay files."
    )
    database: Annotated[DatabaseSettings | None, text_as("url")] = Field(
        default=None, description="Where state is kept; default: loopwatch.db (SQLite) beside the config."
    )
    notify: dict[Name, DestinationField] = Field(default={}, description="Destinations by name.")
    slack: DestinationField | None = Field(
        default=None, description="The destination named slack: an apprise URL, slack://..."
    )
    teams: dict[Name, TeamSettings] = Field(
        default={}, description="Who is told; a team named default is there if none is given."
    )
    ids: IdSettings | None = Field(default=None, description="What ids are hashed with; default: no key of yours.")
    http: HttpSettings = Field(default=HttpSettings(), description="The page, the API and the metrics.")
    limits: LimitSettings = Field(
        default=LimitSettings(),
        description="How much is taken in before state is committed, and how soon another daemon may take over.",
    )
    heartbeat: Annotated[HeartbeatSettings | None, text_as("url")] = Field(
        default=None, description="Who hears regularly that all is well; default: nobody."
    )
    retention: RetentionSettings = Field(
        default=RetentionSettings(), description="How long what grows without end is kept."
    )
    rehearsal: Duration = as_written(
        "14d",
        "How long a new model's pages go to the digest instead; 0s: not at all. A rehearsal that is over is not begun again by a "
        "longer one: a model that pages goes on paging; to rehearse anew, give it another name.",
    )

    @model_validator(mode="after")
    def _slack_once(self) -> Self:
        if self.slack is not None and SLACK in self.notify:
            raise sentence("a destination named slack is defined twice, under slack: and under notify:; keep one")
        return self

    @property
    def destinations(self) -> Mapping[str, SecretStr]:
        """The apprise URL of every destination by its name, `slack:` included."""
        slack = {} if self.slack is None else {SLACK: self.slack.secret}
        return slack | {name: destination.secret for name, destination in self.notify.items()}

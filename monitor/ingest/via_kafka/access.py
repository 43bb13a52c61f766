"""What the client is told to reach the brokers, and what its errors mean to the caller."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kafka.errors import (  # type: ignore[import-untyped]  # ships no types
    AuthorizationError,
    CorruptRecordError,
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    InvalidTopicError,
    KafkaConfigurationError,
    KafkaError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
    UnsupportedVersionError,
)
from kafka.net.sasl.oauth import AbstractTokenProvider  # type: ignore[import-untyped]  # ships no types

from monitor.ingest.source import SourceError, SourceRefused, SourceUnavailable
from monitor.ingest.via_kafka.probe import tls_context
from monitor.ingest.via_kafka.settings import KafkaAccess, Sasl
from monitor.ingest.via_kafka.token_endpoint import EndpointAway, NoToken

REFUSALS: tuple[tuple[type[Exception], str], ...] = (
    (SaslAuthenticationFailedError, "refused"),
    (UnsupportedSaslMechanismError, "do not offer this SASL mechanism"),
    (IllegalSaslStateError, "do not accept SASL on this port"),
    (AuthorizationError, "do not permit this user to read"),
    (InvalidTopicError, "say that a topic's name is not valid"),
    (UnsupportedCodecError, "hold records in a compression that is not installed here"),
    (IncompatibleBrokerVersion, "are of a version that cannot be read"),
    (UnsupportedVersionError, "are of a version that cannot be read"),
    (CorruptRecordError, "sent records that fail their checksum"),
    (KafkaConfigurationError, "cannot be asked with this configuration"),
)
"""Errors that only a person can end, and what the brokers do then, in words."""


class TokenAway(KafkaError):  # type: ignore[misc]  # the base has no types
    """Whoever gives tokens is away."""


def in_words(error: Exception, access: KafkaAccess) -> SourceError:
    """The client's error as ours: `SourceRefused` if only a person can help, else `SourceUnavailable`."""
    brokers, sasl = ", ".join(access.brokers), access.sasl
    if isinstance(error, TokenAway):
        why = f"the token cannot be had, its endpoint is away: {error.args[0]}"
        return SourceUnavailable(f"the Kafka brokers at {brokers} cannot be asked now: {why}")
    if isinstance(error, TopicAuthorizationFailedError):
        told = error.args[0] if error.args else ()
        return forbidden(access, [str(topic) for topic in told] if isinstance(told, set | frozenset | list) else [])
    for kind, words in REFUSALS:
        if isinstance(error, kind):
            if sasl is None:
                return SourceRefused(f"the Kafka brokers at {brokers} {words}: {error}")
            proof = "the token" if sasl.token is not None else "the user or the password"
            said = f"{words} {proof}" if isinstance(error, SaslAuthenticationFailedError) else words
            return SourceRefused(f"the Kafka brokers at {brokers} {said} ({_name(sasl)}): {error}")
    return SourceUnavailable(f"the Kafka brokers at {brokers} cannot serve now: {error}")


def forbidden(access: KafkaAccess, topics: Collection[str]) -> SourceRefused:
    """Some topics may not be read: which right is missing, and the command that gives it."""
    named = access.sasl is not None and access.sasl.token is None
    who = f"user {access.sasl.user!r}" if named and access.sasl is not None else "this user"
    principal = f"User:{access.sasl.user}" if named and access.sasl is not None else "User:<name>"
    names = ", ".join(repr(topic) for topic in sorted(topics)) or "a topic"
    options = " ".join(f"--topic {topic}" for topic in sorted(topics)) or "--topic <name>"
    return SourceRefused(
        f"the Kafka brokers at {', '.join(access.brokers)} do not permit {who} to read {names}; needed is the right Read: "
        f"kafka-acls.sh --bootstrap-server {access.brokers[0]} --add --allow-principal {principal} --operation Read {options}"
    )


def _name(sasl: Sasl) -> str:
    return sasl.mechanism if sasl.token is not None else f"user {sasl.user!r}, {sasl.mechanism}"


def says_why(error: Exception) -> bool:
    """It says more than that no broker could be reached: a refusal, or that there is no token now."""
    return isinstance(error, (TokenAway, *(kind for kind, _ in REFUSALS)))


def access_options(access: KafkaAccess) -> dict[str, Any]:
    """Options of every client of these brokers. Raises `SourceRefused` if a TLS file cannot be used."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(access.brokers),
        "client_id": access.client_id,
        "security_protocol": access.protocol,
    }
    if access.tls is not None:
        options["ssl_context"] = tls_context(access.tls)
    sasl = access.sasl
    if sasl is not None:
        options["sasl_mechanism"] = sasl.mechanism
        if sasl.token is not None:
            options["sasl_oauth_token_provider"] = _Tokens(sasl)
        else:
            options["sasl_plain_username"] = sasl.user
            options["sasl_plain_password"] = sasl.password.get_secret_value()
    return options


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]  # the base has no types
    def __init__(self, sasl: Sasl) -> None:
        super().__init__()
        self.sasl = sasl

    def token(self) -> str:
        try:
            return self.sasl.token().get_secret_value() if self.sasl.token else ""
        except EndpointAway as error:
            raise TokenAway(str(error)) from None
        except NoToken as error:
            raise KafkaConfigurationError(f"the token cannot be had: {error}") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no plain text"
            raise KafkaConfigurationError(f"the token cannot be had: {type(error).__name__}: {reason}") from None

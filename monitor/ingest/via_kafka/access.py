"""What the client is told to reach the brokers, and what its errors mean to the caller."""

from __future__ import annotations

from typing import Any

from kafka.errors import (  # type: ignore[import-untyped]  # ships no types
    AuthorizationError,
    CorruptRecordError,
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    InvalidTopicError,
    KafkaConfigurationError,
    SaslAuthenticationFailedError,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
    UnsupportedVersionError,
)
from kafka.net.sasl.oauth import AbstractTokenProvider  # type: ignore[import-untyped]  # ships no types

from monitor.ingest.source import SourceError, SourceRefused, SourceUnavailable
from monitor.ingest.via_kafka.probe import tls_context
from monitor.ingest.via_kafka.settings import KafkaAccess, Sasl

REFUSALS: tuple[tuple[type[Exception], str], ...] = (
    (SaslAuthenticationFailedError, "refused the user or the password"),
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


def in_words(error: Exception, access: KafkaAccess) -> SourceError:
    """The client's error as ours: `SourceRefused` if only a person can help, else `SourceUnavailable`."""
    brokers = ", ".join(access.brokers)
    for kind, words in REFUSALS:
        if isinstance(error, kind):
            who = f" (user {access.sasl.user!r}, {access.sasl.mechanism})" if access.sasl else ""
            return SourceRefused(f"the Kafka brokers at {brokers} {words}{who}: {error}")
    return SourceUnavailable(f"the Kafka brokers at {brokers} cannot serve now: {error}")


def is_refusal(error: Exception) -> bool:
    """Only a person can end it."""
    return isinstance(error, tuple(kind for kind, _ in REFUSALS))


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
        return self.sasl.token().get_secret_value() if self.sasl.token else ""

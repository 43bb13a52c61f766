"""How the Kafka source reaches its brokers and what it reads there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS to the brokers; PEM files. Without `authorities` the machine's own are trusted."""

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class Sasl:
    """Who we are to the brokers. OAUTHBEARER takes `token`, called at each connection; the others user and password."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
    user: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    token: Callable[[], SecretStr] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.mechanism == "OAUTHBEARER") != (self.token is not None):
            raise ValueError("a token belongs to the SASL mechanism OAUTHBEARER, and to no other")


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The brokers to ask first (host:port), and what they want to see."""

    brokers: tuple[str, ...]
    tls: Tls | None = None
    sasl: Sasl | None = None
    client_id: str = "loopwatch"

    @property
    def protocol(self) -> str:
        """Kafka's name for the combination of TLS and SASL."""
        transport = "PLAINTEXT" if self.tls is None else "SSL"
        return transport if self.sasl is None else f"SASL_{transport}"


@dataclass(frozen=True, slots=True)
class KafkaReading:
    """What is read.

    start               where a partition without a position begins: at its oldest record, after its newest, or at the
                        first record of this time (ms since the epoch) or later. Partitions that a topic gains while it is
                        read begin at their oldest record.
    connect_timeout_ms  longest wait of the poll that connects.
    request_timeout_ms  longest wait for one answer of a broker.
    fetch_max_bytes, partition_max_bytes   most that one answer may hold, in all and of a partition.
    own_parser          unpack records with the parser of `record_format` where the installed client allows it; else with
                        the client's own, three times slower and otherwise the same.
    """

    access: KafkaAccess
    topics: tuple[str, ...]
    start: Literal["earliest", "latest"] | int = "latest"
    connect_timeout_ms: int = 10_000
    request_timeout_ms: int = 30_000
    fetch_max_bytes: int = 32 * 1024 * 1024
    partition_max_bytes: int = 4 * 1024 * 1024
    fetch_wait_ms: int = 250
    own_parser: bool = True

    def __post_init__(self) -> None:
        if not self.access.brokers or not self.topics:
            raise ValueError("a Kafka source needs at least one broker and one topic")
        if isinstance(self.start, int) and self.start < 0:
            raise ValueError(f"start is {self.start}; as a time it is ms since the epoch, 0 or more")

"""Events into Kafka, for rehearsals: the daemon itself only reads."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer  # type: ignore[import-untyped]  # ships no types
from kafka.errors import KafkaError  # type: ignore[import-untyped]  # ships no types

from monitor.ingest.source import SourceUnavailable
from monitor.ingest.via_kafka.access import access_options, in_words
from monitor.ingest.via_kafka.settings import KafkaAccess

_WAIT_MS = 10_000


class KafkaSink:
    """Topics to write to. Records get the broker's time of their arrival, not the event's own: a topic forgets by the former.

    Every method may wait for the brokers, and raises `SourceError` where they cannot be written to.
    """

    def __init__(self, access: KafkaAccess) -> None:
        self._access = access
        self._failed: Exception | None = None
        try:
            self._producer: Any = KafkaProducer(
                **access_options(access),
                acks="all",
                linger_ms=20,
                max_block_ms=_WAIT_MS,
                bootstrap_timeout_ms=_WAIT_MS,
            )
        except KafkaError as error:
            raise in_words(error, access) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._producer.close(timeout=0 if kind is not None else None)

    def require(self, topics: Iterable[str]) -> None:
        """Raise `SourceUnavailable` if a topic does not exist and is not made by asking for it."""
        for topic in topics:
            try:
                found = self._producer.partitions_for(topic)
            except KafkaError:
                found = None
            if not found:
                raise SourceUnavailable(
                    f"the Kafka brokers at {', '.join(self._access.brokers)} have no topic {topic!r}: kafka-topics.sh "
                    f"--bootstrap-server {self._access.brokers[0]} --create --topic {topic} --partitions 4"
                )

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """Hand over one record; records of one key stay in order."""
        if self._failed is not None:
            raise in_words(self._failed, self._access)
        try:
            self._producer.send(topic, value, key).add_errback(self._keep)
        except KafkaError as error:
            raise in_words(error, self._access) from None

    def flush(self) -> None:
        """Return once everything handed over is kept by the brokers."""
        try:
            self._producer.flush()
        except KafkaError as error:
            raise in_words(error, self._access) from None
        if self._failed is not None:
            raise in_words(self._failed, self._access)

    def _keep(self, error: Exception) -> None:
        self._failed = error

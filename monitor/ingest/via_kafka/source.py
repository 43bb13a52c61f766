"""The Kafka source.

The caller's positions are the truth, and the caller's lease says who reads: so the source belongs to no consumer group. It
reads every partition of its topics, and no other member, coordinator or rebalance can take one away, give it half of them, or
make it wait. A partition whose position is not known yet is held (paused at a placeholder) until it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from kafka import KafkaConsumer  # type: ignore[import-untyped]  # ships no types
from kafka import TopicPartition as KafkaPartition
from kafka.errors import (  # type: ignore[import-untyped]  # ships no types
    KafkaError,
    KafkaTimeoutError,
    LogTruncationError,
    OffsetOutOfRangeError,
)

from monitor.events import Block, TopicPartition
from monitor.ingest.gap import Gap, GapReason
from monitor.ingest.source import NOT_KNOWN, SourceError, SourceRefused, SourceUnavailable
from monitor.ingest.via_kafka.access import access_options, forbidden, in_words
from monitor.ingest.via_kafka.batches import PartitionRecords, free_parked_records, own_parser_fits, plain
from monitor.ingest.via_kafka.client import Client
from monitor.ingest.via_kafka.probe import diagnosis, tls_context
from monitor.ingest.via_kafka.rights import denied
from monitor.ingest.via_kafka.settings import KafkaReading

METADATA_AGE_MS = 5_000
"""How soon a partition that was added, or a topic that was made anew, is noticed."""

CLOSE_TIMEOUT_MS = 5_000


class KafkaSource:
    """A `Source` over all partitions of some topics of Kafka. Connects at the first poll.

    After a `SourceError` the next `poll` tries again.
    """

    def __init__(self, reading: KafkaReading) -> None:
        self.reading = reading
        self._consumer: Any = None
        self._client: Client | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._held: set[TopicPartition] = set()
        self._paused: frozenset[TopicPartition] = frozenset()
        self._first_seen: dict[str, frozenset[int]] = {}
        self._identities: dict[str, str] = {}
        self._gaps: list[Gap] = []
        self._own_parser = reading.own_parser and own_parser_fits()
        self._closed = False

    def poll(self, max_records: int, timeout_ms: int) -> Sequence[Block]:
        """At most `max_records` records, waiting at most `timeout_ms` for the first; longer only while it connects."""
        consumer = self._connected()
        deadline = time.monotonic() + timeout_ms / 1000
        try:
            while True:
                self._follow(consumer)
                self._settle(consumer)
                left = max(0, int((deadline - time.monotonic()) * 1000))
                free_parked_records(consumer)
                fetched = consumer.poll(left, max_records)
                if fetched:
                    return [self._block(consumer, partition, rows) for partition, rows in fetched.items()]
                if time.monotonic() >= deadline:
                    break
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            self._go_on_after(consumer, error)
            return ()
        except KafkaError as error:
            raise self._in_words(error) from error
        if self._client is not None and not self._client.reached():
            raise self._unreachable(self._client)
        return ()

    def partitions(self) -> frozenset[TopicPartition]:
        """Every partition of its topics; none before the first poll."""
        return frozenset(_ours(self._consumer.assignment())) if self._consumer else frozenset()

    def positions(self) -> Mapping[TopicPartition, int]:
        """Where reading goes on, by partition, also for those that gave no record yet or do not exist any more."""
        self._look_up_positions()
        return dict(self._positions)

    def behind(self) -> Mapping[TopicPartition, int]:
        """Offsets between the position and the end, as the brokers last told. Records of open transactions count."""
        self._look_up_positions()
        lags: dict[TopicPartition, int] = {}
        for partition in self.partitions() - self._held:
            end = self._consumer.highwater(KafkaPartition(*partition))
            if end is not None and partition in self._positions:
                lags[partition] = max(0, end - self._positions[partition])
        return lags

    def gaps(self) -> Sequence[Gap]:
        """Records that were missed since the last call."""
        drained, self._gaps = self._gaps, []
        return drained

    def finished(self) -> bool:
        """Never."""
        return False

    def identities(self) -> Mapping[str, str]:
        """The ids that the brokers gave to the topics; brokers older than 2.8 give none."""
        return dict(self._identities)

    def seek(self, positions: Mapping[TopicPartition, int], identities: Mapping[str, str] = NOT_KNOWN) -> None:
        """Where to read on, by partition; also for partitions that are assigned later. Others start as configured.

        `identities` of the topics that the positions were of: one that was made anew since is read from its beginning, after a gap.
        """
        self._positions.update(positions)
        self._identities.update(identities)
        for partition in self.partitions() & positions.keys():
            self._release(self._consumer, partition, positions[partition])

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop reading these; any others that were paused go on."""
        self._paused = frozenset(partitions)
        assigned = self.partitions()
        if assigned:
            self._consumer.pause(*(KafkaPartition(*each) for each in assigned & self._paused))
            self._consumer.resume(*(KafkaPartition(*each) for each in assigned - self._paused - self._held))

    def close(self) -> None:
        """Let go of the connections. Idempotent."""
        self._closed = True
        self._disconnect()

    def _connected(self) -> Any:
        if self._closed:
            raise SourceRefused("the Kafka source is closed")
        if self._consumer is None:
            self._consumer = self._connect()
            self._check_topics()
        return self._consumer

    def _connect(self) -> Any:
        reading = self.reading
        options = access_options(reading.access)
        try:
            consumer = KafkaConsumer(
                **options,
                kafka_client=self._make_client,
                bootstrap_timeout_ms=reading.connect_timeout_ms,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                request_timeout_ms=reading.request_timeout_ms,
                fetch_max_bytes=reading.fetch_max_bytes,
                max_partition_fetch_bytes=reading.partition_max_bytes,
                fetch_max_wait_ms=reading.fetch_wait_ms,
                metadata_max_age_ms=METADATA_AGE_MS,
                reconnect_backoff_max_ms=5_000,
                metrics_enabled=False,
            )
        except KafkaError as error:
            client, self._client = self._client, None
            if client is not None:
                client.close()
            if isinstance(error, KafkaTimeoutError):
                raise self._unreachable(client) from error
            raise self._in_words(error) from error
        if self._own_parser:
            consumer._fetcher.PartitionRecords = PartitionRecords
        return consumer

    def _make_client(self, **options: Any) -> Any:
        self._client = Client(**options)
        return self._client

    def _check_topics(self) -> None:
        try:
            known = {topic: frozenset(self._consumer.partitions_for_topic(topic)) for topic in self.reading.topics}
        except KafkaError as error:
            self._disconnect()
            raise self._in_words(error) from error
        missing = sorted(topic for topic, partitions in known.items() if not partitions)
        if missing:
            self._disconnect()
            if hidden := denied(self.reading, missing):
                raise forbidden(self.reading.access, hidden)
            names = ", ".join(repr(topic) for topic in missing)
            raise SourceRefused(f"Kafka at {self._address()} has no topic {names}")
        if not self._first_seen:
            self._first_seen = known

    def _disconnect(self) -> None:
        consumer, self._consumer, self._client = self._consumer, None, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def _follow(self, consumer: Any) -> None:
        """Read what the topics consist of now: partitions that were added, and topics that were made anew under their old name.

        Raises `SourceUnavailable` while a topic does not exist, `SourceRefused` where this user may not see it.
        """
        cluster = self._cluster()
        known = {topic: cluster.partitions_for_topic(topic) for topic in self.reading.topics}
        gone = sorted(topic for topic, partitions in known.items() if not partitions)
        if gone:
            if hidden := denied(self.reading, gone):
                raise forbidden(self.reading.access, hidden)
            names = ", ".join(repr(topic) for topic in gone)
            raise SourceUnavailable(
                f"Kafka at {self._address()} has no topic {names} any more; waiting for it to come back"
            )
        now = {TopicPartition(topic, each) for topic, partitions in known.items() for each in partitions}
        added = now - self.partitions()
        if added:
            consumer.assign([KafkaPartition(*each) for each in sorted(now)])
            self._take_up(consumer, added)
        self._mind_new_topics(consumer, now)

    def _mind_new_topics(self, consumer: Any, now: Iterable[TopicPartition]) -> None:
        """A topic of the same name and another identity holds other records: its partitions are read from their beginning."""
        cluster = self._cluster()
        told = {topic: cluster.topic_id(topic) for topic in self.reading.topics}
        identities = {topic: str(identity) for topic, identity in told.items() if identity}
        anew = {topic for topic, identity in identities.items() if self._identities.get(topic, identity) != identity}
        lost = {each for each, position in self._positions.items() if each.topic in anew and position > 0}
        begun = dict(self._ends(consumer.beginning_offsets, lost.intersection(now)))
        self._identities.update(identities)
        for partition in sorted(lost):
            gap = Gap(*partition, self._positions[partition], begun.get(partition, 0), GapReason.RESET)
            if partition in begun:
                self._lose(consumer, gap)
            else:
                self._gaps.append(gap)
                self._positions[partition] = gap.found

    def _take_up(self, consumer: Any, added: Iterable[TopicPartition]) -> None:
        """Give new partitions their positions; hold those without."""
        for each in added:
            position = self._positions.get(each)
            if position is None:
                self._held.add(each)
                consumer.seek(KafkaPartition(*each), 0)
                consumer.pause(KafkaPartition(*each))
            else:
                self._release(consumer, each, position)

    def _lose(self, consumer: Any, gap: Gap) -> None:
        """Go on behind a gap."""
        partition = TopicPartition(gap.topic, gap.partition)
        self._gaps.append(gap)
        self._positions[partition] = gap.found
        self._release(consumer, partition, gap.found)

    def _cluster(self) -> Any:
        if self._client is None:
            raise SourceUnavailable(f"the connection to Kafka at {self._address()} is closed")
        return self._client.cluster

    def _release(self, consumer: Any, partition: TopicPartition, position: int) -> None:
        consumer.seek(KafkaPartition(*partition), position)
        self._held.discard(partition)
        if partition in self._paused:
            consumer.pause(KafkaPartition(*partition))
        else:
            consumer.resume(KafkaPartition(*partition))

    def _settle(self, consumer: Any) -> None:
        """Find where the held partitions start."""
        if not self._held:
            return
        start = self.reading.start
        added = {each for each in self._held if each.partition not in self._first_seen[each.topic]}
        earliest = added if start != "earliest" else set(self._held)
        begun = dict(self._ends(consumer.beginning_offsets, earliest))
        rest = self._held - earliest
        if isinstance(start, int) and rest:
            wanted = {KafkaPartition(*each): start for each in rest}
            for each, found in consumer.offsets_for_times(wanted, self.reading.request_timeout_ms).items():
                if found is not None:
                    begun[TopicPartition(*each)] = found.offset
        begun.update(self._ends(consumer.end_offsets, rest - begun.keys()))
        for partition, offset in begun.items():
            self._positions[partition] = offset
            self._release(consumer, partition, offset)

    def _ends(self, ask: Any, partitions: Iterable[TopicPartition]) -> Iterator[tuple[TopicPartition, int]]:
        wanted = [KafkaPartition(*each) for each in partitions]
        if wanted:
            for each, offset in ask(wanted, self.reading.request_timeout_ms).items():
                yield TopicPartition(*each), offset

    def _go_on_after(self, consumer: Any, error: OffsetOutOfRangeError | LogTruncationError) -> None:
        """Move partitions whose next offset is gone to the earliest one kept, or to where the lost log still agrees."""
        truncated = isinstance(error, LogTruncationError)
        lost = error.divergent_offsets if truncated else error.args[0]
        try:
            first = dict(self._ends(consumer.beginning_offsets, _ours(lost)))
            last = dict(self._ends(consumer.end_offsets, _ours(lost)))
        except KafkaError as failure:
            raise self._in_words(failure) from failure
        for partition in first.keys() & self.partitions():
            told = lost[KafkaPartition(*partition)]
            expected = self._positions[partition] if truncated else told
            agreed = told if truncated else None
            found = first[partition] if agreed is None else agreed.offset
            if truncated:
                reason = GapReason.TRUNCATED
            elif expected < first[partition]:
                reason = GapReason.RETENTION
            elif expected > last[partition]:
                reason = GapReason.RESET
            else:
                self._release(consumer, partition, expected)
                continue
            self._lose(consumer, Gap(*partition, expected, found, reason))

    def _look_up_positions(self) -> None:
        for partition in self.partitions() - self._held:
            try:
                position = self._consumer.position(KafkaPartition(*partition), timeout_ms=0)
            except KafkaError:
                continue
            if position is not None:
                self._positions[partition] = position

    def _block(self, consumer: Any, partition: KafkaPartition, rows: Sequence[Any]) -> Block:
        if not self._own_parser:
            rows = [plain(record) for record in rows]
        offsets, times, keys, values, headers = zip(*rows, strict=True)
        try:
            next_offset = max(consumer.position(partition, timeout_ms=0) or 0, offsets[-1] + 1)
        except KafkaError:
            next_offset = offsets[-1] + 1
        self._positions[TopicPartition(*partition)] = next_offset
        return Block(
            topic=partition.topic,
            partition=partition.partition,
            values=values,
            offsets=np.array(offsets, dtype=np.int64),
            timestamps=np.array(times, dtype=np.int64),
            next_offset=next_offset,
            keys=keys,
            headers=headers if any(headers) else None,
        )

    def _address(self) -> str:
        return ", ".join(self.reading.access.brokers)

    def _unreachable(self, client: Client | None) -> SourceError:
        if client is not None and client.refusal is not None:
            return self._in_words(client.refusal)
        access = self.reading.access
        return diagnosis(access.brokers, tls_context(access.tls) if access.tls else None)

    def _in_words(self, error: Exception) -> SourceError:
        return in_words(error, self.reading.access)


def _ours(partitions: Iterable[KafkaPartition]) -> Iterator[TopicPartition]:
    return (TopicPartition(each.topic, each.partition) for each in partitions)

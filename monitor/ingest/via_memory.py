"""Events from lists: for tests and for replay of what is already in memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.events import Block, TopicPartition
from monitor.ingest.gap import Gap, GapReason
from monitor.ingest.source import NOT_KNOWN


@dataclass(frozen=True, slots=True)
class Record:
    """One record to be handed in."""

    value: bytes | None
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class MemorySource:
    """A `Source` over records by topic-partition, in the order of their offsets. Finished at the end, unless `live`.

    Partitions take turns in who comes first. Beyond the protocol: `append`, `forget` (as retention does), `positions`, `gaps`.
    """

    def __init__(
        self, contents: Mapping[TopicPartition, Sequence[Record | bytes | None]], *, live: bool = False
    ) -> None:
        self._live = live
        self._records: dict[TopicPartition, list[Record]] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._kept_from: dict[TopicPartition, int] = {}
        self._paused: frozenset[TopicPartition] = frozenset()
        self._gaps: list[Gap] = []
        self._turn = 0
        for partition, held in contents.items():
            self._records[partition] = []
            self._ends[partition] = 0
            self.append(partition, held)

    def append(self, partition: TopicPartition, contents: Iterable[Record | bytes | None]) -> None:
        """Add records, or bodies that get the next offsets. A new partition begins. Raises `ValueError` on offsets that go back."""
        held = self._records.setdefault(partition, [])
        for each in contents:
            end = self._ends.get(partition, 0)
            record = each if isinstance(each, Record) else Record(each, end)
            if record.offset < end:
                raise ValueError(f"{partition}: offset {record.offset} after {end - 1}")
            held.append(record)
            self._ends[partition] = record.offset + 1
        self._ends.setdefault(partition, 0)

    def forget(self, partition: TopicPartition, before: int) -> None:
        """Drop the records before an offset."""
        self._records[partition] = [record for record in self._records[partition] if record.offset >= before]
        self._kept_from[partition] = before

    def poll(self, max_records: int, timeout_ms: int) -> Sequence[Block]:  # noqa: ARG002 - nothing to wait for
        """At most `max_records` records."""
        order = sorted(self._records)
        self._turn += 1
        blocks: list[Block] = []
        for i in range(len(order)):
            partition = order[(i + self._turn) % len(order)]
            if partition in self._paused or max_records <= 0:
                continue
            held = self._records[partition]
            first = bisect_left(held, self._position(partition), key=_offset)
            rows = held[first : first + max_records]
            if rows:
                max_records -= len(rows)
                blocks.append(_block(partition, rows))
                self._positions[partition] = rows[-1].offset + 1
        return blocks

    def partitions(self) -> frozenset[TopicPartition]:
        """All that it holds."""
        return frozenset(self._records)

    def positions(self) -> Mapping[TopicPartition, int]:
        """Where reading goes on, by partition."""
        return {partition: self._positions.get(partition, 0) for partition in self._records}

    def behind(self) -> Mapping[TopicPartition, int]:
        """Offsets between the position and the end."""
        return {partition: max(0, end - self._positions.get(partition, 0)) for partition, end in self._ends.items()}

    def gaps(self) -> Sequence[Gap]:
        """Records that were missed since the last call."""
        drained, self._gaps = self._gaps, []
        return drained

    def finished(self) -> bool:
        """All records were given, and no more are to come."""
        return not self._live and not any(self.behind().values())

    def identities(self) -> Mapping[str, str]:
        """None."""
        return NOT_KNOWN

    def seek(self, positions: Mapping[TopicPartition, int], identities: Mapping[str, str] = NOT_KNOWN) -> None:  # noqa: ARG002
        """Where to read on, by partition; also for partitions that come later."""
        self._positions.update(positions)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop reading these; any others that were paused go on."""
        self._paused = frozenset(partitions)

    def close(self) -> None:
        """Nothing to let go of."""

    def _position(self, partition: TopicPartition) -> int:
        """Where to read; past a gap, which is noted."""
        position = self._positions.get(partition, 0)
        kept_from = self._kept_from.get(partition, 0)
        if position < kept_from:
            self._gaps.append(Gap(*partition, position, kept_from, GapReason.RETENTION))
            self._positions[partition] = position = kept_from
        return position


def _offset(record: Record) -> int:
    return record.offset


def _block(partition: TopicPartition, rows: Sequence[Record]) -> Block:
    return Block(
        topic=partition.topic,
        partition=partition.partition,
        values=[record.value for record in rows],
        offsets=np.array([record.offset for record in rows], dtype=np.int64),
        timestamps=np.array([record.timestamp for record in rows], dtype=np.int64),
        next_offset=rows[-1].offset + 1,
        keys=[record.key for record in rows],
        headers=[record.headers for record in rows] if any(record.headers for record in rows) else None,
    )

"""Events from files: a replay of history."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from monitor.events import Block, TopicPartition
from monitor.ingest.gap import Gap
from monitor.ingest.source import NOT_KNOWN, SourceRefused
from monitor.ingest.via_files.lines import lines


def untimed(_topic: str, _value: bytes) -> int:
    """The record time of a line when nothing else is known: 0."""
    return 0


class FileSource:
    """A `Source` over files: the i-th file of a topic is its partition i, a line or row a record, its index the offset.

    Empty lines are no records, but have an offset. `timestamp(topic, value)` gives a record's time, ms since the epoch.
    Files are read as a stream; one file is open for each partition that was begun and not ended. Partitions take equal shares
    of a poll. Finished when every file is at its end: lines that are added later are not read. A file that cannot be read is refused
    at the poll that comes to the fault, with the file and the line; what came before it was given.
    """

    def __init__(self, topics: Mapping[str, Sequence[Path]], timestamp: Callable[[str, bytes], int] = untimed) -> None:
        self._timestamp = timestamp
        self._readers = {
            TopicPartition(topic, i): _Reader(Path(path))
            for topic, paths in topics.items()
            for i, path in enumerate(paths)
        }
        self._paused: frozenset[TopicPartition] = frozenset()
        self._turn = 0

    def poll(self, max_records: int, timeout_ms: int) -> Sequence[Block]:  # noqa: ARG002 - nothing to wait for
        """At most `max_records` records, in equal shares of the files that have any left. Raises `SourceRefused`."""
        reading = [each for each in sorted(self._readers) if each not in self._paused and not self._readers[each].ended]
        if not reading:
            return ()
        self._turn += 1
        blocks: list[Block] = []
        for i in range(len(reading)):
            partition = reading[(i + self._turn) % len(reading)]
            share = max_records // (len(reading) - i) if i < len(reading) - 1 else max_records
            share = share or min(1, max_records)
            try:
                rows, next_offset = self._readers[partition].take(share)
            except SourceRefused:
                if blocks:
                    break
                raise
            if rows:
                max_records -= len(rows)
                blocks.append(self._block(partition, rows, next_offset))
        return blocks

    def partitions(self) -> frozenset[TopicPartition]:
        """One for each file."""
        return frozenset(self._readers)

    def positions(self) -> Mapping[TopicPartition, int]:
        """The next line, by partition."""
        return {partition: reader.position for partition, reader in self._readers.items()}

    def gaps(self) -> Sequence[Gap]:
        """None: a file that lacks a line ends there."""
        return ()

    def behind(self) -> Mapping[TopicPartition, int]:
        """0 for files at their end. How many lines are left in the others is not known."""
        return {partition: 0 for partition, reader in self._readers.items() if reader.ended}

    def finished(self) -> bool:
        """Every file is at its end."""
        return all(reader.ended for reader in self._readers.values())

    def identities(self) -> Mapping[str, str]:
        """None: a file is what stands under its name."""
        return NOT_KNOWN

    def seek(self, positions: Mapping[TopicPartition, int], identities: Mapping[str, str] = NOT_KNOWN) -> None:  # noqa: ARG002
        """The line to read on at, by partition; the lines before are skipped at the next poll. Unknown partitions have no effect."""
        for partition in self._readers.keys() & positions.keys():
            self._readers[partition].seek(positions[partition])

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop reading these; any others that were paused go on."""
        self._paused = frozenset(partitions)

    def close(self) -> None:
        """Close the files. Idempotent."""
        for reader in self._readers.values():
            reader.close()

    def _block(self, partition: TopicPartition, rows: Sequence[tuple[int, bytes]], next_offset: int) -> Block:
        offsets, values = zip(*rows, strict=True)
        times = [self._timestamp(partition.topic, value) for value in values]
        return Block(
            topic=partition.topic,
            partition=partition.partition,
            values=values,
            offsets=np.array(offsets, dtype=np.int64),
            timestamps=np.array(times, dtype=np.int64),
            next_offset=next_offset,
        )


class _Reader:
    """One file: `position` is the next line, `ended` that there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self.ended = False
        self._line = 0
        self._lines: Generator[bytes] | None = None

    def take(self, count: int) -> tuple[list[tuple[int, bytes]], int]:
        """The next `count` records, fewer only at the end or before a fault; and the next position."""
        rows: list[tuple[int, bytes]] = []
        try:
            for row in islice(self._records(), count):
                rows.append(row)
                self.position = row[0] + 1
        except (OSError, EOFError, ValueError, zlib.error) as error:
            line = self._line + 1
            self.close()
            if not rows:
                raise SourceRefused(f"{self.path}, line {line}: cannot be read: {_reason(error)}") from error
        return rows, self.position

    def seek(self, position: int) -> None:
        """Go on at this line."""
        if position < self._line:
            self.close()
        self.position = position
        self.ended = False

    def close(self) -> None:
        """Close the file; `take` opens it again and finds its place."""
        if self._lines is not None:
            self._lines.close()
        self._lines = None
        self._line = 0

    def _records(self) -> Iterator[tuple[int, bytes]]:
        if self._lines is None:
            self._lines = lines(self.path)
            self._line = 0
        for value in self._lines:
            index = self._line
            self._line += 1
            if value and index >= self.position:
                yield index, value
        self.position = max(self.position, self._line)
        self.ended = True
        self.close()


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)

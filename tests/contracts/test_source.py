"""One suite over every source: memory, files, and a real Kafka with both parsers."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from monitor.events import Block, TopicPartition
from monitor.ingest.gap import Gap
from monitor.ingest.source import Source
from monitor.ingest.via_files import FileSource
from monitor.ingest.via_kafka import KafkaAccess, KafkaReading, KafkaSource
from monitor.ingest.via_memory import MemorySource

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

POLLS = 60


class SourceWithPositions(Source, Protocol):
    def positions(self) -> Mapping[TopicPartition, int]: ...


class SourceWithGaps(Source, Protocol):
    def gaps(self) -> Sequence[Gap]: ...


class Bench(ABC):
    """Fills one topic and makes sources that read it from the start; `topic` is named by the bench."""

    topic = "events"

    def __init__(self) -> None:
        self.opened: list[Source] = []

    @abstractmethod
    def fill(self, *partitions: Sequence[bytes]) -> None:
        """Write these values into the topic, a sequence a partition."""

    @abstractmethod
    def make(self) -> SourceWithPositions:
        """A source of the topic."""

    def open(self) -> SourceWithPositions:
        source = self.make()
        self.opened.append(source)
        return source

    def at(self, partition: int) -> TopicPartition:
        return TopicPartition(self.topic, partition)

    def close(self) -> None:
        for source in self.opened:
            source.close()


class MemoryBench(Bench):
    def fill(self, *partitions: Sequence[bytes]) -> None:
        self.contents = {self.at(i): list(values) for i, values in enumerate(partitions)}

    def make(self) -> SourceWithPositions:
        return MemorySource(self.contents)


class FileBench(Bench):
    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    def fill(self, *partitions: Sequence[bytes]) -> None:
        self.paths = [self.directory / f"{i}.jsonl" for i in range(len(partitions))]
        for path, values in zip(self.paths, partitions, strict=True):
            path.write_bytes(b"".join(value + b"\n" for value in values))

    def make(self) -> SourceWithPositions:
        return FileSource({self.topic: self.paths})


class KafkaBench(Bench):
    def __init__(self, cluster: KafkaCluster, *, own_parser: bool) -> None:
        super().__init__()
        self.cluster = cluster
        self.own_parser = own_parser
        self.topic = f"events-{uuid.uuid4().hex[:12]}"

    def fill(self, *partitions: Sequence[bytes]) -> None:
        self.cluster.create_topic(self.topic, partitions=len(partitions))
        for i, values in enumerate(partitions):
            self.cluster.produce(self.topic, values, partition=i)

    def make(self) -> KafkaSource:
        access = KafkaAccess(tuple(self.cluster.bootstrap))
        return KafkaSource(KafkaReading(access, (self.topic,), start="earliest", own_parser=self.own_parser))


REAL = [pytest.param("kafka", marks=pytest.mark.kafka), pytest.param("kafka, client's parser", marks=pytest.mark.kafka)]


@pytest.fixture(params=["memory", "files", *REAL])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made: Bench
    if request.param == "memory":
        made = MemoryBench()
    elif request.param == "files":
        made = FileBench(tmp_path)
    else:
        made = KafkaBench(request.getfixturevalue("kafka_cluster"), own_parser=request.param == "kafka")
    yield made
    made.close()


Rows = dict[TopicPartition, list[tuple[int, bytes | None]]]


def read(source: Source, count: int, max_records: int = 100) -> Rows:
    """Offsets and values by partition, until `count` records came. Fails if they do not come."""
    rows: Rows = defaultdict(list)
    for _ in range(POLLS):
        for block in source.poll(max_records, 500):
            rows[block.source] += zip(block.offsets.tolist(), block.values, strict=True)
        if sum(map(len, rows.values())) >= count:
            return rows
    pytest.fail(f"{sum(map(len, rows.values()))} of {count} records after {POLLS} polls")


def numbered(start: int, end: int, mark: str = "") -> list[bytes]:
    return [b'{"n": "%s%d"}' % (mark.encode(), i) for i in range(start, end)]


def expected(start: int, end: int, mark: str = "") -> list[tuple[int, bytes | None]]:
    return list(zip(range(start, end), numbered(start, end, mark), strict=True))


def test_every_record_comes_once_and_in_order_of_its_partition(bench: Bench) -> None:
    bench.fill(numbered(0, 50, "a"), numbered(0, 30, "b"))
    rows = read(bench.open(), 80, max_records=7)
    assert rows == {bench.at(0): expected(0, 50, "a"), bench.at(1): expected(0, 30, "b")}


def test_a_poll_never_gives_more_records_than_asked_for(bench: Bench) -> None:
    bench.fill(numbered(0, 20), numbered(0, 20), numbered(0, 20))
    source = bench.open()
    sizes = []
    for _ in range(POLLS):
        sizes.append(sum(map(len, source.poll(5, 500))))
        if sum(sizes) == 60:
            break
    assert sum(sizes) == 60
    assert max(sizes) == 5


def test_reading_goes_on_at_the_next_offset_of_the_last_block(bench: Bench) -> None:
    bench.fill(numbered(0, 10))
    source = bench.open()
    blocks: list[Block] = []
    for _ in range(POLLS):
        blocks += source.poll(3, 500)
        if len(blocks) == 4:
            break
    assert [block.next_offset for block in blocks] == [3, 6, 9, 10]
    assert [int(block.offsets[0]) for block in blocks] == [0, 3, 6, 9]
    assert source.positions() == {bench.at(0): 10}


def test_a_seek_before_the_first_poll_decides_where_a_partition_starts(bench: Bench) -> None:
    bench.fill(numbered(0, 10), numbered(0, 10))
    source = bench.open()
    source.seek({bench.at(1): 6})
    assert read(source, 14) == {bench.at(0): expected(0, 10), bench.at(1): expected(6, 10)}


def test_a_seek_back_gives_the_same_records_again_and_moves_only_its_partition(bench: Bench) -> None:
    bench.fill(numbered(0, 10), numbered(0, 10))
    source = bench.open()
    read(source, 20)
    source.seek({bench.at(0): 4})
    assert read(source, 6) == {bench.at(0): expected(4, 10)}


def test_a_seek_forward_leaves_records_out(bench: Bench) -> None:
    bench.fill(numbered(0, 40))
    source = bench.open()
    assert read(source, 3, max_records=3) == {bench.at(0): expected(0, 3)}
    source.seek({bench.at(0): 38})
    assert read(source, 2) == {bench.at(0): expected(38, 40)}


def test_a_paused_partition_is_silent_and_goes_on_where_it_stopped(bench: Bench) -> None:
    bench.fill(numbered(0, 10, "a"), numbered(0, 10, "b"))
    source = bench.open()
    source.pause([bench.at(1)])
    assert read(source, 2, max_records=2) == {bench.at(0): expected(0, 2, "a")}
    source.pause([bench.at(0)])
    assert read(source, 10, max_records=3) == {bench.at(1): expected(0, 10, "b")}
    assert not source.poll(10, 50)
    source.pause([bench.at(1)])
    assert read(source, 8, max_records=3) == {bench.at(0): expected(2, 10, "a")}


def test_a_seek_of_a_paused_partition_counts_when_it_goes_on(bench: Bench) -> None:
    bench.fill(numbered(0, 10))
    source = bench.open()
    read(source, 10)
    source.pause([bench.at(0)])
    source.seek({bench.at(0): 7})
    assert not source.poll(10, 50)
    source.pause([])
    assert read(source, 3) == {bench.at(0): expected(7, 10)}


def test_a_source_that_was_read_to_its_end_is_not_behind(bench: Bench) -> None:
    bench.fill(numbered(0, 10))
    source = bench.open()
    read(source, 10)
    assert not source.poll(10, 50)
    assert source.behind() == {bench.at(0): 0}


def test_all_partitions_are_named_once_it_reads(bench: Bench) -> None:
    bench.fill(numbered(0, 1), numbered(0, 1), numbered(0, 1))
    source = bench.open()
    read(source, 3)
    assert source.partitions() == {bench.at(0), bench.at(1), bench.at(2)}


def test_closing_twice_is_closing_once(bench: Bench) -> None:
    bench.fill(numbered(0, 3))
    source = bench.open()
    read(source, 3)
    source.close()
    source.close()


def test_only_a_source_that_has_an_end_finishes(bench: Bench) -> None:
    bench.fill(numbered(0, 3))
    source = bench.open()
    assert not source.finished()
    read(source, 3)
    assert not source.poll(10, 50)
    assert source.finished() == (not isinstance(bench, KafkaBench))


class SourceThatLost:
    """A source whose partition 0 held ten records, of which the first six are gone."""

    def __init__(self, source: SourceWithGaps, partition: TopicPartition) -> None:
        self.source = source
        self.partition = partition


@pytest.fixture(params=["memory", *REAL])
def lossy(request: pytest.FixtureRequest) -> Iterator[SourceThatLost]:
    if request.param == "memory":
        at = TopicPartition("events", 0)
        memory = MemorySource({at: list(numbered(0, 10))})
        memory.forget(at, 6)
        yield SourceThatLost(memory, at)
        return
    made = KafkaBench(request.getfixturevalue("kafka_cluster"), own_parser=request.param == "kafka")
    made.fill(numbered(0, 10))
    made.cluster.delete_records(made.topic, 6)
    source = made.make()
    yield SourceThatLost(source, made.at(0))
    source.close()


def test_records_deleted_before_they_were_read_are_a_gap_told_once(lossy: SourceThatLost) -> None:
    lossy.source.seek({lossy.partition: 2})
    assert read(lossy.source, 4) == {lossy.partition: expected(6, 10)}
    assert [str(gap) for gap in lossy.source.gaps()] == [
        f"{lossy.partition.topic}[0]: expected offset 2, reading on at 6 (retention)"
    ]
    assert lossy.source.gaps() == []

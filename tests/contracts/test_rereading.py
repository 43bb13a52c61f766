"""Single records are read again from every source, and reading goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.clock import ManualClock
from monitor.rereading import MOST, places_of, reread
from tests.contracts.test_source import POLLS, Bench, FileBench, KafkaBench, MemoryBench, expected, numbered, read

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster


@pytest.fixture(params=["memory", "files", pytest.param("kafka", marks=pytest.mark.kafka)])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Two partitions of thirty records."""
    made: Bench
    if request.param == "memory":
        made = MemoryBench()
    elif request.param == "files":
        made = FileBench(tmp_path)
    else:
        made = KafkaBench(request.getfixturevalue("kafka_cluster"), own_parser=True)
    made.fill(numbered(0, 30, "a"), numbered(0, 30, "b"))
    yield made
    made.close()


def test_the_places_asked_for_come_and_nothing_else_and_then_all_the_rest_once(filled: Bench) -> None:
    source, first, second = filled.open(), filled.at(0), filled.at(1)
    for _ in range(POLLS):
        source.poll(5, 200)
        if min((source.positions().get(p, 0) for p in (first, second)), default=0) >= 5:
            break
    resume = dict(source.positions())
    blocks = reread(source, [(first, 0), (first, 3), (second, 1)], resume, ManualClock())
    assert [(b.source, b.offsets.tolist(), b.values[0]) for b in blocks] == [
        (first, [0], numbered(0, 1, "a")[0]),
        (first, [3], numbered(3, 4, "a")[0]),
        (second, [1], numbered(1, 2, "b")[0]),
    ]
    rest = read(source, 60 - resume[first] - resume[second])
    assert [*rest[first]] == expected(resume[first], 30, "a")
    assert [*rest[second]] == expected(resume[second], 30, "b")


def test_what_is_no_longer_there_and_what_is_not_read_is_left_out(filled: Bench) -> None:
    source, first = filled.open(), filled.at(0)
    read(source, 60)
    assert reread(source, [(first, 30), (filled.at(7), 0)], source.positions(), ManualClock()) == []


@pytest.mark.kafka
def test_a_record_that_retention_has_taken_is_left_out_and_is_no_gap(kafka_cluster: KafkaCluster) -> None:
    bench = KafkaBench(kafka_cluster, own_parser=True)
    bench.fill(numbered(0, 10))
    source = bench.open()
    read(source, 10)
    kafka_cluster.delete_records(bench.topic, 6)
    blocks = reread(source, [(bench.at(0), 2), (bench.at(0), 7)], {bench.at(0): 10}, ManualClock())
    assert [b.offsets.tolist() for b in blocks] == [[7]]
    assert source.gaps() == []
    kafka_cluster.produce(bench.topic, numbered(10, 12))
    assert read(source, 2) == {bench.at(0): expected(10, 12)}
    bench.close()


def test_only_places_are_understood_and_not_too_many() -> None:
    told = [["t", 0, 5], ["t", 0, 5], ["t", 0, -1], ["t", "0", 5], "t:0:5", [1, 2, 3], ["t", 0]]
    assert [(p.topic, p.partition, at) for p, at in places_of({"places": told})] == [("t", 0, 5)]
    assert places_of({}) == places_of({"places": "everything"}) == []
    assert len(places_of({"places": [["t", 0, n] for n in range(MOST + 1)]})) == MOST

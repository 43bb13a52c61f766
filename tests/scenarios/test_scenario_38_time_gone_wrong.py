"""38: one event from the year 2094, one partition idle, one topic an hour behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import app
from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource, Record
from monitor.logs import logger
from monitor.metrics import Metrics
from monitor.selfwatch import SelfWatch
from monitor.store.via_memory import MemoryStore
from monitor.testing import Told, told
from monitor.turns import ModelTurns
from monitor.web.health import Health
from monitor.web.overview import State
from tests.scenarios.world import HOUR, MINUTE, SHARED, START, configured

MODEL = """
model: feed
kind: classifier
window: 10m
predictions: { topic: slates, id: slate, time: at, unit: who, score: score }
outcomes: { click: { topic: clicks, time: at, match: { id: slate }, within: 10m } }
"""
FAR = START + 70 * 365 * 24 * HOUR
MINUTES, FAR_AT, QUIET_FROM = 240, 90, 60


class Live:
    """A daemon's turns of four hours, ten seconds apart, over a topic that is current and one that is an hour behind."""

    def __init__(self, folder: Path, *, far: bool = True) -> None:
        self.plan = configured(folder, MODEL, SHARED)
        self.clock = ManualClock(START)
        self.store = MemoryStore(self.clock)
        self.metrics = Metrics("test")
        watch = SelfWatch(Health(self.clock), self.metrics, logger("test"), self.clock)
        partitions = [TopicPartition("slates", 0), TopicPartition("slates", 1), TopicPartition("clicks", 0)]
        source = MemorySource({p: [] for p in partitions}, live=True)
        self.turns = ModelTurns(Engine(self.plan), source, self.store, self.clock, on_step=watch.step)
        lease = self.store.acquire("daemon", 1 << 50)
        assert lease is not None
        offsets = dict.fromkeys(partitions, 0)
        for minute in range(MINUTES):
            for partition, body in events(minute, far=far):
                source.append(partition, [Record(body, offsets[partition], self.clock.now())])
                offsets[partition] += 1
            for _ in range(6):
                self.turns.turn(lease)
                self.clock.sleep(MINUTE // 6)

    def told(self) -> Told:
        return told(self.store, "feed")

    def counted(self, metric: str, stream: str) -> float | None:
        return self.metrics.registry.get_sample_value(metric, {"model": "feed", "stream": stream})


def events(minute: int, *, far: bool) -> Iterator[tuple[TopicPartition, bytes]]:
    now = START + minute * MINUTE
    for n in range(20):
        partition = n % 2 if minute < QUIET_FROM else 0
        yield (
            TopicPartition("slates", partition),
            f'{{"slate":"s{minute}.{n}","at":{now - n},"who":"u{minute}.{n}","score":{n}}}'.encode(),
        )
    if minute == FAR_AT:
        at = FAR if far else now
        yield TopicPartition("slates", 0), f'{{"slate":"far","at":{at},"who":"far","score":1}}'.encode()
    yield TopicPartition("clicks", 0), f'{{"slate":"s{minute}.0","at":{now - HOUR}}}'.encode()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    return Live(tmp_path_factory.mktemp("far"))


def test_windows_close_as_far_as_the_slowest_topic_has_come_and_no_further(live: Live) -> None:
    ends = [f.end for f in live.told().findings if f.watch == "score"]
    watermark = START + (MINUTES - 1) * MINUTE - HOUR - live.plan.lateness
    assert watermark - live.plan.slot < max(ends) <= watermark
    assert len(ends) == len(set(ends)) > 5


def test_the_event_from_2094_is_a_dead_letter_with_its_reason(live: Live) -> None:
    (reject,) = live.told().rejects
    assert (reject.topic, reject.partition, reject.field) == ("slates", 0, "time")
    assert "ahead of the clock when the record came; at most 300 s are allowed" in reject.reason
    assert live.counted("loopwatch_events_future_total", "predictions") == 1
    assert live.store.status("feed")["rejects"] == 1


def test_the_idle_partition_is_named_and_holds_nothing_back(live: Live) -> None:
    observed = live.store.status("feed")["observed"]
    assert observed["idle"] == [["predictions", "slates", 1]]
    read = [source for source in observed["sources"] if source[0] == "predictions"]
    assert read == [["predictions", "slates", 0], ["predictions", "slates", 1]]


def test_the_lag_that_is_measured_is_that_of_the_topic_behind_not_of_the_idle_partition(live: Live) -> None:
    lag = live.metrics.registry.get_sample_value("loopwatch_watermark_lag_seconds", {"model": "feed"})
    assert lag is not None
    assert 3_600 <= lag <= 3_700


def test_nobody_is_woken_and_the_status_says_what_each_watch_waits_for(live: Live) -> None:
    assert live.told().outbox == []
    rows = {row.watch: row for row in app.overview(live.store, [live.plan], live.clock).models[0].rows}
    assert rows["score"].reason == "learning where to cut: 3,419 of 4,000 units"
    assert rows["freshness.click"].state is State.INSUFFICIENT
    assert rows["freshness.click"].reason.startswith("learning: ")


def test_without_the_event_from_2094_the_findings_are_the_same_but_for_its_unit(live: Live, tmp_path: Path) -> None:
    twin = Live(tmp_path, far=False).told()
    ours = {
        (f.watch, f.start, f.end, f.evidence.standing) for f in live.told().without(["freshness.predictions"]).findings
    }
    theirs = {(f.watch, f.start, f.end, f.evidence.standing) for f in twin.without(["freshness.predictions"]).findings}
    assert ours == theirs

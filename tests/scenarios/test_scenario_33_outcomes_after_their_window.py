"""33: outcomes arrive after their window: counted as late, not joined; cohorts are compared at equal age."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import app
from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource, Record
from monitor.store.via_memory import MemoryStore
from monitor.testing import Told, told
from monitor.turns import ModelTurns
from tests.scenarios.world import MINUTE, START, configured

MODEL = """
model: feed
kind: recommender
window: 10m
predictions: { topic: slates, id: slate, time: at, unit: who }
outcomes: { click: { topic: clicks, time: at, match: { id: slate }, within: 10m } }
cohorts: { field: arm, holdout: { share: 50% } }
metrics: { clicks: { of: click } }
watch:
  clicks: false
  clicks-fall: { detector: { kind: cohort_bounded, holdout_share: 50%, learn_units: 400, page_if_worse_by: 10% }, on: clicks }
"""
MINUTES, A_MINUTE = 300, 20
SLOW = 25 * MINUTE
"""How much later the clicks of one arm are delivered in the bad case: long after they may count."""


class Live:
    """Five hours of a daemon's turns; everybody clicks alike.

    `slow`: clicks of the exposed come late; `told_late`: with the time of their delivery.
    """

    def __init__(self, folder: Path, *, slow: bool, told_late: bool = False) -> None:
        self.plan = configured(folder, MODEL)
        self.clock = ManualClock(START)
        self.store = MemoryStore(self.clock)
        partitions = [TopicPartition("slates", 0), TopicPartition("clicks", 0)]
        source = MemorySource({p: [] for p in partitions}, live=True)
        self.turns = ModelTurns(Engine(self.plan), source, self.store, self.clock)
        lease = self.store.acquire("daemon", 1 << 50)
        assert lease is not None
        coming = sorted(events(slow=slow, told_late=told_late), key=lambda e: e[0])
        offsets = dict.fromkeys(partitions, 0)
        for minute in range(MINUTES + 60):
            until = START + minute * MINUTE
            while coming and coming[0][0] < until:
                at, partition, body = coming.pop(0)
                source.append(partition, [Record(body, offsets[partition], at)])
                offsets[partition] += 1
            self.clock.time = until
            self.turns.turn(lease)

    def told(self) -> Told:
        return told(self.store, "feed")

    def counted(self, name: str) -> int:
        return self.turns.memory.counters[name]

    def clicked(self) -> int:
        """Clicks on predictions that are old enough to be judged."""
        return (self.turns.memory.lanes["click"] - START) // MINUTE * A_MINUTE * 3 // 10


def events(*, slow: bool, told_late: bool) -> Iterator[tuple[int, TopicPartition, bytes]]:
    """(delivery, partition, body)."""
    for n in range(MINUTES * A_MINUTE):
        at = START + n * MINUTE // A_MINUTE
        arm = "exposed" if n % 2 else "holdout"
        body = f'{{"slate":"s{n}","at":{at},"who":"u{n}","arm":"{arm}"}}'.encode()
        yield at, TopicPartition("slates", 0), body
        if n % 20 in (2, 4, 6, 9, 11, 13):  # three of ten, in either arm
            clicked = at + MINUTE
            comes = clicked + (SLOW if slow and arm == "exposed" else 0)
            said = comes if told_late else clicked
            yield comes, TopicPartition("clicks", 0), f'{{"slate":"s{n}","at":{said}}}'.encode()


CLICKS = MINUTES * A_MINUTE * 3 // 10


@pytest.fixture(scope="module")
def in_time(tmp_path_factory: pytest.TempPathFactory) -> Live:
    return Live(tmp_path_factory.mktemp("in-time"), slow=False)


def test_in_time_every_outcome_is_joined_and_nobody_is_told_anything(in_time: Live) -> None:
    assert in_time.counted("click.late") == 0
    assert in_time.counted("click.joined") == in_time.clicked() > CLICKS * 0.8
    assert not [n.title for n in in_time.told().outbox if "clicks" in n.title]


def test_outcomes_delivered_after_their_window_are_counted_as_late_and_not_joined(tmp_path: Path) -> None:
    live = Live(tmp_path, slow=True)
    late = live.counted("click.late")
    assert late > CLICKS // 2 * 0.9
    assert live.counted("click.joined") == live.clicked() // 2, "those of the holdout alone"
    rows = {row.watch: row for row in app.overview(live.store, [live.plan], live.clock).models[0].rows}
    assert "clicks-fall" in rows


def test_outcomes_that_happened_after_their_window_are_taken_in_and_not_joined(tmp_path: Path) -> None:
    live = Live(tmp_path, slow=True, told_late=True)
    assert live.counted("click.late") == 0
    assert live.counted("click.kept") == CLICKS
    assert live.counted("click.joined") == live.clicked() // 2


def test_both_arms_are_compared_at_equal_age_whenever_their_outcomes_come(in_time: Live) -> None:
    """Every judged window holds predictions of both arms that had their whole ten minutes, and no younger ones."""
    judged = [f for f in in_time.told().findings if f.watch == "clicks-fall"]
    assert len(judged) > 10
    a_window = 10 * A_MINUTE // 2
    for finding in judged:
        windows = (finding.end - START) // (10 * MINUTE)
        assert finding.evidence.n["exposed"] == finding.evidence.n["holdout"]
        assert finding.evidence.n["exposed"] <= windows * a_window

"""Dead letters read again after a fix: counted where their window is open, late where it is closed, back if they are still no good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.events import Reject, TopicPartition
from monitor.ingest.via_memory import MemorySource, Record
from monitor.store.protocols import Command, Lease
from monitor.store.via_memory import MemoryStore
from monitor.turns import ModelTurns, TurnLimits
from tests.scenarios.world import MINUTE, SHARED, START, configured

MODEL = """
model: feed
kind: classifier
window: 10m
predictions: {{ topic: slates, id: slate, time: at, unit: who }}
outcomes: {{ buy: {{ topic: orders, time: at, match: {{ id: slate }}, value: {value}, within: {within} }} }}
"""
SLATES, ORDERS = TopicPartition("slates", 0), TopicPartition("orders", 0)
MINUTES, BROKEN_FROM = 60, 20


def events() -> Iterator[tuple[int, TopicPartition, bytes]]:
    """(minute, partition, body): from the twentieth minute on, orders say their price in another place."""
    for minute in range(MINUTES):
        at = START + minute * MINUTE
        for n in range(6):
            yield minute, SLATES, f'{{"slate":"s{minute}.{n}","at":{at + n},"who":"u{n}"}}'.encode()
        price = '"price":5' if minute < BROKEN_FROM else '"price":{"eur":5}'
        yield minute, ORDERS, f'{{"slate":"s{minute}.0","at":{at + 1000},{price}}}'.encode()


class World:
    """One model's turns over an hour of events; its config may change meanwhile."""

    def __init__(self, folder: Path, within: str) -> None:
        self.folder, self.within = folder, within
        self.clock = ManualClock(START)
        self.store = MemoryStore(self.clock)
        lease = self.store.acquire("daemon", 1 << 50)
        assert isinstance(lease, Lease)
        self.lease = lease
        self.source = MemorySource({SLATES: [], ORDERS: []}, live=True)
        self.offsets = {SLATES: 0, ORDERS: 0}
        self.mapped("price")

    def mapped(self, value: str) -> None:
        """Run under a config that finds the price there."""
        self.folder.mkdir(exist_ok=True)
        plan = configured(self.folder, MODEL.format(value=value, within=self.within), SHARED)
        limits = TurnLimits(milliseconds=1)
        self.turns = ModelTurns(Engine(plan), self.source, self.store, self.clock, limits=limits)

    def pass_by(self, first: int, last: int) -> None:
        """Let minutes pass."""
        for minute in range(first, last):
            for when, partition, body in events():
                if when == minute:
                    record = Record(body, self.offsets[partition], self.clock.now())
                    self.source.append(partition, [record])
                    self.offsets[partition] += 1
            self.turns.turn(self.lease)
            self.clock.sleep(MINUTE)
        self.turns.turn(self.lease)

    def requeue(self, *rejects: Reject) -> None:
        places = [[r.topic, r.partition, r.offset] for r in rejects]
        self.store.submit(Command(number=0, model="feed", verb="requeue", arguments={"places": places}))
        self.turns.turn(self.lease)

    @property
    def rejects(self) -> list[Reject]:
        return list(self.store.rejects("feed", limit=1_000))

    def counted(self, what: str) -> int:
        return self.turns.memory.counters[f"buy.{what}"]


def test_after_a_fix_they_count_as_if_they_had_been_read_so_at_first(tmp_path: Path) -> None:
    world = World(tmp_path / "broken", "1d")
    world.pass_by(0, 40)
    assert len(world.rejects) == 40 - BROKEN_FROM
    assert {r.field for r in world.rejects} == {"value"}
    world.mapped("price.eur")
    before = world.counted("kept")
    world.requeue(*world.rejects)
    assert world.rejects == []
    assert world.counted("kept") == before + 40 - BROKEN_FROM
    assert world.counted("late") == 0
    assert world.store.commands("feed") == []
    waiting = sorted(
        int(t)
        for slot in world.turns.memory.pending.slots("buy")
        for t in world.turns.memory.pending.rows("buy", slot).time
    )
    assert waiting == [START + minute * MINUTE + 1000 for minute in range(40)]
    world.pass_by(40, MINUTES)
    assert world.rejects == []
    assert world.counted("kept") == before + MINUTES - BROKEN_FROM


def test_what_is_still_no_good_is_a_dead_letter_once(tmp_path: Path) -> None:
    world = World(tmp_path / "w", "1d")
    world.pass_by(0, 30)
    before = world.rejects
    world.mapped("price.usd.cents")
    world.requeue(*before)
    after = world.rejects
    assert {(r.topic, r.offset) for r in after} <= {(r.topic, r.offset) for r in before}
    assert len(after) == len({r.offset for r in after})
    assert {r.reason for r in after} != {r.reason for r in before} or after == []


def test_those_whose_window_has_closed_are_late(tmp_path: Path) -> None:
    world = World(tmp_path / "w", "10m")
    world.pass_by(0, MINUTES)
    world.mapped("price.eur")
    count, kept = len(world.rejects), world.counted("kept")
    world.requeue(*world.rejects)
    assert world.rejects == []
    assert world.counted("late") > 0
    assert world.counted("late") + world.counted("kept") - kept == count


def test_a_requeue_survives_a_crash_before_its_commit_and_is_taken_once(tmp_path: Path) -> None:
    world = World(tmp_path / "w", "1d")
    world.pass_by(0, 30)
    world.mapped("price.eur")
    letters, kept = world.rejects, world.counted("kept")
    world.turns.forget()
    world.requeue(*letters)
    world.requeue(*letters)
    world.turns.forget()
    world.turns.turn(world.lease)
    assert world.rejects == []
    rows = [
        t for slot in world.turns.memory.pending.slots("buy") for t in world.turns.memory.pending.rows("buy", slot).time
    ]
    assert len(set(rows)) == 30
    assert world.counted("kept") >= kept + len(letters)

"""The same findings, alerts and messages, whatever happens on the way."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from monitor.app import open_store
from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource
from monitor.store.protocols import OutOfStep
from monitor.store.via_memory import MemoryStore
from monitor.testing import Contents, Run, Told, run_over, told
from monitor.turns import ModelTurns, TurnLimits
from tests.engine.canonical import same_as_loaded
from tests.engine.shop import ARRIVALS, LATENESS, contents, shop_contents, shop_events, shop_plan
from tests.engine.worlds import Failing, OneByOne, Stuttering, Torn

ALL = 1_000_000
SHORT = 2


@pytest.fixture(scope="module")
def reference() -> Told:
    return run_over(shop_plan(), shop_contents())


@pytest.fixture(scope="module")
def short_reference() -> Told:
    return run_over(shop_plan(), shop_contents(SHORT))


def test_the_tape_makes_every_kind_of_watch_speak(reference: Told) -> None:
    """Otherwise the comparisons below would compare nothing."""
    assert {a.watch for a in reference.alerts} == {
        "ages",
        "ages-hint",
        "builds",
        "clicks-fall",
        "clicks-of-regulars",
        "counts-fall",
        "freshness.click",
        "freshness.predictions",
        "holdout",
        "narrowing",
        "scores",
        "wrong",
    }
    assert {n.kind for n in reference.outbox} == {"firing", "escalated", "resolved"}
    assert any(f.evidence.standing == "blind" for f in reference.findings)


@pytest.mark.parametrize("poll_size", [1, 2, 7, ALL])
def test_the_size_of_a_poll_changes_nothing(reference: Told, poll_size: int) -> None:
    assert run_over(shop_plan(), shop_contents(), poll_size=poll_size).lines() == reference.lines()


@pytest.mark.parametrize("turn_size", [7, 60, 1_000, ALL])
def test_the_size_of_a_turn_changes_nothing(reference: Told, turn_size: int) -> None:
    assert run_over(shop_plan(), shop_contents(), turn_size=turn_size).lines() == reference.lines()


def test_a_turn_for_every_record_changes_nothing(short_reference: Told) -> None:
    assert run_over(shop_plan(), shop_contents(SHORT), turn_size=1).lines() == short_reference.lines()


ORDERS = list(itertools.islice(itertools.permutations(sorted(shop_contents())), 0, 720, 131))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "-".join(f"{t[0]}{p}" for t, p in order))
@pytest.mark.parametrize("turn_size", [500, ALL])
def test_the_order_in_which_partitions_are_read_changes_nothing(
    reference: Told, order: tuple[TopicPartition, ...], turn_size: int
) -> None:
    clock = ManualClock()
    source = OneByOne(shop_contents(), order)
    run = Run(shop_plan(), source, MemoryStore(clock), clock, turn_size)
    assert run.to_the_end().lines() == reference.lines()


@pytest.mark.parametrize("poll_size", [11, 400])
def test_a_block_that_is_delivered_again_counts_once(reference: Told, poll_size: int) -> None:
    clock = ManualClock()
    run = Run(shop_plan(), Stuttering(shop_contents()), MemoryStore(clock), clock, poll_size=poll_size)
    again = run.to_the_end()
    assert again.lines() == reference.lines()
    assert again.rejects == reference.rejects


def test_a_record_that_its_producer_sent_twice_counts_once_except_as_an_arrival(reference: Told) -> None:
    twice = contents(e for e in shop_events() for _ in range(2))
    assert run_over(shop_plan(), twice).without(ARRIVALS).lines() == reference.without(ARRIVALS).lines()


def test_a_repeat_that_comes_much_later_counts_once(reference: Told) -> None:
    later = sorted([*shop_events(), *((came + LATENESS // 2, p, body) for came, p, body in shop_events())])
    assert run_over(shop_plan(), contents(later)).without(ARRIVALS).lines() == reference.without(ARRIVALS).lines()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("turn_size", [300, ALL])
def test_records_out_of_order_within_lateness_change_nothing(reference: Told, seed: int, turn_size: int) -> None:
    assert run_over(shop_plan(), shuffled(seed), turn_size=turn_size).lines() == reference.lines()


def shuffled(seed: int) -> Contents:
    """Every record displaced by less than the allowed lateness, in event time; the broker's stamps stay with the records."""
    rng = np.random.default_rng(seed)
    moved = [(came + int(rng.integers(0, LATENESS * 9 // 10)), i) for i, (came, _, _) in enumerate(shop_events())]
    return contents(shop_events()[i] for _, i in sorted(moved))


@pytest.mark.parametrize("turn_size", [60, 700, ALL])
def test_a_restart_after_every_commit_changes_nothing(reference: Told, turn_size: int) -> None:
    clock = ManualClock()
    run = Run(shop_plan(), MemorySource(shop_contents()), MemoryStore(clock), clock, turn_size, restart=True)
    assert run.to_the_end().lines() == reference.lines()


@pytest.mark.parametrize("polls_a_turn", [1, 3])
def test_a_crash_after_every_poll_changes_nothing(reference: Told, polls_a_turn: int) -> None:
    clock = ManualClock()
    run = Run(shop_plan(), Failing(shop_contents()), MemoryStore(clock), clock, 60 * polls_a_turn, 60)
    assert run.to_the_end().lines() == reference.lines()
    assert run.faults > 100


@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after it, the answer lost"])
@pytest.mark.parametrize("turn_size", [60, 700])
def test_a_crash_at_every_second_commit_changes_nothing(reference: Told, committed: bool, turn_size: int) -> None:
    clock = ManualClock()
    store = Torn(clock)
    store.committed = committed
    run = Run(shop_plan(), MemorySource(shop_contents()), store, clock, turn_size)
    assert run.to_the_end().lines() == reference.lines()
    assert run.faults >= 3_500 // turn_size


def test_a_second_daemon_with_an_old_memory_is_refused_and_begins_again_from_what_was_committed(
    reference: Told,
) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    one = Run(shop_plan(), MemorySource(shop_contents()), store, clock, 900)
    other = Run(shop_plan(), MemorySource(shop_contents()), store, clock, 700)
    first, second, lease = one.turns(), other.turns(), one.lease()
    first.turn(lease)
    second.memory.number = 0
    with pytest.raises(OutOfStep, match="step 1 does not follow the last committed step 1"):
        second.turn(lease)
    assert other.to_the_end(second).lines() == reference.lines()


@pytest.mark.parametrize("turn_size", [90, 2_000])
def test_what_was_committed_adds_up_to_the_memory_that_committed_it(turn_size: int) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    source = MemorySource(shop_contents())
    run = Run(shop_plan(), source, store, clock, turn_size)
    limits = TurnLimits(records=turn_size)
    engine = Engine(shop_plan(), arrival_is_event_time=True)
    turns = ModelTurns(engine, source, store, clock, limits=limits, replay=True, on_step=same_as_loaded(store))
    assert len(run.to_the_end(turns).findings) > 300


def test_a_database_tells_what_memory_tells_also_with_restarts(short_reference: Told, tmp_path: Path) -> None:
    clock = ManualClock()
    store = open_store(f"sqlite:///{tmp_path / 'loopwatch.db'}", clock)
    run = Run(shop_plan(), MemorySource(shop_contents(SHORT)), store, clock, 200, restart=True)
    assert run.to_the_end().lines() == short_reference.lines()
    engine = Engine(shop_plan(), arrival_is_event_time=True)
    turns = ModelTurns(engine, MemorySource(shop_contents(SHORT)), store, clock, replay=True)
    same_as_loaded(store)(turns.memory, run.steps[-1], 0.0)
    assert told(store, "shop").lines() == short_reference.lines()
    store.close()

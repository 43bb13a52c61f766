"""Partitions that run ahead wait for the slowest, which never waits for itself."""

from __future__ import annotations

from dataclasses import replace

from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.events import TopicPartition
from monitor.ingest.mapping import Condition
from monitor.ingest.via_memory import MemorySource
from monitor.store.via_memory import MemoryStore
from monitor.testing import Contents, Run, run_over
from monitor.turns import ModelTurns, TurnLimits
from monitor.watch.plan import ModelPlan
from tests.engine.shop import MINUTE, START, contents, event, shop_contents, shop_plan

WAIT_AT_ONCE = TurnLimits(records=50, waiting_rows=0)


def aligned(plan: ModelPlan, held: Contents) -> tuple[Run, ModelTurns]:
    clock = ManualClock()
    run = Run(plan, MemorySource(held), MemoryStore(clock), clock)
    engine = Engine(plan, arrival_is_event_time=True)
    return run, ModelTurns(engine, run.source, run.store, clock, limits=WAIT_AT_ONCE, replay=True)


def test_waiting_for_the_slowest_partition_changes_nothing() -> None:
    run, turns = aligned(shop_plan(), shop_contents(2))
    assert run.to_the_end(turns).lines() == run_over(shop_plan(), shop_contents(2)).lines()


def test_a_partition_whose_other_stream_has_fallen_silent_is_still_read() -> None:
    plan = shop_plan()
    together = tuple(
        replace(m, topic="everything", where=(Condition(("kind",), one_of=(m.stream,)),)) for m in plan.mappings
    )
    events = [event("everything", 0, START, kind="click", slate="s0", at=START)]
    for minute in range(90):
        at = START + minute * MINUTE
        events += [
            event("everything", 0, at, kind="predictions", slate=f"s{minute}.{n}", who=f"u{n}", at=at, shown=[])
            for n in range(10)
        ]
    run, turns = aligned(replace(plan, mappings=together), contents(events))
    run.to_the_end(turns)
    assert turns.memory.counters["predictions.kept"] == 900


def shared_topic() -> tuple[ModelPlan, Contents]:
    """Predictions and clicks in one topic; only one click and one visit ever come, in the first minute."""
    plan = shop_plan()
    together = tuple(
        replace(m, topic="everything", where=(Condition(("kind",), one_of=(m.stream,)),)) for m in plan.mappings
    )
    events = []
    for minute in range(180):
        at = START + minute * MINUTE
        events += [
            event("everything", 0, at, kind="predictions", slate=f"s{minute}.{n}", who=f"u{n}", at=at, shown=[])
            for n in range(20)
        ]
        if not minute:
            events.append(event("everything", 0, at + 30_000, kind="click", slate="s0.0", at=at))
            events.append(event("everything", 0, at + 30_000, kind="visit", who="u1", at=at))
    return replace(plan, mappings=together), contents(events)


def test_a_sparse_stream_on_a_busy_topic_holds_nothing_back_while_the_reader_is_behind() -> None:
    plan, held = shared_topic()
    clock = ManualClock()
    turns = ModelTurns(
        Engine(plan), MemorySource(held), MemoryStore(clock), clock, limits=TurnLimits(records=1_800, poll_records=600)
    )
    lease = turns.store.acquire("daemon", 1 << 50)
    assert lease is not None
    most = 0
    while turns.source.behind()[TopicPartition("everything", 0)]:
        turns.turn(lease)
        most = max(most, len(turns.memory.pending))
    clocks = {s: at for (s, _, _), at in turns.memory.clocks.items()}
    assert clocks["click"] >= clocks["predictions"] - 2 * MINUTE
    assert turns.memory.lanes["click"] > START + 120 * MINUTE
    assert most < 3_600

"""Watches do not know of each other, and begin again alone; what people ask for is done once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from detectors.evidence import Standing
from detectors.numeric_shift import NumericShiftParams
from monitor.alerting.alert import Kind, Notification, Phase
from monitor.alerting.policy import Policy
from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.events import TopicPartition
from monitor.ingest.mapping import PREDICTIONS
from monitor.ingest.via_memory import MemorySource, Record
from monitor.store.protocols import Command
from monitor.store.via_memory import MemoryStore
from monitor.testing import Run, Told, run_over, told
from monitor.turns import ModelTurns
from monitor.watch.plan import DAY, ModelPlan
from tests.engine.shop import DISTURBED_FROM, MINUTE, START, shop_contents, shop_plan, watch_of, with_watches

RESTARTED = NumericShiftParams(sample_units=200, learn_units=300, learn_windows=5, min_units=30, eps=0.1)


@pytest.fixture(scope="module")
def reference() -> Told:
    return run_over(shop_plan(), shop_contents())


def split_run(
    minute: int, then: ModelPlan, *commands: Command, first: ModelPlan | None = None
) -> tuple[Told, MemoryStore]:
    """The shop's plan (or `first`) until windows are closed up to a minute of the tape, and from there `then`, on the same store."""
    clock = ManualClock()
    store = MemoryStore(clock)
    run = Run(first or shop_plan(), MemorySource(shop_contents()), store, clock, 20)
    turns, lease = run.turns(), run.lease()
    while turns.memory.lanes.get(PREDICTIONS, 0) < START + minute * MINUTE:
        turns.turn(lease)
    for command in commands:
        store.submit(command)
    return Run(then, MemorySource(shop_contents()), store, clock, 20).to_the_end(), store


def test_adding_and_removing_watches_changes_nothing_for_the_others(reference: Told) -> None:
    plan = shop_plan()
    added = replace(watch_of(plan, "scores"), key="scores-too", params=RESTARTED)
    more = run_over(with_watches(plan, [added, *plan.watches]), shop_contents())
    assert more.without(["scores-too"]).lines() == reference.lines()
    assert any(a.watch == "scores-too" for a in more.alerts)
    fewer = run_over(with_watches(plan, (w for w in plan.watches if w.key not in ("ages", "scores"))), shop_contents())
    assert fewer.lines() == reference.without(["ages", "scores"]).lines()


def test_a_watch_that_still_learns_says_what_it_would_find_and_by_when(reference: Told) -> None:
    own = [f for f in reference.findings if f.watch == "scores" and f.evidence.standing is Standing.INSUFFICIENT]
    counting = [f for f in own if f.evidence.n["reference"]]
    assert len(counting) > 2
    for finding in counting[1:]:
        assert "at this pace a shift of " in finding.evidence.reason
        assert finding.evidence.reason.endswith(" KS or more would be found within 28 days")
        assert 0.1 < finding.evidence.detail["smallest_effect"] < 1
        assert finding.end + 28 * DAY <= finding.evidence.detail["smallest_by"] < finding.end + 29 * DAY


def test_a_restart_under_the_same_plan_changes_nothing(reference: Told) -> None:
    after, _ = split_run(DISTURBED_FROM + 20, shop_plan())
    assert after.lines() == reference.lines()


def test_a_watch_whose_parameters_change_begins_again_alone_and_its_alert_is_closed(reference: Told) -> None:
    plan = shop_plan()
    changed = replace(watch_of(plan, "scores"), params=RESTARTED)
    then = with_watches(plan, (changed if w.key == "scores" else w for w in plan.watches))
    after, _ = split_run(DISTURBED_FROM + 20, then)
    assert after.without(["scores"]).lines() == reference.without(["scores"]).lines()
    (closed,) = [a for a in after.alerts if a.watch == "scores"]
    assert (closed.phase, closed.frozen) == (Phase.RESOLVED, "the watch was restarted with other parameters")
    modes = [f.evidence.mode for f in after.findings if f.watch == "scores" and f.incarnation == changed.incarnation]
    assert modes[0] == "learning"
    assert modes[-1] == "watching"


def closings(store: MemoryStore) -> list[Notification]:
    return [row.notification for row, _ in store.notifications() if row.notification.kind is Kind.CLOSED]


def test_a_watch_that_is_removed_takes_its_alert_with_it_and_says_so_where_the_alert_was_told() -> None:
    plan = shop_plan()
    without = with_watches(plan, (w for w in plan.watches if w.key != "scores"))
    after, store = split_run(DISTURBED_FROM + 20, without)
    (closed,) = [a for a in after.alerts if a.watch == "scores"]
    assert (closed.phase, closed.frozen) == (Phase.RESOLVED, "the watch was removed from the config")
    opened = {r.notification.destination for r, _ in store.notifications() if r.notification.alert == closed.id}
    (message,) = closings(store)
    assert {message.destination} == opened
    assert message.title.endswith(": closed, not recovered")
    assert message.text.startswith(
        "Closed: the watch was removed from the config. Whether it recovered is not known, and nobody looks any more."
    )


def test_a_watch_that_is_restarted_says_so_where_its_alert_was_told() -> None:
    plan = shop_plan()
    changed = replace(watch_of(plan, "scores"), params=RESTARTED)
    _, store = split_run(
        DISTURBED_FROM + 20, with_watches(plan, (changed if w.key == "scores" else w for w in plan.watches))
    )
    (message,) = closings(store)
    assert "Closed: the watch was restarted with other parameters." in message.text


def test_nobody_hears_of_an_alert_that_ends_unheard() -> None:
    plan = shop_plan()
    held = replace(watch_of(plan, "scores"), policy=Policy(hold_for_ms=DAY))
    pending = with_watches(plan, (held if w.key == "scores" else w for w in plan.watches))
    without = with_watches(plan, (w for w in plan.watches if w.key != "scores"))
    after, store = split_run(DISTURBED_FROM + 20, without, first=pending)
    (closed,) = [a for a in after.alerts if a.watch == "scores"]
    assert closed.phase is Phase.RESOLVED
    assert not closings(store)


def test_a_gate_goes_with_the_watch_that_shut_it() -> None:
    plan = shop_plan()
    then = with_watches(plan, (w for w in plan.watches if w.key != "holdout"))
    after, _ = split_run(340, then)
    blind = [f.end for f in after.findings if f.evidence.standing == "blind"]
    assert blind
    assert max(blind) <= START + 340 * MINUTE


def test_a_watch_that_is_rearmed_between_two_windows_begins_afresh_with_the_next(reference: Told) -> None:
    (alert,) = [a for a in reference.alerts if a.watch == "scores"]
    assert alert.phase is Phase.FIRING
    command = Command(number=0, model="shop", verb="rearm", target="scores")
    after, store = split_run(DISTURBED_FROM + 22, shop_plan(), command)
    first = min((a for a in after.alerts if a.watch == "scores"), key=lambda a: a.opened_at)
    assert first.id == alert.id
    assert first.phase is Phase.RESOLVED
    assert after.without(["scores"]).lines() == reference.without(["scores"]).lines()
    assert not store.commands("shop")


def test_an_event_from_2094_is_rejected_with_the_reason_and_moves_no_watermark(reference: Told) -> None:
    (far,) = [r for r in reference.rejects if r.field == "time"]
    assert (far.topic, far.partition) == ("slates", 1)
    assert (
        far.reason == "event time is 630,718,800 s ahead of the clock when the record came; at most 300 s are allowed"
    )
    without = {
        where: [Record(b"{}", r.offset, r.timestamp) if b'"far"' in (r.value or b"") else r for r in records]
        for where, records in shop_contents().items()
    }
    assert run_over(shop_plan(), without).lines() == reference.lines()


def test_rows_that_come_too_late_are_counted_and_not_used(reference: Told) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    run = Run(shop_plan(), MemorySource(shop_contents()), store, clock)
    turns = run.turns()
    run.to_the_end(turns)
    counters = turns.memory.counters
    assert (counters["predictions.late"], counters["visit.late"], counters["click.late"]) == (1, 1, 0)
    assert (counters["predictions.ahead"], counters["click.rejected"]) == (1, 1)
    assert counters["predictions.repeated"] > 100
    for stream, topic in (("predictions", "slates"), ("click", "clicks"), ("visit", "visits")):
        held = sum(len(records) for where, records in shop_contents().items() if where.topic == topic)
        accounted = sum(counters[f"{stream}.{what}"] for what in ("kept", "late", "ahead", "rejected"))
        assert counters[f"{stream}.read"] == accounted == held
    on_time = {
        where: [r for r in records if b'"old"' not in (r.value or b"")] for where, records in shop_contents().items()
    }
    assert run_over(shop_plan(), on_time).lines() == told(store, "shop").lines() == reference.lines()


def test_a_producer_whose_clock_is_fast_moves_no_watermark() -> None:
    """Its stamp agrees with its event time; our wall time when the record came does not."""
    held = list(shop_contents(1)[TopicPartition("slates", 0)])
    fast = json.dumps({"slate": "fast", "who": "u9", "at": START + 180 * MINUTE}).encode()
    held.insert(20, Record(fast, 0, START + 180 * MINUTE))
    held = [Record(r.value, i, r.timestamp) for i, r in enumerate(held)]
    clock = ManualClock(START + 60 * MINUTE)
    source = MemorySource({TopicPartition("slates", 0): held}, live=True)
    turns = ModelTurns(Engine(shop_plan()), source, MemoryStore(clock), clock)
    lease = turns.store.acquire("daemon", 1 << 50)
    assert lease is not None
    step = turns.turn(lease)
    assert step is not None
    assert [r.reason for r in step.rejects if r.offset == 20] == [
        "event time is 7,200 s ahead of the clock when the record came; at most 300 s are allowed"
    ]
    assert max(turns.memory.clocks.values()) <= START + 65 * MINUTE
    assert turns.memory.counters["predictions.ahead"] >= 1
    assert step.observed["received"] == START + 60 * MINUTE

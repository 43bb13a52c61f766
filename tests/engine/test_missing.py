"""What is missing of the data is told with every finding it touches, and once by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from detectors.evidence import Standing
from monitor.app import read_config
from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.engine.missing import INTAKE
from monitor.events import TopicPartition
from monitor.ingest.gap import Gap, GapReason
from monitor.ingest.via_memory import MemorySource, Record
from monitor.memory import load
from monitor.store.protocols import Image
from monitor.store.via_memory import MemoryStore
from monitor.testing import Run, Told, run_over
from monitor.watch.finding import Origin
from monitor.watch.plan import DAY, Caps
from tests.engine import uneven
from tests.engine.shop import MINUTE, START, contents, event, shop_contents, shop_plan, watch_of, with_watches

HOURS = 2
CAPPED = replace(shop_plan(), caps=Caps(units=600))
ONE_TOPIC = """
kafka: { brokers: ["localhost:9092"] }
notify: { oncall: "json://localhost:1/" }
model: feed
kind: classifier
predictions: { topic: all, where: { what: slate }, id: slate, time: at, unit: who }
outcomes: { click: { topic: all, where: { what: click }, time: at, match: { id: slate }, within: 10m } }
"""
FULL = "the table of units is full at 600: units that came later are compared nowhere"
SEGMENTED = {"topic": "shown", "id": "id", "time": "at", "unit": "who", "segments": {"app": "app"}}
ARMS = ("exposed", "holdout")
SLATES = TopicPartition("slates", 1)
BY_THE_DAY = {"attrition", "tail_collapse", "churn"}
"""Watches of the shop whose windows are a day."""


def intake(told: Told) -> list[tuple[Standing, str]]:
    return [(f.evidence.standing, f.evidence.reason) for f in told.findings if f.watch == INTAKE]


@pytest.fixture(scope="module")
def capped() -> Told:
    return run_over(CAPPED, shop_contents(HOURS))


def test_a_table_that_is_full_is_told_once_and_with_every_finding_from_then_on(capped: Told) -> None:
    spoken = [f for f in capped.findings if f.watch == INTAKE]
    told, over = spoken[0], next(f for f in spoken[1:] if FULL not in f.evidence.reason)
    assert (told.evidence.standing, told.origin) == (Standing.INSUFFICIENT, Origin.DATA_QUALITY)
    assert FULL in told.evidence.reason
    assert over.end > START + HOURS * 60 * MINUTE, "as soon as nobody comes any more"
    for finding in capped.findings:
        if finding.watch in ("clicks-fall", "scores", "holdout"):
            assert (FULL in finding.missing) == (finding.end > told.start and finding.start < over.start), finding


@pytest.mark.parametrize("turn_size", [70, 500])
def test_when_a_cap_bites_does_not_depend_on_the_size_of_a_turn(capped: Told, turn_size: int) -> None:
    assert run_over(CAPPED, shop_contents(HOURS), turn_size=turn_size).lines() == capped.lines()


def test_sums_of_people_that_are_full_are_told_with_the_findings_they_touch() -> None:
    told = run_over(replace(shop_plan(), caps=Caps(people=200)), shop_contents(HOURS))
    why = "the table of sums by person is full at 200: of the exposed one in 2 is kept for what those who come back do"
    marked = {f.watch for f in told.findings if why in f.missing}
    assert "clicks-of-regulars" in marked
    assert all("regulars" in name for name in marked), "no other watch looks at sums"


def said(told: Told) -> set[str]:
    return {part for _, reason in intake(told) for part in reason.split("; ")}


@pytest.mark.parametrize(
    ("caps", "why", "kind"),
    [
        (Caps(ids=100), "the ids of predictions are full at 100: repeats", "ids"),
        (Caps(waiting=100), "the predictions that wait for their outcomes are full at 100: only a share", "waiting"),
        (Caps(people=1_000), "the table of sums by person is full at 1,000: people that came later", "sums."),
    ],
)
def test_what_a_cap_keeps_out_is_counted_and_told_whatever_the_turns_and_restarts(
    caps: Caps, why: str, kind: str
) -> None:
    plan, clock = replace(shop_plan(), caps=caps), ManualClock()
    run = Run(plan, MemorySource(shop_contents(HOURS)), MemoryStore(clock), clock, 60, 60, restart=True)
    turns = run.turns()
    told = run.to_the_end(turns)
    assert [reason for reason in said(told) if reason.startswith(why)]
    assert run_over(plan, shop_contents(HOURS)).lines() == told.lines()
    counters = load(plan, run.store.load("shop")).counters
    assert sum(count for name, count in counters.items() if name.startswith(kind) and name.endswith(".folded")) > 0


def test_items_that_a_cap_keeps_out_are_told_with_their_watch_while_it_does() -> None:
    plan = shop_plan()
    narrow = watch_of(plan, "narrowing")
    small = replace(narrow, params=narrow.params.model_copy(update={"max_items": 5}))
    told = run_over(with_watches(plan, (small if w.key == "narrowing" else w for w in plan.watches)), shop_contents(6))
    assert any(reason.startswith("narrowing: ") and "items beyond the cap" in reason for reason in said(told))
    assert {f.watch for f in told.findings if f.missing} == {"narrowing"}


def test_predictions_that_may_not_wait_are_left_out_by_units_and_are_seen_by_all_that_need_no_outcome() -> None:
    whole = run_over(shop_plan(), shop_contents(HOURS))
    told = run_over(replace(shop_plan(), caps=Caps(waiting=100)), shop_contents(HOURS))

    def people(of: Told, watch: str) -> list[int]:
        return [sum(f.evidence.n.values()) for f in of.findings if f.watch == watch]

    assert people(told, "scores") == people(whole, "scores")
    assert 0 < sum(people(told, "clicks-fall")) < sum(people(whole, "clicks-fall"))


def test_nothing_is_told_while_everything_is_taken_in() -> None:
    told = run_over(shop_plan(), shop_contents(HOURS))
    assert not intake(told)
    assert not any(f.missing for f in told.findings)


def test_records_deleted_before_they_were_read_mark_the_windows_they_may_have_belonged_to() -> None:
    clock = ManualClock()
    source = MemorySource(shop_contents(HOURS))
    run = Run(shop_plan(), source, MemoryStore(clock), clock, 60, 60, restart=True)
    turns, lease = run.turns(), run.lease()
    while turns.memory.clocks.get(("predictions", *SLATES), 0) < START + 40 * MINUTE:
        turns.turn(lease)
    position = turns.memory.offsets[SLATES]
    source.forget(SLATES, position + 120)  # about half an hour of this partition
    told = run.to_the_end(turns)

    why = "120 records of slates[1] were deleted by Kafka's retention before they were read"
    assert intake(told) == [(Standing.INSUFFICIENT, why), (Standing.OK, "everything is taken in again")]
    marked = [f for f in told.findings if f.missing and f.watch == "scores"]
    assert {f.missing for f in marked} == {(why,)}
    assert START + 30 * MINUTE <= min(f.start for f in marked) <= START + 40 * MINUTE
    assert START + 70 * MINUTE <= max(f.end for f in marked) <= START + 80 * MINUTE
    assert turns.memory.counters["slates.gaps"] == 1
    assert turns.memory.counters["slates.missed"] == 120
    begun_before = {key for key, window in turns.memory.open.items() if window.start < START + 80 * MINUTE}
    assert begun_before == BY_THE_DAY  # until these windows end, the gap is kept


def test_a_gap_is_forgotten_when_no_window_is_open_that_it_can_touch() -> None:
    clock, plan = ManualClock(), shop_plan()
    brief = with_watches(plan, (w for w in plan.watches if w.key not in BY_THE_DAY))
    source = MemorySource(shop_contents(HOURS))
    run = Run(brief, source, MemoryStore(clock), clock, 60, 60, restart=True)
    turns, lease = run.turns(), run.lease()
    while turns.memory.clocks.get(("predictions", *SLATES), 0) < START + 40 * MINUTE:
        turns.turn(lease)
    source.forget(SLATES, turns.memory.offsets[SLATES] + 120)
    run.to_the_end(turns)
    assert turns.memory.counters["slates.gaps"] == 1
    assert not turns.memory.missing


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_where_a_gap_ends_does_not_depend_on_how_records_are_cut(cut: int, tmp_path: Path) -> None:
    """One topic carries two streams, and the first record after the gap claims to come from the far future."""
    path = tmp_path / "loopwatch.yaml"
    path.write_text(ONE_TOPIC)
    (plan,) = read_config(path).plans.models
    engine, memory = Engine(plan), load(plan, Image())
    bodies = [
        {"slate": "s0", "at": START + 400 * DAY, "who": "u", "what": "slate"},
        {"slate": "s1", "at": START + 2 * MINUTE, "what": "click"},
        {"slate": "s2", "at": START + 7 * MINUTE, "who": "u", "what": "slate"},
    ]
    place = TopicPartition("all", 0)
    engine.lose(memory, Gap(*place, 5, 10, GapReason.RETENTION))
    records = [Record(json.dumps(body).encode(), 10 + i, START + 8 * MINUTE) for i, body in enumerate(bodies)]
    source = MemorySource({place: records})
    source.seek({place: 10})
    while blocks := source.poll(cut, 0):
        engine.ingest(memory, blocks)
    (gap,) = memory.missing
    assert gap.end == START + 2 * MINUTE + plan.lateness


def test_groups_for_which_there_is_no_place_are_told_while_they_come(tmp_path: Path) -> None:
    plan = uneven.plan_of(tmp_path, predictions=SEGMENTED)
    (watch,) = (w for w in plan.watches if w.key == "holdout.by.app")
    few = replace(watch, params=watch.params.model_copy(update={"min_units": 2}))
    people = [(w, g, n) for w in range(5) for g in range(52) for n in range(2 if w < 2 else 1)]
    events = [
        event("shown", 0, at, id=f"{w}.{g}.{n}", who=f"u{w}.{g}.{n}", at=at, arm=ARMS[(g + n) % 2], app=f"v{g:02d}")
        for w, g, n in people
        for at in [START + w * uneven.WINDOW + g * 1_000 + n]
    ]
    told = run_over(with_watches(plan, [few]), contents(events))
    reasons = [f.evidence.reason for f in told.findings if f.watch == INTAKE]
    assert [reason.endswith("all 50 places are taken") for reason in reasons] == [True, False]
    assert [len(f.missing) for f in told.findings if f.watch == "holdout.by.app"] == [1, 1, 0, 0]

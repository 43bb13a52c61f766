"""A model's config changes while it has a memory: streams come and go, windows do not; and stretches without events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors import columns as cols
from detectors.columns import Category, Cohort
from detectors.detector import Stream
from monitor.app import open_store, read_config
from monitor.clock import ManualClock
from monitor.engine import Engine, Observed
from monitor.ingest.mapping import PREDICTIONS, CohortField
from monitor.ingest.via_memory import MemorySource
from monitor.memory import ENROLLED, PlanChanged, Span, enrol, load
from monitor.store.protocols import Command, Image
from monitor.store.verify import verify
from monitor.store.via_memory import MemoryStore
from monitor.testing import Contents, Run, run_over
from monitor.watch.plan import DAY, ModelPlan
from tests.engine.canonical import same_as_loaded
from tests.engine.shop import CONFIG, MINUTE, START, contents, event, shop_contents, shop_plan, watch_of, with_watches


def begun(plan: ModelPlan) -> MemoryStore:
    """A store in which a plan has been at work for the first half of the shop's tape."""
    clock = ManualClock()
    store = MemoryStore(clock)
    run = Run(plan, MemorySource(shop_contents()), store, clock, 20)
    turns, lease = run.turns(), run.lease()
    while turns.memory.lanes.get(PREDICTIONS, 0) < START + 180 * MINUTE:
        turns.turn(lease)
    return store


def without(plan: ModelPlan, outcome: str) -> ModelPlan:
    """The plan before an outcome was added."""
    metrics = {m.name for m in plan.metrics if m.outcome == outcome}
    return replace(
        plan,
        mappings=tuple(m for m in plan.mappings if m.stream != outcome),
        outcomes=tuple(o for o in plan.outcomes if o.name != outcome),
        metrics=tuple(m for m in plan.metrics if m.outcome != outcome),
        watches=tuple(w for w in plan.watches if w.on not in {*metrics, outcome}),
    )


def test_an_outcome_that_is_added_is_watched_from_then_on() -> None:
    store = begun(without(shop_plan(), "visit"))
    told = Run(shop_plan(), MemorySource(shop_contents()), store, ManualClock(), 20).to_the_end()
    assert {f.watch for f in told.findings} >= {"visits-fall", "clicks-fall"}


def test_an_outcome_that_is_removed_leaves_nothing_behind() -> None:
    store = begun(shop_plan())
    fewer = without(shop_plan(), "visit")
    Run(fewer, MemorySource(shop_contents()), store, ManualClock(), 20).to_the_end()
    image = store.load("shop")
    assert not any(chunk.stream == "visit" for chunk in image.chunks)
    memory = load(fewer, image)
    assert not any(source[0] == "visit" for source in memory.clocks)
    assert "visit" not in memory.lanes


def test_predictions_that_waited_for_a_removed_outcome_alone_go_with_it() -> None:
    slow = [replace(o, within=60 * MINUTE) if o.name == "visit" else o for o in shop_plan().outcomes]
    plan = replace(shop_plan(), outcomes=tuple(slow))
    store, fewer = begun(plan), without(plan, "visit")
    run = Run(fewer, MemorySource(shop_contents()), store, ManualClock(), 20)
    turns, lease = run.turns(), run.lease()
    turns.turn(lease)
    oldest = min(turns.memory.lanes[lane] for lane in (PREDICTIONS, "click"))
    assert min(turns.memory.pending.slots(PREDICTIONS)) >= oldest
    assert min(chunk.slot for chunk in store.load("shop").chunks if chunk.stream == PREDICTIONS) >= oldest


def test_people_who_are_assigned_by_another_rule_are_enrolled_anew_and_nobody_is_mixed_up() -> None:
    plan, store = shop_plan(), begun(shop_plan())
    rule = next(m.cohort for m in plan.mappings if m.stream == PREDICTIONS)
    assert isinstance(rule, CohortField)
    other = {Cohort.EXPOSED: Cohort.HOLDOUT, Cohort.HOLDOUT: Cohort.EXPOSED}
    swapped = CohortField(rule.path, tuple((arm, other.get(cohort, cohort)) for arm, cohort in rule.arms))
    mappings = tuple(replace(m, cohort=swapped) if m.stream == PREDICTIONS else m for m in plan.mappings)
    as_before, anew = load(plan, store.load("shop")), load(replace(plan, mappings=mappings), store.load("shop"))
    assert (len(anew.units), len(as_before.units) > 0) == (0, True)
    waiting = [anew.pending.rows(PREDICTIONS, slot) for slot in anew.pending.slots(PREDICTIONS)]
    assert {cohort for rows in waiting for cohort in rows.cohort.tolist()} == {Cohort.UNASSIGNED}
    run = Run(replace(plan, mappings=mappings), MemorySource(shop_contents()), store, ManualClock(), 500)
    turns = run.turns()
    turns.on_step = same_as_loaded(store)
    for _ in range(3):
        turns.turn(run.lease())
    turns.on_step = None
    run.to_the_end(turns)
    assert turns.memory.counters["predictions.crossed"] == as_before.counters["predictions.crossed"]
    assert len(turns.memory.units) > 0


def test_the_time_in_which_nobody_watched_arrivals_is_no_silence() -> None:
    plan = shop_plan()
    unwatched = with_watches(plan, (w for w in plan.watches if w.needs.stream is not Stream.ARRIVALS))
    memory = load(plan, Image())
    memory.arrivals["predictions"] = {MINUTE * i: 20 for i in range(60)}
    world = Observed(now=0, sources=frozenset(), arrivals_until=60 * MINUTE)
    pages = {(p.room, p.key): p for p in Engine(plan).close(memory, (), world).pages}
    between = load(unwatched, Image(number=1, pages=list(pages.values())))
    later = replace(world, arrivals_until=20 * 60 * MINUTE)
    pages |= {(p.room, p.key): p for p in Engine(unwatched).close(between, (), later).pages}
    again = load(plan, Image(number=2, pages=list(pages.values())))
    again.arrivals["predictions"] = {MINUTE * i: 20 for i in range(20 * 60, 21 * 60)}
    step = Engine(plan).close(again, (), replace(world, arrivals_until=21 * 60 * MINUTE))
    assert min(f.start for f in step.findings) == 20 * 60 * MINUTE


def test_a_watch_re_armed_before_its_first_window_closed_is_so_after_a_restart() -> None:
    plan = shop_plan()
    asked = Command(number=1, model="shop", verb="rearm", target="scores")
    step = Engine(plan).close(load(plan, Image()), [asked], Observed(now=0, sources=frozenset()))
    assert load(plan, Image(number=1, pages=step.pages)).rearmed == {"scores"}


def test_what_enrolment_adds_to_rows_is_named() -> None:
    memory = load(replace(shop_plan(), holdout_policies=("popular",)), Image())
    rows = cols.no_rows().having(policy=Category(np.zeros(0, np.int32), ()))
    assert set(enrol(memory, 0, rows).fields) - set(rows.fields) == set(ENROLLED)


def test_another_window_is_refused_with_what_to_do() -> None:
    image = begun(shop_plan()).load("shop")
    with pytest.raises(
        PlanChanged, match=r"shop: its window was 5 min and is now 10 min; .* give the model another name"
    ):
        load(replace(shop_plan(), slot=10 * MINUTE), image)


def test_what_an_outcome_means_belongs_to_the_identity_of_its_watches(tmp_path: Path) -> None:
    path = tmp_path / "loopwatch.yaml"
    path.write_text(CONFIG.replace("within: 10m", "within: 20m").replace("topic: clicks", "topic: clicks2"))
    (plan,) = read_config(path).plans.models
    before = {w.key: w.incarnation for w in shop_plan().watches if w.detector != "freshness"}
    after = {w.key: w.incarnation for w in plan.watches if w.detector != "freshness"}
    assert {key for key in before if before[key] != after[key]} == {
        "clicks-fall",
        "clicks-of-regulars",
        "counts-fall",
        "counts-tail",
        "regulars-part",
        "wrong",
    }


def far_apart(days: int) -> Contents:
    """Two hours of predictions, nothing for so many days, and two hours more."""
    rng = np.random.default_rng(5)
    told = []
    for begin in (START, START + days * DAY):
        for minute in range(120):
            at = begin + minute * MINUTE
            for n in range(4):
                body = {"slate": f"{at}-{n}", "at": at, "who": f"{at}-{n}", "score": float(rng.random()), "age": 30}
                told.append(event("slates", 0, at, **body, arm="exposed", build="1", shown=[{"item": f"i{n}"}]))
    return contents(told)


def test_a_version_after_hundreds_of_others_is_still_noted() -> None:
    told = [
        event("slates", 0, at, slate=f"{i}-{build}", at=at, who=f"u{i}", arm="exposed", build=build)
        for i in range(260)
        for at in [START + i * 5 * MINUTE]
        for build in ("stays", f"b{i:03d}")
    ]
    clock = ManualClock()
    run = Run(with_watches(shop_plan(), ()), MemorySource(contents(told)), MemoryStore(clock), clock)
    turns = run.turns()
    run.to_the_end(turns)
    versions = turns.memory.versions
    assert versions["b258"] == START + 258 * 5 * MINUTE, "the last window is still open"
    assert versions["stays"] == START
    assert len(versions) == 200


def test_a_stretch_of_years_without_events_is_passed_over_and_watching_goes_on() -> None:
    told = run_over(shop_plan(), far_apart(2_500))
    ages = [f for f in told.findings if f.watch == "scores"]
    assert max(f.end for f in ages) > START + 2_500 * DAY
    assert len(ages) < 5_000


def test_a_silence_of_years_in_the_arrivals_is_told_and_passed_over() -> None:
    plan = shop_plan()
    memory = load(plan, Image())
    for stream in ("predictions", "click"):
        memory.arrivals[stream] = {MINUTE * i: 20 for i in range(600)}
    step = Engine(plan).close(memory, (), Observed(now=0, sources=frozenset(), arrivals_until=2_500 * DAY))
    assert {f.watch for f in step.findings if f.evidence.crossing == "page"} == {
        "freshness.predictions",
        "freshness.click",
    }
    assert memory.lanes["arrivals"] >= 2_499 * DAY


def test_a_gate_blinds_the_windows_of_its_trouble_not_those_of_its_alarm() -> None:
    memory = load(shop_plan(), Image())
    memory.gates["holdout"] = [Span(100, 200, "broken once"), Span(500, None, "broken again")]
    assert memory.shut_between(0, 100) == ""
    assert memory.shut_between(90, 110) == "broken once"
    assert memory.shut_between(200, 500) == ""
    assert memory.shut_between(400, 900) == "broken again"
    assert memory.shut_between(150, 501) == "broken once; broken again"


def test_a_detector_whose_parameters_changed_restarts_alone_in_a_stored_model(tmp_path: Path) -> None:
    """Through a file and a restart: the others go on as if nothing had happened, and the audit tells of the change."""
    url = f"sqlite:///{tmp_path / 'loopwatch.db'}"
    plan, clock = shop_plan(), ManualClock()
    first = open_store(url, clock)
    run = Run(plan, MemorySource(shop_contents()), first, clock, 500)
    turns, lease = run.turns(), run.lease()
    while turns.memory.lanes.get(PREDICTIONS, 0) < START + 180 * MINUTE:
        turns.turn(lease)
    first.close()
    milder = replace(
        watch := watch_of(plan, "visits-fall"), params=watch.params.model_copy(update={"learn_units": 500})
    )
    changed = with_watches(plan, [milder if w.key == watch.key else w for w in plan.watches])
    store = open_store(url, clock)
    told = Run(changed, MemorySource(shop_contents()), store, clock, 500).to_the_end()
    undisturbed = run_over(plan, shop_contents())
    assert told.without([watch.key]).lines() == undisturbed.without([watch.key]).lines()
    mine = [f for f in told.findings if f.watch == watch.key]
    assert {f.incarnation for f in mine} == {watch.incarnation, milder.incarnation}
    restarted = next(f for f in mine if f.incarnation == milder.incarnation)
    assert restarted.evidence.mode == "learning"
    assert max(f.end for f in mine if f.incarnation == watch.incarnation) <= restarted.start
    engines = {page.key for page in store.load("shop").pages if page.room == "engine"}
    assert {key for key in engines if key.startswith("visits-fall|")} == {f"visits-fall|{milder.incarnation}"}
    configs = [entry for link in store.links("shop") for entry in link.read() if entry.kind == "config"]
    assert len(configs) == 2
    assert verify(store, "shop").faults == []
    store.close()

"""Experiments of every kind at once: the same verdicts, whatever happens on the way."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource
from monitor.store.via_memory import MemoryStore
from monitor.testing import Run, Told, run_over
from monitor.turns import ModelTurns, TurnLimits
from monitor.watch.plan import ModelPlan
from tests.engine.canonical import same_as_loaded
from tests.engine.shop import LATENESS, MINUTE, START, contents, event, of_experiments, plan_of

MODEL = """
model: feed
kind: recommender
window: 5m
predictions:
  { topic: slates, id: slate, time: at, unit: who, variant: arm, role: role, request_id: request, error_code: error,
    latency_ms: took, score: score, items: { each: shown, id: item, team: ranker },
    features: { country: { path: country, type: category } } }
outcomes:
  click: { topic: clicks, time: at, match: { id: slate, item: post }, within: 10m }
  save: { topic: saves, time: at, match: { id: slate }, within: 10m }
metrics: { clicks: { of: click }, saves: { of: save } }
watch: { score: false, features.country: false, concentration: false, homogenisation: false, missing: false, error_code: false,
  latency_ms: false }
experiments:
  release: { kind: canary, treatment: [new], control: [old], share: 20%, slow: 400ms, metrics: [saves], worse_by: 50% }
  layout: { kind: ab, treatment: [new], control: [old], share: 20%, at_most: 3h }
  rankers: { kind: interleaving, control: [A], treatment: [B], of: click }
  next: { kind: shadow, slow: 400ms, disagree: 5%, differs_by: 0.05 }
"""
HOURS, A_MINUTE = 4, 20


@functools.cache
def plan() -> ModelPlan:
    return of_experiments(plan_of(MODEL))


@functools.cache
def events() -> Sequence[tuple[int, TopicPartition, bytes]]:
    """The new release fails and saves more often, B wins most clicks, the shadow is slow, and all come back now and then."""
    rng = np.random.default_rng(17)
    made: list[tuple[int, TopicPartition, bytes]] = []
    for n in range(HOURS * 60 * A_MINUTE):
        at = START + n * MINUTE // A_MINUTE + int(rng.integers(0, 2_000))
        who = int(rng.integers(0, 6_000))
        new = who % 5 == 0
        order = ["A", "B"] if rng.random() < 0.5 else ["B", "A"]
        took, score = float(rng.lognormal(5.4, 0.4)), float(rng.random())
        row = {"who": f"u{who}", "request": f"r{n}", "country": str(rng.choice(["DE", "FR"])), "at": at}
        live = row | {
            "slate": f"s{n}",
            "arm": "new" if new else "old",
            "took": took,
            "score": score,
            "shown": [{"item": f"i{n}-{k}", "ranker": order[k % 2]} for k in range(4)],
        }
        if rng.random() < (0.25 if new else 0.05):
            live["error"] = "timeout"
        made.append(event("slates", n % 3, at + 500, **live))
        if n % 30:
            shadow = row | {"slate": f"x{n}", "role": "shadow", "took": took * 1.6, "score": score, "at": at + 40}
            made.append(event("slates", (n + 1) % 3, at + 900, **shadow))
        if rng.random() < 0.5:
            clicked = at + int(rng.integers(0, 8 * MINUTE))
            team = "B" if rng.random() < 0.65 else "A"
            made.append(
                event("clicks", n % 2, clicked + 700, slate=f"s{n}", post=f"i{n}-{order.index(team)}", at=clicked)
            )
        if rng.random() < (0.3 if new else 0.15):
            made.append(event("saves", 0, at + 90_000, slate=f"s{n}", at=at + 60_000))
    return sorted(made, key=lambda e: e[0])


@pytest.fixture(scope="module")
def reference() -> Told:
    return run_over(plan(), contents(events()))


def test_every_kind_of_experiment_comes_to_its_verdict(reference: Told) -> None:
    said = {(a.watch, str(a.first.evidence.verdict)) for a in reference.alerts}
    assert said >= {
        ("release.errors", "rollback"),
        ("layout.clicks", "inconclusive"),
        ("layout.saves", "treatment is better"),
        ("rankers.preference", "treatment is better"),
        ("next.slow", "hold"),
    }
    assert len({a.id for a in reference.alerts if a.watch == "release.errors"}) == 1


@pytest.mark.parametrize("turn_size", [70, 1_000])
def test_the_size_of_a_turn_changes_nothing(reference: Told, turn_size: int) -> None:
    assert run_over(plan(), contents(events()), turn_size=turn_size).lines() == reference.lines()


def test_a_restart_after_every_commit_changes_nothing(reference: Told) -> None:
    clock = ManualClock()
    run = Run(plan(), MemorySource(contents(events())), MemoryStore(clock), clock, 300, restart=True)
    assert run.to_the_end().lines() == reference.lines()


def test_records_out_of_order_and_sent_twice_change_nothing(reference: Told) -> None:
    rng = np.random.default_rng(18)
    twice = [e for e in events() for _ in range(2)]
    moved = sorted((came + int(rng.integers(0, LATENESS * 9 // 10)), i) for i, (came, _, _) in enumerate(twice))
    assert run_over(plan(), contents(twice[i] for _, i in moved)).lines() == reference.lines()


def test_what_was_committed_adds_up_to_the_memory_that_committed_it() -> None:
    clock = ManualClock()
    store, source = MemoryStore(clock), MemorySource(contents(events()))
    engine = Engine(plan(), arrival_is_event_time=True)
    turns = ModelTurns(
        engine, source, store, clock, limits=TurnLimits(records=1_500), replay=True, on_step=same_as_loaded(store)
    )
    assert len(Run(plan(), source, store, clock, 1_500).to_the_end(turns).findings) > 300

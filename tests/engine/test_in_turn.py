"""Experiments that start one after the other: the second is tested at the level that the first leaves it, whatever happens."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pytest

from detectors.families import Lond
from monitor.cli.foretell import at_its_level
from monitor.clock import ManualClock
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource
from monitor.store.via_memory import MemoryStore
from monitor.testing import Run, Told, run_over
from monitor.watch import reach
from monitor.watch.plan import ModelPlan
from tests.engine.shop import MINUTE, START, contents, event, of_experiments, plan_of

MODEL = """
model: feed
kind: recommender
window: 5m
predictions: { topic: slates, id: slate, time: at, unit: who, variant: arm, experiment_id: tried }
outcomes: { save: { topic: saves, time: at, match: { id: slate }, within: 5m } }
metrics: { saves: { of: save } }
false_discoveries: 10%
experiments:
  colour: { kind: ab, id: colour }
  layout: { kind: ab, id: layout }
"""
MINUTES, A_MINUTE = 60, 40
HAD = {"layout": (0, 0), "colour": (1, 1)}
"""Started and found before each."""


@functools.cache
def plan() -> ModelPlan:
    return of_experiments(plan_of(MODEL))


@functools.cache
def events() -> Sequence[tuple[int, TopicPartition, bytes]]:
    """In the first half layout, whose treatment is saved far more often; in the second half colour, which changes nothing."""
    rng = np.random.default_rng(19)
    made: list[tuple[int, TopicPartition, bytes]] = []
    for n in range(MINUTES * A_MINUTE):
        at = START + n * MINUTE // A_MINUTE
        tried = "layout" if n < MINUTES * A_MINUTE // 2 else "colour"
        arm = "treatment" if rng.random() < 0.5 else "control"
        made.append(event("slates", n % 3, at + 500, slate=f"s{n}", who=f"u{n}", arm=arm, tried=tried, at=at))
        if rng.random() < (0.6 if (tried, arm) == ("layout", "treatment") else 0.2):
            made.append(event("saves", 0, at + 61_000, slate=f"s{n}", at=at + 60_000))
    return sorted(made, key=lambda e: e[0])


@pytest.fixture(scope="module")
def reference() -> Told:
    return run_over(plan(), contents(events()))


def test_each_is_tested_at_the_level_that_its_start_gives_it(reference: Told) -> None:
    judged = [f for f in reference.findings if "started_at" in f.evidence.detail]
    levels = {
        name: {f.evidence.threshold for f in judged if f.watch == f"{name}.saves"} for name in ("layout", "colour")
    }
    assert [str(a.first.evidence.verdict) for a in reference.alerts if a.watch == "layout.saves"] == [
        "treatment is better"
    ]
    first, second = 0.1 * Lond().level(1.0), 0.1 * Lond(seen=1, rejected=1).level(1.0)
    assert levels == {"layout": {float(-np.log10(first))}, "colour": {float(-np.log10(second))}}


def test_a_message_says_what_the_level_means(reference: Told) -> None:
    told = [n for n in reference.outbox if "layout" in n.title]
    assert any("of this model's experiments that find a difference" in str(n) for n in told)


def test_what_would_be_found_is_told_at_the_level_that_each_is_tested_at(reference: Told) -> None:
    pace, smallest, said = reach.Pace(40_000, 0.2), {}, {}
    for watch in (w for w in plan().watches if w.on == "saves"):
        planned, said[watch.experiment] = at_its_level(plan(), watch, [])
        tested, words = at_its_level(plan(), watch, [f for f in reference.findings if f.watch == watch.key])
        assert f"at {100 * Lond(*HAD[watch.experiment]).level(1.0):.2g} % of false_discoveries" in words
        smallest[watch.experiment] = [reach.reach(w, pace).effect for w in (watch, planned, tested)]
    assert said["layout"].endswith(", at 13 % of false_discoveries as number 2 to start, if none before finds anything")
    at_full, at_first, at_second = smallest["colour"]
    assert at_full < at_first < at_second, "it was the second to start, though the config names it first"
    assert smallest["layout"][0] < smallest["layout"][2] < smallest["layout"][1]


def test_neither_the_size_of_a_turn_nor_a_restart_after_every_commit_changes_the_levels(reference: Told) -> None:
    assert run_over(plan(), contents(events()), turn_size=70).lines() == reference.lines()
    clock = ManualClock()
    run = Run(plan(), MemorySource(contents(events())), MemoryStore(clock), clock, 300, restart=True)
    assert run.to_the_end().lines() == reference.lines()

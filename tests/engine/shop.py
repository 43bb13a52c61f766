"""A small shop: one model with every kind of watch, and six hours of its events with all that goes wrong in a log."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from detectors.freshness import FreshnessParams
from monitor.events import TopicPartition
from monitor.ingest.via_memory import Record
from monitor.testing import Contents
from monitor.watch.plan import ModelPlan, WatchPlan
from tests.scenarios.world import SHARED, configured

START = 1_700_006_400_000
"""A full hour, ms since the epoch."""
MINUTE = 60_000
HOURS = 6
A_MINUTE = 12
"""Predictions."""
LATENESS = 2 * MINUTE
ARRIVALS = (
    *(f"freshness.{stream}" for stream in ("predictions", "click")),
    *(f"rejects.{stream}" for stream in ("predictions", "click", "visit")),
)
"""The watches of its plan on the time of arrival, which is another one for each run."""
DISTURBED_FROM, SILENT_FROM, SILENT_UNTIL, UNEVEN_FROM = 180, 280, 292, 300
"""Minutes: score and slates change, nothing comes, the holdout shrinks."""

CONFIG = """
rehearsal: 0s
kafka: { brokers: ["localhost:9092"] }
notify: { oncall: "json://localhost:1/", digest: "json://localhost:2/" }
teams: { default: { page: oncall, digest: digest } }

model: shop
kind: recommender
window: 5m
predictions:
  topic: slates
  id: slate
  time: at
  unit: who
  version: build
  score: score
  features: [age]
  items: { each: shown, id: item }
outcomes:
  click: { topic: clicks, time: at, match: { id: slate }, within: 10m, otherwise: false }
  visit: { topic: visits, time: at, match: { unit: who }, within: 15m }
cohorts: { field: arm, holdout: { share: 50% } }
metrics: { clicks: { of: click }, visits: { of: visit }, counts: { of: click, value: count } }
watch:
  clicks: false
  visits: false
  clicks.returning: false
  visits.returning: false
  counts: false
  counts.tail: false
  score: false
  features.age: false
  concentration: false
  homogenisation: false
  freshness.visit: false
  freshness.holdout: false
  missing: false
  clicks-fall: { detector: { kind: cohort_bounded, holdout_share: 50%, learn_units: 400, page_if_worse_by: 10% }, on: clicks }
  visits-fall: { detector: { kind: cohort_bounded, holdout_share: 50%, learn_units: 400, page_if_worse_by: 20% }, on: visits }
  clicks-of-regulars: { detector: { kind: cohort_sticky, learn_days: 0.04, min_holdout: 50, page_if_worse_by: 5% }, on: clicks }
  regulars-part: { detector: { kind: divergence, engagement: clicks, learn_days: 0.04, min_holdout: 50 }, on: visits }
  counts-fall: { detector: { kind: cohort_block, learn_days: 0.06, min_holdout: 50, sample_units: 50 }, on: counts }
  counts-tail: { detector: { kind: cohort_quantile, holdout_share: 50%, learn_units: 300 }, on: counts }
  narrowing: { detector: { kind: concentration, learn_periods: 2, min_units: 20, min_exposures: 100 }, window: 30m }
  scores: { detector: { kind: numeric_shift, sample_units: 200, learn_units: 300, learn_windows: 5, min_units: 30 }, on: score }
  ages: { detector: { kind: numeric_shift, sample_units: 200, learn_units: 300, learn_windows: 5, min_units: 70 },
          on: features.age, cohort: exposed, window: 10m }
  builds: { detector: { kind: category_shift, sample_units: 200, learn_units: 300, learn_windows: 5, min_units: 30 },
            on: version }
  wrong: { detector: { kind: risk, prediction: score, loss: absolute, scale: 4, sample_units: 200, learn_units: 300,
                       learn_windows: 5, min_units: 30 }, on: outcomes.click }
  ages-hint: { detector: { kind: river_hint, algorithm: ADWIN, calm_windows: 5 }, on: features.age }
"""


def plan_of(model: str, shared: str = SHARED) -> ModelPlan:
    """The plan of a config with one model."""
    with TemporaryDirectory() as folder:
        return configured(Path(folder), model, shared)


@functools.cache
def shop_plan() -> ModelPlan:
    """The shop's plan. Silence is learned sooner than by default, for six hours are short."""
    plan = plan_of(CONFIG, shared="")
    soon = FreshnessParams(min_windows=30)
    return with_watches(plan, (replace(w, params=soon) if w.detector == "freshness" else w for w in plan.watches))


def watch_of(plan: ModelPlan, key: str) -> WatchPlan:
    """A watch by name."""
    return next(w for w in plan.watches if w.key == key)


def with_watches(plan: ModelPlan, watches: Iterable[WatchPlan]) -> ModelPlan:
    """The same model, watched otherwise."""
    return replace(plan, watches=tuple(watches))


def of_experiments(plan: ModelPlan) -> ModelPlan:
    """The same model, watched in its experiments alone."""
    return with_watches(plan, (w for w in plan.watches if w.experiment))


def event(topic: str, partition: int, came_at: int, **body: object) -> tuple[int, TopicPartition, bytes]:
    """One event as the broker got it."""
    return came_at, TopicPartition(topic, partition), json.dumps(body).encode()


@functools.cache
def shop_events(hours: int = HOURS) -> Sequence[tuple[int, TopicPartition, bytes]]:
    """(broker time, partition, body) in the order of time; the same every time."""
    rng = np.random.default_rng(5)
    events: list[tuple[int, TopicPartition, bytes]] = []
    for minute in range(hours * 60):
        if SILENT_FROM <= minute < SILENT_UNTIL:
            continue
        for n in range(A_MINUTE):
            events += _slate(rng, minute, minute * A_MINUTE + n)
    events.append(event("slates", 1, START + 20 * MINUTE, slate="far", who="u1", at=START + 20 * 365 * 1440 * MINUTE))
    events.append((START + 30 * MINUTE, TopicPartition("clicks", 0), b'{"slate": '))
    events.append(event("slates", 0, START + 40 * MINUTE, slate="old", who="u2", arm="holdout", at=START + 9 * MINUTE))
    events.append(event("visits", 0, START + 41 * MINUTE, who="u3", at=START + 2 * MINUTE))
    return sorted(events, key=lambda e: e[0])


def _slate(rng: np.random.Generator, minute: int, n: int) -> list[tuple[int, TopicPartition, bytes]]:
    at = START + minute * MINUTE + int(rng.integers(0, MINUTE))
    disturbed, uneven = minute >= DISTURBED_FROM, minute >= UNEVEN_FROM
    user = int(rng.integers(0, 4_000))
    held_out = user % 10 < (2 if uneven else 5)
    who = f"u{user}{'x' if uneven else ''}"
    narrow = disturbed and not held_out
    shown = rng.choice(8 if narrow else 150, 6, replace=False)
    result = [
        event(
            "slates",
            n % 3,
            at + 1_000,
            slate=f"s{n}",
            at=at,
            who=who,
            arm="holdout" if held_out else "exposed",
            build="b2" if disturbed else "b1",
            score=float(rng.normal(2.0 if disturbed else 0.0, 1.0)),
            age=float(rng.normal(40.0 + (30.0 if disturbed else 0.0), 10.0)),
            shown=[{"item": f"i{i}"} for i in shown],
        )
    ]
    if n % 40 == 0:
        came, where, body = result[0]
        result.append((came + 10_000, where, body))
    if n % 40 == 20:
        again = at + 7 * MINUTE
        result.append(event("slates", n % 3, again, slate=f"s{n}", at=again, who=who, arm="exposed", shown=[]))
    if rng.random() < (0.05 if narrow else 0.5):
        clicked = at + int(rng.integers(0, 8 * MINUTE))
        result.append(event("clicks", n % 2, clicked + 1_000, slate=f"s{n}", at=clicked))
    if rng.random() < 0.3:
        came = at + int(rng.integers(MINUTE, 12 * MINUTE))
        result.append(event("visits", 0, came + 1_000, who=who, at=came))
    return result


def contents(events: Iterable[tuple[int, TopicPartition, bytes]]) -> Contents:
    """Events as partitions, offsets in the order given."""
    held: dict[TopicPartition, list[Record]] = {}
    for came, where, body in events:
        records = held.setdefault(where, [])
        records.append(Record(body, len(records), came))
    return held


@functools.cache
def shop_contents(hours: int = HOURS) -> Contents:
    """The shop's events by partition."""
    return contents(shop_events(hours))

"""A holdout that rotates: everybody counts once in each epoch, and only with what is known before the next coin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.app import read_config
from monitor.clock import ManualClock
from monitor.ingest.via_memory import MemorySource
from monitor.memory import load
from monitor.store.via_memory import MemoryStore
from monitor.testing import Run, run_over
from monitor.watch.plan import ModelPlan
from tests.engine.shop import MINUTE, START, contents, event

EPOCH, WITHIN, EPOCHS, PEOPLE = 60 * MINUTE, 10 * MINUTE, 6, 300
CONFIG: dict[str, Any] = {
    "rehearsal": "0s",
    "kafka": {"brokers": ["localhost:9092"]},
    "model": "feed",
    "kind": "classifier",
    "window": "5m",
    "predictions": {"topic": "shown", "id": "id", "time": "at", "unit": "who"},
    "outcomes": {"click": {"topic": "clicks", "time": "at", "match": {"id": "id"}, "within": "10m"}},
    "cohorts": {"field": "arm", "holdout": {"share": "50%", "rotates": "1h", "since": "2023-11-15T00:00:00Z"}},
    "metrics": {"clicks": {"of": "click"}},
}


def made(folder: Path, **changes: Any) -> tuple[list[ModelPlan], list[str]]:
    path = folder / "loopwatch.yaml"
    path.write_text(json.dumps({**CONFIG, **changes}))
    plans = read_config(path).plans
    return list(plans.models), [fault.sentence for fault in plans.faults]


def plan_of(folder: Path, **changes: Any) -> ModelPlan:
    plans, faults = made(folder, **changes)
    assert not faults
    return plans[0]


def tape() -> tuple[Any, list[tuple[int, int]]]:
    """Events, and (person, time) of every showing. Each person has a coin of their own in each epoch."""
    rng, events, shown = np.random.default_rng(8), [], []
    for n in range(EPOCHS * PEOPLE * 3):
        at = START + int(rng.integers(0, EPOCHS * EPOCH))
        who = int(rng.integers(0, PEOPLE))
        held = np.random.default_rng([who, at // EPOCH]).random() < 0.5
        shown.append((who, at))
        arm = "holdout" if held else "exposed"
        events.append(event("shown", 0, at, id=f"p{n}", who=f"u{who}", at=at, arm=arm))
        if rng.random() < 0.3:
            clicked = at + int(rng.integers(0, WITHIN))
            events.append(event("clicks", 0, clicked, id=f"p{n}", at=clicked))
    return contents(sorted(events, key=lambda e: e[0])), shown


def test_everybody_counts_once_an_epoch_by_their_first_showing_if_its_outcome_closes_inside(tmp_path: Path) -> None:
    records, shown = tape()
    told = run_over(plan_of(tmp_path), records, turn_size=500)
    first: dict[tuple[int, int], int] = {}
    for who, at in shown:
        key = (who, at // EPOCH)
        first[key] = min(first.get(key, at), at)
    in_time = [key for key, at in first.items() if at % EPOCH + WITHIN < EPOCH]
    assert len(in_time) < len(first)
    ratio = [f for f in told.findings if f.watch == "holdout"][-1].evidence
    assert sum(ratio.n.values()) == len(first)
    assert ratio.n["holdout"] == pytest.approx(len(first) / 2, abs=4 * np.sqrt(len(first) / 4))
    metric = [f for f in told.findings if f.watch == "clicks"][-1].evidence
    assert sum(metric.n.values()) == len(in_time)


def test_without_rotation_the_same_tape_counts_everybody_once_for_ever(tmp_path: Path) -> None:
    records, shown = tape()
    sticky = plan_of(tmp_path, cohorts={"field": "arm", "holdout": {"share": "50%"}})
    told = run_over(sticky, records)
    assert sum([f for f in told.findings if f.watch == "clicks"][-1].evidence.n.values()) == len({w for w, _ in shown})


def test_another_rule_of_rotation_forgets_who_was_enrolled_under_the_old_one(tmp_path: Path) -> None:
    records, _ = tape()
    plan = plan_of(tmp_path)
    clock = ManualClock()
    store = MemoryStore(clock)
    Run(plan, MemorySource(records), store, clock).to_the_end()
    sticky = replace(plan, epoch=None, epoch_since=0)
    assert len(load(plan, store.load("feed")).units) > 0
    memory = load(sticky, store.load("feed"))
    assert len(memory.units) == 0
    assert {room for (room, _), data in memory.turn.pages.items() if data is None} >= {
        load(plan, store.load("feed")).units.name
    }


@pytest.mark.parametrize(
    ("cohorts", "problem"),
    [
        ({"field": "arm", "holdout": {"share": "5%", "rotates": "10m"}}, "leave no time for click"),
        (
            {"field": "arm", "holdout": {"share": "5%", "rotates": "1h", "since": "2026-01-05T00:01:00Z"}},
            "begin and end",
        ),
        ({"field": "arm", "holdout": {"share": "5%", "since": "2026-01-05T00:00:00Z"}}, "nothing rotates"),
        ({"hash": {"salt": "s"}, "holdout": {"share": "5%", "rotates": "7d"}}, "keeps the same people apart"),
        ({"field": "arm", "holdout": {"share": "5%", "rotates": "1h", "since": "Monday"}}, "is not a time"),
    ],
)
def test_a_rotation_that_could_only_mislead_is_refused_in_words(
    tmp_path: Path, cohorts: dict[str, Any], problem: str
) -> None:
    _, faults = made(tmp_path, cohorts=cohorts)
    assert any(problem in fault for fault in faults), faults

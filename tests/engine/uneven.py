"""A model whose people are held out by a coin that is meant to be fair, and a tape of how it fell, window by window."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monitor.app import read_config
from monitor.testing import Contents
from monitor.watch.plan import ModelPlan
from tests.engine.shop import MINUTE, START, contents, event

WINDOW = 5 * MINUTE
_CONFIG: dict[str, Any] = {
    "rehearsal": "0s",
    "kafka": {"brokers": ["localhost:9092"]},
    "notify": {"oncall": "json://localhost:1/", "digest": "json://localhost:2/"},
    "teams": {
        "default": {
            "page": "oncall",
            "digest": "digest",
            "false_pages": "2 per 1d",
            "false_warnings": "16 per 1d",
        }
    },
    "model": "feed",
    "kind": "classifier",
    "window": "5m",
    "predictions": {"topic": "shown", "id": "id", "time": "at", "unit": "who"},
    "outcomes": {"click": {"topic": "clicks", "time": "at", "match": {"id": "id"}, "within": "5m"}},
    "cohorts": {"field": "arm", "holdout": {"share": "50%"}},
    "metrics": {"clicks": {"of": "click"}},
}


def plan_of(folder: Path, **changes: Any) -> ModelPlan:
    """The plan, with changes to its config."""
    path = folder / "loopwatch.yaml"
    path.write_text(json.dumps({**_CONFIG, **changes}))
    plans = read_config(path).plans
    assert not plans.faults, [fault.sentence for fault in plans.faults]
    return plans.models[0]


def tape(windows: Sequence[tuple[int, int]]) -> Contents:
    """Windows of (exposed, held out) people who are there for the first time; every second one clicks."""
    events, n = [], 0
    for w, arms in enumerate(windows):
        for arm, people in zip(("exposed", "holdout"), arms, strict=True):
            for at in START + w * WINDOW + np.linspace(0, WINDOW - 30_000, people).astype(int):
                n += 1
                events.append(event("shown", 0, int(at), id=f"p{n}", who=f"u{n}", at=int(at), arm=arm))
                if n % 2:
                    events.append(event("clicks", 0, int(at), id=f"p{n}", at=int(at)))
    return contents(sorted(events, key=lambda e: e[0]))

"""Configs by the line: a recommender with a holdout, and what a test changes of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from monitor.settings import ModelSettings, load
from monitor.watch import kinds
from monitor.watch.compile import Plans, compile_plans
from monitor.watch.plan import ModelPlan, WatchPlan

FEED: dict[str, Any] = {
    "model": "feed",
    "kind": "recommender",
    "predictions": {"topic": "slates", "unit": "user", "items": {"each": "slots"}},
    "outcomes": {"click": {"topic": "clicks", "match": {"id": "slate"}, "within": "30m"}},
    "cohorts": {"field": "arm", "holdout": {"share": "5%"}},
    "metrics": {"clicks": {"of": "click"}},
}


def model(**changes: Any) -> dict[str, Any]:
    """The recommender with keys replaced; None takes one away."""
    made = copy.deepcopy(FEED) | changes
    return {key: value for key, value in made.items() if value is not None}


def settings(**changes: Any) -> ModelSettings:
    """The recommender as validated settings."""
    return ModelSettings.model_validate(model(**changes))


def plans(directory: Path, *models: dict[str, Any], **shared: Any) -> Plans:
    """What a config of these models compiles to."""
    file = directory / "loopwatch.yaml"
    file.write_text(json.dumps({**shared, "models": list(models)}, indent=1))
    return compile_plans(load(file, {}))


def plan(directory: Path, **changes: Any) -> ModelPlan:
    """The one model's plan."""
    made = plans(directory, model(**changes), slack="json://127.0.0.1:9")
    assert not made.faults
    return made.models[0]


def watches(made: ModelPlan) -> dict[str, WatchPlan]:
    """Watches by their keys."""
    return {watch.key: watch for watch in made.watches}


def faults(directory: Path, **changes: Any) -> list[str]:
    """`line: key.path: problem` of every fault, without the file."""
    return [f.sentence.partition("loopwatch.yaml:")[2] for f in plans(directory, model(**changes)).faults]


def got(**changes: Any) -> dict[str, kinds.Wanted]:
    return {w.key: w for w in kinds.watches_of(settings(**changes)).watches}


def missing(**changes: Any) -> dict[str, str]:
    return kinds.watches_of(settings(**changes)).missing


def predictions(**more: Any) -> dict[str, Any]:
    return {**FEED["predictions"], **more}

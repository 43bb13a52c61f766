"""What people are shown: whether it narrows, and whether the next model can learn anything new from it."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.concentration import ConcentrationParams
from detectors.detector import Params
from detectors.homogenisation import HomogenisationParams
from detectors.training_health import TrainingHealthParams
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted

_WATCHES: dict[str, Params] = {
    "concentration": ConcentrationParams(),
    "homogenisation": HomogenisationParams(),
    "training_health": TrainingHealthParams(),
}


def narrowing(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """What a recommender shows, and what its next model will learn from."""
    if model.kind != "recommender":
        return
    window = max(model.period - model.period % model.window, model.window)
    for name, params in _WATCHES.items():
        why = _lacking(model, name)
        if why:
            missing[name] = why
        else:
            yield Wanted(name, name, params, "", window, "warn")


def _lacking(model: ModelSettings, name: str) -> str:
    predictions, items = model.predictions, model.predictions.items
    if predictions.item is None and items is None:
        return "neither predictions.item nor predictions.items is mapped"
    if predictions.unit is None:
        return "predictions.unit is not mapped, and units are the sample"
    if name == "training_health" and (items is None or items.explored is None):
        return "predictions.items.explored is not mapped: whether an item was drawn at random"
    return ""

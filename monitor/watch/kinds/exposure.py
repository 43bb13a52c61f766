"""What people are shown: whether it narrows."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.concentration import ConcentrationParams
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted


def narrowing(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """Concentration of what a recommender shows."""
    if model.kind != "recommender":
        return
    if model.predictions.item is None and model.predictions.items is None:
        missing["concentration"] = "neither predictions.item nor predictions.items is mapped"
    elif model.predictions.unit is None:
        missing["concentration"] = "predictions.unit is not mapped, and units are the sample"
    else:
        window = max(model.period - model.period % model.window, model.window)
        yield Wanted("concentration", "concentration", ConcentrationParams(), "", window, "warn")

"""Drift of inputs and outputs against the learned reference."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.numeric_shift import NumericShiftParams
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted

_NUMBERS = ("score", "probability", "latency_ms", "output_length", "cost")


def shifts(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """One watch a mapped number."""
    columns = [name for name in _NUMBERS if getattr(model.predictions, name) is not None]
    columns += [
        f"features.{name}" for name, feature in model.predictions.features.items() if feature.type != "category"
    ]
    for name, feature in model.predictions.features.items():
        if feature.type == "category":
            missing[f"features.{name}"] = "shift of categories is not watched yet"
    for column in columns:
        if model.predictions.unit is None:
            missing[column] = "predictions.unit is not mapped, and units are the sample"
        else:
            params = NumericShiftParams()
            yield Wanted(column, "numeric_shift", params, column, model.window, "warn", min_units=params.min_units)

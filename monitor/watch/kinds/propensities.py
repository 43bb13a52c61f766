"""Whether what serving logs of its draws is true: everything that is weighted by propensities rests on it."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.propensity_check import PropensityCheckParams
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted

PROPENSITIES = "propensity_check"


def propensities(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """One watch, where items carry a propensity and something tells what these must add up to; it warns, and blinds the weighted."""
    if model.kind != "recommender":
        return
    if why := _lacking(model):
        missing[PROPENSITIES] = why
        return
    items = model.predictions.items
    params = PropensityCheckParams(catalogue=(items.catalogue or 0) if items is not None else 0)
    yield Wanted(PROPENSITIES, "propensity_check", params, "", model.window, "warn")


def _lacking(model: ModelSettings) -> str:
    items = model.predictions.items
    if model.predictions.unit is None:
        return "predictions.unit is not mapped, and units are the sample"
    if items is None or items.propensity is None:
        return "predictions.items.propensity is not mapped: the chance that an item stood where it stood"
    if items.catalogue is None and items.target is None:
        return (
            "neither predictions.items.catalogue (how many items may be drawn) nor predictions.items.target (the chance to be "
            "stood for) is given, so nothing tells what propensities must add up to"
        )
    return ""

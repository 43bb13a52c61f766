"""Predictions judged by what came of them, once their attribution window has passed."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.calibration import CalibrationParams
from detectors.catalogue import DETECTORS
from detectors.estimated_performance import EstimatedPerformanceParams
from detectors.risk import RiskParams
from monitor.ingest.mapping import TRUTH
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted

_WATCHES: dict[str, RiskParams | CalibrationParams | EstimatedPerformanceParams] = {
    "risk": RiskParams(),
    "calibration": CalibrationParams(),
    "estimated_performance": EstimatedPerformanceParams(),
}


def labelled(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """Risk, calibration and expected performance of a classifier's probability, for every outcome that says what was true.

    An outcome says so if silence means something (`otherwise`), or if its events carry the truth as their `value`: else only
    what came true has a label.
    """
    if model.kind != "classifier" or model.predictions.probability is None or not model.outcomes:
        return
    truths = [
        name for name, outcome in model.outcomes.items() if outcome.otherwise is not None or outcome.value is not None
    ]
    why = ""
    if model.predictions.unit is None:
        why = "predictions.unit is not mapped, and units are the sample"
    elif not truths:
        why = "no outcome says what was true: map its value, or say what silence means with otherwise: false"
    if why:
        missing |= dict.fromkeys(_WATCHES, why)
        return
    for outcome in truths:
        for detector, params in _WATCHES.items():
            key = detector if len(truths) == 1 else f"{detector}.{outcome}"
            severity = "warn" if DETECTORS[detector].hint else "page"
            yield Wanted(key, detector, params, TRUTH + outcome, model.window, severity, min_units=params.min_units)

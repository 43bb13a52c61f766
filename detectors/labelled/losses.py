"""What a prediction that turned out to be wrong costs, between 0 and 1."""

from __future__ import annotations

from typing import Literal

import numpy as np

from detectors.columns import Floats
from detectors.labelled.reading import Loss

Name = Literal["brier", "log", "error", "absolute"]

_LARGEST_LOG_LOSS = 5.0


def named(name: Name, scale: float) -> Loss:
    """The loss of (observed, predicted); see its description in `RiskParams`."""
    if name == "absolute":
        return lambda y, p: np.minimum(np.abs(y - p) / scale, 1.0)
    return {"brier": _brier, "log": _log, "error": _error}[name]


def _brier(y: Floats, p: Floats) -> Floats:
    result: Floats = (np.clip(y, 0.0, 1.0) - np.clip(p, 0.0, 1.0)) ** 2
    return result


def _error(y: Floats, p: Floats) -> Floats:
    wrong: Floats = ((y >= 0.5) != (p >= 0.5)).astype(np.float64)
    return wrong


def _log(y: Floats, p: Floats) -> Floats:
    right = np.clip(np.where(y >= 0.5, p, 1.0 - p), np.exp(-_LARGEST_LOG_LOSS), 1.0)
    result: Floats = -np.log(right) / _LARGEST_LOG_LOSS
    return result

"""On what each detector's promise of few false alarms rests: one list, so that it can be told beside every watch."""

from __future__ import annotations

from enum import StrEnum


class Promise(StrEnum):
    """How far the bound on false alarms can be trusted.

    EXACT       it follows from how units were assigned, or from their independence, at any number of units.
    CALIBRATED  it holds while the values vary as they did when that was learned.
    LARGE_N     it holds in the limit of many units.
    NONE        none is given: a hint, or a limit that leaves nothing to chance.
    """

    EXACT = "exact"
    CALIBRATED = "calibrated"
    LARGE_N = "for large n"
    NONE = "none"


_NOT_EXACT = {
    "ab_test": Promise.LARGE_N,
    "attrition": Promise.LARGE_N,
    "calibration_gap": Promise.LARGE_N,
    "cohort_block": Promise.CALIBRATED,
    "cohort_sticky": Promise.LARGE_N,
    "concentration": Promise.LARGE_N,
    "divergence": Promise.LARGE_N,
    "effective_sample": Promise.LARGE_N,
    "engagement": Promise.NONE,
    "estimated_performance": Promise.NONE,
    "flywheel": Promise.NONE,
    "freshness": Promise.CALIBRATED,
    "homogenisation": Promise.LARGE_N,
    "loop_gain": Promise.LARGE_N,
    "rejects": Promise.NONE,
    "river_hint": Promise.NONE,
    "training_health": Promise.LARGE_N,
    "volume": Promise.CALIBRATED,
}


def promise_of(detector: str) -> Promise:
    """The promise of a detector, by its name in the catalogue."""
    return _NOT_EXACT.get(detector, Promise.EXACT)

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


PROMISES: dict[str, Promise] = {
    "ab_test": Promise.LARGE_N,
    "attrition": Promise.LARGE_N,
    "calibration": Promise.EXACT,
    "calibration_gap": Promise.LARGE_N,
    "canary": Promise.EXACT,
    "category_shift": Promise.EXACT,
    "churn": Promise.NONE,
    "cohort_block": Promise.CALIBRATED,
    "cohort_bounded": Promise.EXACT,
    "cohort_by_group": Promise.EXACT,
    "cohort_quantile": Promise.EXACT,
    "cohort_rate": Promise.EXACT,
    "cohort_sticky": Promise.LARGE_N,
    "concentration": Promise.LARGE_N,
    "contamination": Promise.EXACT,
    "divergence": Promise.LARGE_N,
    "effective_sample": Promise.LARGE_N,
    "embedding_shift": Promise.EXACT,
    "engagement": Promise.NONE,
    "estimated_performance": Promise.NONE,
    "flywheel": Promise.NONE,
    "freshness": Promise.CALIBRATED,
    "homogenisation": Promise.LARGE_N,
    "interleaving": Promise.EXACT,
    "loop_gain": Promise.LARGE_N,
    "missing_rate": Promise.EXACT,
    "numeric_shift": Promise.EXACT,
    "propensity_check": Promise.EXACT,
    "rejects": Promise.NONE,
    "risk": Promise.EXACT,
    "river_hint": Promise.NONE,
    "sample_ratio": Promise.EXACT,
    "sample_ratio_by_group": Promise.EXACT,
    "shadow": Promise.EXACT,
    "share_over": Promise.EXACT,
    "tail_collapse": Promise.EXACT,
    "training_health": Promise.LARGE_N,
    "volume": Promise.CALIBRATED,
}
"""Of every detector of the catalogue: one that is not listed promises nothing, and is refused."""


def promise_of(detector: str) -> Promise:
    """The promise of a detector, by its name in the catalogue. KeyError for one that is not listed."""
    return PROMISES[detector]

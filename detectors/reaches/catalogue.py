"""The one list of what is told in advance: every detector's reach, or why it has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detectors.detector import Params
from detectors.numeric_shift import power as numeric_shift
from detectors.power import Outlook, Reach
from detectors.reaches import blocks, cohorts, experiments, labelled, shares
from detectors.reaches.embedding import embedding_shift
from detectors.sample_ratio import reach as sample_ratio

REACHES: dict[str, Callable[[Any, Outlook], Reach]] = {
    "ab_test": experiments.ab_test,
    "calibration": labelled.calibration,
    "canary": experiments.canary,
    "category_shift": shares.category_shift,
    "cohort_block": blocks.cohort_block,
    "cohort_bounded": cohorts.cohort_bounded,
    "cohort_by_group": cohorts.cohort_by_group,
    "cohort_quantile": cohorts.cohort_quantile,
    "cohort_rate": cohorts.cohort_rate,
    "cohort_sticky": cohorts.cohort_sticky,
    "contamination": shares.contamination,
    "embedding_shift": embedding_shift,
    "interleaving": experiments.interleaving,
    "missing_rate": shares.missing_rate,
    "numeric_shift": numeric_shift.reach,
    "risk": labelled.risk,
    "sample_ratio": sample_ratio,
    "sample_ratio_by_group": cohorts.sample_ratio_by_group,
    "shadow": experiments.shadow,
    "share_over": shares.share_over,
    "volume": blocks.volume,
}
"""Of (parameters, outlook): the smallest effect found in time. A law: more units or time never make it larger."""

_FEW_PERIODS = "it compares few periods of retraining, whose spread each period itself tells"

UNTOLD: dict[str, str] = {
    "attrition": "it asks of all who were enrolled whether they came, and how many those are grows from day to day",
    "calibration_gap": _FEW_PERIODS,
    "churn": "an insight, which alarms nobody by itself",
    "concentration": _FEW_PERIODS,
    "divergence": "it asks for three things at once, whose reach the watches of its two metrics tell one by one",
    "effective_sample": _FEW_PERIODS,
    "engagement": "a reading, whose intervals say what it can tell; it alarms nobody by itself",
    "estimated_performance": "it estimates without labels, and alarms nobody by itself",
    "flywheel": "an insight, which alarms nobody by itself",
    "freshness": "it finds silence as soon as that is longer than what is usual at this time of the week",
    "homogenisation": _FEW_PERIODS,
    "loop_gain": "its precision follows from how many pairs of items are tilted: its own findings say it",
    "propensity_check": "it depends on how uneven the chances are; alike and a fifth off, they are found within 3,000 people",
    "rejects": "a limit, not a test: it fires with the first window in which too many records are refused",
    "river_hint": "a hint of river's, which says nothing of what it finds or misses",
    "tail_collapse": "a fall to half the reference's share is found within a window or two of a few hundred units",
    "training_health": _FEW_PERIODS,
}
"""Why nothing is told of the other detectors, in a sentence."""


def reach(detector: str, p: Params, outlook: Outlook) -> Reach:
    """What a detector of that name will find."""
    if detector in REACHES:
        return REACHES[detector](p, outlook)
    return Reach(unknown=UNTOLD[detector])

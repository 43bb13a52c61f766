"""Where a shift comes from: a name, and the reason in words."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.detector import Family
from detectors.evidence import Crossing, Evidence, Mode
from monitor.watch.finding import Origin

_NOTHING = (Origin.UNKNOWN, "")
_CONTRAST = (Origin.MODEL_INDUCED, "the exposed differ from a randomised holdout seen in the same windows")
_PLAIN = {
    Family.INTEGRITY: (Origin.HOLDOUT_ANOMALY, "the cohorts do not have their planned sizes"),
    Family.DEPLOYMENT: (Origin.VERSION_CHANGE, "both ran at the same time, and only what was tried differs"),
    Family.FRESHNESS: (Origin.DATA_QUALITY, "events stopped arriving"),
    Family.QUALITY: (Origin.DATA_QUALITY, "too many records cannot be used"),
}


def of(family: Family, evidence: Evidence, *, has_holdout: bool) -> tuple[Origin, str]:
    """The origin of what a watch of this family says; unknown as long as it says nothing.

    A difference between randomised cohorts in the same windows can only come from what they were shown; without a randomised
    holdout the same figure is an association.
    """
    if evidence.crossing in (Crossing.NONE, Crossing.RECOVERED) and evidence.mode is not Mode.RECOVERING:
        return _NOTHING
    if family in (Family.COHORT, Family.LOOP):
        if not has_holdout:
            return Origin.ASSOCIATED, "there is no randomised holdout to compare with"
        if "holdout" not in evidence.n:
            return _NOTHING
        return _of_narrowing(evidence.detail["narrowed"]) if "narrowed" in evidence.detail else _CONTRAST
    if family is Family.DEPLOYMENT and "planned" in evidence.arms:
        return Origin.DATA_QUALITY, "the arms do not have their planned sizes"
    return _PLAIN.get(family, _NOTHING)


def _of_narrowing(narrowed: Sequence[str]) -> tuple[Origin, str]:
    """`narrowed`: the cohorts whose own change is beyond chance."""
    if set(narrowed) == {"exposed"}:
        return Origin.MODEL_INDUCED, "the exposed narrowed, a randomised holdout did not"
    if set(narrowed) == {"exposed", "holdout"}:
        return Origin.EXTERNAL_DRIFT, "both cohorts narrowed"
    if set(narrowed) == {"holdout"}:
        return Origin.HOLDOUT_ANOMALY, "only the holdout narrowed"
    return Origin.UNKNOWN, "the gap between the cohorts moved, but neither cohort's own change is beyond chance"

"""Every figure of a piece of evidence, computed again from what is stored with it.

A stored finding is JSON. `effect` and `relative` follow from its `arms` and `detail`; an interval from its `formula` and `inputs`:

    normal_mixture    effect +- math.intervals.normal_mixture_radius(se, tau, alpha)
    empirical_cdf     effect +- math.intervals.empirical_cdf_radius(n, alpha)
    share             math.intervals.share_interval(yes, n, planned, tau, alpha) minus `planned`
    rate_difference   math.intervals.rate_difference_interval(yes, n, share, tau, alpha, first, second)
    share_sequence    math.intervals.share_sequence(yes, n, alpha)
    log_normal_mixture   exp(log +- math.intervals.normal_mixture_radius(se, tau, alpha)) - 1
    normal            effect +- -ndtri(alpha / 2) se
    bootstrap         exp(log +- bootstrap.quantile(alpha / 2) se) - 1
    student           effect +- bootstrap.quantile(alpha / 2) se

and is cut to [at_least, at_most] where the inputs have them. `alpha` is the chance that the interval misses, after all
corrections for choices that were made.

>>> from detectors.evidence import Evidence, Interval, Mode
>>> inputs = {"se": 0.01, "tau": 0.02, "alpha": 0.05}
>>> stored = Evidence(mode=Mode.WATCHING, arms={"exposed": 0.08, "holdout": 0.1}, effect=-0.02, relative=-0.2,
...                   interval=Interval(low=-0.05, high=0.01, formula="normal_mixture", inputs=inputs))
>>> [round(x, 4) for x in (*figures("cohort_bounded", stored), *interval(stored))]
[-0.02, -0.2, -0.0508, 0.0108]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from detectors.columns import Floats
from detectors.evidence import Evidence
from detectors.loop_gain import sequence
from detectors.loop_gain.estimate import Sums
from detectors.math import bootstrap
from detectors.math.intervals import (
    empirical_cdf_radius,
    normal_mixture_radius,
    rate_difference_interval,
    share_interval,
    share_sequence,
)

PAIRS = (
    ("exposed", "holdout"),
    ("treatment", "control"),
    ("shadow", "live"),
    ("now", "reference"),
    ("now", "expected"),
    ("now", "allowed"),
    ("holdout", "planned"),
    ("after", "before"),
)
"""Arms of which the effect is the first minus the second, and relative to the second."""


class NotRecomputable(ValueError):
    """What is stored does not say how a figure came about; the message says which figure."""


def figures(detector: str, e: Evidence) -> tuple[float, float | None]:
    """The effect and the relative effect of a detector's evidence, from the arms and the detail."""
    own = _EFFECTS.get(detector)
    if own is not None:
        return own(e)
    for first, second in PAIRS:
        if first in e.arms and second in e.arms:
            apart, usual = e.arms[first] - e.arms[second], abs(e.arms[second])
            return apart, apart / usual if usual else None
    raise NotRecomputable(f"an effect of the arms {', '.join(sorted(e.arms)) or 'none'} is not a difference of two")


def _distance(e: Evidence) -> tuple[float, float | None]:
    return abs(e.arms["now"] - e.arms["reference"]), None


def _against_learned(e: Evidence) -> tuple[float, float | None]:
    apart = e.arms["exposed"] - e.arms["holdout"] - float(e.detail["learned_difference"])
    return apart, apart / abs(e.arms["holdout"]) if e.arms["holdout"] else None


def _adjusted(e: Evidence) -> tuple[float, float | None]:
    apart = float(e.detail["unadjusted_effect"]) - float(e.detail["adjustment"])
    return apart, apart / e.arms["holdout"] if e.arms["holdout"] else None


def _narrowing(e: Evidence) -> tuple[float, float | None]:
    change = e.arms["exposed"] / e.arms.get("holdout", 1.0) - 1.0
    return change, change


def _gap(e: Evidence) -> tuple[float, float | None]:
    return e.arms["observed"] - e.arms["predicted"] - float(e.detail["reference_gap"]), None


def _half_the_lead(e: Evidence) -> tuple[float, float | None]:
    return (e.arms["treatment"] - e.arms["control"]) / 2.0, None


def _mean_of_pairs(e: Evidence) -> tuple[float, float | None]:
    return float(e.detail["sum"]) / next(iter(e.n.values())), None


def _relative(e: Evidence) -> tuple[float, float | None]:
    change = e.arms["now"] / e.arms["expected"] - 1.0
    return change, change


def _share(e: Evidence) -> tuple[float, float | None]:
    (only,) = e.arms.values()
    return only, None


_EFFECTS: dict[str, Callable[[Evidence], tuple[float, float | None]]] = {
    "numeric_shift": _distance,
    "calibration_gap": _against_learned,
    "cohort_block": _against_learned,
    "cohort_sticky": _adjusted,
    "concentration": _narrowing,
    "effective_sample": _narrowing,
    "engagement": _narrowing,
    "volume": _relative,
    "homogenisation": _narrowing,
    "loop_gain": _share,
    "training_health": _share,
    "calibration": _gap,
    "interleaving": _half_the_lead,
    "shadow": _mean_of_pairs,
    "contamination": _share,
    "flywheel": _share,
    "churn": _share,
    "rejects": _share,
}


def _share_beside_planned(x: dict[str, Floats]) -> tuple[Floats, Floats]:
    low, high = share_interval(x["yes"], x["n"], x["planned"], x["tau"], x["alpha"])
    return low - x["planned"], high - x["planned"]


def _rate_difference(x: dict[str, Floats]) -> tuple[Floats, Floats]:
    return rate_difference_interval(x["yes"], x["n"], x["share"], x["tau"], x["alpha"], x["first"], x["second"])


_OF_COUNTS: dict[str, Callable[[dict[str, Floats]], tuple[Floats, Floats]]] = {
    "share": _share_beside_planned,
    "rate_difference": _rate_difference,
    "share_sequence": lambda x: share_sequence(x["yes"], x["n"], x["alpha"]),
}


def interval(e: Evidence) -> tuple[float, float]:
    """The interval's ends, from its formula, its inputs and the effect."""
    if e.interval is None or e.effect is None or not e.interval.formula:
        raise NotRecomputable("the interval has no formula")
    given = e.interval.inputs
    low, high = _ends(e.interval.formula, e.effect, {name: np.array([value]) for name, value in given.items()})
    return max(low, given.get("at_least", -np.inf)), min(high, given.get("at_most", np.inf))


def _ends(formula: str, effect: float, x: dict[str, Floats]) -> tuple[float, float]:
    if formula == "normal_mixture":
        radius = float(normal_mixture_radius(x["se"], x["tau"], x["alpha"])[0])
    elif formula == "empirical_cdf":
        radius = float(empirical_cdf_radius(x["n"], x["alpha"])[0])
    elif formula in _OF_COUNTS:
        low, high = _OF_COUNTS[formula](x)
        return float(low[0]), float(high[0])
    elif formula == "log_normal_mixture":
        log_radius = float(normal_mixture_radius(x["se"], x["tau"], x["alpha"])[0])
        return float(np.expm1(x["log"][0] - log_radius)), float(np.expm1(x["log"][0] + log_radius))
    elif formula == "coins":
        linear = np.array([x["n"][0], x["d"][0]])
        now, first = (
            Sums(linear, np.array([[x[f"qyy{of}"][0], x[f"qxy{of}"][0]], [x[f"qxy{of}"][0], x[f"qxx{of}"][0]]]))
            for of in ("", "_first")
        )
        return sequence.interval(now, first, float(x["alpha"][0]))
    elif formula == "normal":
        radius = float(-ndtri(x["alpha"][0] / 2.0) * x["se"][0])
    elif formula == "student":
        radius = float(bootstrap.quantile(float(x["alpha"][0]) / 2.0)) * float(x["se"][0])
    elif formula == "bootstrap":
        log_radius = float(bootstrap.quantile(float(x["alpha"][0]) / 2.0)) * float(x["se"][0])
        return float(np.expm1(x["log"][0] - log_radius)), float(np.expm1(x["log"][0] + log_radius))
    else:
        raise NotRecomputable(f"there is no formula {formula!r}")
    return effect - radius, effect + radius

"""What `loop_gain` says of one period, in numbers and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.columns import Floats
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.loop_gain import estimate, sequence
from detectors.loop_gain.estimate import LEAST_F, Sums
from detectors.math.intervals import normal_mixture_radius

LEVEL = 0.95
TAU = 0.3
"""Gain at which the normal mixture is tightest."""


@dataclass(frozen=True)
class Told:
    """One period of one watch. `lacking` says why nothing is claimed; `claimed` that a gain is."""

    sums: Sums
    first: Floats
    gain: float
    se: float
    interval: tuple[float, float]
    first_stage: float
    pairs: int
    units: int
    exposures: int
    claimed: bool
    gated: bool
    lacking: str

    @staticmethod
    def nothing(lacking: str, exposures: int, units: int, gated: bool) -> Told:
        """A period that shows no gain."""
        return Told(
            estimate.nothing(1),
            np.zeros((2, 2)),
            np.nan,
            np.nan,
            (-np.inf, np.inf),
            0.0,
            0,
            units,
            exposures,
            False,
            gated,
            lacking,
        )

    @staticmethod
    def of(sums: Sums, first: Floats, pairs: int, least: int, *, units: int, exposures: int, saturated: bool) -> Told:
        """The gain so far, if the pushes were felt and the feed has not collapsed."""
        felt = estimate.first_stage(sums)
        gain, se = estimate.total(sums) if pairs else (np.nan, np.nan)
        lacking = ""
        if pairs < least:
            lacking = f"{pairs:,} well-seen pairs measured so far; at least {least:,} are needed"
        elif felt < LEAST_F:
            lacking = f"the pushes were hardly felt: first-stage F {felt:.1f}, at least {LEAST_F:g} is needed; tilt more, or more requests"
        elif saturated:
            lacking = "saturated: the feed has collapsed, and what would come back of a push cannot be told any more"
        elif len(sums.linear) == 2:
            interval = sequence.interval(sums, Sums(sums.linear, first), 1.0 - LEVEL)
        if lacking:
            interval = (-np.inf, np.inf)
        elif len(sums.linear) > 2:
            radius = float(normal_mixture_radius(np.array(se), np.array(TAU), 1.0 - LEVEL))
            interval = gain - radius, gain + radius
        return Told(sums, first, gain, se, interval, felt, pairs, units, exposures, not lacking, False, lacking)


def tell(told: Told, *, mode: Mode, crossing: Crossing, margin: float, spend: float, change_at: int | None) -> Evidence:
    """The evidence of a period. Its unit is `gain`: what comes back of a push of 1."""
    standing, reason = Standing.OK, ""
    if told.lacking:
        standing = Standing.BLIND if told.gated else Standing.INSUFFICIENT if told.exposures else Standing.STALE
        reason = told.lacking
    if crossing is not Crossing.NONE:
        reason = _sentence(told, crossing)
    lags = len(told.sums.linear) - 1
    bounded = told.claimed and bool(np.isfinite(told.interval).all())
    detail: dict[str, Any] = {
        "first_stage_f": told.first_stage,
        "pairs": told.pairs,
        "lags": lags,
        "multiplies_by": 1.0 / (1.0 - told.gain) if told.claimed and told.gain < 1.0 else None,
    }
    if told.claimed:
        detail |= {
            "by_lag": [float(g) for g in estimate.kernel(estimate.impulse(told.sums))],
            "came_back": float(told.gain),
            "at_this_look": [float(x) for x in estimate.anderson_rubin(told.sums, 1.0 - LEVEL)] if lags == 1 else None,
            "runaway": bool(told.interval[0] > 1.0),
        }
    return Evidence(
        mode=mode,
        standing=standing,
        crossing=crossing,
        n={"exposed": told.units},
        arms={"gain": told.gain} if told.claimed else {},
        effect=told.gain if told.claimed else None,
        unit="gain",
        interval=Interval(
            low=told.interval[0],
            high=told.interval[1],
            level=LEVEL,
            kind="since_start",
            formula="coins" if lags == 1 else "normal_mixture",
            inputs=_inputs(told),
        )
        if bounded
        else None,
        margin=margin,
        spend=spend,
        change_at=change_at,
        exact=False,
        reason=reason,
        detail=detail,
    )


def _inputs(told: Told) -> dict[str, float]:
    """What the interval is computed from: for one lag the sums N, D and Q, and the first period's Q."""
    if len(told.sums.linear) > 2:
        return {"se": told.se, "tau": TAU, "alpha": 1.0 - LEVEL}
    (n, d), q, q1 = told.sums.linear, told.sums.square, told.first
    named = zip(("qyy", "qxy", "qxx"), ((0, 0), (0, 1), (1, 1)), strict=True)
    squares = {k: float(v) for name, at in named for k, v in ((name, q[at]), (f"{name}_first", q1[at]))}
    return {"n": float(n), "d": float(d), **squares, "alpha": 1.0 - LEVEL}


def _sentence(told: Told, crossing: Crossing) -> str:
    if crossing is Crossing.RECOVERED:
        return f"the loop feeds less on itself: {told.gain:.0%} of a push comes back".replace("%", " %")
    low, high = told.interval
    text = f"the model feeds on itself: {told.gain:.0%} of a push on an item comes back after it is retrained ({low:.0%} to {high:.0%})"
    return text.replace("%", " %") + ("; from 100 % on a loop runs away" if low > 1.0 else "")

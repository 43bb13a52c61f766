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

_FOREVER = 1_000


WARNS = 0.5
"""Share of the gain that pages from which on the watch warns."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an estimate rests on: units and exposures of this period; pairs (or items) and periods measured so far.

    effective   number of pairs as many alike would be worth; see `detectors.loop_gain.estimate.effective`.
    """

    units: int
    exposures: int
    pairs: int = 0
    periods: int = 0
    effective: float = 0.0


@dataclass(frozen=True)
class Told:
    """One period of one watch. `lacking` says why nothing is claimed; `claimed` that a gain is; `undecided` what it leaves open."""

    sums: Sums
    first: Floats
    gain: float
    se: float
    interval: tuple[float, float]
    first_stage: float
    basis: Basis
    coins: bool
    claimed: bool
    gated: bool
    lacking: str
    undecided: str = ""

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
            Basis(units, exposures),
            True,
            False,
            gated,
            lacking,
        )

    @staticmethod
    def of(sums: Sums, first: Floats, basis: Basis, *, least: int, page: float, coins: bool, saturated: bool) -> Told:
        """The gain so far, if the pushes were felt and the feed has not collapsed.

        least   effective pairs needed; page: the gain that pages; coins: whether pairs were tilted.
        """
        felt = estimate.first_stage(sums)
        gain, se = estimate.total(sums) if basis.pairs else (np.nan, np.nan)
        lacking, pushed = "", "pairs" if coins else "items"
        if basis.effective < least:
            lacking = (
                f"{basis.pairs:,} well-seen {pushed} measured so far, worth {basis.effective:,.0f} alike; "
                f"at least {least:,} are needed"
            )
        elif felt < LEAST_F:
            more = "tilt more, or more requests" if coins else "draw more items at random, or tilt pairs"
            lacking = f"the pushes were hardly felt: first-stage F {felt:.1f}, at least {LEAST_F:g} is needed; {more}"
        elif saturated:
            lacking = "saturated: the feed has collapsed, and what would come back of a push cannot be told any more"
        interval, undecided = (-np.inf, np.inf), ""
        if not lacking:
            interval = _since_start(sums, first, gain, se, coins=coins)
            undecided = _undecided(interval, se, basis.periods, page)
        return Told(sums, first, gain, se, interval, felt, basis, coins, not lacking, False, lacking, undecided)


def _since_start(sums: Sums, first: Floats, gain: float, se: float, *, coins: bool) -> tuple[float, float]:
    if coins:
        return sequence.interval(sums, Sums(sums.linear, first), 1.0 - LEVEL)
    radius = float(normal_mixture_radius(np.array(se), np.array(TAU), 1.0 - LEVEL))
    return gain - radius, gain + radius


def _undecided(interval: tuple[float, float], se: float, periods: int, page: float) -> str:
    """What it would take to tell a tolerated gain from one that pages, if the interval holds both; else ""."""
    low, high = interval
    if not low < WARNS * page < page < high:
        return ""
    tolerable = (1.0 - WARNS) * page / 2.0
    pace, more = se * np.sqrt(periods), periods
    while normal_mixture_radius(np.array(pace / np.sqrt(more)), np.array(TAU), 1.0 - LEVEL) > tolerable:
        more = int(np.ceil(1.1 * more)) + 1
        if more > _FOREVER:
            break
    span = (
        f"a gain of {_percent(low)} to {_percent(high)} is possible"
        if np.isfinite(interval).all()
        else "any gain is possible"
    )
    if more > _FOREVER:
        return f"{span}; with pushes like these {_percent(WARNS * page)} is never told from {_percent(page)}: more pairs, or more requests"
    return (
        f"{span}; about {more - periods:,} more periods like the {periods:,} measured are needed to tell {_percent(WARNS * page)} "
        f"from {_percent(page)}, or more pairs and requests"
    )


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def tell(told: Told, *, mode: Mode, crossing: Crossing, page: float, spend: float, change_at: int | None) -> Evidence:
    """The evidence of a period. Its unit is `gain`: what comes back of a push of 1."""
    standing, reason = Standing.OK, ""
    if told.lacking:
        standing = Standing.BLIND if told.gated else Standing.INSUFFICIENT if told.basis.exposures else Standing.STALE
        reason = told.lacking
    elif told.undecided and mode is Mode.WATCHING:
        standing, reason = Standing.INSUFFICIENT, told.undecided
    if crossing is not Crossing.NONE:
        standing, reason = Standing.OK, _sentence(told, crossing)
    lags = len(told.sums.linear) - 1
    bounded = told.claimed and bool(np.isfinite(told.interval).all())
    detail: dict[str, Any] = {
        "first_stage_f": told.first_stage,
        "pushed_by": "coins" if told.coins else "random slots",
        "pairs": told.basis.pairs,
        "effective_pairs": told.basis.effective,
        "periods": told.basis.periods,
        "lags": lags,
        "pages_above": page,
        "multiplies_by": 1.0 / (1.0 - told.gain) if told.claimed and told.gain < 1.0 else None,
    }
    if told.claimed:
        detail |= {
            "by_lag": [float(g) for g in estimate.kernel(estimate.impulse(told.sums))],
            "came_back": float(told.gain),
            "at_this_look": [float(end) for end in estimate.anderson_rubin(told.sums, 1.0 - LEVEL)],
            "runaway": bool(told.interval[0] > 1.0),
        }
    return Evidence(
        mode=mode,
        standing=standing,
        crossing=crossing,
        n={"exposed": told.basis.units},
        arms={"gain": told.gain} if told.claimed else {},
        effect=told.gain if told.claimed else None,
        unit="gain",
        interval=Interval(
            low=told.interval[0],
            high=told.interval[1],
            level=LEVEL,
            kind="since_start",
            formula="coins" if told.coins else "normal_mixture",
            inputs=_inputs(told),
        )
        if bounded
        else None,
        margin=WARNS * page,
        spend=spend,
        change_at=change_at,
        exact=False,
        reason=reason,
        detail=detail,
    )


def _inputs(told: Told) -> dict[str, float]:
    """What the interval is computed from: of coins the sums N, D and Q over the training window, and the first period's Q."""
    if not told.coins:
        return {"se": told.se, "tau": TAU, "alpha": 1.0 - LEVEL}
    now, then = estimate.over_window(told.sums), estimate.over_window(Sums(told.sums.linear, told.first))
    (n, d), q, q1 = now.linear, now.square, then.square
    named = zip(("qyy", "qxy", "qxx"), ((0, 0), (0, 1), (1, 1)), strict=True)
    squares = {k: float(v) for name, at in named for k, v in ((name, q[at]), (f"{name}_first", q1[at]))}
    return {"n": float(n), "d": float(d), **squares, "alpha": 1.0 - LEVEL}


def _sentence(told: Told, crossing: Crossing) -> str:
    if crossing is Crossing.RECOVERED:
        return f"the loop feeds less on itself: {told.gain:.0%} of a push comes back".replace("%", " %")
    low, high = told.interval
    text = f"the model feeds on itself: {told.gain:.0%} of a push on an item comes back after it is retrained ({low:.0%} to {high:.0%})"
    if not told.coins:
        text += "; measured by items drawn at random, which must teach it as much as those that it chooses"
    return text.replace("%", " %") + ("; from 100 % on a loop runs away" if low > 1.0 else "")

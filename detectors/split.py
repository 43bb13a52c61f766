"""B5: bets on whether new units fall to the holdout as planned, and what is said of a split; one row is one group of units.

Null: each new unit is held out with a chance whose log odds are within the tolerance of the planned ones. Eight bets are on log
odds that are off by up to 20 % in either direction; a ninth is a mixture over all shares outside the tolerance, since the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from pydantic import Field
from scipy.special import logit

from detectors import engine
from detectors.columns import Floats
from detectors.detector import Params
from detectors.evidence import Crossing, Evidence, Interval, Mode
from detectors.increments import bernoulli, multinomial
from detectors.math.intervals import share_interval

LEVEL = 0.95
START_LEVEL = 0.001
"""Chance ever to alarm on a sound plan through the opening stake; on top of the spend."""

SHIFTS = np.array([-0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2])
BETS = len(SHIFTS) + 1
OPENING = float(np.log(START_LEVEL) + np.log(BETS))
"""The log stake with which each mixture begins."""

_EDGES = np.array([-1.0, 1.0])
_SMALLEST_REPAIR = 0.05
_BACK = np.linspace(0.75, -0.5, BETS)


class SplitParams(Params):
    """The plan of a split."""

    holdout_share: Annotated[float, Field(gt=0, lt=1, description="planned share of the holdout among both cohorts")]
    tolerance: Annotated[
        float,
        Field(
            ge=0, lt=1, description="deviation of the log odds that is nobody's concern; .01 is about 1 % of the share"
        ),
    ] = 0.01
    expected_shift: Annotated[
        float, Field(gt=0, lt=5, description="deviation of the log odds at which the interval is tightest")
    ] = 0.1


def away(window: Floats, total: Floats, share: Floats, tolerance: Floats) -> Floats:
    """Log increments against the null, (R, BETS).

    window, total   (R, 2) units [exposed, holdout] of the window, and of all windows before it; share, tolerance (R,).
    """
    n, held = window.sum(axis=1)[:, None], window[:, 1][:, None]
    plan, edge = share[:, None], tolerance[:, None] * np.sign(SHIFTS)
    shifted = bernoulli.log_increments(held, n, bernoulli.tilted(plan, edge), bernoulli.tilted(plan, edge + SHIFTS))
    edges = bernoulli.tilted(plan, tolerance[:, None] * _EDGES)
    return np.concatenate([shifted, _from_start(total, window, edges)], axis=1)


def back(window: Floats, share: Floats, broken: Floats) -> Floats:
    """Log increments against "still off by at least half of `broken`", the log odds at the alarm, (R, BETS)."""
    n, held = window.sum(axis=1)[:, None], window[:, 1][:, None]
    repaired = np.where(broken < 0, -1.0, 1.0) * np.maximum(np.abs(broken) / 2.0, _SMALLEST_REPAIR)
    still = bernoulli.tilted(share[:, None], repaired[:, None])
    return bernoulli.log_increments(held, n, still, bernoulli.tilted(share[:, None], repaired[:, None] * _BACK[None]))


def increments(null: Floats, worse: Floats) -> engine.Increments:
    """As the engine takes them: a gate is open or shut, there is no worse."""
    return engine.Increments(null=null, critical=np.full(null.shape, -np.inf), worse=worse)


def _from_start(total: Floats, window: Floats, edges: Floats) -> Floats:
    """What the window adds to the mixture's evidence against shares within `edges` (R, 2) since the start, shape (R, 1)."""
    before, after = (
        multinomial.log_value_outside(counts[:, 1], counts.sum(axis=1), edges[:, 0], edges[:, 1])
        for counts in (total, total + window)
    )
    return (after - before)[:, None]


def log_odds(counts: Floats, share: Floats) -> Floats:
    """Deviation of the holdout's log odds from plan; one unit, split as planned, is added so that it is finite."""
    smoothed = (counts[:, 1] + share) / (counts.sum(axis=1) + 1.0)
    result: Floats = logit(smoothed) - logit(share)
    return result


def view_of(base: Evidence) -> str:
    """Of which units is told: since the change that was found, since the alert opened, or since the start."""
    if base.crossing is not Crossing.NONE:
        return "recent"
    return "fresh" if base.mode is Mode.RECOVERING else "since_start"


def filled(
    ps: Sequence[SplitParams], counts: Floats, kinds: Sequence[str], alpha: Floats, bases: Sequence[Evidence]
) -> list[Evidence]:
    """`bases` with the sizes `counts` (W, 2), the share beside the plan, and its interval, which misses with `alpha` (W,)."""
    share, tau = np.array([p.holdout_share for p in ps]), np.array([p.expected_shift for p in ps])
    low, high = share_interval(counts[:, 1], counts.sum(axis=1), share, tau, alpha)
    off = log_odds(counts, share)
    return [
        _filled(p, counts[i], (float(low[i]), float(high[i])), float(off[i]), kinds[i], float(alpha[i]), bases[i])
        for i, p in enumerate(ps)
    ]


def _filled(
    p: SplitParams, counts: Floats, ends: tuple[float, float], off: float, kind: str, alpha: float, base: Evidence
) -> Evidence:
    exposed, held = int(counts[0]), int(counts[1])
    n, sizes = exposed + held, {"exposed": exposed, "holdout": held}
    margin = p.tolerance * p.holdout_share * (1.0 - p.holdout_share)
    if not n:
        return msgspec.structs.replace(
            base, n=sizes, arms={"planned": p.holdout_share}, unit="share of units", margin=margin
        )
    inputs = {
        "yes": float(held),
        "n": float(n),
        "planned": p.holdout_share,
        "tau": p.expected_shift,
        "alpha": alpha,
    }
    return msgspec.structs.replace(
        base,
        n=sizes,
        arms={"planned": p.holdout_share, "holdout": held / n},
        effect=held / n - p.holdout_share,
        relative=held / n / p.holdout_share - 1.0,
        interval=Interval(
            low=ends[0] - p.holdout_share,
            high=ends[1] - p.holdout_share,
            level=LEVEL,
            kind=kind,
            formula="share",
            inputs=inputs,
        ),
        unit="share of units",
        margin=margin,
        detail={"log_odds_deviation": off},
    )

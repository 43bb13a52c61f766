"""Which gains the coins leave possible, at every look: one e-process for each gain of a grid.

Under "the gain is g" the residual response - g exposure of a pair does not depend on its sign, so only fair coins are left.
Their signed sum N - g D and sum of squares Qyy - 2 g Qxy + g^2 Qxx need no more than the sums of `estimate`.
Exact for one lag and a gain that is the same for all pairs; for the weighted mean of differing gains asymptotic, and for the total
over more lags (`estimate.over_window`) too, because a response then holds later coins.
"""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats
from detectors.increments import rademacher
from detectors.loop_gain.estimate import Sums, over_window

GRID: Floats = np.linspace(-1.0, 3.0, 201)
"""The gains that are tried, .02 apart; where the possible ones begin and end is then searched between two of them."""

_BISECTIONS = 20


def against(total: Sums, first: Sums, gain: Floats = GRID) -> Floats:
    """Log of the e-value of each gain, of any shape: the plain average over bets, which the first period's sums scale.

    A bet's evidence over all periods is lam S - lam^2 Q / 2 with S and Q of all of them, so no path need be kept.
    """
    total, first = over_window(total), over_window(first)
    log_e = rademacher.from_sums(total.linear[0] - gain * total.linear[1], _squares(total, gain), _squares(first, gain))
    return np.asarray(np.logaddexp.reduce(log_e, axis=-1) - np.log(rademacher.BETS))


def interval(total: Sums, first: Sums, alpha: float) -> tuple[float, float]:
    """Where the gain lies, valid at every look: from the first to the last gain with an e-value below 1 / alpha.

    Infinite on a side where the end of the grid is still possible; (NaN, NaN) where no gain is, because gains differ by item.
    """
    bar = np.log(1.0 / alpha)
    possible = np.flatnonzero(against(total, first) < bar)
    if not len(possible):
        return np.nan, np.nan

    def edge(outside: float, inside: float) -> float:
        for _ in range(_BISECTIONS):
            middle = (outside + inside) / 2.0
            held = float(against(total, first, np.array(middle))) < bar
            outside, inside = (outside, middle) if held else (middle, inside)
        return outside

    last = len(GRID) - 1
    low = -np.inf if possible[0] == 0 else edge(float(GRID[possible[0] - 1]), float(GRID[possible[0]]))
    high = np.inf if possible[-1] == last else edge(float(GRID[possible[-1] + 1]), float(GRID[possible[-1]]))
    return low, high


def _squares(a: Sums, gain: Floats) -> Floats:
    """Sum of squared residuals at each gain; 1 where there are no pairs."""
    found = a.square[0, 0] - 2.0 * gain * a.square[0, 1] + gain**2 * a.square[1, 1]
    return np.where(found > 0, found, 1.0)

"""What `numeric_shift` will find: the smallest shift of a normal distribution's mean, told as its distance.

All cuts move with such a shift, the middle one by the distance 2 Phi(shift / 2) - 1, with the shift in standard deviations.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from detectors.columns import Floats
from detectors.increments import shares
from detectors.numeric_shift import bets
from detectors.numeric_shift.reading import BINS, CUTS, WIDTH
from detectors.numeric_shift.state import NumericShiftParams, reference_error
from detectors.power import Outlook, Reach, delay, smallest, walk_of

_LARGEST = 6.0
_BEFORE = np.append(np.arange(1, CUTS + 1) / BINS, 1.0)


def shift_delay(shift: float, p: NumericShiftParams, outlook: Outlook) -> float:
    """Windows until a shift of the mean by `shift` standard deviations is found."""
    increments, weights = _bets(p.eps, p.learn_units)
    after = np.append(ndtr(ndtri(_BEFORE[:-1]) - shift), 1.0)
    walk = walk_of(increments, np.diff(after, prepend=0.0), np.diff(_BEFORE, prepend=0.0))
    return delay(walk.over(outlook.units), weights, outlook)


@lru_cache(maxsize=8)
def _bets(eps: float, learn_units: int) -> tuple[Floats, Floats]:
    """Log increments (BINS, bets) of a unit in each bin, and the log weights of the bets."""
    learned = np.zeros((1, WIDTH))
    learned[0, -1] = learn_units
    tested = bets.bounds(_BEFORE[None], eps + reference_error(learned), np.ones((1, BINS), np.bool_))
    twice = shares.Bounds(np.repeat(tested.null, 2, axis=0), np.repeat(tested.kept, 2, axis=0))
    every, none = shares.against(twice, np.stack([np.ones(BINS), np.zeros(BINS)]), np.ones(2))
    weights = shares.log_weights(tested.kept)[0]
    kept = np.isfinite(weights)
    below = np.tri(BINS, dtype=np.bool_).T  # a unit in bin i is below boundary i and all later ones
    return np.where(np.repeat(below, bets.BETS // BINS, axis=1), every, none)[:, kept], weights[kept]


def reach(p: NumericShiftParams, outlook: Outlook) -> Reach:
    """The smallest distance found in time."""
    if outlook.units <= 0:
        return Reach(unknown="no unit votes")
    shift = smallest(lambda s: shift_delay(s, p, outlook), outlook.windows, 0.0, _LARGEST)
    merged = max(p.min_units / outlook.units, 1.0)
    return Reach(
        effect=float(2.0 * ndtr(shift / 2.0) - 1.0) if np.isfinite(shift) else float("inf"),
        relative=None,
        unit="KS",
        learning=max((p.sample_units + p.learn_units) / outlook.units, p.learn_windows * merged),
        counted=(("now", outlook.units * outlook.windows),),
    )

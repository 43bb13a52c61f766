"""Bets against "no cut's share has moved by more than the margin", at every cut, in both directions.

A boundary is a cut, or the one between present and missing (a missing value counts as larger than every number). Its share
is the part of the votes at or below it. At 20 boundaries, 2 directions and 4 sizes of shift there are 160 bets.
"""

from __future__ import annotations

from detectors.columns import Bools, Floats
from detectors.increments import shares
from detectors.numeric_shift.reading import BINS

BETS = BINS * shares.BETS_A_SHARE
"""Bet (boundary, side, alternative) in that order; see `detectors.increments.shares`."""


def bounds(reference: Floats, margin: Floats, used: Bools) -> shares.Bounds:
    """Reference shares (W, BINS) give or take `margin` (W,); boundaries that are not `used` (W, BINS) are dropped."""
    return shares.bounds(reference - margin[:, None], reference + margin[:, None], used)

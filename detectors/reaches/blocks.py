"""The reach of watches that bet on one number a window: how far its mean must move.

How much that number scatters has to be learned, so nothing is told before. It is taken to scatter normally, and its sum as much
more than windows by themselves would make it as was learned.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from detectors.cohort_block import CohortBlockParams
from detectors.columns import Floats
from detectors.increments import block
from detectors.power import Outlook, Reach, Walk, delay, smallest, walk_of
from detectors.volume import VolumeParams

SPREAD_UNKNOWN = "told once it has learned how much windows differ"
NEVER_MOVED = "windows have not differed yet"
_GRID = ndtri((np.arange(64) + 0.5) / 64)
_LARGEST = 200.0


def cohort_block(p: CohortBlockParams, outlook: Outlook) -> Reach:
    """The smallest fall (or rise, where lower is better), in the value's unit, and of the mean seen while learning."""
    try:
        deviation, kappa, margin, usual = (
            float(outlook.known[name]) for name in ("block_deviation", "kappa", "margin", "baseline")
        )
    except KeyError:
        return Reach(unknown=SPREAD_UNKNOWN, learning=_windows(p.learn_days, outlook))
    if deviation <= 0:
        return Reach(unknown=NEVER_MOVED)
    beyond = beyond_margin(kappa, margin / deviation, outlook, sides=1)
    harm = margin + beyond * deviation
    return Reach(
        effect=harm,
        relative=harm / usual if usual else None,
        unit="per unit",
        learning=_windows(p.learn_days, outlook),
        counted=(("windows", outlook.windows),),
        of="windows",
        words="" if usual else f"a difference of {harm:.2g}",
    )


def volume(p: VolumeParams, outlook: Outlook) -> Reach:
    """The smallest rise of what comes, as a share of what usually does. `margin` is of what comes, too."""
    try:
        deviation, kappa, margin = (float(outlook.known[name]) for name in ("s", "kappa", "margin"))
    except KeyError:
        return Reach(unknown=SPREAD_UNKNOWN, learning=_windows(p.learn_days, outlook))
    if deviation <= 0:
        return Reach(unknown=NEVER_MOVED)
    tolerated = float(np.log1p(margin))
    beyond = beyond_margin(kappa, tolerated / deviation, outlook, sides=2)
    rise = float(np.expm1(min(tolerated + beyond * deviation, 50.0)))
    fall = rise / (1.0 + rise)
    return Reach(
        effect=rise,
        unit="share of what is usual",
        learning=_windows(p.learn_days, outlook),
        counted=(("windows", outlook.windows),),
        of="windows",
        words=f"a rise by {100 * rise:.2g} % or a fall by {100 * fall:.2g} %",
    )


def beyond_delay(beyond: float, kappa: float, margin: float, outlook: Outlook, sides: int) -> float:
    """Windows until a mean is found that lies `beyond` its margin; it was 0 before. Both in standard deviations of a window."""
    many, chance = np.full(len(_GRID), kappa), np.full(len(_GRID), 1.0 / len(_GRID))
    after = block.log_increments(_GRID + beyond, many)
    seen = walk_of(np.concatenate([after, block.log_increments(_GRID - margin, many)]), *_halves(chance))
    walk = Walk(seen.mean, seen.covariance * kappa, seen.rest_mean, seen.rest_variance * kappa)
    return delay(walk, np.full(block.BETS, -np.log(sides * block.BETS)), outlook)


def _halves(chance: Floats) -> tuple[Floats, Floats]:
    nothing = np.zeros_like(chance)
    return np.concatenate([chance, nothing]), np.concatenate([nothing, chance])


def beyond_margin(kappa: float, margin: float, outlook: Outlook, sides: int) -> float:
    """The least that is found in time, beyond its margin."""
    return smallest(lambda beyond: beyond_delay(beyond, kappa, margin, outlook, sides), outlook.windows, 0.0, _LARGEST)


def _windows(days: float, outlook: Outlook) -> float:
    return days * 86_400_000 / outlook.window

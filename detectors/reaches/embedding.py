"""The reach of `embedding_shift`: how far the vectors must move.

They are taken to move by one step in a direction that has nothing to do with the projections, which then move by normal amounts:
most by little, a few by more. Length and angle, which may move or not, are taken to stay.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from detectors.columns import Bools, Floats
from detectors.embedding_shift import EmbeddingShiftParams
from detectors.embedding_shift.lens import CHANNELS, PROJECTIONS
from detectors.embedding_shift.reading import CELLS
from detectors.increments import shares
from detectors.math.intervals import bounded_mean_bounds
from detectors.numeric_shift.reading import BINS, CUTS
from detectors.power import Outlook, Reach, Walk, delay, smallest, strongest, walk_of
from detectors.reaches.shares import NOBODY
from detectors.shares.watch import REFERENCE_LEVEL

_LARGEST = 6.0
_CHOSEN = 64
_MOVES = ndtri((np.arange(PROJECTIONS) + 0.5) / PROJECTIONS)


def embedding_shift(p: EmbeddingShiftParams, outlook: Outlook) -> Reach:
    """The smallest step, as the root mean square of the projections' shifts in standard deviations."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    found = smallest(lambda step: step_delay(step, p, outlook), outlook.windows, 0.0, _LARGEST)
    merged = max(p.min_units / outlook.units, 1.0)
    return Reach(
        effect=found,
        unit="deviations",
        learning=max((p.sample_units + p.learn_units) / outlook.units, p.learn_windows * merged),
        counted=(("now", outlook.units * outlook.windows),),
        words=f"a shift of the vectors by {found:.2g} standard deviations of a projection",
    )


def step_delay(step: float, p: EmbeddingShiftParams, outlook: Outlook) -> float:
    """Windows until a step of the projections by `step` standard deviations, root mean square, is found."""
    cuts = np.arange(1, CUTS + 1) / BINS
    before = np.append(cuts, 1.0)
    low, high = bounded_mean_bounds(before, np.full(BINS, float(p.learn_units)), REFERENCE_LEVEL / CELLS)
    tested = shares.bounds((low - p.eps)[None], (high + p.eps)[None], np.ones((1, BINS), np.bool_))
    kept = np.isfinite(shares.log_weights(tested.kept)[0])
    increments = _of_bins(tested, kept)
    log_weights = np.full(int(kept.sum()), -np.log(CHANNELS * kept.sum()))
    walks, weights = [], []
    for move in step * _MOVES:
        after = np.append(ndtr(ndtri(cuts) - move), 1.0)
        walk = walk_of(increments, np.diff(after, prepend=0.0), np.diff(before, prepend=0.0))
        chosen, mine = strongest(walk, log_weights, _CHOSEN // 8)
        walks.append(chosen)
        weights.append(mine)
    return delay(_side_by_side(walks).over(outlook.units), np.concatenate(weights), outlook)


def _of_bins(tested: shares.Bounds, kept: Bools) -> Floats:
    """Log e-increments of one unit by the bin that it is in, (BINS, kept bets)."""
    twice = shares.Bounds(np.repeat(tested.null, 2, axis=0), np.repeat(tested.kept, 2, axis=0))
    every, none = shares.against(twice, np.stack([np.ones(BINS), np.zeros(BINS)]), np.ones(2))
    below = np.repeat(np.tri(BINS, dtype=np.bool_).T, shares.BETS_A_SHARE, axis=1)
    increments: Floats = np.where(below, every, none)[:, kept]
    return increments


def _side_by_side(walks: list[Walk]) -> Walk:
    """Walks that know nothing of each other, as one."""
    sizes = np.cumsum([0, *(len(w.mean) for w in walks)])
    covariance = np.zeros((sizes[-1], sizes[-1]))
    for walk, first, last in zip(walks, sizes[:-1], sizes[1:], strict=True):
        covariance[first:last, first:last] = walk.covariance
    mean, rest_mean, rest_variance = (
        np.concatenate([getattr(w, name) for w in walks]) for name in ("mean", "rest_mean", "rest_variance")
    )
    return Walk(mean, covariance, rest_mean, rest_variance)

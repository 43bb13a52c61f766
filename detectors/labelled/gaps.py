"""Gaps between what came true and what was predicted, by score bin, and bets on them.

In a bin of predictions between `low` and `high` a gap y - p lies between -high and 1 - low; bets are placed on it as a share of
that range, so that rare outcomes, whose gaps vary little, are bet on with what they allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats, Ints
from detectors.increments import bounded
from detectors.labelled.learning import Labels
from detectors.labelled.reading import BINS, Votes
from detectors.math.intervals import empirical_bernstein_radius, normal_mixture_radius

SUMS = 5
WIDTH = BINS * SUMS
"""By bin: votes, sums of the gap, of its square, of the predictions and of the outcomes."""

SIDES = 2
PAIRS = BINS * SIDES
BETS = PAIRS * bounded.BETS
"""Bet (bin, side, tilt) in that order; side 0: more comes true than was, side 1: less."""

REFERENCE_LEVEL = 0.001
"""Chance that some bin's gap in the reference is further from the truth than it is given credit for."""

_EDGE = 1e-3


@dataclass(frozen=True)
class Moments:
    """Votes, mean gap, its variance, mean prediction and mean outcome, each (W, BINS); 0 where there are no votes."""

    n: Floats
    mean: Floats
    variance: Floats
    predicted: Floats
    observed: Floats


@dataclass(frozen=True)
class Bounds:
    """The largest (side 0) and smallest (side 1) mean gap of the null, and whether there is room to bet; (W, BINS, SIDES)."""

    null: Floats
    kept: Bools


def of(votes: Votes, watches: int) -> Floats:
    """Sums (W, WIDTH) of votes by unit and bin."""
    gap, cell = votes.observed - votes.predicted, votes.row * BINS + votes.bin
    columns = (np.ones_like(gap), gap, gap**2, votes.predicted, votes.observed)
    sums = [np.bincount(cell, c, watches * BINS).astype(np.float64) for c in columns]
    return np.stack(sums, axis=1).reshape(watches, WIDTH)


def moments(sums: Floats) -> Moments:
    """Of sums (W, WIDTH)."""
    n, gap, square, predicted, observed = np.moveaxis(sums.reshape(-1, BINS, SUMS), 2, 0)
    many = np.maximum(n, 1.0)
    mean = gap / many
    return Moments(n, mean, np.maximum(square / many - mean**2, 0.0), predicted / many, observed / many)


def edges(labels: Labels) -> Floats:
    """Edges of the bins, (W, BINS + 1); bins beyond the last cut are empty, from 1 to 1."""
    ends = np.ones((len(labels.cuts), 1))
    return np.concatenate([0.0 * ends, np.clip(np.nan_to_num(labels.cuts, nan=1.0), 0.0, 1.0), ends], axis=1)


def bounds(reference: Floats, edge: Floats, margin: Floats) -> Bounds:
    """Gaps of the reference sums (W, WIDTH), give or take their error and `margin` (W, BINS)."""
    seen = moments(reference)
    error = empirical_bernstein_radius(seen.variance, seen.n, _range(edge), REFERENCE_LEVEL / BINS)
    null = np.stack([seen.mean + error + margin, seen.mean - error - margin], axis=-1)
    place = (null + edge[:, 1:, None]) / _range(edge)[..., None]
    return Bounds(null, (place > _EDGE) & (place < 1.0 - _EDGE))


def log_weights(kept: Bools) -> Floats:
    """Uniform over the bets that are kept, -inf for the others; shape (W, BETS)."""
    flat = np.repeat(kept.reshape(len(kept), PAIRS), bounded.BETS, axis=1)
    with np.errstate(divide="ignore"):
        return np.where(flat, -np.log(np.maximum(flat.sum(axis=1), 1))[:, None], -np.inf)


def against(votes: Votes, edge: Floats, b: Bounds) -> Floats:
    """Log e-increments against "every gap is within its bounds", (W, BETS); 0 for bets that are not kept."""
    return np.stack([_of_side(votes, edge, b, side, 1.0 - 2.0 * side) for side in range(SIDES)], axis=2).reshape(
        len(edge), BETS
    )


def against_still_there(votes: Votes, edge: Floats, b: Bounds, pair: Ints) -> Floats:
    """Log e-increments against "on this side this bin's gap is still outside its bound", (W, BETS).

    pair   (W,) index bin x SIDES + side. Only the tilts matter: every pair carries the same bets.
    """
    back = np.stack([_of_side(votes, edge, b, side, 2.0 * side - 1.0) for side in range(SIDES)], axis=2)
    mine = back.reshape(len(edge), PAIRS, bounded.BETS)[np.arange(len(edge)), pair]
    return np.tile(mine, (1, PAIRS))


def worst(moved: Floats, margin: Floats, kept: Bools) -> Ints:
    """The pair that has moved most towards where it is bet on, in margins, (W,); `moved` and `margin` (W, BINS)."""
    towards = np.stack([moved, -moved], axis=-1) / margin[..., None]
    result: Ints = np.argmax(np.where(kept, towards, -np.inf).reshape(len(moved), PAIRS), axis=1)
    return result


def radius(sums: Floats, margin: Floats, alpha: Floats) -> Floats:
    """Half-width of each bin's mean gap, for all bins at once and at every look, (W, BINS), at error `alpha` (W,). Asymptotic."""
    seen = moments(sums)
    return np.where(seen.n > 1, normal_mixture_radius(standard_error(sums), margin, alpha[:, None] / BINS), np.inf)


def standard_error(sums: Floats) -> Floats:
    """Of each bin's mean gap, (W, BINS)."""
    seen = moments(sums)
    smooth = (seen.observed * seen.n + 0.5) / (seen.n + 1.0)
    result: Floats = np.sqrt(
        np.maximum(seen.variance, smooth * (1.0 - smooth) / (seen.n + 1.0)) / np.maximum(seen.n, 1.0)
    )
    return result


def error_of_change(sums: Floats, reference: Floats) -> Floats:
    """Of the change of each bin's mean gap, (W, BINS), from sums (W, WIDTH); see `detectors.shares.watch.error_of_change`."""
    result: Floats = np.hypot(standard_error(sums), standard_error(reference))
    return result


def inside(calm: Floats, half: Floats, b: Bounds) -> Bools:
    """Whether every gap that is bet on lies, with its interval, inside its bounds, (W,)."""
    now = moments(calm).mean
    room = np.stack([b.null[..., 0] - now, now - b.null[..., 1]], axis=-1)
    result: Bools = np.all((room > half[..., None]) | ~b.kept, axis=(1, 2))
    return result


def _range(edge: Floats) -> Floats:
    result: Floats = 1.0 - edge[:, :-1] + edge[:, 1:]
    return result


def _of_side(votes: Votes, edge: Floats, b: Bounds, side: int, towards: float) -> Floats:
    """Log e-increments of the bets on one side's bounds, (W, BINS, tilts); `towards` 1 bets on more, -1 on less."""
    cell = votes.row * BINS + votes.bin
    order = np.argsort(cell, kind="stable")
    cell = cell[order]
    high, width = edge[:, 1:].ravel(), _range(edge).ravel()
    value = np.clip(((votes.observed - votes.predicted)[order] + high[cell]) / width[cell], 0.0, 1.0)
    kept = b.kept[..., side].ravel()
    null = np.where(kept, (b.null[..., side].ravel() + high) / width, 0.5)
    log_l = bounded.log_increments(value, cell, null, towards)
    return np.where(kept[:, None], log_l, 0.0).reshape(len(edge), BINS, bounded.BETS)

"""Eighteen numbers that a vector is seen by: sixteen random projections, its length, its angle to the reference's mean.

Projections are of the whitened vector: every coordinate less its mean, over its deviation, in the reference. Whitening is by
coordinate alone; a full covariance would need the square of the dimension. All sums are of integers that a float holds exactly
(coordinates on a grid of 2^-10 deviations), so that they depend neither on the order of additions nor on how rows were cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats
from detectors.numeric_shift.reading import BINS, CUTS, MISSING, bins_of, cuts_of

PROJECTIONS = 16
CHANNELS = PROJECTIONS + 2
LENGTH, ANGLE = PROJECTIONS, PROJECTIONS + 1

_GRID, _MOST = 1 << 10, 1 << 16
_WEIGHTS = 1 << 8
_RAW_GRID, _RAW_MOST = 1 << 12, 1 << 20
_TINY = 1e-12

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lens:
    """What a reference of vectors of d numbers is seen through.

    mean, deviation   (d,); size: root of the mean square of all coordinates, > 0; seed: of the projections.
    cuts              (CHANNELS, CUTS) ascending, NaN where there are fewer.
    """

    mean: Floats
    deviation: Floats
    size: float
    seed: int
    cuts: Floats


def whole(vectors: Vectors, dimension: int) -> Bools:
    """Which of vectors (n, w) have `dimension` > 0 numbers, all finite; a missing vector has none."""
    result: Bools = np.asarray(_lengths(vectors) == dimension)
    return result


def _lengths(vectors: Vectors) -> npt.NDArray[np.intp]:
    """How many numbers each vector has; 0 for one with a hole."""
    finite = np.isfinite(vectors)
    ahead = np.logical_and.accumulate(finite, axis=1).sum(axis=1)
    return np.where(finite.sum(axis=1) == ahead, ahead, 0)


def lens_of(vectors: Vectors, seed: int) -> Lens | None:
    """The lens of a sample of vectors (n, d), NaN where missing; of those of its commonest length. None if all are missing."""
    lengths = _lengths(vectors)
    if not (lengths > 0).any():
        return None
    dimension = int(np.bincount(lengths[lengths > 0]).argmax())
    sample = vectors[whole(vectors, dimension)][:, :dimension].astype(np.float64)
    mean, deviation = sample.mean(axis=0), np.maximum(sample.std(axis=0), _TINY)
    size = max(float(np.sqrt(np.mean(sample**2))), _TINY)
    lens = Lens(mean, deviation, size, seed, np.full((CHANNELS, CUTS), np.nan))
    seen = channels(lens, sample.astype(np.float32))
    return Lens(mean, deviation, size, seed, np.stack([cuts_of(seen[:, c]) for c in range(CHANNELS)]))


def channels(lens: Lens, vectors: Vectors) -> Floats:
    """The eighteen numbers of vectors (n, d), all of them whole: (n, CHANNELS)."""
    x, d = vectors.astype(np.float64), len(lens.mean)
    white = np.clip(np.rint((x - lens.mean) / lens.deviation * _GRID), -_MOST, _MOST)
    weights = np.rint(np.random.default_rng(lens.seed).standard_normal((d, PROJECTIONS)) * _WEIGHTS)
    raw = np.clip(np.rint(x / lens.size * _RAW_GRID), -_RAW_MOST, _RAW_MOST)
    centre = np.clip(np.rint(lens.mean / lens.size * _RAW_GRID), -_RAW_MOST, _RAW_MOST)
    length, own = np.sqrt(np.sum(raw**2, axis=1)), np.sqrt(np.sum(centre**2))
    cosine = (raw @ centre) / np.maximum(length * own, 1.0)
    projected = (white @ weights) / (_GRID * _WEIGHTS * np.sqrt(d))
    return np.concatenate([projected, length[:, None] / _RAW_GRID, cosine[:, None]], axis=1)


def bins(lens: Lens, vectors: Vectors) -> npt.NDArray[np.int64]:
    """The bin of every vector (n, w) in each channel, (n, CHANNELS); `MISSING` for those that are not whole."""
    known = whole(vectors, len(lens.mean))
    result = np.full((len(vectors), CHANNELS), MISSING, np.int64)
    if not known.any():
        return result
    seen = channels(lens, vectors[known][:, : len(lens.mean)])
    for c in range(CHANNELS):
        cuts = lens.cuts[c]
        result[known, c] = bins_of(seen[:, c], cuts[~np.isnan(cuts)])
    return result


def name(channel: int) -> str:
    """A channel, for people."""
    return {LENGTH: "length", ANGLE: "cosine to the reference's mean"}.get(channel, f"projection {channel + 1}")


def in_words(lens: Lens, cell: int) -> str:
    """What a boundary's share is of: cell = channel x BINS + boundary."""
    channel, boundary = divmod(cell, BINS)
    if boundary == BINS - 1:
        return "vectors that are there and whole"
    return f"{name(channel)} at most {lens.cuts[channel, boundary]:.3g}"

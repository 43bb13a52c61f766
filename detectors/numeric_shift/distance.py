"""How far two histograms over the same cuts are apart: figures for people. None of them decides anything."""

from __future__ import annotations

import numpy as np

from detectors.columns import Bools, Floats
from detectors.numeric_shift.reading import BINS, WIDTH

_SLOW = (0.3, 0.85)
_CHANCE = 0.01


def shares(histograms: Floats) -> Floats:
    """Part of the votes at or below each boundary, (W, BINS) from histograms (W, WIDTH); 0 where there are none."""
    n = np.maximum(histograms[:, -1:], 1.0)
    result: Floats = np.minimum(np.cumsum(histograms[:, :BINS], axis=1) / n, 1.0)
    return result


def used(cuts: Floats) -> Bools:
    """Boundaries that exist, (W, BINS): the cuts that are not NaN, and always the one before missing."""
    return np.concatenate([~np.isnan(cuts), np.ones((len(cuts), 1), np.bool_)], axis=1)


def kolmogorov_smirnov(reference: Floats, now: Floats, boundaries: Bools) -> Floats:
    """Largest difference of two (W, BINS) share tables over the boundaries that exist, shape (W,)."""
    result: Floats = np.max(np.abs(now - reference) * boundaries, axis=1)
    return result


def apart(both: Floats, boundaries: Bools) -> Floats:
    """The distance of histograms from those beside them, (W,), of (W, 2 WIDTH)."""
    return kolmogorov_smirnov(shares(both[:, WIDTH:]), shares(both[:, :WIDTH]), boundaries)


def slowly(earlier: Floats, recent: Floats, boundaries: Bools) -> Bools:
    """Whether a distance came slowly, (W,): what lay before the recent windows was 30 to 85 % of it away, beyond chance.

    Less, and it came at once; more, and it was there before, but not yet noticed.
    """
    n = earlier[:, WIDTH - 1]
    chance = np.sqrt(np.log(2.0 / _CHANCE) / (2.0 * np.maximum(n, 1.0)))
    before, now = apart(earlier, boundaries), apart(recent, boundaries)
    result: Bools = (n > 0) & (before > chance) & (before > _SLOW[0] * now) & (before < _SLOW[1] * now)
    return result


def in_words(cuts: Floats, boundary: int) -> str:
    """What lies above a boundary of `cuts` (CUTS,)."""
    if boundary == len(cuts):
        return "missing"
    cut, following = cuts[boundary], cuts[min(boundary + 1, len(cuts) - 1)]
    if cut < following == np.nextafter(cut, np.inf):
        return f"at least {following:.6g}"
    return f"above {cut:.6g}"


def by_name(reference: Floats, now: Floats, cuts: Floats) -> dict[str, float]:
    """PSI, Jensen-Shannon (base 2) and the part of W1 between the cuts (in the value's unit), of two histograms (WIDTH,).

    Half a vote is added to every cell before PSI is taken, so that an empty cell stays finite.
    """
    edges = cuts[~np.isnan(cuts)]
    cells = np.r_[np.arange(len(edges) + 1), BINS]
    p, q = (_smooth(h[cells]) for h in (reference, now))
    middle = (p + q) / 2
    gap = np.abs(shares(now[None])[0] - shares(reference[None])[0])
    return {
        "psi": float(np.sum((q - p) * np.log(q / p))),
        "jensen_shannon": float((np.sum(p * np.log2(p / middle)) + np.sum(q * np.log2(q / middle))) / 2),
        "wasserstein": float(np.sum(gap[: max(len(edges) - 1, 0)] * np.diff(edges))),
    }


def _smooth(cells: Floats) -> Floats:
    result: Floats = (cells + 0.5) / np.sum(cells + 0.5)
    return result

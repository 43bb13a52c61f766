"""How far two histograms over the same cuts are apart: figures for people. None of them decides anything."""

from __future__ import annotations

import numpy as np

from detectors.columns import Bools, Floats
from detectors.numeric_shift.reading import BINS


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

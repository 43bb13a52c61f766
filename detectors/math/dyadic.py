"""Sums over the last windows, for every length that is about a power of two, in O(log windows) memory.

An exponential histogram (Datar, Gionis, Indyk and Motwani 2002) over windows: level l holds one or two buckets of 2^l
windows each. The spans on offer are fixed by the number of windows alone, never by their content, so a union bound over the
levels covers the choice of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats, Ints

LEVELS = 24


@dataclass(frozen=True)
class Spans:
    """For W rows of k sums: `sums` (W, LEVELS, 2, k), older bucket first; `buckets` (W, LEVELS) in 0, 1, 2."""

    sums: Floats
    buckets: Ints


def start(rows: int, width: int) -> Spans:
    """No windows yet."""
    return Spans(np.zeros((rows, LEVELS, 2, width)), np.zeros((rows, LEVELS), np.int64))


def push(spans: Spans, values: Floats, active: Bools) -> Spans:
    """One more window with sums `values` (W, k), for the rows in `active` (W,)."""
    sums, buckets = spans.sums.copy(), spans.buckets.copy()
    carry, rows = values[active], np.flatnonzero(active)
    for level in range(LEVELS):
        if not len(rows):
            break
        full = buckets[rows, level] == 2
        free = rows[~full]
        sums[free, level, buckets[free, level]] = carry[~full]
        buckets[free, level] += 1
        overfull = rows[full]
        older = sums[overfull, level].sum(axis=1)
        sums[overfull, level, 0] = carry[full]
        sums[overfull, level, 1] = 0.0
        buckets[overfull, level] = 1
        carry, rows = older, overfull
    return Spans(sums, buckets)


def clear(spans: Spans, rows: Bools) -> Spans:
    """Forget all windows of the rows in `rows` (W,)."""
    keep = ~rows
    return Spans(spans.sums * keep[:, None, None, None], spans.buckets * keep[:, None])


def at_least(spans: Spans, windows: Ints) -> tuple[Floats, Ints, Ints]:
    """Sums over the shortest span of at least `windows` (W,) windows (or all there are).

    Returns the sums (W, k), the span's number of windows (W,) and the number of spans there were to choose from (W,).
    """
    sizes = spans.buckets * (1 << np.arange(LEVELS, dtype=np.int64))
    lengths = np.cumsum(sizes, axis=1)
    level = np.minimum(np.sum(lengths < windows[:, None], axis=1), LEVELS - 1)
    totals = np.cumsum(spans.sums.sum(axis=2), axis=1)
    pick = np.arange(len(windows))
    offered = np.maximum(np.sum(spans.buckets > 0, axis=1), 1)
    return totals[pick, level], lengths[pick, level], offered

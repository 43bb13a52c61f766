"""Sums over the last windows, for lengths on a grid of ratio at most 5/3, in O(log windows) memory.

An exponential histogram (Datar, Gionis, Indyk and Motwani 2002) over windows: level l holds up to four buckets of 2^l windows
each. The spans on offer are fixed by the number of windows alone, never by their content, so a union bound over the buckets
covers the choice of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats, Ints

LEVELS = 16
BUCKETS = 4


@dataclass(frozen=True)
class Spans:
    """For W rows of k sums: `sums` (W, LEVELS, BUCKETS, k), newest bucket first; `buckets` (W, LEVELS) in use."""

    sums: Floats
    buckets: Ints


def start(rows: int, width: int) -> Spans:
    """No windows yet."""
    return Spans(np.zeros((rows, LEVELS, BUCKETS, width)), np.zeros((rows, LEVELS), np.int64))


def push(spans: Spans, values: Floats, active: Bools) -> Spans:
    """One more window with sums `values` (W, k), for the rows in `active` (W,). What falls off the last level is forgotten."""
    sums, buckets = spans.sums.copy(), spans.buckets.copy()
    carry, rows = values[active], np.flatnonzero(active)
    for level in range(LEVELS):
        if not len(rows):
            break
        full = buckets[rows, level] == BUCKETS
        older = sums[rows, level, -1] + sums[rows, level, -2]
        sums[rows, level, 1:] = sums[rows, level, :-1]
        sums[rows, level, 0] = carry
        sums[rows[full], level, -1] = 0.0
        buckets[rows, level] = np.where(full, BUCKETS - 1, buckets[rows, level] + 1)
        carry, rows = older[full], rows[full]
    return Spans(sums, buckets)


def clear(spans: Spans, rows: Bools) -> Spans:
    """Forget all windows of the rows in `rows` (W,)."""
    keep = ~rows
    return Spans(spans.sums * keep[:, None, None, None], spans.buckets * keep[:, None])


def without(spans: Spans, columns: Bools) -> Spans:
    """Forget the sums of the columns in `columns` (W, k), in all windows."""
    return Spans(np.where(columns[:, None, None, :], 0.0, spans.sums), spans.buckets)


def at_least(spans: Spans, windows: Ints) -> tuple[Floats, Ints, Ints]:
    """Sums over the shortest span of at least `windows` (W,) windows (or all there are).

    Returns the sums (W, k), the span's number of windows (W,) and the number of spans there were to choose from (W,).
    """
    rows = len(windows)
    used = np.arange(BUCKETS) < spans.buckets[:, :, None]
    sizes = (used * (1 << np.arange(LEVELS, dtype=np.int64))[:, None]).reshape(rows, -1)
    lengths = np.cumsum(sizes, axis=1)
    place = np.minimum(np.sum(lengths < windows[:, None], axis=1), lengths.shape[1] - 1)
    totals = np.cumsum(spans.sums.reshape(rows, lengths.shape[1], -1), axis=1)
    pick = np.arange(rows)
    return totals[pick, place], lengths[pick, place], np.maximum(used.sum(axis=(1, 2)), 1)

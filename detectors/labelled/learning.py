"""Which score bins there are, and how many predictions of each get a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats, Ints
from detectors.labelled.reading import BINS, Reading
from detectors.math import unit_sample
from detectors.math.unit_sample import UnitSample, nobody
from detectors.snapshot import pack_record, unpack_record

MOST_APART = 0.05
"""Difference of the label coverage of two score bins from which on labels are called biased."""

_KEEP = 0.98
_ERRORS = 3.0
_FEWEST = 100.0


@dataclass(frozen=True)
class Labels:
    """W watches.

    sample     (W,) bytes of a `UnitSample` of predictions, empty once the bins are known; sampled (W,) windows in it.
    cuts       (W, BINS - 1) cuts between the bins, NaN where there are fewer; known (W,) whether they are known.
    coverage   (W, BINS, 2) rows, and rows with a label, of about the last fifty windows that had rows.
    """

    sample: npt.NDArray[Any]
    sampled: Ints
    cuts: Floats
    known: npt.NDArray[np.bool_]
    coverage: Floats


def start(watches: int) -> Labels:
    """Nothing seen."""
    return Labels(
        sample=np.full(watches, b"", object),
        sampled=np.zeros(watches, np.int64),
        cuts=np.full((watches, BINS - 1), np.nan),
        known=np.zeros(watches, np.bool_),
        coverage=np.zeros((watches, BINS, 2)),
    )


def cuts(labels: Labels, row: int) -> Floats | None:
    """The cuts of a watch, None while they are unknown."""
    return labels.cuts[row][~np.isnan(labels.cuts[row])] if labels.known[row] else None


def sampled_units(labels: Labels, row: int) -> int:
    """Units in the sample so far."""
    return len(_unpacked(labels.sample[row]))


def gather(labels: Labels, stats: Sequence[Reading], capacity: Sequence[int], rows: Bools) -> Labels:
    """The samples of the given rows fill, and give the cuts: tenths of the sample."""
    sample, sampled, at, known = labels.sample.copy(), labels.sampled.copy(), labels.cuts.copy(), labels.known.copy()
    for row, a in enumerate(stats):
        if not rows[row] or known[row] or not len(a.sample):
            continue
        mine = unit_sample.rekeyed(a.sample, int(sampled[row]) + 1)
        both = unit_sample.merge(_unpacked(sample[row]), mine, capacity[row])
        sampled[row] += 1
        known[row] = len(both) >= capacity[row]
        if known[row]:
            tenths = np.quantile(both.values, np.arange(1, BINS) / BINS, method="inverted_cdf")
            chosen = np.unique(tenths)
            at[row, : len(chosen)] = chosen
        sample[row] = b"" if known[row] else pack_record(both)
    return replace(labels, sample=sample, sampled=sampled, cuts=at, known=known)


def count(labels: Labels, stats: Sequence[Reading], rows: Bools) -> Labels:
    """The window's rows and labels added, for the given rows."""
    seen = np.stack([a.seen for a in stats]).astype(np.float64)
    moved = rows & (seen[:, :, 0].sum(axis=1) > 0)
    return replace(labels, coverage=np.where(moved[:, None, None], labels.coverage * _KEEP + seen, labels.coverage))


def by_bin(labels: Labels) -> Floats:
    """Share of rows with a label, (W, BINS); NaN where there are fewer than 100 rows."""
    rows = labels.coverage[..., 0]
    return np.where(rows >= _FEWEST, labels.coverage[..., 1] / np.maximum(rows, 1.0), np.nan)


def biased(labels: Labels) -> Bools:
    """Whether two bins differ by more than 5 points in their coverage, beyond three standard errors, (W,)."""
    share = by_bin(labels)
    rows, known = labels.coverage[..., 0], ~np.isnan(share)
    most, least = np.where(known, share, -np.inf).argmax(axis=1), np.where(known, share, np.inf).argmin(axis=1)
    row = np.arange(len(share))
    high, low = np.nan_to_num(share[row, most]), np.nan_to_num(share[row, least])
    error = np.sqrt(
        high * (1 - high) / np.maximum(rows[row, most], 1) + low * (1 - low) / np.maximum(rows[row, least], 1)
    )
    result: Bools = known.any(axis=1) & (high - low - _ERRORS * error > MOST_APART)
    return result


def why_biased(labels: Labels, row: int) -> str:
    """In words, for a watch whose labels are biased."""
    share = by_bin(labels)[row]
    return (
        f"biased labels: {np.nanmin(share):.0%} to {np.nanmax(share):.0%} of predictions have one, depending on their score; "
        f"at most {MOST_APART:.0%} apart can be judged"
    )


def figures(labels: Labels, row: int) -> dict[str, Any]:
    """Label coverage, for a finding's detail: in all, and by score bin (None where there are too few rows)."""
    total = labels.coverage[row].sum(axis=0)
    return {
        "label_coverage": float(total[1] / total[0]) if total[0] else 0.0,
        "label_coverage_by_score": [None if np.isnan(share) else float(share) for share in by_bin(labels)[row]],
    }


def _unpacked(cell: bytes) -> UnitSample:
    return unpack_record(UnitSample, cell) if cell else nobody()

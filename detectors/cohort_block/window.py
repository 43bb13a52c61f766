"""The statistic of a window: sums by unit, exact in any cut and order, and what a block is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.cohort_block.state import DIFFERENCE, MEAN0, MEAN1, UNITS0, UNITS1, WIDTH
from detectors.columns import Cohort, Columns, Floats, Hashes, Ints
from detectors.math import fixed, keyed, unit_sample
from detectors.math.unit_sample import UnitSample

_ARM_BIT = np.uint64(1)


@dataclass(frozen=True)
class Window:
    """Units by key (mixed id, last bit 1 if exposed), ascending; `sums` (n, 2): predictions, and fixed-point value over the cap.

    first           (2,) units enrolled in the window: exposed, holdout.
    sampled, ties, values   the sample of nonzero values while the cap is unknown.
    """

    keys: Hashes
    sums: Ints
    first: Ints
    sampled: Hashes
    ties: Hashes
    values: Floats


@dataclass(frozen=True)
class Ruler:
    """Where values are cut off; NaN while unknown. `capacity` of the sample."""

    low: float
    high: float
    capacity: int

    @property
    def known(self) -> bool:
        """Whether the cut is known."""
        return not np.isnan(self.high)


def nothing() -> Window:
    """No rows."""
    none, nobody = keyed.nothing(2), unit_sample.nobody()
    return Window(none.keys, none.sums, np.zeros(2, np.int64), nobody.keys, nobody.ties, nobody.values)


def fold(ruler: Ruler, a: Window, rows: Columns) -> Window:
    """`a` with the rows of exposed and held-out units that have a finite value."""
    value = rows.numbers("value")
    mine = rows.take((rows.cohort <= Cohort.HOLDOUT) & (rows.unit != 0) & np.isfinite(value))
    value = mine.numbers("value")
    arms = np.bincount(mine.cohort[mine.flags("first")], minlength=2).astype(np.int64)
    key = ((unit_sample.mixed(mine.unit) >> _ARM_BIT) << _ARM_BIT) | (mine.cohort == Cohort.EXPOSED).astype(np.uint64)
    parts = np.ones((len(mine), 2), np.int64)
    if ruler.known:
        scale = max(-ruler.low, ruler.high)
        parts[:, 1] = np.rint(np.clip(value, ruler.low, ruler.high) / scale * fixed.ONE)
        sample = unit_sample.nobody()
    else:
        parts[:, 1] = 0
        nonzero = mine.take(value != 0)
        sample = unit_sample.of_rows(nonzero, nonzero.numbers("value"), ruler.capacity)
    sums = keyed.add(keyed.KeyedSums(a.keys, a.sums), key, parts)
    sample = unit_sample.merge(sample_of(a), sample, ruler.capacity)
    return Window(sums.keys, sums.sums, a.first + arms, sample.keys, sample.ties, sample.values)


def merge(ruler: Ruler, a: Window, b: Window) -> Window:
    """Both as one."""
    sums = keyed.merge(keyed.KeyedSums(a.keys, a.sums), keyed.KeyedSums(b.keys, b.sums))
    sample = unit_sample.merge(sample_of(a), sample_of(b), ruler.capacity)
    return replace(
        a,
        keys=sums.keys,
        sums=sums.sums,
        first=a.first + b.first,
        sampled=sample.keys,
        ties=sample.ties,
        values=sample.values,
    )


def sample_of(a: Window) -> UnitSample:
    """The sample of nonzero values."""
    return UnitSample(a.sampled, a.ties, a.values)


def units(a: Window) -> tuple[int, int]:
    """Exposed and held-out units."""
    exposed = int((a.keys & _ARM_BIT).sum())
    return exposed, len(a.keys) - exposed


def blocks(stats: Sequence[Window], low: Floats, high: Floats, by_unit: Sequence[bool]) -> tuple[Floats, Floats]:
    """The sums of each window, (W, WIDTH), NaN where one cohort is empty; and the pooled variance between its units, (W,).

    By unit, a unit's value is the mean over its predictions. Else it is its total about the cohort's ratio, linearised.
    """
    result, spread = np.full((len(stats), WIDTH), np.nan), np.zeros(len(stats))
    for i, a in enumerate(stats):
        n1, n0 = units(a)
        if not (n1 and n0) or np.isnan(high[i]):
            continue
        exposed = (a.keys & _ARM_BIT).astype(np.bool_)
        n, total = a.sums[:, 0].astype(np.float64), a.sums[:, 1] * (max(-low[i], high[i]) / fixed.ONE)
        means, squares = [], 0.0
        for arm in (exposed, ~exposed):
            if by_unit[i]:
                value = total[arm] / n[arm]
                centre = float(value.mean())
                residual = value - centre
            else:
                centre = float(total[arm].sum() / n[arm].sum())
                residual = (total[arm] - centre * n[arm]) / n[arm].mean()
            means.append(centre)
            squares += float((residual**2).sum())
        result[i] = 1.0
        result[i, [DIFFERENCE, MEAN1, MEAN0, UNITS1, UNITS0]] = means[0] - means[1], *means, n1, n0
        spread[i] = squares / max(n1 + n0 - 2, 1)
    return result, spread

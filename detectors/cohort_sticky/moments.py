"""Sums over people of what they did, and of products of that: all that a comparison of cohorts with repeats needs.

A person is a vector: seen at all (1), value and number of predictions since watching began, the same from before. When a person
comes back, the sums change by the products after less those before; so nobody's vector need be kept here. Integers, in two
limbs, so that sums are exact in any order, for any number of people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Cohort, Columns, Floats, Ints

GRID = 1 << 8
"""The integer that stands for a value of 1."""

HAD = ("had_n", "had_sum", "had_pre_n", "had_pre_sum")
HAS = ("has_n", "has_sum", "has_pre_n", "has_pre_sum")
"""Columns of a row that tells what a unit's sums were before the window, and are after it; sums in units of 1 / GRID."""

SIZE = 5
_ROW, _COLUMN = np.triu_indices(SIZE)
PAIRS = len(_ROW)
WIDTH = PAIRS + 1
"""Products of pairs, and units seen since watching began."""

_LIMB = np.int64(31)
_MASK = np.int64((1 << 31) - 1)
SEEN, SUM, N, PRE_SUM, PRE_N = range(SIZE)
"""What is known of a person: seen at all, then value and predictions since watching began, then the same from before."""


@dataclass(frozen=True)
class Change:
    """What a window changes: `low`, `high` (2, WIDTH) limbs for exposed and holdout; `units` (2,) that came."""

    low: Ints
    high: Ints
    units: Ints


def nothing() -> Change:
    """Nobody came."""
    return Change(np.zeros((2, WIDTH), np.int64), np.zeros((2, WIDTH), np.int64), np.zeros(2, np.int64))


def fold(a: Change, rows: Columns) -> Change:
    """`a` with rows of one unit each, carrying the columns HAD and HAS."""
    mine = rows.take(rows.cohort <= Cohort.HOLDOUT)
    change = _products(_vectors(mine, HAS)) - _products(_vectors(mine, HAD))
    low, high, units = a.low.copy(), a.high.copy(), a.units.copy()
    for arm in (Cohort.EXPOSED, Cohort.HOLDOUT):
        own = change[mine.cohort == arm]
        low[arm] += (own & _MASK).sum(axis=0)
        high[arm] += (own >> _LIMB).sum(axis=0)
        units[arm] += len(own)
    return Change(low, high, units)


def merge(a: Change, b: Change) -> Change:
    """Both as one."""
    return Change(a.low + b.low, a.high + b.high, a.units + b.units)


def sums(a: Change) -> Floats:
    """(2, WIDTH), values in their own unit."""
    unit = np.array([1.0, GRID, 1.0, GRID, 1.0])
    scale = np.append(unit[_ROW] * unit[_COLUMN], 1.0)
    result: Floats = (a.high * float(1 << 31) + a.low) / scale
    return result


def _vectors(rows: Columns, names: tuple[str, ...]) -> Ints:
    n, total, pre_n, pre_total = (np.rint(rows.numbers(name)).astype(np.int64) for name in names)
    return np.stack([((n + pre_n) > 0).astype(np.int64), total, n, pre_total, pre_n], axis=1)


def _products(x: Ints) -> Ints:
    return np.concatenate([x[:, _ROW] * x[:, _COLUMN], (x[:, N : N + 1] > 0).astype(np.int64)], axis=1)


@dataclass(frozen=True)
class Contrast:
    """Exposed minus holdout for W watches, each (W,): adjusted for what the same people did before, and as it is.

    means   (W, 2) values per prediction; units (W, 2) seen since watching began.
    se      standard error over units, of the adjusted difference; infinite where it is not known. The larger of two: with the
            variance of both cohorts together, as a small cohort to whose people nothing rare has happened yet seems not to
            vary at all; and with each cohort's own.
    theta   how much of a person's former deviation is expected again.
    """

    effect: Floats
    plain: Floats
    se: Floats
    theta: Floats
    means: Floats
    units: Floats


def contrast(totals: Floats) -> Contrast:
    """Of sums (W, 2, WIDTH).

    A person's residual is e = value - m n, with m the mean per prediction of everybody; less theta times their residual from
    before; the difference of its means per prediction is the effect, and its variance is over persons, about each cohort's own
    ratio. Source: Deng, Xu, Kohavi and Walker 2013 (CUPED), WSDM; Deng, Knoblich and Lu 2018 (the delta method), KDD.
    """
    second = products(totals)
    first, both = second[..., SEEN, :], second.sum(axis=1)
    n = np.maximum(first[..., N], 1.0)
    m = both[:, SEEN, SUM] / np.maximum(both[:, SEEN, N], 1.0)
    before = both[:, SEEN, PRE_SUM] / np.maximum(both[:, SEEN, PRE_N], 1.0)
    now, then = np.zeros((len(totals), SIZE)), np.zeros((len(totals), SIZE))
    now[:, SUM], now[:, N] = 1.0, -m
    then[:, PRE_SUM], then[:, PRE_N] = 1.0, -before
    shared = np.einsum("wi,wij,wj->w", now, both, then)
    spread = np.einsum("wi,wij,wj->w", then, both, then)
    theta = np.where(spread > 0, shared / np.where(spread > 0, spread, 1.0), 0.0)
    adjusted = now - theta[:, None] * then
    ratio = np.einsum("wi,wci->wc", adjusted, first) / n
    residual = np.repeat(adjusted[:, None, :], 2, axis=1)
    residual[..., N] -= ratio
    squares = np.einsum("wci,wcij,wcj->wc", residual, second, residual)
    squares, people = np.maximum(squares, 0.0), first[..., SEEN]
    one = squares.sum(axis=1) / np.maximum(people.sum(axis=1) - 2.0, 1.0)
    own, pooled = (squares / n**2).sum(axis=1), one * (people / n**2).sum(axis=1)
    variance = np.maximum(own, pooled)
    known = (first[..., N] > 0).all(axis=1) & (variance > 0)
    means = first[..., SUM] / n
    return Contrast(
        effect=ratio[:, 0] - ratio[:, 1],
        plain=means[:, 0] - means[:, 1],
        se=np.where(known, np.sqrt(variance), np.inf),
        theta=theta,
        means=means,
        units=totals[..., PAIRS],
    )


def products(totals: Floats) -> Floats:
    """Sums over people of the products of what is known of each, (W, 2, SIZE, SIZE); row 0 holds the plain sums."""
    second = np.zeros((*totals.shape[:2], SIZE, SIZE))
    second[..., _ROW, _COLUMN] = totals[..., :PAIRS]
    second[..., _COLUMN, _ROW] = totals[..., :PAIRS]
    return second


def former_mean(totals: Floats) -> Floats:
    """Value per prediction of everybody before watching began, (W,); 0 without predictions."""
    both = totals.sum(axis=1)
    by_pair = {(int(i), int(j)): place for place, (i, j) in enumerate(zip(_ROW, _COLUMN, strict=True))}
    n = both[:, by_pair[SEEN, PRE_N]]
    result: Floats = both[:, by_pair[SEEN, PRE_SUM]] / np.maximum(n, 1.0)
    return result

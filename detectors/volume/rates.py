"""How many rows a window usually brings: by the same quarter of an hour of the same weekday.

A quarter hour of the week that has been seen fewer than twice stands in by the same quarter hour of all days, and that by all.
After four weeks older ones fade, so that growth over months is no shift. All arrays lead with W.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats, Ints

QUARTERS = 7 * 24 * 4
"""Quarter hours of a week."""

_A_DAY = 24 * 4
_QUARTER = 15 * 60_000
_ENOUGH = 2.0
_WEEKS = 4.0


@dataclass(frozen=True)
class Rates:
    """By quarter hour of the week, each (W, QUARTERS): mean count, and windows behind it, at most four."""

    mean: Floats
    seen: Floats


def start(watches: int) -> Rates:
    """Nothing seen."""
    return Rates(np.zeros((watches, QUARTERS)), np.zeros((watches, QUARTERS)))


def quarter_of(at: Ints) -> npt.NDArray[np.intp]:
    """The quarter hour of the week of times in ms since the epoch; 0 is Thursday 00:00 UTC."""
    return np.asarray(at // _QUARTER % QUARTERS, np.intp)


def expected(rates: Rates, at: Ints) -> Floats:
    """The usual count of windows that begin at `at` (W,); NaN where nothing is known."""
    row, quarter = np.arange(len(at)), quarter_of(at)
    same_time = np.arange(7) * _A_DAY + (quarter % _A_DAY)[:, None]
    mean = _mean(rates, row[:, None], same_time)
    overall = _mean(rates, row[:, None], np.broadcast_to(np.arange(QUARTERS), (len(row), QUARTERS)))
    by_week = np.where(rates.seen[row, quarter] >= _ENOUGH, rates.mean[row, quarter], np.nan)
    known = np.where(np.isnan(by_week), mean, by_week)
    return np.where(np.isnan(known), overall, known)


def unevenness(rates: Rates) -> Floats:
    """How much more a sum of counts varies than if all quarters brought alike, each off by the same factor; (W,), at least 1."""
    known = np.maximum((rates.seen > 0).sum(axis=1), 1)
    mean, square = rates.mean.sum(axis=1) / known, (rates.mean**2).sum(axis=1) / known
    result: Floats = np.where(mean > 0, square / np.maximum(mean, 1e-300) ** 2, 1.0)
    return result


def learn(rates: Rates, at: Ints, counts: Floats, rows: Bools) -> Rates:
    """One more window of the given rows."""
    row, quarter = np.flatnonzero(rows), quarter_of(at)[rows]
    mean, seen = rates.mean.copy(), rates.seen.copy()
    seen[row, quarter] = np.minimum(seen[row, quarter] + 1.0, _WEEKS)
    mean[row, quarter] += (counts[rows] - mean[row, quarter]) / seen[row, quarter]
    return Rates(mean, seen)


def _mean(rates: Rates, row: npt.NDArray[np.intp], quarters: npt.NDArray[np.intp]) -> Floats:
    """Mean of quarters (W, k), weighted by what is behind each; NaN with fewer than two windows behind all."""
    seen = rates.seen[row, quarters]
    behind = seen.sum(axis=1)
    total = (seen * rates.mean[row, quarters]).sum(axis=1)
    return np.where(behind >= _ENOUGH, total / np.maximum(behind, 1.0), np.nan)

"""What belongs to the hour and the weekend is no shift: references by part of the week, and how restless the reference was.

The week has eight parts: four quarters of the day (UTC), on working days and at weekends. A reference that was learned for two
weeks or longer is kept for each of them; a shorter one is one for all. While it is learned, every quarter of a day is compared
with what had been learned before: the largest distance beyond chance is how far the values move on their own, and the margin is
at least twice that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats, Ints
from detectors.numeric_shift import distance
from detectors.numeric_shift.reading import WIDTH
from detectors.numeric_shift.state import DAY, NumericShiftParams, Quarters

TWO_WEEKS = 14

_QUARTER = DAY // 4
_LARGEST_EPS = 0.3
_CHANCE = 0.001


def part_of(at: Ints) -> npt.NDArray[np.intp]:
    """The part of the week of times in ms since the epoch: quarter of the day, and 4 more at weekends."""
    weekend = np.isin(at // DAY % 7, (2, 3))  # the epoch was a Thursday
    return np.asarray(at // _QUARTER % 4 + 4 * weekend, np.intp)


def seasonal(ps: Sequence[NumericShiftParams]) -> Bools:
    """Whose references are kept by part of the week, (W,)."""
    return np.array([p.learn_days >= TWO_WEEKS for p in ps])


def reference_at(ps: Sequence[NumericShiftParams], whole: Floats, parts: Floats, at: Ints) -> Floats:
    """The histogram (W, WIDTH) that windows beginning at `at` (W,) are compared with: their part's, or the whole."""
    return np.where(seasonal(ps)[:, None], parts[np.arange(len(at)), part_of(at)], whole)


def beside(window: Floats, reference: Floats) -> Floats:
    """A window's histogram, and the one that the reference expects of as many votes, side by side: (W, 2 WIDTH)."""
    expected = reference * (window[:, -1:] / np.maximum(reference[:, -1:], 1.0))
    return np.concatenate([window, expected], axis=1)


def margin(ps: Sequence[NumericShiftParams], restless: Floats) -> Floats:
    """The tolerated distance, (W,): `eps`, and at least twice what the values moved on their own."""
    tolerated: Floats = np.minimum(np.maximum([p.eps for p in ps], 2.0 * restless), _LARGEST_EPS)
    return tolerated


def learn(quarters: Quarters, window: Floats, reference: Floats, cuts: Floats, at: Ints, rows: Bools) -> Quarters:
    """A learning window (W, WIDTH) beginning at `at`, with what had been learned before it for its part, for the given rows."""
    told = rows & (window[:, -1] > 0)
    number = at // _QUARTER
    over = told & (number != quarters.number)
    restless = np.where(
        over, np.maximum(quarters.restless, _beyond_chance(quarters.sums, reference, cuts)), quarters.restless
    )
    sums = np.where(over[:, None], 0.0, quarters.sums)
    known = told & (reference[:, -1] > 0)
    return replace(
        quarters,
        since=np.where(told & (quarters.since < 0), at, quarters.since),
        number=np.where(told, number, quarters.number),
        sums=np.where(known[:, None], sums + beside(window, reference), sums),
        restless=restless,
    )


def _beyond_chance(sums: Floats, reference: Floats, cuts: Floats) -> Floats:
    """Distance of a quarter from what was expected of it, less what chance makes of it at level .001, at least 0."""
    n, m = np.maximum(sums[:, WIDTH - 1], 1.0), np.maximum(reference[:, -1], 1.0)
    seen, expected = distance.shares(sums[:, :WIDTH]), distance.shares(sums[:, WIDTH:])
    apart = distance.kolmogorov_smirnov(expected, seen, distance.used(cuts))
    beyond: Floats = np.maximum(apart - np.sqrt(np.log(2.0 / _CHANCE) / 2.0 * (1.0 / n + 1.0 / m)), 0.0)
    return beyond

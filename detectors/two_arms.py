"""One value per unit in two randomised arms: the statistic of a window, and what every comparison needs of its sums.

The rows of a unit's enrolment count, in the arm `exposed` or in the other, which is coded as `holdout`; everybody else's are
left out. So a unit votes once, however often it comes, and units are independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Cohort, Columns, Floats, Hashes, Ints
from detectors.detector import Needs, Params, Stream
from detectors.increments.ipw import Entries, sum_by_watch
from detectors.math import fixed, keyed

N1, S1, Q1, N0, S0, Q0 = range(6)
"""Columns of sums (W, 6): number, sum and sum of squares of the exposed arm, then of the other."""

_ARM_BIT = np.uint64(1)


@dataclass(frozen=True)
class Tally:
    """How many enrolled units of each arm had which value: keys are 2 x fixed-point value + (1 if exposed)."""

    keys: Hashes
    counts: Ints


def nobody() -> Tally:
    """No units: the identity of `merge`."""
    return Tally(np.zeros(0, np.uint64), np.zeros((0, 1), np.int64))


def add(a: Tally, rows: Columns) -> Tally:
    """`a` with the rows that are `first` in one of both arms and have a `value` (clipped to [0, 1]; missing is left out)."""
    value = rows.numbers("value")
    counted = rows.flags("first") & (rows.cohort <= Cohort.HOLDOUT) & (rows.unit != 0) & ~np.isnan(value)
    key = (fixed.to_fixed(value[counted]) << 1) | (rows.cohort[counted] == Cohort.EXPOSED)
    result = keyed.add(
        keyed.KeyedSums(a.keys, a.counts), key.astype(np.uint64), np.ones((int(counted.sum()), 1), np.int64)
    )
    return Tally(result.keys, result.sums)


def merge(a: Tally, b: Tally) -> Tally:
    """Counts add."""
    result = keyed.merge(keyed.KeyedSums(a.keys, a.counts), keyed.KeyedSums(b.keys, b.counts))
    return Tally(result.keys, result.sums)


def sizes(a: Tally) -> tuple[int, int]:
    """Units of the exposed arm and of the other."""
    exposed = int(a.counts[(a.keys & _ARM_BIT).astype(np.bool_)].sum())
    return exposed, int(a.counts.sum()) - exposed


class ByUnit:
    """What detectors of one value per enrolled unit have in common: what they read, and how its tallies add."""

    statistic = Tally

    def needs(self, p: Params) -> Needs:
        """`value` in [0, 1] (others are clipped, missing is left out), and `first`: the unit's enrolment row."""
        return Needs(Stream.OUTCOMES, ("value", "first"), contrast=True, gated=True)

    def prepare(self, p: Params, s: object, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Tally:
        """No units."""
        return nobody()

    def fold(self, prep: None, a: Tally, rows: Columns) -> Tally:
        """Add enrolment rows of both arms (a treatment is coded as exposed) that have a value."""
        return add(a, rows)

    def merge(self, prep: None, a: Tally, b: Tally) -> Tally:
        """Counts add."""
        return merge(a, b)

    def size(self, a: Tally) -> int:
        """Units of the smaller arm."""
        return min(sizes(a))


def entries(stats: Sequence[Tally]) -> Entries:
    """The tallies of W watches as entries for bets."""
    keys = np.concatenate([a.keys for a in stats])
    counts = np.concatenate([a.counts[:, 0] for a in stats]).astype(np.float64)
    watch = np.repeat(np.arange(len(stats)), [len(a.keys) for a in stats])
    value = fixed.from_fixed((keys >> _ARM_BIT).astype(np.int64))
    return Entries(watch, value, (keys & _ARM_BIT).astype(np.bool_), counts)


def sums(given: Entries, watches: int) -> Floats:
    """Sums of the entries of every watch, shape (W, 6)."""
    one = given.count[:, None] * np.stack([np.ones_like(given.value), given.value, given.value**2], axis=1)
    exposed = given.exposed[:, None]
    return sum_by_watch(np.concatenate([one * exposed, one * ~exposed], axis=1), given.watch, watches)


def means(totals: Floats) -> tuple[Floats, Floats]:
    """Mean of the exposed arm and of the other, each (W,); 0 for nobody."""
    return totals[:, S1] / np.maximum(totals[:, N1], 1.0), totals[:, S0] / np.maximum(totals[:, N0], 1.0)


def standard_error(totals: Floats) -> Floats:
    """Of the difference of means: the larger of two, shape (W,); infinite while an arm has nobody.

    With the pooled variance, because a small arm's own is not to be trusted (statistics of revenue alarm falsely); with each
    arm's own, because after a hard failure the pooled one is too small.
    """
    m1, m0 = means(totals)
    n1, n0 = totals[:, N1], totals[:, N0]
    within1, within0 = np.maximum(totals[:, Q1] - n1 * m1**2, 0.0), np.maximum(totals[:, Q0] - n0 * m0**2, 0.0)
    size1, size0 = np.maximum(n1, 1.0), np.maximum(n0, 1.0)
    pooled = (within1 + within0) / np.maximum(n1 + n0 - 2.0, 1.0) * (1.0 / size1 + 1.0 / size0)
    own = within1 / np.maximum(size1 - 1.0, 1.0) / size1 + within0 / np.maximum(size0 - 1.0, 1.0) / size0
    both: Bools = (n1 >= 1) & (n0 >= 1)
    se: Floats = np.where(both, np.sqrt(np.maximum(pooled, own)), np.inf)
    return se

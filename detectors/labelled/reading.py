"""What one window says of predictions whose outcomes are known, or have stayed unknown, one vote a unit.

Until the score bins are known a window is a sample of units; from then on rows are summed by unit and bin, as exact integers.
Rows without a label count where labels are counted, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Columns, Floats, Hashes, Ints
from detectors.math import ballots, fixed, keyed
from detectors.math.unit_sample import UnitSample, merge, nobody, of_rows

BINS = 10
"""Score bins: tenths of the predictions that the bins were learned from."""

BITS = 4
ROWS, PREDICTED, OBSERVED, LOSS = range(4)
"""Columns of `Reading.sums`: labelled rows, and fixed-point sums over them."""

Loss = Callable[[Floats, Floats], Floats]
"""The loss in [0, 1] of (observed, predicted), both (n,)."""


@dataclass(frozen=True)
class Reading:
    """One window's rows of one watch.

    keys, sums   (n,) and (n, 4): labelled rows by unit and bin; see `detectors.math.ballots`.
    seen         (BINS, 2) voting rows, and those of them that have a label.
    sample       predictions of a sample of units, while the bins are unknown.
    """

    keys: Hashes
    sums: Ints
    seen: Ints
    sample: UnitSample


@dataclass(frozen=True, slots=True)
class Ruler:
    """What folding may use of the past: cuts between the bins, or None while they are unknown; what a row says."""

    cuts: Floats | None
    capacity: int
    prediction: str
    loss: Loss


@dataclass(frozen=True)
class Votes:
    """Values of W watches, one a unit (or a unit and bin), in order of the watch; `row` (n,) names it, `bin` (n,) the bin."""

    row: npt.NDArray[np.intp]
    bin: npt.NDArray[np.intp]
    predicted: Floats
    observed: Floats
    loss: Floats


def nothing() -> Reading:
    """No rows."""
    none = keyed.nothing(4)
    return Reading(none.keys, none.sums, np.zeros((BINS, 2), np.int64), nobody())


def read(ruler: Ruler, a: Reading, rows: Columns) -> Reading:
    """`a` with the voting rows added; rows without a unit or a prediction have no vote."""
    predicted = rows.numbers(ruler.prediction)
    voters = rows.take(rows.flags("voting") & (rows.unit != 0) & np.isfinite(predicted))
    predicted, observed = voters.numbers(ruler.prediction), voters.numbers("value")
    if ruler.cuts is None:
        drawn = of_rows(voters, predicted, ruler.capacity)
        return Reading(a.keys, a.sums, a.seen, merge(a.sample, drawn, ruler.capacity))
    place = np.searchsorted(ruler.cuts, predicted, side="left")
    told = np.isfinite(observed)
    seen = np.stack([np.bincount(place, minlength=BINS), np.bincount(place[told], minlength=BINS)], axis=1)
    y, p = observed[told], predicted[told]
    values = np.stack([fixed.to_fixed(v) for v in (np.ones(len(y)), p, y, ruler.loss(y, p))], axis=1)
    values[:, ROWS] = 1
    sums = keyed.add(keyed.KeyedSums(a.keys, a.sums), ballots.keys_of(voters.unit[told], place[told], BITS), values)
    return Reading(sums.keys, sums.sums, a.seen + seen, a.sample)


def together(ruler: Ruler, a: Reading, b: Reading) -> Reading:
    """Both as one."""
    sums = keyed.merge(keyed.KeyedSums(a.keys, a.sums), keyed.KeyedSums(b.keys, b.sums))
    return Reading(sums.keys, sums.sums, a.seen + b.seen, merge(a.sample, b.sample, ruler.capacity))


def units(a: Reading) -> int:
    """Units with a labelled row (of a sample: those sampled)."""
    return ballots.units(a.keys, BITS) + len(a.sample)


def by_unit(stats: Sequence[Reading]) -> Votes:
    """One value a unit: the averages over its labelled rows."""
    return _votes(stats, np.uint64((1 << BITS) - 1))


def by_unit_and_bin(stats: Sequence[Reading]) -> Votes:
    """One value a unit and bin."""
    return _votes(stats, np.uint64(0))


def _votes(stats: Sequence[Reading], ignored: np.uint64) -> Votes:
    """Averages over the rows whose keys agree but for the `ignored` bits."""
    keys = np.concatenate([a.keys for a in stats])
    sums = np.concatenate([a.sums for a in stats])
    row = np.repeat(np.arange(len(stats)), [len(a.keys) for a in stats])
    if not len(keys):
        return Votes(row, row, np.zeros(0), np.zeros(0), np.zeros(0))
    owner = keys & ~ignored
    starts = np.flatnonzero(np.concatenate([np.ones(1, np.bool_), (owner[1:] != owner[:-1]) | (row[1:] != row[:-1])]))
    added = np.add.reduceat(sums, starts, axis=0)
    means = fixed.from_fixed(added) / added[:, ROWS : ROWS + 1]
    place = (keys[starts] & np.uint64((1 << BITS) - 1)).astype(np.intp)
    return Votes(row[starts], place, means[:, PREDICTED], means[:, OBSERVED], means[:, LOSS])

"""What one window says of a number, one vote a unit.

Until the cuts are known a window is a sample of units; from then on it is a count of rows by unit and bin, so that a unit
with many rows still has one vote: the average of its rows. Both are kept as exact integers or untouched values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.columns import Columns, Floats, Hashes, Ints
from detectors.math import ballots, keyed
from detectors.math.unit_sample import UnitSample, merge, nobody, of_rows

CUTS = 19
BINS = CUTS + 1
MISSING = BINS
WIDTH = BINS + 2
"""A histogram is 20 bins, the missing, and the number of units: the last is the sum of the others."""

_BITS = 5


@dataclass(frozen=True)
class Reading:
    """One window's rows of one watch.

    keys, counts   (n,) and (n, 1): rows by unit and bin; see `detectors.math.ballots`.
    sample         the window's sample of units, while the cuts are unknown.
    """

    keys: Hashes
    counts: Ints
    sample: UnitSample


@dataclass(frozen=True, slots=True)
class Ruler:
    """What folding may use of the past: the cuts, ascending, or None while they are unknown, and the sample's capacity."""

    cuts: Floats | None
    capacity: int


def nothing() -> Reading:
    """No rows."""
    none = keyed.nothing(1)
    return Reading(none.keys, none.sums, nobody())


def read(ruler: Ruler, a: Reading, rows: Columns) -> Reading:
    """`a` with the voting rows added; rows without a unit have no vote, infinite values count as missing."""
    voters = rows.take(rows.flags("voting") & (rows.unit != 0))
    values = voters.numbers("value")
    values = np.where(np.isfinite(values), values, np.nan)
    if ruler.cuts is None:
        drawn = of_rows(voters, values, ruler.capacity)
        return Reading(a.keys, a.counts, merge(a.sample, drawn, ruler.capacity))
    keys = ballots.keys_of(voters.unit, bins_of(values, ruler.cuts), _BITS)
    sums = keyed.add(keyed.KeyedSums(a.keys, a.counts), keys, np.ones((len(keys), 1), np.int64))
    return Reading(sums.keys, sums.sums, a.sample)


def together(ruler: Ruler, a: Reading, b: Reading) -> Reading:
    """Both as one."""
    sums = keyed.merge(keyed.KeyedSums(a.keys, a.counts), keyed.KeyedSums(b.keys, b.counts))
    return Reading(sums.keys, sums.sums, merge(a.sample, b.sample, ruler.capacity))


def units(a: Reading) -> int:
    """Units that have a vote (of a sample: those sampled)."""
    return ballots.units(a.keys, _BITS) + len(a.sample)


def bins_of(values: Floats, cuts: Floats) -> Ints:
    """Bin j holds values in (cut j - 1, cut j]; the last bin what is above all cuts; `MISSING` what is NaN."""
    return np.where(np.isnan(values), MISSING, np.searchsorted(cuts, values, side="left")).astype(np.int64)


def histograms(readings: Sequence[Reading], cuts: Floats) -> Floats:
    """Votes by bin and their number, shape (W, WIDTH), every unit's votes adding up to 1.

    cuts   (W, CUTS), NaN where unused. A window that was folded before its watch had cuts votes with its sample.
    """
    result = np.zeros((len(readings), WIDTH))
    for row, a in enumerate(readings):
        result[row] = ballots.tally(a.keys, a.counts[:, 0], _BITS, MISSING + 1)
        if len(a.sample):
            mine = cuts[row][~np.isnan(cuts[row])]
            result[row, :-1] += np.bincount(bins_of(a.sample.values, mine), minlength=MISSING + 1)
            result[row, -1] += len(a.sample)
    return result


def cuts_of(values: Floats) -> Floats:
    """At most 19 ascending cuts from a sample: its 5 to 95 % quantiles, padded with NaN to shape (CUTS,).

    A value that is several quantiles at once is a lump of probability: it gets a second cut just below itself, so that a
    constant or a 0/1 feature is watched on both sides of its values. Without any value there are no cuts, and only the
    missing share is watched.
    """
    present = values[~np.isnan(values)]
    cuts = np.full(CUTS, np.nan)
    if len(present):
        quantiles = np.quantile(present, np.arange(1, CUTS + 1) / BINS, method="inverted_cdf")
        chosen, times = np.unique(quantiles, return_counts=True)
        chosen = np.unique(np.concatenate([chosen, np.nextafter(chosen[times > 1], -np.inf)]))
        cuts[: len(chosen)] = chosen
    return cuts

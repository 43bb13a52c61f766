"""What one window says of vectors, one vote a unit.

Until the lens is known a window is a sample of units with their vectors; from then on it is a count of rows by unit, channel and
bin. A sampled vector is known by an identity, 52 bits of a hash of its bytes, which a float holds exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Columns, Floats, Hashes, Ints, Vector
from detectors.embedding_shift.lens import CHANNELS, Lens, Vectors, bins
from detectors.math import ballots, keyed
from detectors.math.unit_sample import UnitSample, merge, nobody, of_rows
from detectors.numeric_shift.reading import BINS, MISSING

CELLS = CHANNELS * BINS
"""Boundaries: in every channel the cuts, and the one before missing."""

_BITS = 10
_BINS_BITS = 5


@dataclass(frozen=True)
class Table:
    """Vectors by identity, ascending: (n,) and (n, d); a vector shorter than d ends in NaN."""

    ids: Hashes
    vectors: Vectors


@dataclass(frozen=True)
class Reading:
    """One window's rows of one watch.

    keys, counts   (n,) and (n, 1): rows by unit, channel and bin; see `detectors.math.ballots`.
    sample, table  identities of a sample of units, and their vectors, while the lens is unknown.
    """

    keys: Hashes
    counts: Ints
    sample: UnitSample
    table: Table


@dataclass(frozen=True, slots=True)
class Ruler:
    """What folding may use of the past: the lens, or None while it is unknown, and the sample's capacity."""

    lens: Lens | None
    capacity: int


def nothing() -> Reading:
    """No rows."""
    none = keyed.nothing(1)
    return Reading(none.keys, none.sums, nobody(), no_table())


def no_table() -> Table:
    """No vectors."""
    return Table(np.zeros(0, np.uint64), np.zeros((0, 0), np.float32))


def read(ruler: Ruler, a: Reading, rows: Columns) -> Reading:
    """`a` with the voting rows added; rows without a unit have no vote. TypeError for a column without vectors."""
    voters = rows.take(rows.flags("voting") & (rows.unit != 0))
    column = voters.fields["value"]
    if not isinstance(column, Vector):
        raise TypeError(f"column 'value' is {type(column).__name__}, not a vector")
    if ruler.lens is None:
        return _sampled(ruler, a, voters, column.values)
    cells = bins(ruler.lens, column.values) + (np.arange(CHANNELS) << _BINS_BITS)
    keys = ballots.keys_of(np.repeat(voters.unit, CHANNELS), cells.ravel(), _BITS)
    sums = keyed.add(keyed.KeyedSums(a.keys, a.counts), keys, np.ones((len(keys), 1), np.int64))
    return Reading(sums.keys, sums.sums, a.sample, a.table)


def together(ruler: Ruler, a: Reading, b: Reading) -> Reading:
    """Both as one."""
    sums = keyed.merge(keyed.KeyedSums(a.keys, a.counts), keyed.KeyedSums(b.keys, b.counts))
    sample = merge(a.sample, b.sample, ruler.capacity)
    return Reading(sums.keys, sums.sums, sample, _of_sample(_joined(a.table, b.table), sample))


def units(a: Reading) -> int:
    """Units that have a vote (of a sample: those sampled)."""
    return ballots.units(a.keys, _BITS) + len(a.sample)


def tallies(readings: Sequence[Reading]) -> Floats:
    """Votes at or below each boundary, and their number: (W, CELLS + 1)."""
    result = np.zeros((len(readings), CELLS + 1))
    for row, a in enumerate(readings):
        votes = ballots.tally(a.keys, a.counts[:, 0], _BITS, 1 << _BITS)
        by_channel = votes[:-1].reshape(-1, 1 << _BINS_BITS)[:CHANNELS, : MISSING + 1] * CHANNELS
        result[row, :-1] = np.cumsum(by_channel[:, :BINS], axis=1).ravel()
        result[row, -1] = votes[-1]
    return result


def vectors_of(sample: UnitSample, table: Table) -> Vectors:
    """The sampled units' vectors, one a unit."""
    known = sample.values[~np.isnan(sample.values)].astype(np.uint64)
    result: Vectors = table.vectors[np.searchsorted(table.ids, known)]
    return result


def _sampled(ruler: Ruler, a: Reading, voters: Columns, vectors: Vectors) -> Reading:
    present = np.isfinite(vectors).any(axis=1)
    ids = np.zeros(len(vectors), np.uint64)
    ids[present] = [_identity(v) for v in vectors[present]]
    drawn = of_rows(voters, np.where(present, ids.astype(np.float64), np.nan), ruler.capacity)
    sample = merge(a.sample, drawn, ruler.capacity)
    found, first = np.unique(ids[present], return_index=True)
    mine = Table(found, vectors[present][first])
    return Reading(a.keys, a.counts, sample, _of_sample(_joined(a.table, mine), sample))


def _identity(vector: npt.NDArray[np.float32]) -> int:
    told = vector[np.isfinite(vector)] + np.float32(0.0)  # zero has two signs, and is one value
    digest = blake2b(told.tobytes(), digest_size=8, person=b"vector").digest()
    return max(int.from_bytes(digest, "big") >> 12, 1)


def _joined(a: Table, b: Table) -> Table:
    if not len(a.ids) or not len(b.ids):
        return a if len(a.ids) else b
    width = max(a.vectors.shape[1], b.vectors.shape[1])
    ids = np.concatenate([a.ids, b.ids])
    vectors = np.concatenate([_padded(t.vectors, width) for t in (a, b)])
    found, first = np.unique(ids, return_index=True)
    return Table(found, vectors[first])


def _of_sample(table: Table, sample: UnitSample) -> Table:
    """The vectors of a sample, no wider than they need be."""
    mine: Bools = np.isin(table.ids, sample.values[~np.isnan(sample.values)].astype(np.uint64))
    vectors = table.vectors[mine]
    width = int(np.isfinite(vectors).any(axis=0).sum()) if len(vectors) else 0
    return Table(table.ids[mine], vectors[:, :width])


def _padded(vectors: Vectors, width: int) -> Vectors:
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])), constant_values=np.nan)

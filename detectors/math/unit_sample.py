"""A sample of units that does not depend on how the rows were cut: the k units whose mixed id is smallest.

Each sampled unit is represented by one of its rows, drawn by the hash of unit, time and value: what a producer's retry or
another order of arrival leaves as it was. Taking the smallest k is associative, commutative and idempotent, so any cut, order
and partitioning of the rows gives the same arrays, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Columns, Floats, Hashes


@dataclass(frozen=True, slots=True)
class UnitSample:
    """Sampled units, keys unique and ascending; each shape (n,).

    keys     the unit's mixed id; ties: hash of the row that represents it; values: that row's value, NaN if missing.
    """

    keys: Hashes
    ties: Hashes
    values: Floats

    def __len__(self) -> int:
        return len(self.keys)


def mixed(ids: Hashes, salt: int = 0) -> Hashes:
    """A bijection of 64-bit integers whose output bits look random: the finaliser of SplitMix64 after adding `salt`.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA.
    """
    z = ids + np.uint64(salt & 0xFFFF_FFFF_FFFF_FFFF) + np.uint64(0x9E37_79B9_7F4A_7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    result: Hashes = z ^ (z >> np.uint64(31))
    return result


def nobody() -> UnitSample:
    """No units: the identity of `merge`."""
    return UnitSample(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0))


def of_rows(rows: Columns, values: Floats, capacity: int) -> UnitSample:
    """The sample of at most `capacity` units of rows with `values` (n,); rows without a unit are left out."""
    known = rows.unit != 0
    bits = (values + 0.0).view(np.uint64)  # zero has two signs, and is one value
    row = mixed(mixed(mixed(rows.unit, 1) ^ rows.time.view(np.uint64)) ^ bits)
    return _smallest(mixed(rows.unit[known]), row[known], values[known], capacity)


def merge(a: UnitSample, b: UnitSample, capacity: int) -> UnitSample:
    """Both as one, at most `capacity` units."""
    return _smallest(
        np.concatenate([a.keys, b.keys]),
        np.concatenate([a.ties, b.ties]),
        np.concatenate([a.values, b.values]),
        capacity,
    )


def rekeyed(sample: UnitSample, salt: int) -> UnitSample:
    """The same entries under keys that depend on `salt` too, so that a unit of two windows counts as two."""
    keys = mixed(sample.keys, salt)
    order = np.argsort(keys)
    return UnitSample(keys[order], sample.ties[order], sample.values[order])


def _smallest(keys: Hashes, ties: Hashes, values: Floats, capacity: int) -> UnitSample:
    order = _by_unit(keys, ties, values)
    keys, ties, values = keys[order], ties[order], values[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    rows = np.flatnonzero(first)[:capacity]
    return UnitSample(keys[rows], ties[rows], values[rows])


def _by_unit(keys: Hashes, ties: Hashes, values: Floats) -> npt.NDArray[np.intp]:
    """The order by key, tie and value. Beyond the key it looks only where one repeats, which is several times faster."""
    order = np.argsort(keys)
    same = keys[order][1:] == keys[order][:-1]
    if same.any():
        repeated = np.concatenate([same, [False]]) | np.concatenate([[False], same])
        rows = order[repeated]
        order[repeated] = rows[np.lexsort((values[rows], ties[rows], keys[rows]))]
    return order

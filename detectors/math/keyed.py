"""Integer sums by key, as sorted arrays: the monoid under every statistic that is kept by unit, by item or by value.

Integer addition is associative, so any cut, order and partitioning of the rows gives the same arrays, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Hashes, Ints


@dataclass(frozen=True, slots=True)
class KeyedSums:
    """`sums[i]` belongs to `keys[i]`; keys are unique and ascending. Shapes (n,) uint64 and (n, k) int64."""

    keys: Hashes
    sums: Ints

    def __len__(self) -> int:
        return len(self.keys)


def nothing(width: int) -> KeyedSums:
    """No keys; k = `width`."""
    return KeyedSums(np.zeros(0, np.uint64), np.zeros((0, width), np.int64))


def add(sums: KeyedSums, keys: Hashes, values: Ints) -> KeyedSums:
    """`sums` plus rows `values` (n, k) under `keys` (n,), which may repeat."""
    if not len(keys):
        return sums
    all_keys = np.concatenate([sums.keys, keys])
    all_values = np.concatenate([sums.sums, values])
    order = np.argsort(all_keys, kind="stable")
    ordered = all_keys[order]
    first = np.concatenate([np.ones(1, np.bool_), ordered[1:] != ordered[:-1]])
    starts = np.flatnonzero(first)
    return KeyedSums(ordered[starts], np.add.reduceat(all_values[order], starts, axis=0))


def merge(a: KeyedSums, b: KeyedSums) -> KeyedSums:
    """Both as one."""
    return add(a, b.keys, b.sums) if len(a) else b


def rows_of(sums: KeyedSums, keys: Hashes) -> npt.NDArray[np.intp]:
    """Index of each key in `sums`, -1 where it is absent. Shape of `keys`."""
    if not len(sums):
        return np.full(len(keys), -1, np.intp)
    index = np.minimum(np.searchsorted(sums.keys, keys), len(sums) - 1)
    return np.where(sums.keys[index] == keys, index, -1)

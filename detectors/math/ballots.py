"""Votes of units for cells: a unit with many rows has one vote, split over its rows.

Rows are counted by unit and cell, as exact integers. A key is the upper bits of the unit's mixed id and, in the lowest `bits`,
the cell: so all rows of a unit lie together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.columns import Floats, Hashes, Ints
from detectors.math.unit_sample import mixed


def keys_of(unit: Hashes, cell: npt.NDArray[np.integer], bits: int) -> Hashes:
    """Keys of rows of units (n,) in cells (n,), each cell in [0, 2^bits)."""
    result: Hashes = (mixed(unit) & ~_mask(bits)) | cell.astype(np.uint64)
    return result


def tally(keys: Hashes, counts: Ints, bits: int, cells: int) -> Floats:
    """Votes for each cell and their number, (cells + 1,); keys (n,) ascending, counts (n,) rows."""
    result = np.zeros(cells + 1)
    if len(keys):
        starts = np.flatnonzero(_begins(keys, bits))
        per_unit = np.add.reduceat(counts, starts)
        share = counts / np.repeat(per_unit, np.diff(np.append(starts, len(keys))))
        result[:-1] = np.bincount((keys & _mask(bits)).astype(np.intp), share, cells)
        result[-1] = len(starts)
    return result


def units(keys: Hashes, bits: int) -> int:
    """Units that vote."""
    return int(np.count_nonzero(_begins(keys, bits)))


def _begins(keys: Hashes, bits: int) -> npt.NDArray[np.bool_]:
    owner = keys & ~_mask(bits)
    return np.concatenate([np.ones(min(len(keys), 1), np.bool_), owner[1:] != owner[:-1]])


def _mask(bits: int) -> np.uint64:
    return np.uint64((1 << bits) - 1)

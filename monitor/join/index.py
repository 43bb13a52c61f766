"""Which row of a table a unit has: a hash table, so that a look-up costs the same however many units there are.

Open addressing with linear probing (Knuth, The Art of Computer Programming 3, 6.4), for whole arrays of units at a time. At most
six of ten places are taken; then the table is built anew, twice as large: a constant cost for each unit that ever came.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from detectors.columns import Hashes
from detectors.math.unit_sample import mixed

Array = TypeVar("Array", bound=npt.NDArray[np.generic])
Rows = npt.NDArray[np.int32]

_EMPTY, _LEFT = -1, -2
_SMALLEST = 1 << 6
_FULL = 0.6
_SALT = 0x696E6478
_AT_ONCE = 1 << 16


class Index:
    """Rows by unit; `unit[row]` is who has a row, 0 nobody. Fewer than 2^31 rows. Not thread-safe."""

    def __init__(self) -> None:
        self.unit: Hashes = np.zeros(0, np.uint64)
        self._places: Rows = np.full(_SMALLEST, _EMPTY, np.int32)
        self._taken = 0

    def find(self, units: Hashes) -> Rows:
        """The row of each unit (n,), -1 where it has none."""
        rows = np.full(len(units), _EMPTY, np.int32)
        if not len(self.unit):
            return rows
        left, at = np.arange(len(units)), self._home(units)
        while len(left):
            held = self._places[at]
            same = (held >= 0) & (self.unit[held] == units[left])
            rows[left[same]] = held[same]
            on = ~same & (held != _EMPTY)
            left, at = left[on], (at[on] + 1) & (len(self._places) - 1)
        return rows

    def place(self, units: Hashes, rows: Rows) -> None:
        """Give units (n,) that have no row, each once and none 0, rows (n,) that nobody has."""
        if not len(units):
            return
        self.unit = with_room(self.unit, int(rows.max()) + 1)
        self.unit[rows] = units
        self._taken += len(units)
        if self._taken > _FULL * len(self._places):
            self._build()
        else:
            self._put(units, rows)

    def leave(self, rows: Rows) -> None:
        """Nobody has these rows any more."""
        at, left = self._home(self.unit[rows]), np.arange(len(rows))
        while len(left):
            here = self._places[at] == rows[left]
            self._places[at[here]] = _LEFT
            left, at = left[~here], (at[~here] + 1) & (len(self._places) - 1)
        self.unit[rows] = 0

    def _home(self, units: Hashes) -> npt.NDArray[np.int64]:
        return (mixed(units, _SALT) & np.uint64(len(self._places) - 1)).astype(np.int64)

    def _put(self, units: Hashes, rows: Rows) -> None:
        left, at = np.arange(len(units)), self._home(units)
        while len(left):
            free = self._places[at] < 0
            self._places[at[free]] = rows[left[free]]
            lost = self._places[at] != rows[left]
            left, at = left[lost], (at[lost] + 1) & (len(self._places) - 1)

    def _build(self) -> None:
        everybody = np.flatnonzero(self.unit).astype(np.int32)
        size = len(self._places)
        while len(everybody) > _FULL / 2 * size:
            size *= 2
        self._places = np.full(size, _EMPTY, np.int32)
        self._taken = len(everybody)
        for first in range(0, len(everybody), _AT_ONCE):
            rows = everybody[first : first + _AT_ONCE]
            self._put(self.unit[rows], rows)


def with_room(array: Array, rows: int) -> Array:
    """The array, or where it has fewer rows a copy with half as many more than asked for; rows beyond are zeros."""
    if len(array) >= rows:
        return array
    larger = np.zeros((rows + rows // 2, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger  # type: ignore[return-value]  # the same dtype

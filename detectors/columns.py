"""Rows as typed columns: what detectors fold.

A `Columns` is immutable and holds n rows. Every row has an event time, a unit (who was assigned), a cohort and the
coordinates of the record it came from; everything else is a named column of one of six kinds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp] | npt.NDArray[np.bool_]


class Cohort(IntEnum):
    """Who a unit belongs to; the integer is what a cohort column holds."""

    EXPOSED = 0
    HOLDOUT = 1
    EXPLORATION = 2
    UNASSIGNED = 3


@dataclass(frozen=True, slots=True)
class Numeric:
    """Real numbers; NaN means missing."""

    values: Floats

    def take(self, rows: Rows) -> Numeric:
        """The given rows (an index array or a mask)."""
        return Numeric(self.values[rows])


@dataclass(frozen=True, slots=True)
class Flag:
    """Truth values; `missing` marks those never told, whose value is False."""

    values: Bools
    missing: Bools

    def take(self, rows: Rows) -> Flag:
        """The given rows (an index array or a mask)."""
        return Flag(self.values[rows], self.missing[rows])


@dataclass(frozen=True, slots=True)
class Category:
    """Dictionary-coded text: `labels[codes[i]]`; code -1 means missing. Labels are untrusted text."""

    codes: npt.NDArray[np.int32]
    labels: tuple[str, ...]

    def take(self, rows: Rows) -> Category:
        """The given rows (an index array or a mask); labels are kept whole."""
        return Category(self.codes[rows], self.labels)


@dataclass(frozen=True, slots=True)
class Hash:
    """Identities as 64-bit keyed hashes; 0 means missing."""

    values: Hashes

    def take(self, rows: Rows) -> Hash:
        """The given rows (an index array or a mask)."""
        return Hash(self.values[rows])


@dataclass(frozen=True, slots=True)
class Vector:
    """One vector of d numbers a row, shape (n, d); a missing vector is all NaN, and one shorter than d ends in NaN."""

    values: npt.NDArray[np.float32]

    def take(self, rows: Rows) -> Vector:
        """The given rows (an index array or a mask)."""
        return Vector(self.values[rows])


@dataclass(frozen=True, slots=True)
class Ragged:
    """Many elements a row (the items of a slate): row i owns elements `starts[i]` to `starts[i + 1]` of every field."""

    starts: Ints
    fields: Mapping[str, Numeric | Flag | Category | Hash]

    def take(self, rows: Rows) -> Ragged:
        """The given rows (an index array or a mask), elements gathered in row order."""
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        lengths = np.diff(self.starts)[index]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        shift = np.repeat(self.starts[:-1][index] - starts[:-1], lengths)
        elements = np.arange(starts[-1]) + shift
        return Ragged(starts, {name: column.take(elements) for name, column in self.fields.items()})

    def owners(self) -> npt.NDArray[np.intp]:
        """The row that owns each element, shape (elements,)."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


Column = Numeric | Flag | Category | Hash | Vector | Ragged
_C = TypeVar("_C", bound=Column)


@dataclass(frozen=True, slots=True)
class Columns:
    """n rows. `time` is event time in ms since the epoch, UTC; `unit` 0 means absent; `cohort` holds `Cohort`."""

    time: Ints
    unit: Hashes
    cohort: npt.NDArray[np.int8]
    partition: npt.NDArray[np.int32]
    offset: Ints
    fields: Mapping[str, Column] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: Rows) -> Columns:
        """The given rows, by an index array or a boolean mask."""
        return Columns(
            self.time[rows],
            self.unit[rows],
            self.cohort[rows],
            self.partition[rows],
            self.offset[rows],
            {name: column.take(rows) for name, column in self.fields.items()},
        )

    def having(self, **columns: Column) -> Columns:
        """The same rows with columns added or replaced; each must have n rows."""
        return Columns(self.time, self.unit, self.cohort, self.partition, self.offset, {**self.fields, **columns})

    def numbers(self, name: str) -> Floats:
        """Column `name` as float64, NaN where missing; a flag counts as 0 or 1. KeyError if there is none."""
        column = self.fields[name]
        if isinstance(column, Numeric):
            return column.values
        if isinstance(column, Flag):
            return np.where(column.missing, np.nan, column.values.astype(np.float64))
        raise TypeError(f"column {name!r} is {type(column).__name__}, not a number")

    def flags(self, name: str) -> Bools:
        """Column `name` as booleans, False where missing. KeyError if there is none."""
        column = self.fields[name]
        if not isinstance(column, Flag):
            raise TypeError(f"column {name!r} is {type(column).__name__}, not a flag")
        return column.values

    def hashes(self, name: str) -> Hashes:
        """Column `name` as 64-bit hashes, 0 where missing. KeyError if there is none."""
        column = self.fields[name]
        if not isinstance(column, Hash):
            raise TypeError(f"column {name!r} is {type(column).__name__}, not a hash")
        return column.values


def flag(values: Bools) -> Flag:
    """A flag column without missing values."""
    return Flag(values, np.zeros(len(values), np.bool_))


def no_rows(fields: Mapping[str, Column] | None = None) -> Columns:
    """A `Columns` of zero rows."""
    return Columns(
        np.zeros(0, np.int64),
        np.zeros(0, np.uint64),
        np.zeros(0, np.int8),
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        fields or {},
    )


def concat(parts: Sequence[Columns]) -> Columns:
    """All rows, in order. Parts must have the same fields of the same kinds; category codes are re-mapped."""
    parts = [p for p in parts if len(p)] or list(parts[:1])
    if not parts:
        return no_rows()
    if len(parts) == 1:
        return parts[0]
    names = parts[0].fields.keys()
    return Columns(
        np.concatenate([p.time for p in parts]),
        np.concatenate([p.unit for p in parts]),
        np.concatenate([p.cohort for p in parts]),
        np.concatenate([p.partition for p in parts]),
        np.concatenate([p.offset for p in parts]),
        {name: _concat_column([p.fields[name] for p in parts]) for name in names},
    )


def _concat_column(parts: Sequence[Any]) -> Column:
    first = parts[0]
    if isinstance(first, Numeric):
        return Numeric(np.concatenate([p.values for p in parts]))
    if isinstance(first, Hash):
        return Hash(np.concatenate([p.values for p in parts]))
    if isinstance(first, Vector):
        return Vector(_stack([p.values for p in parts]))
    if isinstance(first, Flag):
        return Flag(np.concatenate([p.values for p in parts]), np.concatenate([p.missing for p in parts]))
    if isinstance(first, Category):
        return _concat_categories(parts)
    sizes = np.concatenate([np.diff(p.starts) for p in parts])
    return Ragged(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]),
        {name: _concat_column([p.fields[name] for p in parts]) for name in first.fields},  # type: ignore[misc]  # ragged never nests
    )


def _stack(parts: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    widest = max(p.shape[1] for p in parts)
    if all(p.shape[1] == widest for p in parts):
        return np.concatenate(parts)
    return np.concatenate([np.pad(p, ((0, 0), (0, widest - p.shape[1])), constant_values=np.nan) for p in parts])


def _concat_categories(parts: Sequence[Category]) -> Category:
    code: dict[str, int] = {}
    remapped = []
    for part in parts:
        table = np.array([code.setdefault(label, len(code)) for label in part.labels] + [-1], np.int32)
        remapped.append(table[part.codes])  # code -1 reads the last entry, which is -1
    return Category(np.concatenate(remapped), tuple(code))

"""Values of one field of many records, as a column, and what is wrong with which of them.

Faults are by row, as the end of a sentence that starts with the field's path. A row with a fault holds a missing value.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from detectors.columns import Bools, Category, Column, Columns, Flag, Hash, Numeric, Ragged, Vector
from monitor.ingest import categories
from monitor.ingest.identity import Identities
from monitor.ingest.json_records import TYPES, MappingRefused, Use
from monitor.ingest.mapping import FieldSpec, Kind
from monitor.ingest.reasons import ALLOWED, shown

LONGEST_VECTOR = 4096
"""Numbers in a vector at most: one long vector widens a whole block's column."""

Faults = dict[int, str]
_LARGEST = float(np.finfo(np.float32).max)


def refuse_unfit(spec: FieldSpec) -> None:
    """Raises `MappingRefused` if the constant or the default does not fit the kind."""
    for what, value in (("constant", spec.constant), ("default", spec.default)):
        if value is None:
            continue
        if spec.kind is Kind.VECTOR:
            raise MappingRefused(f"{spec.name}: a vector has no {what}")
        try:
            msgspec.convert(value, TYPES[spec.kind])
        except msgspec.ValidationError:
            raise MappingRefused(f"{spec.name}: {what} is {shown(value)}; allowed: {ALLOWED[spec.kind]}") from None
        if spec.kind is Kind.SHARE and not 0 <= float(value) <= 1:
            raise MappingRefused(f"{spec.name}: {what} is {shown(value)}; allowed: {ALLOWED[spec.kind]}")


def narrowed(values: Sequence[Any], use: Use) -> tuple[list[Any], Faults]:
    """Values of any type, None where they are not of the type that `use` wants."""
    kept: list[Any] = []
    faults: Faults = {}
    for row, value in enumerate(values):
        try:
            kept.append(msgspec.convert(value, use.type))
        except msgspec.ValidationError:
            kept.append(None)
            faults[row] = f"holds {shown(value)}; allowed: {use.allowed}"
    return kept, faults


def column(
    spec: FieldSpec, values: Sequence[Any], identities: Identities, excused: Bools | None = None
) -> tuple[Column, Faults]:
    """A column of n rows from n values of the type that belongs to `spec.kind` (`TYPES`), None where missing.

    excused   (n,) rows in which a required field may be missing.
    """
    if spec.default is not None:
        values = [spec.default if value is None else value for value in values]
    faults: Faults = {}
    made: Column
    match spec.kind:
        case Kind.HASH:
            made = Hash(identities.column(values))
            missing = made.values == 0
        case Kind.NUMBER:
            made = Numeric(np.array(values, np.float64))
            missing = np.isnan(made.values)
        case Kind.SHARE:
            made, faults = _shares(values)
            missing = np.isnan(made.values)
        case Kind.FLAG:
            numbers = np.array(values, np.float64)
            missing = np.isnan(numbers)
            made = Flag(numbers == 1, missing)
        case Kind.CATEGORY:
            made = categories.column(values)
            missing = made.codes < 0
        case Kind.VECTOR:
            made, faults = _vectors(values)
            missing = np.isnan(made.values).all(axis=1)
    if spec.required and missing.any():
        what = (
            "is absent, null or empty, but required"
            if spec.kind in (Kind.HASH, Kind.VECTOR)
            else "is absent or null, but required"
        )
        for row in np.flatnonzero(missing if excused is None else missing & ~excused):
            faults.setdefault(int(row), what)
    return made, faults


def _shares(values: Sequence[float | bool | None]) -> tuple[Numeric, Faults]:
    numbers = np.array(values, np.float64)
    beyond = np.flatnonzero((numbers < 0) | (numbers > 1))
    numbers[beyond] = np.nan
    return Numeric(numbers), {
        row: f"holds {shown(values[row])}; allowed: {ALLOWED[Kind.SHARE]}" for row in beyond.tolist()
    }


def _vectors(values: Sequence[list[float] | None]) -> tuple[Vector, Faults]:
    """Shape (n, longest); shorter vectors end in NaN, so that their length is kept. An empty one is missing."""
    faults: Faults = {}
    lengths = np.fromiter((0 if value is None else len(value) for value in values), np.int64, len(values))
    for row in np.flatnonzero(lengths > LONGEST_VECTOR):
        faults[int(row)] = f"holds a list of {lengths[row]}; allowed: at most {LONGEST_VECTOR} numbers"
    lengths[lengths > LONGEST_VECTOR] = 0
    flat = np.fromiter(
        chain.from_iterable(value for value, length in zip(values, lengths, strict=True) if value and length),
        np.float64,
        int(lengths.sum()),
    )
    beyond = np.abs(flat) > _LARGEST
    for row in np.repeat(np.arange(len(values)), lengths)[beyond]:
        faults.setdefault(int(row), "holds a number beyond ±3.4e38; allowed: numbers of single precision")
    flat[beyond] = np.nan
    width = int(lengths.max(initial=0))
    table = np.full((len(values), width), np.nan, np.float32)
    table[np.arange(width) < lengths[:, None]] = flat
    return Vector(table), faults


def without(rows: Columns, faulty: Sequence[int]) -> Columns:
    """The rows that are left, with no trace of the others: unused labels and empty ends of vectors go too."""
    keep = np.ones(len(rows), np.bool_)
    keep[list(faulty)] = False
    left = rows.take(keep)
    return left.having(**{name: _compacted(made) for name, made in left.fields.items()})


def _compacted(made: Column) -> Any:
    if isinstance(made, Category):
        return categories.compacted(made)
    if isinstance(made, Vector):
        used = np.flatnonzero(~np.isnan(made.values).all(axis=0))
        return Vector(made.values[:, : used[-1] + 1 if len(used) else 0])
    if isinstance(made, Ragged):
        return Ragged(made.starts, {name: _compacted(inner) for name, inner in made.fields.items()})
    return made

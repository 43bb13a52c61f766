"""Rows that were decoded under an earlier mapping, with the columns of the one that is read now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detectors.columns import Category, Column, Columns, Flag, Hash, Numeric, Ragged, Vector
from monitor.ingest.decode import EVENT, ITEMS
from monitor.ingest.mapping import ORGANIC, PREDICTIONS, EventMapping, FieldSpec, Kind

_TYPES: dict[Kind, type[Column]] = {
    Kind.HASH: Hash,
    Kind.NUMBER: Numeric,
    Kind.SHARE: Numeric,
    Kind.FLAG: Flag,
    Kind.CATEGORY: Category,
    Kind.VECTOR: Vector,
}


def as_mapped(rows: Columns, mapping: EventMapping) -> Columns:
    """The same rows: what was not read of them is missing, what is no longer read is gone, and so is what is read as another kind."""
    kinds = _kinds(mapping.fields)
    if mapping.stream != PREDICTIONS:
        kinds[EVENT] = Kind.HASH
    if mapping.origin is not None:
        kinds[ORGANIC] = Kind.FLAG
    fields = _fields(rows.fields, kinds, len(rows))
    if mapping.items is not None:
        held = rows.fields.get(ITEMS)
        shown = held if isinstance(held, Ragged) else Ragged(np.zeros(len(rows) + 1, np.int64), {})
        inside = _fields(shown.fields, _kinds(mapping.items.fields), int(shown.starts[-1]))
        fields[ITEMS] = Ragged(shown.starts, inside)  # type: ignore[arg-type]  # ragged never nests
    return Columns(rows.time, rows.unit, rows.cohort, rows.partition, rows.offset, fields)


def _kinds(specs: Sequence[FieldSpec]) -> dict[str, Kind]:
    return {spec.name: spec.kind for spec in specs}


def _fields(held: Mapping[str, Column], kinds: Mapping[str, Kind], n: int) -> dict[str, Column]:
    return {
        name: column if isinstance(column := held.get(name), _TYPES[kind]) else _missing(kind, n)
        for name, kind in kinds.items()
    }


def _missing(kind: Kind, n: int) -> Column:
    match kind:
        case Kind.HASH:
            return Hash(np.zeros(n, np.uint64))
        case Kind.NUMBER | Kind.SHARE:
            return Numeric(np.full(n, np.nan))
        case Kind.FLAG:
            return Flag(np.zeros(n, np.bool_), np.ones(n, np.bool_))
        case Kind.CATEGORY:
            return Category(np.full(n, -1, np.int32), ())
        case Kind.VECTOR:
            return Vector(np.zeros((n, 0), np.float32))

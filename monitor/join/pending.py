"""Rows that wait: generations of time, appended as chunks and dropped whole.

A generation (`slot`, its start in event time) of a stream collects the rows of one window as they arrive. When the watermark
has passed it, it is *sealed*: put into one canonical order and rid of repeated ids. From then on it does not change, and
whoever reads it sees the same rows however they came.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors import columns as cols
from detectors import snapshot
from detectors.columns import Bools, Columns, Hashes


class Pending:
    """The waiting rows of one model, by stream and slot. Not thread-safe."""

    def __init__(self, slot_ms: int) -> None:
        self.slot_ms = slot_ms
        self._parts: dict[tuple[str, int], list[Columns]] = {}
        self._sealed: dict[tuple[str, int], Columns] = {}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, stream: str, rows: Columns) -> dict[int, Columns]:
        """Add rows, split by their slot; returns the split."""
        split: dict[int, Columns] = {}
        if not len(rows):
            return split
        slots = rows.time - rows.time % self.slot_ms
        for slot in np.unique(slots):
            split[int(slot)] = rows if slots[0] == slot and (slots == slot).all() else rows.take(slots == slot)
            self.add(stream, int(slot), split[int(slot)])
        return split

    def add(self, stream: str, slot: int, rows: Columns) -> None:
        """Add rows that all belong to `slot`."""
        self._parts.setdefault((stream, slot), []).append(rows)
        self._rows += len(rows)

    def slots(self, stream: str) -> list[int]:
        """Slots that hold rows, ascending, sealed ones included."""
        return sorted({s for name, s in (*self._parts, *self._sealed) if name == stream})

    def identities(self, stream: str, slot: int, identity: str) -> Hashes:
        """Ids of the rows of an unsealed generation, in no order, repeats included."""
        parts = self._parts.get((stream, slot), [])
        return np.concatenate([part.hashes(identity) for part in parts]) if parts else np.zeros(0, np.uint64)

    def seal(self, stream: str, slot: int, identity: str, taken: Hashes) -> tuple[Columns, int]:
        """Close a generation: canonical order, one row an id, none whose id is in `taken` (ascending).

        Returns the rows and how many were dropped. `identity` names the hash column that tells rows apart.
        """
        rows = cols.concat(self._parts.pop((stream, slot), []))
        count = len(rows)
        if count:
            rows = _canonical(rows, identity)
            ids, first = np.unique(rows.hashes(identity), return_index=True)
            fresh = np.sort(first[~_among(taken, ids)])
            rows = rows if len(fresh) == count else rows.take(fresh)
            self._sealed[stream, slot] = rows
        self._rows += len(rows) - count
        return rows, count - len(rows)

    def waiting(self, stream: str) -> int:
        """Rows of sealed generations."""
        return sum(len(rows) for (name, _), rows in self._sealed.items() if name == stream)

    def sealed(self, stream: str, slot: int) -> Columns | None:
        """The rows of a sealed generation; None if it had none."""
        return self._sealed.get((stream, slot))

    def replace(self, stream: str, slot: int, rows: Columns) -> None:
        """Put derived columns onto a sealed generation, or what is left of it."""
        self._rows += len(rows) - len(self._sealed.get((stream, slot), ()))
        self._sealed[stream, slot] = rows

    def between(self, stream: str, start: int, end: int) -> Columns | None:
        """All rows of unsealed generations with start <= time < end, in no particular order; None if there are none."""
        parts = [
            part
            for slot in range(start - start % self.slot_ms, end, self.slot_ms)
            for part in self._parts.get((stream, slot), ())
        ]
        if not parts:
            return None
        rows = cols.concat(parts)
        inside = (rows.time >= start) & (rows.time < end)
        return rows if inside.all() else rows.take(inside)

    def rows(self, stream: str, slot: int) -> Columns:
        """All rows of a generation, sealed or not; in no particular order before sealing."""
        sealed = self._sealed.get((stream, slot))
        return cols.concat(self._parts.get((stream, slot), [])) if sealed is None else sealed

    def rewrite(self, stream: str, slot: int, rows: Columns) -> None:
        """Put rows in the place of those of a generation; it stays sealed if it was."""
        key = (stream, slot)
        self._rows += len(rows) - len(self.rows(stream, slot))
        was_sealed = self._sealed.pop(key, None) is not None
        self._parts.pop(key, None)
        if len(rows) and was_sealed:
            self._sealed[key] = rows
        elif len(rows):
            self._parts[key] = [rows]

    def drop(self, stream: str, slot: int) -> bool:
        """Forget a generation; True if rows had ever been added to it, even if sealing left none."""
        parts = self._parts.pop((stream, slot), [])
        sealed = self._sealed.pop((stream, slot), None)
        self._rows -= sum(map(len, parts)) + (len(sealed) if sealed is not None else 0)
        return bool(parts) or sealed is not None


def _canonical(rows: Columns, identity: str) -> Columns:
    return rows.take(np.lexsort((rows.offset, rows.partition, rows.hashes(identity), rows.time)))


def pack_rows(rows: Columns) -> bytes:
    """Rows as bytes."""
    return snapshot.pack(
        {
            "time": rows.time,
            "unit": rows.unit,
            "cohort": rows.cohort,
            "partition": rows.partition,
            "offset": rows.offset,
            "fields": {name: _pack_column(column) for name, column in rows.fields.items()},
        }
    )


def unpack_rows(data: bytes) -> Columns:
    """The rows that were packed. SnapshotError if the bytes are damaged."""
    values = snapshot.unpack(data)
    try:
        fields = {name: _unpack_column(column) for name, column in values.pop("fields").items()}
        return Columns(**values, fields=fields)
    except (TypeError, KeyError, AttributeError, ValueError, IndexError) as error:
        raise snapshot.SnapshotError(f"not a chunk of rows: {error}") from error


_KINDS: dict[str, Any] = {
    "numeric": cols.Numeric,
    "flag": cols.Flag,
    "category": cols.Category,
    "hash": cols.Hash,
    "vector": cols.Vector,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def _pack_column(column: cols.Column) -> list[Any]:
    if isinstance(column, cols.Ragged):
        return ["ragged", column.starts, {name: _pack_column(c) for name, c in column.fields.items()}]
    if isinstance(column, cols.Flag):
        return ["flag", column.values, column.missing]
    if isinstance(column, cols.Category):
        return ["category", column.codes, list(column.labels)]
    return [_NAMES[type(column)], column.values]


def _unpack_column(packed: list[Any]) -> cols.Column:
    kind, *values = packed
    if kind == "ragged":
        return cols.Ragged(values[0], {name: _unpack_column(c) for name, c in values[1].items()})  # type: ignore[misc]  # ragged never nests
    if kind == "category":
        return cols.Category(values[0], tuple(values[1]))
    column: cols.Column = _KINDS[kind](*values)
    return column


def _among(ascending: Hashes, ids: Hashes) -> Bools:
    """Which of `ids` are there: a search, where `np.isin` would order a million remembered ids again for each window."""
    if not len(ascending):
        return np.zeros(len(ids), np.bool_)
    found: Bools = ascending[np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)] == ids
    return found

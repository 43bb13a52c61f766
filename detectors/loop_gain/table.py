"""Counts by item that loop gain needs of one period: a table that merges by addition.

Only exposed units count, and what was shown to them: untilted, tilted and random alike, because the next model learns from all. The
pair of an item is told with every showing; its sum over showings is that number times their count where everybody agrees, which
is checked, so it can be added up like a count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors import showings, snapshot
from detectors.columns import Bools, Columns, Flag, Hashes, Ints, Numeric, Ragged, flag
from detectors.math import bootstrap, distinct, keyed

UNTILTED, ALL, TOLD, PAIR, SQUARE = range(5)
WIDTH = 5
"""Columns: showings the policy chose in untilted requests; all; those that told a pair; sums of its number, and of its square."""


@dataclass(frozen=True)
class Table:
    """items (n,) mixed hashes, ascending; counts (n, WIDTH); units, see `detectors.math.distinct`; tilted (2,) requests: off, on."""

    items: Hashes
    counts: Ints
    units: Hashes
    tilted: Ints


def empty() -> Table:
    """Nothing was shown."""
    none = np.zeros(0, np.uint64)
    return Table(none, np.zeros((0, WIDTH), np.int64), none.copy(), np.zeros(2, np.int64))


def merge(a: Table, b: Table, max_items: int) -> Table:
    """Both as one; beyond `max_items` the items with the smallest hashes are kept."""
    made = keyed.merge(keyed.KeyedSums(a.items, a.counts), keyed.KeyedSums(b.items, b.counts))
    return Table(made.keys[:max_items], made.sums[:max_items], distinct.add(a.units, b.units), a.tilted + b.tilted)


def of(rows: Columns, max_items: int) -> Table:
    """What exposed units were shown. Where there is a field `tilted`, requests that do not say are left out; else none was."""
    shown = showings.of(rows)
    tilted = rows.fields.get("tilted", flag(np.zeros(len(rows), np.bool_)))
    if not isinstance(tilted, Flag):
        raise TypeError(f"column 'tilted' is {type(tilted).__name__}, not a flag")
    shown = shown.take((shown.arm == 0) & ~tilted.missing[shown.owner])
    if not len(shown.item):
        return empty()
    pushed = tilted.values[shown.owner]
    pair, told = _pairs(rows, shown.element)
    values = np.stack([~pushed & ~shown.explored, np.ones(len(pair)), told, pair, pair**2], axis=1).astype(np.int64)
    made = keyed.add(keyed.nothing(WIDTH), shown.item, values)
    owners = np.unique(shown.owner)
    return Table(
        made.keys[:max_items],
        made.sums[:max_items],
        distinct.add(np.zeros(0, np.uint64), bootstrap.mix(np.unique(rows.unit[owners]))),
        np.bincount(tilted.values[owners], minlength=2).astype(np.int64),
    )


def _pairs(rows: Columns, element: Ints) -> tuple[Ints, Bools]:
    """Number of each element's pair, 0 where it has none, and whether that was told."""
    items = rows.fields["items"]
    column = items.fields.get("pair") if isinstance(items, Ragged) else None
    if not isinstance(column, Numeric):
        return np.zeros(len(element), np.int64), np.zeros(len(element), np.bool_)
    number = column.values[element]
    told: Bools = np.isfinite(number) & (np.abs(number) <= 2**24) & (number == np.rint(number))
    return np.where(told, number, 0.0).astype(np.int64), told


def pack(a: Table) -> bytes:
    """Items and counts, to be kept until what came of the period is known."""
    return snapshot.pack([a.items, a.counts])


def unpack(data: bytes) -> keyed.KeyedSums:
    """What `pack` kept."""
    items, counts = snapshot.unpack(data)
    return keyed.KeyedSums(items, counts)


def numbers(a: keyed.KeyedSums) -> Ints:
    """(n,) the pair of each item; 0 where it has none, or where not all of its showings agree."""
    told, total, squares = a.sums[:, TOLD], a.sums[:, PAIR], a.sums[:, SQUARE]
    number = total // np.maximum(told, 1)
    agreed = (told > 0) & (number * told == total) & (number * number * told == squares)
    return np.where(agreed, number, 0)


def matched(a: keyed.KeyedSums) -> tuple[Ints, Ints]:
    """Rows of the items of each whole pair: (lifted, lowered)."""
    number = numbers(a)
    up, down = np.flatnonzero(number > 0), np.flatnonzero(number < 0)
    _, at_up, at_down = np.intersect1d(number[up], -number[down], return_indices=True)
    first, second = up[at_up], down[at_down]
    alone_up = np.bincount(number[up])[number[first]] == 1
    alone_down = np.bincount(-number[down])[number[first]] == 1
    return first[alone_up & alone_down], second[alone_up & alone_down]


def counts_of(a: keyed.KeyedSums, items: Hashes, column: int) -> Ints:
    """(n,) a column of the given items, 0 where one was not shown."""
    at = keyed.rows_of(a, items)
    return np.where(at >= 0, a.sums[np.maximum(at, 0), column], 0) if len(a) else np.zeros(len(items), np.int64)

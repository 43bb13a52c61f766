"""Every item that was shown to an exposed or a held-out unit: what the loop detectors count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Cohort, Columns, Flag, Floats, Hash, Hashes, Ints, Numeric, Ragged
from detectors.math import bootstrap


@dataclass(frozen=True, slots=True)
class Showings:
    """n items shown, each array (n,).

    owner      the row that showed it; element: its place among all items of the rows.
    item       mixed hash; arm: 0 exposed, 1 holdout.
    explored   drawn at random rather than chosen; False where that was not told, which `marked` says.
    """

    owner: Ints
    element: Ints
    item: Hashes
    arm: Ints
    explored: Bools
    marked: Bools

    def take(self, kept: Bools) -> Showings:
        """Those of a mask."""
        return Showings(
            self.owner[kept],
            self.element[kept],
            self.item[kept],
            self.arm[kept],
            self.explored[kept],
            self.marked[kept],
        )


def of(rows: Columns, column: str = "items") -> Showings:
    """What `rows` show; rows without a unit, other cohorts and items without an identity are left out.

    KeyError if there is no such column, TypeError if it is no list of items.
    """
    items = rows.fields[column]
    if not isinstance(items, Ragged):
        raise TypeError(f"column {column!r} is {type(items).__name__}, not a list of items")
    shown = items.fields["item"]
    if not isinstance(shown, Hash):
        raise TypeError(f"field 'item' of column {column!r} is {type(shown).__name__}, not a hash")
    owner = items.owners()
    told = items.fields.get("explored")
    nothing = np.zeros(len(owner), np.bool_)
    explored, marked = (told.values, ~told.missing) if isinstance(told, Flag) else (nothing, nothing)
    counted = (shown.values != 0) & (rows.unit[owner] != 0) & (rows.cohort[owner] <= Cohort.HOLDOUT)
    return Showings(
        owner[counted],
        np.flatnonzero(counted),
        bootstrap.mix(shown.values[counted]),
        rows.cohort[owner[counted]].astype(np.int64),
        explored[counted] & marked[counted],
        marked[counted],
    )


def numbers(rows: Columns, shown: Showings, name: str) -> Floats:
    """A number that the items of `rows` carry, for each showing (n,); NaN where it is missing, or no item has it."""
    column = _of_items(rows, name)
    return column.values[shown.element] if isinstance(column, Numeric) else np.full(len(shown.item), np.nan)


def flags(rows: Columns, shown: Showings, name: str) -> Bools:
    """A truth value that the items of `rows` carry, for each showing (n,); False where it is missing, or no item has it."""
    column = _of_items(rows, name)
    return column.values[shown.element] if isinstance(column, Flag) else np.zeros(len(shown.item), np.bool_)


def _of_items(rows: Columns, name: str) -> object:
    items = rows.fields.get("items")
    return items.fields.get(name) if isinstance(items, Ragged) else None


def chosen(shown: Showings) -> Showings:
    """What the policy chose for the exposed, and all that the holdout was shown."""
    return shown.take((shown.arm == 1) | ~shown.explored)

"""Predictions meet what came of them: one row a prediction at maturity, with its outcomes counted and summed.

Pure functions over sealed predictions and all outcomes of the attribution window; both are complete by then, so the order in
which they arrived cannot matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from detectors.columns import Columns, Floats, Hash, Hashes, Ints, Numeric, Ragged


class Match(StrEnum):
    """How an outcome finds its prediction."""

    ID = "id"
    ID_ITEM = "id_item"
    UNIT_ITEM = "unit_item"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Window:
    """When an outcome counts: at most `early` ms before its prediction (clocks differ) and at most `within` ms after it."""

    within: int
    early: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Per prediction: `count` of outcomes and the `total` of their values (missing values count as 1). `used`: outcomes."""

    count: Ints
    total: Floats
    used: int


def join(match: Match, window: Window, predictions: Columns, later: Columns | None, outcomes: Columns | None) -> Joined:
    """Outcomes of `predictions`.

    later      for UNIT_ITEM: sealed predictions after these, up to `within + early` ms; an outcome belongs to the unit's last
               showing of the item before it, so a later showing takes it away from an earlier one.
    outcomes   all that may match, duplicates included: one event id counts once.
    """
    n = len(predictions)
    if outcomes is None or not len(outcomes) or not n:
        return Joined(np.zeros(n, np.int64), np.zeros(n), 0)
    _, first = np.unique(outcomes.hashes("event"), return_index=True)
    outcomes = outcomes if len(first) == len(outcomes) else outcomes.take(first)
    values = _values(outcomes)
    if match is Match.UNIT:
        return _by_unit(window, predictions, outcomes, values)
    row = (
        _by_unit_item(window, predictions, later, outcomes)
        if match is Match.UNIT_ITEM
        else _by_id(match, predictions, outcomes)
    )
    delay = outcomes.time - predictions.time[np.maximum(row, 0)]
    hit = (row >= 0) & (delay >= -window.early) & (delay <= window.within)
    return Joined(
        np.bincount(row[hit], minlength=n).astype(np.int64),
        np.bincount(row[hit], weights=values[hit], minlength=n).astype(np.float64),
        int(hit.sum()),
    )


def _values(outcomes: Columns) -> Floats:
    column = outcomes.fields.get("value")
    if not isinstance(column, Numeric):
        return np.ones(len(outcomes))
    return np.where(np.isnan(column.values), 1.0, column.values)


def _mix(a: Hashes, b: Hashes) -> Hashes:
    """One key for a pair of hashes; the order of the pair matters."""
    mixed: Hashes = (a * np.uint64(0x9E3779B97F4A7C15)) ^ (b + (a >> np.uint64(29)))
    return mixed


def _by_id(match: Match, predictions: Columns, outcomes: Columns) -> npt.NDArray[np.intp]:
    """The prediction row of each outcome, -1 if none."""
    if match is Match.ID:
        keys, owner = predictions.hashes("id"), np.arange(len(predictions))
        wanted = outcomes.hashes("id")
    else:
        item, owner = _showings(predictions)
        keys = _mix(predictions.hashes("id")[owner], item)
        wanted = _mix(outcomes.hashes("id"), outcomes.hashes("item"))
    order = np.argsort(keys, kind="stable")
    return _find(keys[order], owner[order], wanted)


def _find(keys: Hashes, owner: npt.NDArray[np.intp], wanted: Hashes) -> npt.NDArray[np.intp]:
    if not len(keys):
        return np.full(len(wanted), -1, np.intp)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, owner[at], -1)


def _showings(predictions: Columns) -> tuple[Hashes, npt.NDArray[np.intp]]:
    """Every item shown and the row that showed it."""
    items = predictions.fields.get("items")
    if isinstance(items, Ragged):
        column = items.fields["item"]
        if isinstance(column, Hash):
            return column.values, items.owners()
    return predictions.hashes("item"), np.arange(len(predictions))


def _by_unit_item(
    window: Window, predictions: Columns, later: Columns | None, outcomes: Columns
) -> npt.NDArray[np.intp]:
    item, owner = _showings(predictions)
    keys, times = _mix(predictions.unit[owner], item), predictions.time[owner]
    if later is not None and len(later):
        item_later, owner_later = _showings(later)
        keys = np.concatenate([keys, _mix(later.unit[owner_later], item_later)])
        times = np.concatenate([times, later.time[owner_later]])
        owner = np.concatenate([owner, np.full(len(owner_later), -1)])
    codes = np.unique(keys)
    wanted = _mix(outcomes.unit, outcomes.hashes("item"))
    code = _find(codes, np.arange(len(codes)), wanted)
    origin, span = _origin_and_span(times, outcomes.time + window.early)
    composite = np.searchsorted(codes, keys) * span + (times - origin)
    order = np.argsort(composite, kind="stable")
    at = np.searchsorted(composite[order], code * span + (outcomes.time + window.early - origin), side="right") - 1
    safe = np.maximum(at, 0)
    same = (code >= 0) & (at >= 0) & (composite[order][safe] // span == code)
    return np.where(same, owner[order][safe], -1)


def _by_unit(window: Window, predictions: Columns, outcomes: Columns, values: Floats) -> Joined:
    """Every prediction counts the unit's outcomes after it: an outcome may belong to several predictions."""
    units = np.unique(predictions.unit)
    code = _find(units, np.arange(len(units)), outcomes.unit)
    ours = (code >= 0) & (outcomes.unit != 0)
    code, times, values = code[ours], outcomes.time[ours], values[ours]
    until = predictions.time + window.within
    origin, span = _origin_and_span(predictions.time, np.concatenate([times, until]))
    composite = code * span + (times - origin)
    order = np.argsort(composite, kind="stable")
    base = np.searchsorted(units, predictions.unit) * span - origin
    low = np.searchsorted(composite[order], base + predictions.time, side="left")
    high = np.searchsorted(composite[order], base + until, side="right")
    running = np.concatenate([np.zeros(1), np.cumsum(values[order])])
    count = np.where(predictions.unit != 0, high - low, 0).astype(np.int64)
    return Joined(count, np.where(predictions.unit != 0, running[high] - running[low], 0.0), int(ours.sum()))


def _origin_and_span(a: Ints, b: Ints) -> tuple[int, int]:
    """A time before all, and a length longer than all: (code, time) pairs sort as one integer."""
    low = min(int(a.min()), int(b.min())) if len(b) else int(a.min())
    high = max(int(a.max()), int(b.max())) if len(b) else int(a.max())
    return low, high - low + 2

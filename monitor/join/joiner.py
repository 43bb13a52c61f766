"""Predictions meet what came of them: one row a prediction at maturity, with its outcomes counted and summed.

Pure functions over sealed predictions and all outcomes of the attribution window; both are complete by then, so the order in
which they arrived cannot matter: not even to the last bit of a sum. Whatever is missing (a hash of 0) matches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Columns, Floats, Hash, Hashes, Ints, Numeric, Ragged


class Match(StrEnum):
    """How an outcome finds its prediction.

    ID          the prediction that it names.
    ID_ITEM     the prediction that it names, if that showed the item.
    UNIT_ITEM   the unit's last showing of the item that began at most `early` ms after the outcome.
    UNIT        every prediction for the unit that it follows.
    """

    ID = "id"
    ID_ITEM = "id_item"
    UNIT_ITEM = "unit_item"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Window:
    """When an outcome counts: at most `within` ms after its prediction, at most `early` ms before it (clocks differ).

    With `Match.UNIT` nothing says which prediction an outcome was for, so there it must not come before.
    """

    within: int
    early: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Per prediction: `count` of outcomes and the `total` of their values (missing values count as 1).

    `used` is how many outcomes count for some prediction.
    """

    count: Ints
    total: Floats
    used: int


def join(match: Match, window: Window, predictions: Columns, later: Columns | None, outcomes: Columns | None) -> Joined:
    """Outcomes of `predictions`.

    later      for UNIT_ITEM: sealed predictions after these, up to `within + early` ms; an outcome belongs to the unit's last
               showing of the item, so a later showing takes it away from an earlier one.
    outcomes   all that may match, in any order, duplicates included: one event id counts once, as it was sent first.
    """
    n = len(predictions)
    if outcomes is None or not len(outcomes) or not n:
        return Joined(np.zeros(n, np.int64), np.zeros(n), 0)
    outcomes = once(outcomes)
    values = _values(outcomes)
    if match is Match.UNIT:
        return _by_unit(window, predictions, outcomes, values)
    if match is Match.UNIT_ITEM:
        element = _by_unit_item(window, predictions, later, outcomes)
        row = np.append(_showings(predictions)[1], -1)[element]
    else:
        row = _by_id(match, predictions, outcomes)
    delay = outcomes.time - predictions.time[np.maximum(row, 0)]
    hit = (row >= 0) & (delay >= -window.early) & (delay <= window.within)
    return Joined(
        np.bincount(row[hit], minlength=n).astype(np.int64),
        np.bincount(row[hit], weights=values[hit], minlength=n).astype(np.float64),
        int(hit.sum()),
    )


def once(outcomes: Columns) -> Columns:
    """One row an event id: the earliest, by time, partition and offset. In order of the ids, as sums depend on order."""
    events = outcomes.hashes("event")
    order = np.argsort(events, kind="stable")
    fresh = _begins(events[order])
    if not fresh.all():
        order = np.lexsort((outcomes.offset, outcomes.partition, outcomes.time, events))
    return outcomes.take(order[fresh])


def _begins(ordered: Hashes) -> Bools:
    """Where a new value begins in ordered values."""
    return np.concatenate([np.ones(1, np.bool_), ordered[1:] != ordered[:-1]])


def _values(outcomes: Columns) -> Floats:
    column = outcomes.fields.get("value")
    if not isinstance(column, Numeric):
        return np.ones(len(outcomes))
    return np.where(np.isnan(column.values), 1.0, column.values)


def _pair(a: Hashes, b: Hashes) -> Hashes:
    """One key for a pair of hashes, 0 if either is missing; the order of the pair matters."""
    mixed = (a * np.uint64(0x9E3779B97F4A7C15)) ^ (b + (a >> np.uint64(29)))
    keys: Hashes = np.where((a == 0) | (b == 0), np.uint64(0), np.maximum(mixed, np.uint64(1)))
    return keys


def _find(keys: Hashes, wanted: Hashes) -> npt.NDArray[np.intp]:
    """Where each of `wanted` stands in ascending, different keys; -1 if it does not, or is missing (0)."""
    if not len(keys):
        return np.full(len(wanted), -1, np.intp)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((keys[at] == wanted) & (wanted != 0), at, -1)


def _by_id(match: Match, predictions: Columns, outcomes: Columns) -> npt.NDArray[np.intp]:
    """The prediction row of each outcome, -1 if none. Where two rows have one key, the first."""
    if match is Match.ID:
        shown, owner = predictions.hashes("id"), np.arange(len(predictions))
        keys, code = np.unique(outcomes.hashes("id"), return_inverse=True)
    else:
        item, owner = _showings(predictions)
        shown = _pair(predictions.hashes("id")[owner], item)
        keys, code = np.unique(_pair(outcomes.hashes("id"), outcomes.hashes("item")), return_inverse=True)
    at = _find(keys, shown)
    found = np.flatnonzero(at >= 0)[::-1]
    row = np.full(len(keys), -1, np.intp)
    row[at[found]] = owner[found]
    return row[code]


def came(match: Match, window: Window, predictions: Columns, later: Columns | None, outcomes: Columns | None) -> Bools:
    """Of every item shown (elements,), or of every prediction that shows one: whether it brought an outcome.

    Outcomes must say which item they are for: ID_ITEM, UNIT_ITEM, or ID where a prediction shows one item. ValueError for UNIT.
    """
    _, owner = _showings(predictions)
    result = np.zeros(len(owner), np.bool_)
    if match is Match.UNIT:
        raise ValueError("outcomes of a unit do not say which item they are for")
    if outcomes is None or not len(outcomes) or not len(predictions):
        return result
    if match is Match.ID_ITEM:
        result[items_of_outcomes(window, predictions, outcomes)[0]] = True
        return result
    outcomes = once(outcomes)
    element = (
        _by_unit_item(window, predictions, later, outcomes)
        if match is Match.UNIT_ITEM
        else _by_id(match, predictions, outcomes)
    )
    delay = outcomes.time - predictions.time[np.append(owner, -1)[element]]
    hit = (element >= 0) & (delay >= -window.early) & (delay <= window.within)
    result[element[hit]] = True
    return result


def items_of_outcomes(
    window: Window, predictions: Columns, outcomes: Columns
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Of every outcome that names a prediction and one of its items, in time: the element of the items, and the row.

    Each outcome counts once; an item that a prediction shows twice is the first of both.
    """
    outcomes = once(outcomes)
    item, owner = _showings(predictions)
    keys, first = np.unique(_pair(predictions.hashes("id")[owner], item), return_index=True)
    at = _find(keys, _pair(outcomes.hashes("id"), outcomes.hashes("item")))
    element = np.append(first, 0)[at]
    delay = outcomes.time - predictions.time[np.append(owner, 0)[element]]
    hit = (at >= 0) & (delay >= -window.early) & (delay <= window.within)
    return element[hit], owner[element[hit]]


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
    """The item shown that each outcome is for, -1 if none or a later showing has it. Of two showings at once, the last row's."""
    item, owner = _showings(predictions)
    element = np.arange(len(owner))
    shown, times = _pair(predictions.unit[owner], item), predictions.time[owner]
    if later is not None and len(later):
        item_later, owner_later = _showings(later)
        shown = np.concatenate([shown, _pair(later.unit[owner_later], item_later)])
        times = np.concatenate([times, later.time[owner_later]])
        element = np.concatenate([element, np.full(len(owner_later), -1)])
    keys, code = np.unique(_pair(outcomes.unit, outcomes.hashes("item")), return_inverse=True)
    at = _find(keys, shown)
    found = at >= 0
    if not found.any():
        return np.full(len(outcomes), -1, np.intp)
    at, times, element = at[found], times[found], element[found]
    until = outcomes.time + window.early
    origin, span = _origin_and_span(len(keys), times, until)
    places = at * span + (times - origin)
    order = np.argsort(places, kind="stable")
    places, element = places[order], element[order]
    last = np.searchsorted(places, code * span + (until - origin), side="right") - 1
    safe = np.maximum(last, 0)
    return np.where((last >= 0) & (places[safe] // span == code), element[safe], -1)


def _by_unit(window: Window, predictions: Columns, outcomes: Columns, values: Floats) -> Joined:
    """Every prediction counts the unit's outcomes after it: an outcome may belong to several predictions.

    Totals are differences of one running sum: exact for whole numbers, else to 1e-16 of the sum of all values.
    """
    units = np.unique(predictions.unit)
    code = _find(units, outcomes.unit)
    ours = code >= 0
    code, times, values = code[ours], outcomes.time[ours], values[ours]
    until = predictions.time + window.within
    origin, span = _origin_and_span(len(units), predictions.time, np.concatenate([times, until]))
    places = code * span + (times - origin)
    order = np.argsort(places, kind="stable")
    places = places[order]
    base = np.searchsorted(units, predictions.unit) * span - origin
    low = np.searchsorted(places, base + predictions.time, side="left")
    high = np.searchsorted(places, base + until, side="right")
    running = np.concatenate([np.zeros(1), np.cumsum(values[order])])
    opened = np.cumsum(np.bincount(low, minlength=len(places) + 1) - np.bincount(high, minlength=len(places) + 1))
    return Joined((high - low).astype(np.int64), running[high] - running[low], int((opened > 0).sum()))


def _origin_and_span(keys: int, a: Ints, b: Ints) -> tuple[int, int]:
    """A time before all, and a length longer than all: (key, time) pairs sort as one integer, key * span + time - origin.

    For a hundred million keys a span of 2.9 years fits into 63 bits. OverflowError beyond.
    """
    low, high = min(int(a.min()), int(b.min())), max(int(a.max()), int(b.max()))
    span = high - low + 2
    if keys * span >= 1 << 63:
        raise OverflowError(f"{keys:,} keys over {span:,} ms cannot be joined at once; shorten the outcome's `within`")
    return low, span

"""Organic outcomes: people came by search, directly or from elsewhere, and no showing is credited with what they did."""

from __future__ import annotations

import dataclasses

import numpy as np

from detectors.columns import Bools, Columns, Flag, Hash, Ragged, flag
from monitor.ingest.mapping import ORGANIC
from monitor.join.joiner import once
from monitor.join.units import UnitTable


def apart(outcomes: Columns | None) -> tuple[Columns | None, Columns | None]:
    """Outcomes that may be credited to a showing, and organic ones; all are the former where no origin is told."""
    told = None if outcomes is None else outcomes.fields.get(ORGANIC)
    if outcomes is None or not isinstance(told, Flag):
        return outcomes, None
    return outcomes.take(~told.values), outcomes.take(told.values)


def of_window(organic: Columns, enrolled: UnitTable, shown: Columns | None, start: int, end: int) -> Columns:
    """Those with start <= time < end, each event once, as rows that show nothing, of people who had been shown something by then.

    A label is of somebody whom the model has served, so an outcome before its unit's first showing is none. `enrolled` knows that
    showing's window, however long the outcome waited; the moment in it is read in `shown`, the window's own predictions. Whoever
    was enrolled in this window by a prediction that no longer waits is left out, and so are those who are not known at all.
    Each is in the cohort in which its unit is enrolled.
    """
    rows = organic.take((organic.time >= start) & (organic.time < end))
    rows = once(rows) if len(rows) else rows
    seen = enrolled.lookup(rows.unit, start)
    served = (seen.slot < start) | ((seen.slot == start) & _shown_by_then(rows, shown))
    rows = dataclasses.replace(rows, cohort=seen.cohort, fields={}).take(seen.known & served)
    items = Ragged(np.zeros(len(rows) + 1, np.int64), {"item": Hash(np.zeros(0, np.uint64))})
    return rows.having(items=items, **{ORGANIC: flag(np.ones(len(rows), np.bool_))})


def _shown_by_then(rows: Columns, shown: Columns | None) -> Bools:
    """Whether `shown` has a prediction for each row's unit that is no later than the row."""
    if shown is None or not len(shown):
        return np.zeros(len(rows), np.bool_)
    order = np.lexsort((shown.time, shown.unit))
    units, first = np.unique(shown.unit[order], return_index=True)
    at = np.minimum(np.searchsorted(units, rows.unit), len(units) - 1)
    return np.asarray((units[at] == rows.unit) & (shown.time[order][first][at] <= rows.time))

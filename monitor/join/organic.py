"""Organic outcomes: people came by search, directly or from elsewhere, and no showing is credited with what they did."""

from __future__ import annotations

import dataclasses

import numpy as np

from detectors.columns import Columns, Flag, Hash, Ragged, flag
from monitor.ingest.mapping import ORGANIC
from monitor.join.joiner import once
from monitor.join.units import UnitTable


def apart(outcomes: Columns | None) -> tuple[Columns | None, Columns | None]:
    """Outcomes that may be credited to a showing, and organic ones; all are the former where no origin is told."""
    told = None if outcomes is None else outcomes.fields.get(ORGANIC)
    if outcomes is None or not isinstance(told, Flag):
        return outcomes, None
    return outcomes.take(~told.values), outcomes.take(told.values)


def of_window(organic: Columns, enrolled: UnitTable, start: int, end: int) -> Columns:
    """Those with start <= time < end, each event once, as rows that show nothing; people who are not enrolled are left out.

    Each is in the cohort in which its unit is enrolled.
    """
    rows = organic.take((organic.time >= start) & (organic.time < end))
    rows = once(rows) if len(rows) else rows
    seen = enrolled.lookup(rows.unit, start)
    rows = dataclasses.replace(rows, cohort=seen.cohort, fields={}).take(seen.known)
    items = Ragged(np.zeros(len(rows) + 1, np.int64), {"item": Hash(np.zeros(0, np.uint64))})
    return rows.having(items=items, **{ORGANIC: flag(np.ones(len(rows), np.bool_))})

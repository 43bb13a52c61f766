"""What a watch reads of a slot's rows: its own value, single items as slates of one, and one row a person."""

from __future__ import annotations

import dataclasses

import numpy as np

from detectors import columns as cols
from detectors.columns import Bools, Cohort, Columns, Hash, Hashes, Ragged
from monitor.watch.plan import WatchPlan

_OF_AN_ITEM = ("came", "score", "propensity")
"""Columns of a prediction that shows one item that say something of the item."""


def one_a_unit(unit: Hashes, chosen: Bools) -> Bools:
    """Of the chosen rows the first of each unit."""
    one = np.zeros(len(unit), np.bool_)
    rows = np.flatnonzero(chosen)
    one[rows[np.unique(unit[rows], return_index=True)[1]]] = True
    return one


def with_value(watch: WatchPlan, rows: Columns) -> Columns:
    """The rows with what the watch is placed on as `value`, and single items as slates of one."""
    extra: dict[str, cols.Column] = {}
    if watch.on and watch.on in rows.fields:
        extra["value"] = rows.fields[watch.on]
    item = rows.fields.get("item")
    if "items" in watch.needs.columns and "items" not in rows.fields and isinstance(item, Hash):
        own = {name: rows.fields[name] for name in _OF_AN_ITEM if name in rows.fields}
        extra["items"] = Ragged(np.arange(len(rows) + 1), {"item": item, **own})  # type: ignore[dict-item]  # never ragged
    return rows.having(**extra) if extra else rows


def all_exposed(rows: Columns) -> Columns:
    """Where nobody is held out, everybody is exposed to what is shown."""
    return dataclasses.replace(rows, cohort=np.full(len(rows), Cohort.EXPOSED, np.int8))

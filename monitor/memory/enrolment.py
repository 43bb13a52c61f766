"""Sealed predictions with what only their unit's past, or the plan, can tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detectors import columns as cols
from detectors.columns import Category, Cohort, Columns
from monitor.memory.model import ModelMemory

ENROLLED = ("first", "crossed", "leaked")
"""The columns that `enrol` adds."""


def as_decoded(rows: Columns) -> Columns:
    """Rows as they are stored: without what sealing derives, which is derived again when they are loaded."""
    return replace(rows, fields={name: column for name, column in rows.fields.items() if name not in ENROLLED})


def enrol(memory: ModelMemory, slot: int, rows: Columns) -> Columns:
    """Sealed predictions with what only their unit's past, or the plan, can tell.

    first     the row by which its unit was enrolled.
    crossed   the unit was first seen in another cohort.
    leaked    the unit is held out, and was served by a policy that held-out units must not see, or by none that is named.
    """
    seen = memory.units.lookup(rows.unit, slot)
    _, index = np.unique(rows.unit, return_index=True)
    first = np.zeros(len(rows), np.bool_)
    first[index] = True
    first &= seen.known & (seen.slot == slot)
    crossed = seen.known & (seen.cohort != rows.cohort)
    rows = rows.having(first=cols.flag(first), crossed=cols.flag(crossed))
    policy, allowed = rows.fields.get("policy"), memory.plan.holdout_policies
    if allowed is None or not isinstance(policy, Category):
        return rows
    named = np.array([*(label in allowed for label in policy.labels), False])
    return rows.having(leaked=cols.flag((rows.cohort == Cohort.HOLDOUT) & ~named[policy.codes]))

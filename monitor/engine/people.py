"""What units have done so far, as rows: one a unit that came in a slot, with its sums before and after."""

from __future__ import annotations

import numpy as np

from detectors.cohort_sticky.moments import GRID, HAD, HAS
from detectors.columns import Columns, Numeric
from monitor.join.sums import SumTable


def summed(table: SumTable, rows: Columns, metric: str, slot: int) -> Columns:
    """Add a slot's rows to the table; what that changed. Values of the metric are cut off to [0, 1], missing ones left out."""
    value = rows.numbers(metric)
    known = ~np.isnan(value)
    added = np.rint(np.clip(value[known], 0.0, 1.0) * GRID).astype(np.int64)
    changes = table.add(rows.unit[known], rows.cohort[known], added, slot)
    n = len(changes.unit)
    before = {name: Numeric(changes.before[:, i].astype(np.float64)) for i, name in enumerate(HAD)}
    after = {name: Numeric(changes.after[:, i].astype(np.float64)) for i, name in enumerate(HAS)}
    return Columns(
        np.full(n, slot, np.int64),
        changes.unit,
        changes.cohort,
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int64),
        before | after,
    )

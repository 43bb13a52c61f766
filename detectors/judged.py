"""What a watch judges of each row, as numbers: so that the same figure can be followed in each cohort.

A detector judges a distribution by the shares of some cells, a loss by its mean, a metric by its mean. Of a distribution with
many cells a handful is followed, so that what is kept of a watch stays small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors import missing_rate
from detectors.category_shift import reading as categories
from detectors.columns import Columns, Floats, Vector
from detectors.embedding_shift import lens
from detectors.named import identities

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_CATEGORIES = 8


@dataclass(frozen=True)
class Judged:
    """Rows by cell.

    names    of K cells, for people: what share it is, "" for the mean of the metric itself.
    values   (n, K); a row whose first cell is NaN says nothing.
    voting   only rows that have a vote count.
    counted  the rows themselves are counted, an interval of time at a go, and changes are relative.
    """

    names: tuple[str, ...]
    values: Floats
    voting: bool = False
    counted: bool = False


def judged(detector: str, prep: Any, rows: Columns) -> Judged | None:
    """What `detector`, prepared as `prep`, judges of rows; None where that is nothing, or not followed."""
    reader = _READERS.get(detector)
    if reader is None or not (len(rows) or detector in COUNTING):
        return None
    return reader(prep, rows)


def _value(_prep: Any, rows: Columns) -> Judged | None:
    return Judged(("",), rows.numbers("value")[:, None]) if "value" in rows.fields else None


def _number(prep: Any, rows: Columns) -> Judged | None:
    """Shares at or below a few of the reference's quantiles, and of what is missing."""
    if prep.cuts is None:
        return None
    value = rows.numbers("value")
    gone = ~np.isfinite(value)
    cuts = np.unique(np.quantile(prep.cuts, _QUANTILES, method="nearest")) if len(prep.cuts) else np.zeros(0)
    below = np.where(gone[:, None], 0.0, value[:, None] <= cuts)
    names = (*(f"values up to {cut:.4g}" for cut in cuts), "missing values")
    return Judged(names, np.column_stack([below, gone]), voting=True)


def _category(prep: Any, rows: Columns) -> Judged | None:
    if prep.cells is None:
        return None
    ids, _ = identities(rows, "value")
    cell = categories.cells_of(ids, prep.cells)
    top = min(len(prep.cells.top), _CATEGORIES)
    values = [cell == c for c in range(top)]
    values += [(cell >= top) & (cell <= categories.OTHER), cell == categories.UNSEEN, cell == categories.MISSING]
    names = (*(str(text) for text in prep.cells.texts[:top]), "other categories", "unseen before", "missing")
    return Judged(names, np.column_stack(values).astype(np.float64), voting=True)


def _vector(prep: Any, rows: Columns) -> Judged | None:
    """In every channel the share at or below the reference's median."""
    column = rows.fields.get("value")
    if prep.lens is None or not isinstance(column, Vector):
        return None
    known = lens.whole(column.values, len(prep.lens.mean))
    values = np.zeros((len(rows), lens.CHANNELS + 1))
    if known.any():
        middles = np.nanmedian(prep.lens.cuts, axis=1)
        values[known, :-1] = lens.channels(prep.lens, column.values[known][:, : len(prep.lens.mean)]) <= middles
    values[:, -1] = ~known
    names = (*(f"{lens.name(c)} up to its median" for c in range(lens.CHANNELS)), "vectors that are missing")
    return Judged(names, values, voting=True)


def _missing(prep: Any, rows: Columns) -> Judged | None:
    lost = [
        np.ones(len(rows)) if (column := rows.fields.get(name)) is None else missing_rate.missing(column)
        for name in prep
    ]
    return Judged(tuple(f"{name} missing" for name in prep), np.column_stack(lost).astype(np.float64), voting=True)


def _over(prep: Any, rows: Columns) -> Judged | None:
    value = rows.numbers("value")
    over = np.where(np.isnan(value), np.nan, value > prep)
    return Judged(("over the limit",), over[:, None], voting=True)


def _beyond(prep: Any, rows: Columns) -> Judged | None:
    """Shares beyond each of the frozen cuts."""
    if prep.cuts is None:
        return None
    value = rows.numbers("value")
    beyond = np.where(np.isnan(value)[:, None], np.nan, value[:, None] > prep.cuts)
    return Judged(tuple(f"values over {cut:.4g}" for cut in prep.cuts), beyond)


def _loss(prep: Any, rows: Columns) -> Judged | None:
    predicted, observed = rows.numbers(prep.prediction), rows.numbers("value")
    told = np.isfinite(predicted) & np.isfinite(observed)
    loss = np.full(len(rows), np.nan)
    loss[told] = prep.loss(observed[told], predicted[told])
    return Judged(("",), loss[:, None], voting=True)


def _gap(prep: Any, rows: Columns) -> Judged | None:
    return Judged(("",), (rows.numbers("value") - rows.numbers(prep.prediction))[:, None], voting=True)


def _count(_prep: Any, rows: Columns) -> Judged | None:
    return Judged(("",), np.ones((len(rows), 1)), counted=True)


COUNTING = frozenset({"volume"})
"""Detectors to which rows that do not come say something."""

_READERS: dict[str, Callable[[Any, Columns], Judged | None]] = {
    "numeric_shift": _number,
    "category_shift": _category,
    "embedding_shift": _vector,
    "missing_rate": _missing,
    "share_over": _over,
    "risk": _loss,
    "calibration": _gap,
    "volume": _count,
    "cohort_bounded": _value,
    "cohort_block": _value,
    "cohort_quantile": _beyond,
    "cohort_sticky": _value,
    "river_hint": _value,
}

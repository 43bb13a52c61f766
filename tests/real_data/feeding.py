"""A recorded stream, row by row its own unit, through one shipped detector in windows of so many rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.catalogue import DETECTORS
from detectors.columns import Columns, Floats, Numeric, flag
from detectors.detector import Params, Tick
from detectors.evidence import Crossing, Evidence
from tests.benchmarks.calibrate.rivals import RIVER

HOUR = 3_600_000


@dataclass(frozen=True)
class Crossed:
    """A bound was crossed: at the end of which row, and what was said."""

    row: int
    evidence: Evidence


def crossings(
    name: str,
    p: Params,
    columns: dict[str, Floats],
    *,
    rows: int,
    page: float,
    rebaseline: bool = False,
    first: int = 0,
) -> list[Crossed]:
    """All crossings from row `first` on; `page` may be spent in every window of `rows` rows.

    rebaseline   after each page a new watch starts, which learns anew: what a person does who accepts the new state.
    """
    detector, told = DETECTORS[name], []
    state, n = detector.start([p]), len(next(iter(columns.values())))
    for t, start in enumerate(range(first, n - rows + 1, rows)):
        taken = slice(start, start + rows)
        prep = detector.prepare(p, state, 0)
        window = _rows(t, np.arange(start, start + rows), {k: v[taken] for k, v in columns.items()})
        stat = detector.fold(prep, detector.empty(prep), window)
        tick = Tick.plain(t * HOUR, (t + 1) * HOUR, page=page, warn=4 * page)
        state, (evidence,) = detector.close([p], state, [stat], tick)
        if evidence.crossing is not Crossing.NONE:
            told.append(Crossed(start + rows - 1, evidence))
            if rebaseline and evidence.crossing is Crossing.PAGE:
                state = detector.start([p])
    return told


def pages(told: list[Crossed]) -> list[int]:
    """Rows at which a page began."""
    return [c.row for c in told if c.evidence.crossing is Crossing.PAGE]


def adwin(values: Floats, first: int = 0) -> list[int]:
    """Rows at which river's ADWIN, with its default settings, reports a drift."""
    make, _, _ = RIVER["river ADWIN"]
    detector, rows = make(), []
    for row, value in enumerate(values[first:].tolist(), start=first):
        detector.update(value)
        if detector.drift_detected:
            rows.append(row)
    return rows


def _rows(window: int, index: np.ndarray[tuple[int], np.dtype[np.int64]], columns: dict[str, Floats]) -> Columns:
    n = len(index)
    every = flag(np.ones(n, np.bool_))
    return Columns(
        np.full(n, window * HOUR),
        (index + 1).astype(np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15),
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        index,
        {"first": every, "voting": every} | {name: Numeric(values) for name, values in columns.items()},
    )

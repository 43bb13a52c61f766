"""U2: a unit counts once in each epoch of a rotating holdout. False alarms with 1, 10 and 50 correlated events a unit, seeded."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.cohort_bounded import CohortBounded, CohortBoundedParams
from detectors.columns import Column, Columns, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing
from monitor.join.units import UnitTable

HOUR = 3_600_000
STREAMS, EPOCHS, UNITS, BOUND = 80, 10, 300, 0.2
P = CohortBoundedParams(holdout_share=0.5, learn_units=UNITS, learn_events=20, min_holdout=50)


def _paged(events: int, *, once: bool) -> float:
    """Part of the streams with a false page. Everybody has a level of their own for ever, and a fresh coin in each epoch.

    An epoch is three windows: requests come in the first two, and every outcome closes in the third, so that what is learned from
    one epoch's outcomes is known before the next epoch's coins are tossed.
    """
    rng, detector = np.random.default_rng(900 + events), CohortBounded()
    state, paged = detector.start([P] * STREAMS), np.zeros(STREAMS, np.bool_)
    levels = rng.beta(1.2, 2.8, (STREAMS, UNITS))
    tables = [UnitTable("units", 10**6, 3 * HOUR) for _ in range(STREAMS)]
    people = np.arange(1, UNITS + 1, dtype=np.uint64)
    spend = BOUND / (3 * EPOCHS)
    for epoch in range(EPOCHS):
        coins = (rng.random((STREAMS, UNITS)) < P.holdout_share).astype(np.int8)
        for part in range(3):
            start = (3 * epoch + part) * HOUR
            stats = []
            for stream in range(STREAMS):
                who = np.repeat(people, events) if part < 2 else people[:0]
                order = rng.permutation(len(who))
                unit, row = who[order], (who[order] - 1).astype(np.intp)
                cohort = coins[stream, row]
                tables[stream].observe(unit, cohort, start)
                seen = tables[stream].lookup(unit, start)
                newest = np.zeros(len(unit), np.bool_)
                newest[np.unique(unit, return_index=True)[1]] = True
                first = newest & seen.known & (seen.slot == start)
                value = (rng.random(len(unit)) < levels[stream, row]).astype(np.float64)
                fields: dict[str, Column] = {
                    "value": Numeric(value),
                    "first": flag(first if once else np.ones(len(unit), np.bool_)),
                }
                none = np.zeros(len(unit), np.int64)
                rows = Columns(none + start, unit, cohort, none.astype(np.int32), none, fields)
                stats.append(detector.fold(None, detector.empty(None), rows))
            tick = Tick.plain(start, start + HOUR, page=spend, warn=0.0, watches=STREAMS)
            state, told = detector.close([P] * STREAMS, state, stats, tick)
            paged |= np.array([e.crossing is Crossing.PAGE for e in told])
    return float(paged.mean())


@pytest.mark.parametrize("events", [1, 10, 50])
def test_units_with_many_correlated_events_page_no_more_often_than_is_spent(events: int) -> None:
    assert _paged(events, once=True) <= BOUND + 3 * np.sqrt(BOUND * (1 - BOUND) / STREAMS)


def test_events_one_by_one_would_page_far_more_often() -> None:
    assert _paged(50, once=False) > 0.5

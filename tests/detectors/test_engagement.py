"""Engagement is read as a dashboard shows it: by the exposed's own change, however few are held out."""

from __future__ import annotations

import numpy as np

from detectors.columns import Columns, Numeric
from detectors.detector import Tick
from detectors.engagement import Engagement, EngagementParams
from detectors.evidence import Evidence, Standing

DETECTOR, DAY = Engagement(), 86_400_000


def run(exposed: int, held_out: int, rise: float) -> Evidence:
    """Clicks a prediction (Poisson), of the exposed one and then `rise` times as many."""
    p, rng = EngagementParams(), np.random.default_rng(3)
    state = DETECTOR.start([p])
    for period, mean in enumerate((1.0, rise)):
        n = exposed + held_out
        cohort = (np.arange(n) >= exposed).astype(np.int8)
        clicks = Numeric(rng.poisson(np.where(cohort == 0, mean, 1.0)).astype(np.float64))
        unit = np.arange(1, n + 1, dtype=np.uint64)
        rows = Columns(np.zeros(n, np.int64), unit, cohort, np.zeros(n, np.int32), np.arange(n), {"value": clicks})
        a = DETECTOR.fold(None, DETECTOR.empty(None), rows)
        tick = Tick.plain(period * DAY, (period + 1) * DAY, page=0, warn=0)
        state, (said,) = DETECTOR.close([p], state, [a], tick)
    return said


def test_a_rise_of_the_exposed_is_read_beside_a_holdout_too_small_to_compare_with() -> None:
    said = run(20_000, 200, 1.1)
    assert said.standing is Standing.OK
    assert said.detail["exposed_low"] > 0.05
    assert said.interval is not None
    assert said.interval.low < -0.02, "the comparison itself could tell nothing"


def test_too_few_exposed_people_are_no_reading_however_many_are_held_out() -> None:
    said = run(400, 20_000, 1.0)
    assert said.standing is Standing.INSUFFICIENT
    assert said.reason.startswith("400 exposed units are too few for any statement on this period")

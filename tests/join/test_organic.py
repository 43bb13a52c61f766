"""Organic outcomes, by hand."""

from __future__ import annotations

import numpy as np

from detectors.columns import Cohort, Columns, flag
from monitor.join.organic import apart, of_window
from monitor.join.units import UnitTable
from tests.join.rows import hashes, rows

HELD_OUT, EXPOSED, STRANGER = 1, 2, 3


def enrolled() -> UnitTable:
    table = UnitTable("units", 100)
    table.observe(hashes([HELD_OUT, EXPOSED]), np.array([Cohort.HOLDOUT, Cohort.EXPOSED], np.int8), 0)
    return table


def outcomes(*told: tuple[int, int, int, bool]) -> Columns:
    """(time, unit, event, organic)."""
    time, unit, event, organic = (list(column) for column in zip(*told, strict=True))
    return rows(time, unit, event=event).having(organic=flag(np.array(organic)))


def test_organic_outcomes_are_in_the_cohort_of_their_people_each_once_in_the_window_of_their_own_time() -> None:
    shown, organic = apart(
        outcomes(
            (9, EXPOSED, 1, True),
            (10, EXPOSED, 2, True),
            (12, EXPOSED, 2, True),
            (11, HELD_OUT, 3, True),
            (12, STRANGER, 4, True),
            (13, EXPOSED, 5, False),
            (20, EXPOSED, 6, True),
        )
    )
    assert shown is not None
    assert organic is not None
    assert shown.time.tolist() == [13]
    told = of_window(organic, enrolled(), 10, 20)
    assert sorted(zip(told.time.tolist(), told.cohort.tolist(), strict=True)) == [
        (10, Cohort.EXPOSED),
        (11, Cohort.HOLDOUT),
    ]
    assert told.flags("organic").all()
    assert len(of_window(organic, enrolled(), 30, 40)) == 0


def test_where_no_origin_is_told_every_outcome_may_be_credited() -> None:
    plain = rows([1, 2], event=[1, 2])
    assert apart(plain) == (plain, None)
    assert apart(None) == (None, None)

"""Organic outcomes, by hand."""

from __future__ import annotations

import numpy as np

from detectors.columns import Cohort, Columns, flag
from monitor.join.organic import apart, of_window
from monitor.join.units import UnitTable
from tests.join.rows import hashes, rows

HELD_OUT, EXPOSED, STRANGER, NEWCOMER, TO_COME = 1, 2, 3, 4, 5


def enrolled() -> UnitTable:
    """Two are known since the window at 0, a newcomer since that at 10, and one to come since that at 20."""
    table = UnitTable("units", 100)
    table.observe(hashes([HELD_OUT, EXPOSED]), np.array([Cohort.HOLDOUT, Cohort.EXPOSED], np.int8), 0)
    for unit, slot in ((NEWCOMER, 10), (TO_COME, 20)):
        table.observe(hashes([unit]), np.array([Cohort.EXPOSED], np.int8), slot)
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
    told = of_window(organic, enrolled(), None, 10, 20)
    assert sorted(zip(told.time.tolist(), told.cohort.tolist(), strict=True)) == [
        (10, Cohort.EXPOSED),
        (11, Cohort.HOLDOUT),
    ]
    assert told.flags("organic").all()
    assert len(of_window(organic, enrolled(), None, 30, 40)) == 0


def test_nobody_has_a_label_before_the_first_showing_whenever_that_is_looked_up() -> None:
    told = [(12, NEWCOMER, 1, True), (16, NEWCOMER, 2, True), (17, NEWCOMER, 3, True), (18, TO_COME, 4, True)]
    _, organic = apart(outcomes(*told, (11, EXPOSED, 5, True)))
    assert organic is not None
    shown = rows([18, 16, 14], [NEWCOMER, NEWCOMER, HELD_OUT])
    assert sorted(of_window(organic, enrolled(), shown, 10, 20).time.tolist()) == [11, 16, 17]
    assert of_window(organic, enrolled(), None, 10, 20).time.tolist() == [11]


def test_where_no_origin_is_told_every_outcome_may_be_credited() -> None:
    plain = rows([1, 2], event=[1, 2])
    assert apart(plain) == (plain, None)
    assert apart(None) == (None, None)

"""The quick part of `make loop-bench`: one world that closes and one that is frozen, smaller, through the real engine."""

from __future__ import annotations

import pytest

from monitor.simulate.closed_loop.shape import Mode, Shape
from tests.benchmarks import loop_table
from tests.benchmarks.loop_modes import Course, course

SHAPE = Shape(people=1_500, periods=4, holdout=0.2)


@pytest.fixture(scope="module")
def courses() -> list[Course]:
    return [course(mode, 1, SHAPE) for mode in (Mode.CLOSED, Mode.FROZEN)]


def test_a_closed_loop_is_told_by_period_four_while_a_frozen_model_is_not_and_clicks_look_well(
    courses: list[Course],
) -> None:
    rows = {row.name: row for row in loop_table.judged(courses, "pytest")}
    for name in ("closed told by period 4", "frozen: the family tells of something"):
        assert rows[f"loop: {name}"].met
    assert rows["loop: a naive watch tells of a closed loop before we do"].met
    closed, frozen = courses
    assert closed.narrowed < 0.5
    assert frozen.narrowed > 0.8
    assert closed.first("concentration") == 4
    assert "| closed | 4 (1/1) | " in loop_table.markdown(courses)

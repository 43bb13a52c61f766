"""Lateness, the future and the watermark."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.join.clocks import NEVER, Judged, judge, watermark

UNKNOWN = 0
TIMES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 40)), max_size=12)


def judged(
    times: list[int], clock: int = NEVER, arrived: list[int] | None = None, *, lateness: int = 10, future: int = 5
) -> Judged:
    told = arrived if arrived is not None else [UNKNOWN] * len(times)
    return judge(np.array(times, np.int64), np.array(told, np.int64), clock, lateness=lateness, future=future)


def test_a_row_is_late_once_it_lags_more_than_the_lateness_behind_its_own_partition() -> None:
    assert judged([100, 90, 89]).late.tolist() == [False, False, True]


def test_the_first_row_of_a_partition_is_never_late() -> None:
    assert judged([3]).late.tolist() == [False]


def test_the_clock_of_an_earlier_block_makes_rows_late() -> None:
    assert judged([89, 90], clock=100).late.tolist() == [True, False]


def test_a_row_does_not_become_late_by_rows_that_follow_it() -> None:
    assert judged([1, 1_000]).late.tolist() == [False, False]


def test_the_clock_is_the_largest_event_time() -> None:
    assert (judged([7, 9, 8]).clock, judged([7], clock=20).clock) == (9, 20)


def test_a_block_without_rows_leaves_the_clock_where_it_was() -> None:
    assert (judged([]).clock, judged([], clock=4).clock) == (NEVER, 4)


def test_a_row_too_far_ahead_of_the_broker_is_ahead_and_not_late() -> None:
    got = judged([105, 106], arrived=[100, 100])
    assert (got.ahead.tolist(), got.late.tolist()) == ([False, True], [False, False])


def test_a_row_ahead_never_moves_the_clock() -> None:
    got = judged([50, 9_999, 45], arrived=[50, 50, 50])
    assert (got.clock, got.late.tolist()) == (50, [False, False, False])


def test_a_partition_that_has_shown_only_rows_ahead_has_no_clock() -> None:
    assert judged([9_999], arrived=[50]).clock == NEVER


def test_where_the_broker_time_is_unknown_no_row_is_ahead() -> None:
    assert judged([9_999, 9_999], arrived=[0, -1]).ahead.tolist() == [False, False]


@given(TIMES, st.lists(st.integers(0, 12), max_size=3))
def test_cutting_a_partition_into_blocks_changes_no_judgement(records: list[tuple[int, int]], cuts: list[int]) -> None:
    whole = judged([t for t, _ in records], arrived=[a for _, a in records])
    clock, ahead, late = NEVER, [], []
    edges = [0, *sorted(min(c, len(records)) for c in cuts), len(records)]
    for start, end in pairwise(edges):
        block = records[start:end]
        part = judged([t for t, _ in block], clock, [a for _, a in block])
        clock = part.clock
        ahead += part.ahead.tolist()
        late += part.late.tolist()
    assert (clock, ahead, late) == (whole.clock, whole.ahead.tolist(), whole.late.tolist())


@given(TIMES)
def test_no_row_that_is_kept_is_older_than_the_watermark_its_predecessors_gave(records: list[tuple[int, int]]) -> None:
    clock = NEVER
    for time, arrived in records:
        before = watermark({"p": clock}, ["p"], [], 10)
        one = judged([time], clock, [arrived])
        clock = one.clock
        if before is not None and not (one.late[0] or one.ahead[0]):
            assert time >= before


def test_the_watermark_is_the_slowest_partition_less_the_lateness() -> None:
    assert watermark({"a": 100, "b": 60}, ["a", "b"], [], 10) == 50


def test_a_partition_that_has_shown_nothing_holds_the_watermark_back() -> None:
    assert watermark({"a": 100}, ["a", "b"], [], 10) is None


def test_an_idle_partition_holds_nothing_back() -> None:
    assert watermark({"a": 100, "b": 60}, ["a", "b", "c"], ["b", "c"], 10) == 90


def test_when_every_partition_is_idle_nothing_is_known() -> None:
    assert watermark({"a": 100}, ["a"], ["a"], 10) is None


def test_the_clock_of_a_partition_that_is_no_longer_read_does_not_count() -> None:
    assert watermark({"a": 100, "gone": 1}, ["a"], [], 10) == 90


def test_without_partitions_there_is_no_watermark() -> None:
    assert watermark({}, [], [], 10) is None

"""Lateness, the future and the watermark."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.join.clocks import NEVER, UNSEEN_LAG, Beside, Judged, Pace, judge, watermark

UNKNOWN = 0
TIMES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 40)), max_size=12)


def judged(
    times: list[int], clock: int = NEVER, arrived: list[int] | None = None, *, lateness: int = 10, future: int = 5
) -> Judged:
    told = arrived if arrived is not None else [UNKNOWN] * len(times)
    return judge(np.array(times, np.int64), np.array(told, np.int64), Pace(clock), lateness=lateness, future=future)


def test_a_row_is_late_once_it_lags_more_than_the_lateness_behind_its_own_partition() -> None:
    assert judged([100, 90, 89]).late.tolist() == [False, False, True]


def test_the_first_row_of_a_partition_is_never_late() -> None:
    assert judged([3]).late.tolist() == [False]


def test_the_clock_of_an_earlier_block_makes_rows_late() -> None:
    assert judged([89, 90], clock=100).late.tolist() == [True, False]


def test_a_row_does_not_become_late_by_rows_that_follow_it() -> None:
    assert judged([1, 1_000]).late.tolist() == [False, False]


def test_the_clock_is_the_largest_event_time() -> None:
    assert (judged([7, 9, 8]).pace.clock, judged([7], clock=20).pace.clock) == (9, 20)


def test_a_block_without_rows_leaves_the_clock_where_it_was() -> None:
    assert (judged([]).pace.clock, judged([], clock=4).pace.clock) == (NEVER, 4)


def test_a_row_too_far_ahead_of_the_broker_is_ahead_and_not_late() -> None:
    got = judged([105, 106], arrived=[100, 100])
    assert (got.ahead.tolist(), got.late.tolist()) == ([False, True], [False, False])


def test_a_row_ahead_never_moves_the_clock() -> None:
    got = judged([50, 9_999, 45], arrived=[50, 50, 50])
    assert (got.pace.clock, got.late.tolist()) == (50, [False, False, False])


def test_a_partition_that_has_shown_only_rows_ahead_has_no_clock() -> None:
    assert judged([9_999], arrived=[50]).pace.clock == NEVER


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
        clock = part.pace.clock
        ahead += part.ahead.tolist()
        late += part.late.tolist()
    assert (clock, ahead, late) == (whole.pace.clock, whole.ahead.tolist(), whole.late.tolist())


@given(TIMES)
def test_no_row_that_is_kept_is_older_than_the_watermark_its_predecessors_gave(records: list[tuple[int, int]]) -> None:
    clock = NEVER
    for time, arrived in records:
        before = watermark({"p": clock}, ["p"], [], 10)
        one = judged([time], clock, [arrived])
        clock = one.pace.clock
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


OTHERS = st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=14)


def beside(records: list[tuple[bool, int]], pace: Pace, first: int = 0, *, lateness: int = 10) -> Judged:
    """Judge a tape of (ours, time), offsets from `first`."""
    ours = [(first + i, time) for i, (own, time) in enumerate(records) if own]
    others = [(first + i, time) for i, (own, time) in enumerate(records) if not own]
    at, times = (np.array([each[k] for each in others], np.int64) for k in (0, 1))
    rows, time = (np.array([each[k] for each in ours], np.int64) for k in (0, 1))
    told = Beside.of(at, times, rows)
    return judge(time, np.zeros(len(time), np.int64), pace, told, lateness=lateness, future=5)


def test_the_other_records_of_a_partition_move_a_silent_stream_on() -> None:
    first = beside([(False, 100), (True, 97)], Pace()).pace
    assert (first.clock, first.lag) == (97, 3)
    assert beside([(False, 500)], first, 2).pace.clock == 497


def test_a_stream_that_was_never_seen_is_believed_to_lag_by_a_day() -> None:
    assert beside([(False, UNSEEN_LAG + 7)], Pace()).pace.clock == 7


def test_a_stream_that_always_lags_its_topic_is_not_late_for_it() -> None:
    tape = [(own, time - 60 * own) for time in range(1_000, 2_000, 10) for own in (False, True)]
    assert not beside(tape, Pace()).late.any()


def test_the_first_row_of_a_stream_is_not_late_for_records_less_than_a_day_before_it() -> None:
    assert not beside([(False, UNSEEN_LAG), (True, 1)], Pace()).late.any()


def test_a_row_far_behind_what_its_stream_ever_lagged_is_late() -> None:
    got = beside([(False, 100), (True, 95), (False, 200), (True, 184)], Pace())
    assert got.late.tolist() == [False, True]


@given(OTHERS, st.lists(st.integers(0, 14), max_size=3))
def test_cutting_a_partition_with_other_records_into_blocks_changes_no_judgement(
    records: list[tuple[bool, int]], cuts: list[int]
) -> None:
    whole = beside(records, Pace())
    pace, late = Pace(), []
    edges = [0, *sorted(min(c, len(records)) for c in cuts), len(records)]
    for start, end in pairwise(edges):
        part = beside(records[start:end], pace, start)
        pace = part.pace
        late += part.late.tolist()
    assert (pace, late) == (whole.pace, whole.late.tolist())


@given(OTHERS)
def test_with_other_records_no_row_that_is_kept_is_older_than_the_watermark_before_it(
    records: list[tuple[bool, int]],
) -> None:
    pace = Pace()
    for offset, (ours, time) in enumerate(records):
        before = watermark({"p": pace.clock}, ["p"], [], 10)
        one = beside([(ours, time)], pace, offset)
        pace = one.pace
        if ours and before is not None and not one.late[0]:
            assert time >= before

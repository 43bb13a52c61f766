"""Event times as they are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.mapping import TimeUnit
from monitor.ingest.times import EARLIEST, LATEST, NotATime, Told, believed, column, milliseconds

NOON = 1_777_636_800_000


@pytest.mark.parametrize(
    ("told", "unit", "expected"),
    [
        ("2026-05-01T12:00:00Z", TimeUnit.AUTO, NOON),
        ("2026-05-01t12:00:00z", TimeUnit.AUTO, NOON),
        ("2026-05-01 14:00:00+02:00", TimeUnit.SECONDS, NOON),
        ("2026-05-01T12:00:00.000+0000", TimeUnit.AUTO, NOON),
        ("2026-05-01T12:00:00.123999999Z", TimeUnit.AUTO, NOON + 123),
        (NOON // 1000, TimeUnit.AUTO, NOON),
        (NOON, TimeUnit.AUTO, NOON),
        (NOON * 1000 + 999, TimeUnit.AUTO, NOON),
        (NOON * 1_000_000 + 999_999, TimeUnit.AUTO, NOON),
        (NOON / 1000 + 0.123, TimeUnit.AUTO, NOON + 123),
        (NOON + 0.9, TimeUnit.AUTO, NOON),
        (NOON * 1000.0, TimeUnit.AUTO, NOON),
        (NOON // 1000, TimeUnit.SECONDS, NOON),
        (NOON, TimeUnit.MILLISECONDS, NOON),
        (NOON * 1000, TimeUnit.MICROSECONDS, NOON),
        (NOON * 1_000_000, TimeUnit.NANOSECONDS, NOON),
        (EARLIEST, TimeUnit.MILLISECONDS, EARLIEST),
        ("2199-12-31T23:59:59.999Z", TimeUnit.AUTO, LATEST - 1),
    ],
)
def test_a_time_is_read_alike_alone_and_among_others(told: Told, unit: TimeUnit, expected: int) -> None:
    assert milliseconds(told, unit) == expected
    times, faults = column([told, told], unit)
    assert (times.tolist(), faults) == ([expected] * 2, {})


@pytest.mark.parametrize(
    ("told", "unit", "words"),
    [
        ("2026-05-01T12:00:00", TimeUnit.AUTO, "a time without a zone; write the zone, as in 2026-05-01T12:00:00Z"),
        ("2026-05-01T12:00:00.123456", TimeUnit.AUTO, "without a zone"),
        ("2026-05-01", TimeUnit.AUTO, 'holds the text "2026-05-01"; allowed: RFC 3339 text with a zone, or a number'),
        ("20260501T120000Z", TimeUnit.AUTO, "allowed: RFC 3339"),
        ("1777636800", TimeUnit.AUTO, 'the text "1777636800"; allowed: RFC 3339'),
        ("", TimeUnit.AUTO, 'the text ""'),
        ("now", TimeUnit.AUTO, 'the text "now"'),
        ("2026-13-01T12:00:00Z", TimeUnit.AUTO, "allowed: RFC 3339"),
        ("9999-12-31T23:59:59Z", TimeUnit.AUTO, "a time outside 2000-01-01 to 2200-01-01"),
        ("0001-01-01T00:00:00+23:59", TimeUnit.AUTO, "a time outside"),
        (0, TimeUnit.AUTO, "holds the number 0, a time outside"),
        (-NOON, TimeUnit.AUTO, "a time outside"),
        (NOON, TimeUnit.SECONDS, "a time outside"),
        (NOON // 1000, TimeUnit.MILLISECONDS, "a time outside"),
        (2**63 - 1, TimeUnit.SECONDS, "a time outside"),
        (2**64, TimeUnit.NANOSECONDS, "a time outside"),
        (10**40, TimeUnit.AUTO, "a time outside"),
        (1e300, TimeUnit.SECONDS, "a time outside"),
        (1.7e308, TimeUnit.SECONDS, "a time outside"),
        (float("nan"), TimeUnit.AUTO, "allowed: RFC 3339"),
        (float("inf"), TimeUnit.SECONDS, "allowed: RFC 3339"),
        (None, TimeUnit.AUTO, "is absent or null, but required"),
        (LATEST, TimeUnit.MILLISECONDS, "a time outside"),
        (EARLIEST - 1, TimeUnit.MILLISECONDS, "a time outside"),
    ],
)
def test_what_is_no_believable_time_is_refused_in_words_and_spoils_no_other(
    told: Told, unit: TimeUnit, words: str
) -> None:
    with pytest.raises(NotATime) as refused:
        milliseconds(told, unit)
    assert words in str(refused.value)
    times, faults = column(["2026-05-01T12:00:00Z", told], unit)
    assert times.tolist() == [NOON, 0]
    assert faults == {1: str(refused.value)}
    assert column([told], unit)[1] == {0: str(refused.value)}


def alone(told: Told, unit: TimeUnit) -> int | str:
    try:
        return milliseconds(told, unit)
    except NotATime as fault:
        return str(fault)


def together(told: Sequence[Told], unit: TimeUnit) -> list[int | str]:
    times, faults = column(told, unit)
    return [faults.get(row, int(time)) for row, time in enumerate(times)]


@given(
    st.lists(st.one_of(st.integers(-(2**70), 2**70), st.integers(9 * 10**8, 8 * 10**18))),
    st.sampled_from(list(TimeUnit)),
)
def test_many_integers_give_what_each_gives_alone(told: list[int], unit: TimeUnit) -> None:
    assert together(told, unit) == [alone(number, unit) for number in told]


@given(st.lists(st.datetimes(timezones=st.timezones())))
def test_many_texts_give_what_each_gives_alone(moments: list[datetime]) -> None:
    told = [str(moment) for moment in moments]
    assert together(told, TimeUnit.AUTO) == [alone(text, TimeUnit.AUTO) for text in told]


def test_record_times_out_of_range_are_named_by_row() -> None:
    assert list(believed(np.array([NOON, -1, LATEST, EARLIEST]))) == [1, 2]

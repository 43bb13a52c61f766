from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from monitor.settings.quantities import (
    Rate,
    duration,
    duration_text,
    moment,
    path,
    percent_as_fraction,
    period,
    rate,
    share,
)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1.5h", 5_400_000), ("45d", 3_888_000_000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, ms: int) -> None:
    assert duration(text) == ms


@pytest.mark.parametrize(
    "text", ["5", "5 m", "-5m", "5min", "m", "", "1e3s", 5, 5.0, None, True, ["5m"], "4000d", "0.5ms", "5m\n"]
)
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        duration(text)


@given(st.integers(0, 315_360_000_000))
def test_a_duration_that_was_written_out_reads_as_itself(ms: int) -> None:
    assert duration(duration_text(ms)) == ms


@pytest.mark.parametrize(
    ("text", "ms"), [("hourly", 3_600_000), ("daily", 86_400_000), ("weekly", 604_800_000), ("6h", 21_600_000)]
)
def test_a_period_is_a_word_or_a_duration(text: str, ms: int) -> None:
    assert period(text) == ms


@pytest.mark.parametrize("text", ["monthly", "0s", 1, None])
def test_anything_else_is_no_period(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        period(text)


@pytest.mark.parametrize(("value", "fraction"), [("2%", 0.02), ("0.5%", 0.005), (0.02, 0.02), ("0.02", 0.02)])
def test_a_share_is_a_percentage_or_a_fraction(value: object, fraction: float) -> None:
    assert share(value) == pytest.approx(fraction)


@pytest.mark.parametrize("value", [0, 1, 2, "100%", "0%", "-1%", "two", "%", float("nan"), "nan%", True, None])
def test_a_share_lies_strictly_between_none_and_all(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        share(value)


def test_a_percentage_is_the_only_text_that_becomes_a_fraction() -> None:
    assert [percent_as_fraction(v) for v in ("2%", "higher", 3, "x%")] == [0.02, "higher", 3, "x%"]


def test_a_rate_is_a_number_per_duration() -> None:
    assert rate("1 per 28d") == Rate(1.0, 28 * 86_400_000)


@pytest.mark.parametrize("text", ["1", "1 / 28d", "0 per 28d", "1 per 0s", "one per 28d", "1 per day", 1, None])
def test_anything_else_is_no_rate(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        rate(text)


def test_a_path_is_split_at_dots_and_a_list_is_taken_as_it_is() -> None:
    assert (path("viewer.account_id"), path(["viewer", "account.id"])) == (
        ("viewer", "account_id"),
        ("viewer", "account.id"),
    )


@pytest.mark.parametrize("value", ["", "a..b", ".a", [], [1], None, 7])
def test_anything_else_is_no_path(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        path(value)


def test_a_moment_has_a_zone() -> None:
    assert moment("1970-01-01T01:00:01+01:00") == 1000
    for text in ("1970-01-01T00:00:01", "1970-01-01", "soon", 3):
        with pytest.raises(ValueError, match=r"not a time|no zone|Invalid isoformat"):
            moment(text)

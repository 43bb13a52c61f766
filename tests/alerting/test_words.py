"""Foreign names stay text; numbers carry the digits they deserve."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.words import (
    cell,
    code,
    cut,
    decimals_for,
    difference,
    duration,
    escape,
    link,
    moment,
    number,
    one_line,
    percent,
)


def test_a_hostile_name_is_shown_as_text() -> None:
    shown = escape("<!channel> *x* ~y~ `z` _w_ @here <script>\n*bold*")
    assert shown == "&lt;!channel&gt; ∗x∗ ∼y∼ ˋzˋ ＿w＿ ＠here &lt;script&gt; ∗bold∗"  # noqa: RUF001  # look-alikes are the point


@given(st.text())
def test_no_text_keeps_a_meaning_in_markup(text: str) -> None:
    shown = escape(text, 60)
    assert not set(shown) & set("<>*~`@\n\r\x1b\u202e\u2028")
    assert "://" not in shown
    assert len(one_line(text, 60)) <= 60


@given(st.text())
def test_no_text_leaves_its_code_span(text: str) -> None:
    shown = code(text)
    assert shown.count("`") == 2
    assert not set(shown) & set("<>\n\r\x1b")


def test_a_cut_never_splits_an_entity() -> None:
    assert cut("ab&lt;cd", 5) == "ab…"
    assert cut("ab", 5) == "ab"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a|b>", "https://a b", "wiki/page", "https://ä.example"]
)
def test_what_is_not_a_plain_web_address_is_no_link(url: str) -> None:
    assert not link(url, "runbook").startswith("<")


def test_a_web_address_is_a_link() -> None:
    assert link("https://wiki/x?a=1&b=2", "runbook") == "<https://wiki/x?a=1&amp;b=2|runbook>"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(1_903_412), "1,903,412"),
        (number(12_345.678), "12,346"),
        (number(0.6213), "0.621"),
        (number(0.0), "0"),
        (number(-0.0001, 1), "0.0"),
        (number(-0.0001, 0), "0"),
        (number(2.5e-9), "2.5e-09"),
        (number(-2.89e-5, 4), "0.0000"),
        (number(5.15e-5, 4, sign=True), "+0.0001"),
        (number(float("nan")), "not a number"),
        (number(float("-inf")), "-infinity"),
        (number(3, sign=True), "+3"),
        (percent(0.41), "41 %"),
        (percent(-0.0199), "-2.0 %"),
        (percent(0.0004), "0.040 %"),
        (percent(1.0), "100 %"),
        (difference(-0.021, "share"), "-2.1 points"),
        (difference(12.5, "ms"), "+12.5 ms"),
        (cell(123_456_789_012_345, "", 11), "1.23e+14"),
        (duration(59_999), "59 s"),
        (duration(12_000_000), "3 h 20 min"),
        (moment(1_763_352_000_000), "17 Nov 2025 04:00 UTC"),
        (moment(10**18), "1000000000000000000 ms since 1970"),
    ],
)
def test_a_figure_reads(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(("width", "decimals"), [(0, 2), (float("inf"), 2), (22, 0), (1.8, 1), (0.3, 2), (1e-9, 6)])
def test_decimals_follow_the_width(width: float, decimals: int) -> None:
    assert decimals_for(width) == decimals

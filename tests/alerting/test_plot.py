"""The picture of an alert: a PNG of the promised size, whatever the figures and texts."""

from __future__ import annotations

import io
import math
import sys

import numpy as np
import pytest

from monitor.alerting.plot import PlotUnavailable, Point, cohorts_over_time

pytest.importorskip("matplotlib")

HOUR = 3_600_000
START = 1_575_300_000_000
POINTS = [
    Point(START + i * HOUR, 0.007 if i < 12 else 0.002, 0.0046, -0.001 if i > 2 else None, 0.003 if i > 2 else None)
    for i in range(24)
]


def pixels(png: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return np.asarray(imread(io.BytesIO(png), format="png"))


def test_the_picture_has_the_promised_size_and_is_small() -> None:
    png = cohorts_over_time(
        POINTS, title="Clicks fell for the exposed only", unit="clicks", change_at=START + 12 * HOUR
    )
    assert pixels(png).shape[:2] == (500, 800)
    assert len(png) < 100_000


def test_the_same_points_give_the_same_picture() -> None:
    one, other = (cohorts_over_time(POINTS, title="a", unit="b") for _ in range(2))
    assert one == other


def test_the_change_is_drawn_only_where_the_picture_reaches() -> None:
    without = cohorts_over_time(POINTS, title="a", unit="b")
    assert cohorts_over_time(POINTS, title="a", unit="b", change_at=START + 5 * HOUR) != without
    assert cohorts_over_time(POINTS, title="a", unit="b", change_at=START - HOUR) == without


def test_an_interval_is_drawn_where_there_is_one() -> None:
    bare = [Point(p.end, p.exposed, p.holdout) for p in POINTS]
    assert cohorts_over_time(bare, title="a", unit="b") != cohorts_over_time(POINTS, title="a", unit="b")


@pytest.mark.parametrize(
    "points",
    [
        POINTS[:1],
        [Point(START, math.nan, math.nan)],
        [Point(START, 1.0, math.nan), Point(START + HOUR, math.nan, 2.0, math.nan, math.nan)],
        [Point(START + i, 0.0, 0.0) for i in range(3)],
        [Point(0, 0.1, 0.2), Point(20 * START, 0.2, 0.1)],
    ],
)
def test_few_or_missing_values_still_give_a_picture(points: list[Point]) -> None:
    assert pixels(cohorts_over_time(points, title="a", unit="b")).shape[:2] == (500, 800)


@pytest.mark.parametrize(
    "text", ["$\\frac{$ 5 $", "商品 \U0001f600", "<!channel> *x* <script>", "two\nlines", "x" * 5_000, ""]
)
def test_hostile_text_is_shown_as_text(text: str) -> None:
    assert pixels(cohorts_over_time(POINTS, title=text, unit=text)).shape[:2] == (500, 800)


def test_no_points_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="at least one window"):
        cohorts_over_time([], title="a", unit="b")


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PlotUnavailable, match=r"loopwatch\[plot\]"):
        cohorts_over_time(POINTS, title="a", unit="b")

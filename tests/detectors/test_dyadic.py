"""Spans of windows against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.math import dyadic


def _pushed(values: list[float], rows: int = 1) -> dyadic.Spans:
    spans = dyadic.start(rows, 1)
    for value in values:
        spans = dyadic.push(spans, np.full((rows, 1), value), np.ones(rows, np.bool_))
    return spans


@pytest.mark.parametrize("windows", [1, 2, 3, 7, 64, 200])
def test_a_span_is_the_sum_of_the_last_windows_and_at_most_two_thirds_longer_than_asked(windows: int) -> None:
    values = np.random.default_rng(1).random(windows).tolist()
    spans = _pushed(values)
    for asked in range(1, windows + 1):
        total, length, _ = dyadic.at_least(spans, np.array([asked]))
        assert asked <= length[0] <= windows
        assert length[0] <= 5 / 3 * asked
        assert total[0, 0] == pytest.approx(sum(values[windows - int(length[0]) :]))


def test_asking_for_more_than_there_is_gives_all() -> None:
    total, length, offered = dyadic.at_least(_pushed([1.0] * 10), np.array([1_000]))
    assert (total[0, 0], length[0]) == (10.0, 10)
    assert offered[0] >= 3


def test_the_number_of_spans_grows_as_the_logarithm_of_the_windows() -> None:
    _, _, offered = dyadic.at_least(_pushed([1.0] * 1_000), np.array([1]))
    assert 3 * 8 <= offered[0] <= 4 * 9


def test_only_active_rows_move_and_only_cleared_rows_forget() -> None:
    spans = _pushed([1.0] * 5, rows=2)
    moved = dyadic.push(spans, np.ones((2, 1)), np.array([True, False]))
    assert dyadic.at_least(moved, np.array([99, 99]))[1].tolist() == [6, 5]
    assert dyadic.at_least(dyadic.clear(moved, np.array([False, True])), np.array([99, 99]))[1].tolist() == [6, 0]
    assert dyadic.at_least(spans, np.array([99, 99]))[1].tolist() == [5, 5]

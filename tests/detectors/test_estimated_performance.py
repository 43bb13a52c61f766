"""Expected performance beside what came true: right where cases became harder, blind where the world changed. Seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from detectors.columns import Column, Columns, Floats, Numeric, flag
from detectors.detector import Tick
from detectors.estimated_performance import ASSUMES, EstimatedPerformance, EstimatedPerformanceParams
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.math.confidence import accuracy, area, bin_of, curve_of

HOUR = 3_600_000
DETECTOR = EstimatedPerformance()
P = EstimatedPerformanceParams(learn_units=20_000, learn_windows=5)


def _rows(chance: Floats, truth: Floats, matured: bool, window: int) -> Columns:
    n = len(chance)
    zeros = np.zeros(n, np.int64)
    unit = np.arange(1 + window * n, 1 + (window + 1) * n, dtype=np.uint64)
    fields: dict[str, Column] = {
        "probability": Numeric(chance),
        "value": Numeric(truth),
        "voting": flag(np.ones(n, np.bool_)),
        "matured": flag(np.full(n, matured)),
    }
    return Columns(zeros, unit, zeros.astype(np.int8), zeros.astype(np.int32), np.arange(n), fields)


def _run(
    harder: Callable[[int], float],
    told_as: Callable[[Floats], Floats],
    truly: Callable[[Floats, int], Floats],
    seed: int,
    windows: int = 24,
) -> tuple[list[Evidence], list[float]]:
    """Evidence by window, and the accuracy that came true. `harder(window)` is the shape of the chances: small is sure."""
    rng, state, told, right = np.random.default_rng(seed), DETECTOR.start([P]), [], []
    for window in range(windows):
        a = DETECTOR.empty(None)
        for matured in (True, False):
            shape = 0.5 if matured else harder(window)
            chance = rng.beta(shape, shape, 5_000)
            truth = (rng.random(5_000) < (chance if matured else truly(chance, window))).astype(np.float64)
            shown = told_as(chance)
            a = DETECTOR.fold(None, a, _rows(shown, truth if matured else np.full(5_000, np.nan), matured, window))
        right.append(float(((shown >= 0.5) == (truth >= 0.5)).mean()))
        state, (evidence,) = DETECTOR.close(
            [P], state, [a], Tick.plain(window * HOUR, (window + 1) * HOUR, page=0.0, warn=0.0)
        )
        told.append(evidence)
    return told, right


def as_it_is(chance: Floats) -> Floats:
    return chance


def overconfident(chance: Floats) -> Floats:
    odds = 2.0 * np.log(np.clip(chance, 1e-9, 1) / np.clip(1 - chance, 1e-9, 1))
    return 1.0 / (1.0 + np.exp(-odds))


@pytest.mark.parametrize("told_as", [as_it_is, overconfident])
def test_where_cases_become_harder_the_expected_accuracy_is_that_which_comes_true(
    told_as: Callable[[Floats], Floats],
) -> None:
    told, right = _run(lambda w: 0.5 if w < 12 else 2.0, told_as, lambda p, _: p, 770)
    late = [e.arms["now"] for e in told[12:]]
    assert np.mean(late) == pytest.approx(np.mean(right[12:]), abs=3 * 0.5 / np.sqrt(5_000 * 12) + 0.01)
    crossings = [(w, str(e.crossing)) for w, e in enumerate(told) if e.crossing is not Crossing.NONE]
    assert crossings == [(13, "warn")]
    assert told[13].arms["now"] < told[13].arms["reference"] - 0.1
    assert told[13].detail["expected_area_under_roc"] < told[13].detail["reference_area_under_roc"]


def test_where_the_world_changes_its_answers_it_sees_nothing_and_says_that_it_could_not() -> None:
    told, right = _run(lambda _: 0.5, as_it_is, lambda p, w: np.where(w >= 12, 1 - p, p), 771)
    assert right[-1] < 0.4
    assert {e.crossing for e in told} == {Crossing.NONE}
    assert told[-1].arms["now"] > 0.75
    assert told[-1].reason == ASSUMES
    assert "no concept drift" in told[-1].detail["assumes"]
    assert not told[-1].exact


def test_a_hint_ends_after_two_windows_without_and_needs_two_to_begin() -> None:
    told, _ = _run(lambda w: 2.0 if w == 10 or 14 <= w < 18 else 0.5, as_it_is, lambda p, _: p, 772)
    crossings = [(w, str(e.crossing)) for w, e in enumerate(told) if e.crossing is not Crossing.NONE]
    assert crossings == [(15, "warn"), (19, "recovered")]
    assert told[16].mode is Mode.RECOVERING


def test_while_it_learns_it_says_what_is_missing() -> None:
    told, _ = _run(lambda _: 0.5, as_it_is, lambda p, _: p, 773, windows=7)
    assert told[1].standing is Standing.INSUFFICIENT
    assert told[1].reason.startswith("learning how often predictions come true: 10,")
    assert told[1].mode is Mode.LEARNING
    assert told[6].standing is Standing.OK


def test_accuracy_and_area_of_known_votes() -> None:
    votes = np.zeros(40)
    votes[bin_of(np.array([0.1, 0.9]))] = [600.0, 400.0]
    curve = curve_of(votes, votes * np.where(np.arange(40) < 20, 0.1, 0.9))
    mean, error = accuracy(curve, votes)
    assert mean == pytest.approx(0.9)
    assert error == pytest.approx(0.0, abs=1e-12)
    positive, negative = np.array([60.0, 360.0]), np.array([540.0, 40.0])
    wins = positive[1] * negative[0] + 0.5 * (positive * negative).sum()
    assert area(curve, votes) == pytest.approx(wins / (positive.sum() * negative.sum()))
    assert area(curve_of(np.zeros(40), np.zeros(40)), votes) == 0.5


def test_the_curve_never_falls_and_fills_bins_without_votes() -> None:
    votes, true = np.zeros(40), np.zeros(40)
    votes[[5, 10, 20, 30]], true[[5, 10, 20, 30]] = 100.0, [10.0, 5.0, 50.0, 90.0]
    curve = curve_of(votes, true).comes_true
    assert (np.diff(curve) >= 0).all()
    assert curve[5] == curve[10] == pytest.approx(0.075)
    assert 0.5 < curve[25] < 0.9

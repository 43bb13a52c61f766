"""Risk and calibration: error rates, delays, biased labels and words. Streams are seeded; bounds allow three standard errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detectors.calibration import Calibration, CalibrationParams
from detectors.columns import Column, Columns, Floats, Numeric, flag
from detectors.detector import AnyDetector, Params, Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.increments import bernoulli, bounded
from detectors.labelled import losses, reading
from detectors.labelled.reading import Reading, Ruler, by_unit, by_unit_and_bin, nothing, units
from detectors.math.intervals import empirical_bernstein_radius
from detectors.risk import Risk, RiskParams, margins, upper_bound

HOUR = 3_600_000
RISK, CALIBRATION = Risk(), Calibration()
SMALL_RISK = RiskParams(sample_units=500, learn_units=6_000, learn_windows=2)
SMALL_CALIBRATION = CalibrationParams(sample_units=500, learn_units=8_000, learn_windows=2)

Truth = Callable[[np.random.Generator, Floats, int], Floats]


def _rows(predicted: Floats, observed: Floats, unit: np.ndarray | None = None, window: int = 0) -> Columns:
    n = len(predicted)
    mine = np.arange(1 + window * n, 1 + (window + 1) * n, dtype=np.uint64) if unit is None else unit
    fields: dict[str, Column] = {
        "probability": Numeric(predicted),
        "value": Numeric(observed),
        "voting": flag(np.ones(n, np.bool_)),
    }
    zeros = np.zeros(n, np.int64)
    return Columns(zeros + window * HOUR, mine, zeros.astype(np.int8), zeros.astype(np.int32), np.arange(n), fields)


def _tick(window: int, watches: int = 1, page: float = 1e-4) -> Tick:
    return Tick.plain(window * HOUR, (window + 1) * HOUR, page=page, warn=page, watches=watches)


def _stream(detector: AnyDetector, p: Params, windows: list[Columns]) -> list[Evidence]:
    state, told = detector.start([p]), []
    for window, rows in enumerate(windows):
        prep = detector.prepare(p, state, 0)
        a = detector.fold(prep, detector.empty(prep), rows)
        state, (evidence,) = detector.close([p], state, [a], _tick(window))
        told.append(evidence)
    return told


def _drawn(rng: np.random.Generator, window: int, truth: Truth, n: int = 2_000) -> Columns:
    p = rng.beta(1, 4, n)
    return _rows(p, truth(rng, p, window), window=window)


def as_told(rng: np.random.Generator, p: Floats, window: int) -> Floats:  # noqa: ARG001
    return (rng.random(len(p)) < p).astype(np.float64)


def after(at: int, change: Callable[[Floats], Floats]) -> Truth:
    return lambda rng, p, window: as_told(rng, change(p) if window >= at else p, window)


def _crossings(told: list[Evidence]) -> list[tuple[int, str]]:
    return [(i, str(e.crossing)) for i, e in enumerate(told) if e.crossing is not Crossing.NONE]


def _first_alarms(
    detector: AnyDetector,
    p: Any,
    now: Callable[[Floats], Floats],
    *,
    streams: int,
    windows: int,
    size: int,
    bound: float,
    seed: int,
) -> Floats:
    """Window of the first page of each stream after the reference; infinite if there is none; `bound` is spent over all."""
    rng, first = np.random.default_rng(seed), np.full(streams, np.inf)
    ps = [p] * streams
    state = detector.start(ps)
    for window in range(-3, windows):
        learns = window < 0
        stats = []
        for row in range(streams):
            chance = rng.beta(1, 4, p.learn_units if learns else size)
            truth = as_told(rng, chance if learns else now(chance), window)
            prep = detector.prepare(p, state, row)
            stats.append(detector.fold(prep, nothing(), _rows(chance, truth, window=window + 3)))
        state, told = detector.close(ps, state, stats, _tick(window + 3, streams, page=bound / windows))
        hit = np.array([e.crossing is Crossing.PAGE for e in told])
        first = np.where(hit & np.isinf(first), window + 1, first)
    return first


def test_a_risk_at_its_bound_itself_pages_no_more_often_than_was_promised() -> None:
    """The null is the reference risk's upper bound and the margin: that very risk, for every stream its own, pages rarely."""
    streams, windows, bound = 40, 30, 0.2
    p = RiskParams(loss="error", sample_units=100, learn_units=4_000, learn_windows=1)
    rng, first = np.random.default_rng(801), np.full(streams, np.inf)
    ps, state = [p] * streams, RISK.start([p] * streams)
    for window in range(windows + 2):
        limit = upper_bound(state.reference) + margins(ps, state.reference)
        stats = []
        for row in range(streams):
            wrong, n = (0.2, p.learn_units) if window < 2 else (limit[row], 400)
            rows = _rows(np.full(n, 0.3), (rng.random(n) < wrong).astype(np.float64), window=window)
            stats.append(RISK.fold(RISK.prepare(p, state, row), nothing(), rows))
        state, told = RISK.close(ps, state, stats, _tick(window, streams, page=bound / windows))
        hit = np.array([e.crossing is Crossing.PAGE for e in told])
        first = np.where(hit & np.isinf(first), window, first)
    assert (state.reference[:, 0] == p.learn_units).all()
    assert np.isfinite(first).mean() <= bound + 3 * np.sqrt(bound * (1 - bound) / streams)


@pytest.mark.parametrize(
    ("detector", "p"),
    [
        (RISK, RiskParams(sample_units=500, learn_units=10_000, learn_windows=1)),
        (CALIBRATION, CalibrationParams(sample_units=500, learn_units=10_000, learn_windows=1)),
    ],
)
@pytest.mark.parametrize("now", [lambda p: p, lambda p: 1.05 * p])
def test_nothing_is_paged_inside_the_margin(detector: AnyDetector, p: Any, now: Callable[[Floats], Floats]) -> None:
    first = _first_alarms(detector, p, now, streams=6, windows=30, size=1_000, bound=0.05, seed=802)
    assert np.isinf(first).all()


@pytest.mark.parametrize(
    ("detector", "p", "now", "at_most"),
    [
        (RISK, RiskParams(sample_units=500, learn_units=40_000, learn_windows=1), lambda p: 1.5 * p, 4),
        (CALIBRATION, CalibrationParams(sample_units=500, learn_units=40_000, learn_windows=1), lambda p: 1.5 * p, 10),
        (CALIBRATION, CalibrationParams(sample_units=500, learn_units=40_000, learn_windows=1), lambda p: 0.5 * p, 10),
    ],
)
def test_a_model_that_is_half_wrong_is_found_in_few_windows(
    detector: AnyDetector, p: Any, now: Callable[[Floats], Floats], at_most: float
) -> None:
    first = _first_alarms(detector, p, now, streams=6, windows=20, size=2_000, bound=0.002, seed=803)
    assert np.median(first) <= at_most


def test_increments_of_zeros_and_ones_are_those_of_shares() -> None:
    q, y = np.array([0.2]), np.array([1.0, 0.0, 0.0])
    got = bounded.log_increments(y, np.zeros(3, np.intp), q, 1.0)
    wanted = bernoulli.log_increments(np.array(1.0), np.array(3.0), q, bernoulli.tilted(q, bounded.TILTS))
    np.testing.assert_allclose(got[0], wanted)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_increments_of_bounded_values_have_mean_one_at_their_bound(side: float) -> None:
    rng, runs = np.random.default_rng(804), 400_000
    values = rng.beta(0.3, 1.2, runs)  # mean .2
    got = np.exp(bounded.log_increments(values, np.arange(runs), np.full(runs, 0.2), side)[:, :4])
    error = got.std(axis=0) / np.sqrt(runs)
    assert (np.abs(got.mean(axis=0) - 1.0) < 4 * error).all()


def test_the_bernstein_radius_holds_as_often_as_it_promises_and_is_short_for_small_variances() -> None:
    rng, runs, n, alpha = np.random.default_rng(805), 4_000, 500, 0.1
    values = rng.beta(0.3, 5.7, (runs, n))  # mean .05
    radius = empirical_bernstein_radius(values.var(axis=1, ddof=1), np.full(runs, float(n)), 1.0, alpha)
    missed = (np.abs(values.mean(axis=1) - 0.05) > radius).mean()
    assert missed <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert radius.mean() < np.sqrt(np.log(2 / alpha) / (2 * n))
    assert np.isinf(empirical_bernstein_radius(np.zeros(1), np.ones(1), 1.0, alpha)).all()


@pytest.mark.parametrize(
    ("name", "losses_of_two"),
    [("brier", [0.64, 0.04]), ("error", [1.0, 0.0]), ("absolute", [0.4, 0.1]), ("log", [0.32189, 0.04463])],
)
def test_losses_lie_between_nought_and_one(name: losses.Name, losses_of_two: list[float]) -> None:
    got = losses.named(name, 2.0)(np.array([1.0, 0.0]), np.array([0.2, 0.2]))
    np.testing.assert_allclose(got, losses_of_two, atol=1e-5)
    assert losses.named(name, 2.0)(np.array([1.0, 0.0]), np.array([0.0, 1.0])).max() <= 1.0


def _read(p: Floats, y: Floats, unit: list[int]) -> Reading:
    ruler = Ruler(np.array([0.5]), 100, "probability", losses.named("brier", 1.0))
    return reading.read(ruler, nothing(), _rows(p, y, np.array(unit, np.uint64)))


def test_a_unit_votes_once_and_once_in_each_bin() -> None:
    a = _read(np.array([0.25, 0.25, 0.75, 0.25]), np.array([1.0, 0.0, 1.0, 0.0]), [1, 1, 1, 2])
    assert units(a) == 2
    whole, by_bin = by_unit([a]), by_unit_and_bin([a])
    assert sorted(whole.observed.tolist()) == [0.0, pytest.approx(2 / 3)]
    assert sorted(zip(by_bin.bin.tolist(), by_bin.observed.tolist(), strict=True)) == [(0, 0.0), (0, 0.5), (1, 1.0)]


def test_rows_without_a_label_count_as_such_and_rows_without_a_prediction_not_at_all() -> None:
    a = _read(np.array([0.25, 0.75, np.nan, 0.75]), np.array([1.0, np.nan, 1.0, 0.0]), [1, 2, 3, 4])
    assert a.seen[:2].tolist() == [[1, 1], [2, 1]]
    assert units(a) == 2


@pytest.mark.parametrize(("detector", "p"), [(RISK, SMALL_RISK), (CALIBRATION, SMALL_CALIBRATION)])
def test_where_labels_depend_on_the_score_the_watch_is_blind_and_pages_nothing(
    detector: AnyDetector, p: Params
) -> None:
    rng = np.random.default_rng(806)

    def blocked(rng: np.random.Generator, chance: Floats, window: int) -> Floats:
        truth = as_told(rng, np.minimum(2 * chance, 1) if window >= 10 else chance, window)
        return np.where((chance > 0.4) & (window >= 9), np.nan, truth)

    told = _stream(detector, p, [_drawn(rng, w, blocked) for w in range(20)])
    assert told[8].standing is Standing.OK
    assert {e.standing for e in told[11:]} == {Standing.BLIND}
    assert told[-1].reason.startswith("biased labels: ")
    assert _crossings(told) == []
    assert told[8].detail["label_coverage"] == 1.0
    assert min(told[-1].detail["label_coverage_by_score"]) < 0.7


def test_labels_that_are_missing_at_random_do_no_harm_and_are_told() -> None:
    rng = np.random.default_rng(807)

    def half(rng: np.random.Generator, chance: Floats, window: int) -> Floats:
        return np.where(rng.random(len(chance)) < 0.5, np.nan, as_told(rng, chance, window))

    told = _stream(RISK, SMALL_RISK, [_drawn(rng, w, half) for w in range(15)])
    assert told[-1].standing is Standing.OK
    assert told[-1].detail["label_coverage"] == pytest.approx(0.5, abs=0.03)
    assert _crossings(told) == []


def test_a_risk_that_rose_is_told_with_both_figures_and_ends_when_it_is_back() -> None:
    rng = np.random.default_rng(808)

    def worse(rng: np.random.Generator, chance: Floats, window: int) -> Floats:
        return as_told(rng, np.minimum(2 * chance, 1) if 10 <= window < 14 else chance, window)

    told = _stream(RISK, SMALL_RISK, [_drawn(rng, w, worse) for w in range(40)])
    crossings = _crossings(told)
    assert crossings[0][0] in (10, 11)
    assert crossings[-1][1] == "recovered"
    assert 14 <= crossings[-1][0] < 30
    alarm = told[crossings[0][0]]
    assert alarm.arms["now"] > 1.2 * alarm.arms["reference"]
    assert alarm.effect is not None
    assert alarm.interval is not None
    assert 0 < alarm.interval.low < alarm.effect < alarm.interval.high
    assert alarm.change_at == 10 * HOUR


def test_a_bin_that_lost_its_calibration_is_named_with_what_it_said_and_what_came_true() -> None:
    rng = np.random.default_rng(809)
    high = after(12, lambda p: np.where(p > 0.5, p - 0.3, p))
    p = SMALL_CALIBRATION.model_copy(update={"learn_units": 30_000})
    told = _stream(CALIBRATION, p, [_drawn(rng, w, high, 4_000) for w in range(25)])
    alarm = told[_crossings(told)[0][0]]
    assert alarm.crossing is Crossing.PAGE
    low, up = alarm.detail["score_bin"]
    assert low > 0.3
    assert up == 1.0
    assert alarm.arms["observed"] < alarm.arms["predicted"] - 0.1
    assert "came true" in alarm.reason
    assert alarm.detail["calibration_error"] > alarm.detail["calibration_error_reference"]


def test_a_model_that_was_never_calibrated_does_not_alarm_for_that() -> None:
    rng = np.random.default_rng(810)
    told = _stream(CALIBRATION, SMALL_CALIBRATION, [_drawn(rng, w, after(0, lambda p: p / 2)) for w in range(25)])
    assert told[-1].mode is Mode.WATCHING
    assert _crossings(told) == []


@pytest.mark.parametrize(("detector", "p"), [(RISK, SMALL_RISK), (CALIBRATION, SMALL_CALIBRATION)])
def test_while_it_learns_it_says_what_is_missing_and_without_labels_it_is_stale(
    detector: AnyDetector, p: Params
) -> None:
    rng = np.random.default_rng(811)
    windows = [_drawn(rng, w, as_told, 300 if w < 2 else 4_000) for w in range(6)]
    windows.append(_drawn(rng, 6, lambda _, chance, __: np.full(len(chance), np.nan)))
    told = _stream(detector, p, windows)
    assert told[0].reason == "learning the score bins: 300 of 500 units"
    assert told[1].reason.startswith("learning: 0 of")
    assert {e.standing for e in told[:2]} == {Standing.INSUFFICIENT}
    assert (told[-1].standing, told[-1].reason) == (Standing.STALE, "no prediction of this window has a label")

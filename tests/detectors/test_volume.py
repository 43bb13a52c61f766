"""Volume against the same weekdays: false alarms under season, overdispersion and growth, delays, recovery."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Floats
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.volume import Volume, VolumeParams
from detectors.volume import rates as usual
from detectors.volume.detector import Count
from tests.detectors.coverage import missed_at_any_look, most_missed

QUARTER = 900_000
A_DAY = 96
DETECTOR = Volume()


def _usual(windows: int, weekend: float = 0.4) -> Floats:
    at = np.arange(windows)
    rests = np.isin(at // A_DAY % 7, (2, 3))
    counts: Floats = (300 + 250 * np.sin(2 * np.pi * at / A_DAY)) * np.where(rests, weekend, 1.0)
    return counts


def _run(counts: np.ndarray, p: VolumeParams, page: float = 1e-6) -> list[list[Evidence]]:
    """Streams (T, W) under the same parameters; only the windows that said something are kept."""
    watches = counts.shape[1]
    ps, told = [p] * watches, []
    state = DETECTOR.start(ps)
    for window, row in enumerate(counts.tolist()):
        tick = Tick.plain(window * QUARTER, (window + 1) * QUARTER, page=page, warn=page, watches=watches)
        state, evidence = DETECTOR.close(ps, state, [Count(n) for n in row], tick)
        told.append(evidence)
    return told


def _crossings(told: list[list[Evidence]], row: int = 0) -> list[tuple[int, str]]:
    return [(w, str(e[row].crossing)) for w, e in enumerate(told) if e[row].crossing is not Crossing.NONE]


def _noisy(rng: np.random.Generator, mean: Floats, watches: int, rho: float, sd: float) -> np.ndarray:
    """Poisson counts whose rate wanders: the log of it is autoregressive with standard deviation `sd`."""
    wander = np.zeros((len(mean), watches))
    for t in range(1, len(mean)):
        wander[t] = rho * wander[t - 1] + sd * np.sqrt(1 - rho**2) * rng.normal(size=watches)
    counts: np.ndarray = rng.poisson(mean[:, None] * np.exp(wander))
    return counts


@pytest.mark.parametrize(("rho", "sd"), [(0.0, 0.05), (0.6, 0.1)])
def test_season_noise_and_growth_alarm_no_more_often_than_was_promised(rho: float, sd: float) -> None:
    streams, learned, watched, bound = 10, 14 * A_DAY, 7 * A_DAY, 0.2
    windows = learned + watched
    growth = np.exp(0.1 * np.arange(windows) / (28 * A_DAY))
    counts = _noisy(np.random.default_rng(760), _usual(windows) * growth, streams, rho, sd)
    told = _run(counts, VolumeParams(learn_days=14), page=bound / watched)
    alarms = sum(bool(_crossings(told, row)) for row in range(streams))
    assert alarms / streams <= bound + 3 * np.sqrt(bound * (1 - bound) / streams)
    assert told[-1][0].mode is Mode.WATCHING


def test_the_interval_of_a_steady_volume_holds_at_every_look() -> None:
    """Few rows a window: the mean of logarithms lies below the logarithm of the mean, and must not be told for it."""
    streams, days = 8, 24
    counts = np.random.default_rng(761).poisson(_usual(days * A_DAY)[:, None] / 100.0, (days * A_DAY, streams))
    told = _run(counts, VolumeParams(learn_days=10), page=0.0)
    assert missed_at_any_look(told, 0.0) <= most_missed(0.95, streams)
    last = [e for e in told[-1] if e.interval is not None and e.effect is not None]
    assert all(e.interval.low <= e.effect <= e.interval.high for e in last if e.interval and e.effect is not None)
    assert np.median([e.detail["mean_log_ratio"] for e in last]) < -0.02


def test_a_loss_of_sixty_percent_and_a_doubling_are_found_within_hours_and_end_when_they_are_over() -> None:
    windows, began = 12 * A_DAY, 10 * A_DAY
    mean = np.tile(_usual(windows, weekend=1.0)[:, None], (1, 2))
    mean[began : began + 40] *= np.array([0.4, 2.2])
    told = _run(np.random.default_rng(761).poisson(mean), VolumeParams(learn_days=8))
    for row, sign in ((0, -1), (1, 1)):
        crossings = _crossings(told, row)
        assert 0 <= crossings[0][0] - began < 16
        assert crossings[-1][1] == "recovered"
        assert 40 <= crossings[-1][0] - began < 80
        alarm = told[crossings[0][0]][row]
        assert alarm.effect is not None
        assert sign * alarm.effect > 0.4
        assert alarm.interval is not None
        assert alarm.interval.low < alarm.effect < alarm.interval.high
        assert "were to be expected" in alarm.reason
        assert not alarm.exact


def test_a_reference_too_short_for_the_weekend_widens_the_margin_and_says_by_how_much() -> None:
    counts = np.random.default_rng(763).poisson(_usual(21 * A_DAY)[:, None])
    told = _run(counts, VolumeParams(learn_days=8))
    assert _crossings(told) == []
    assert told[-1][0].margin is not None
    assert told[-1][0].margin > 0.5


def test_silence_is_a_loss_and_short_learning_only_warns() -> None:
    counts = np.random.default_rng(762).poisson(np.full((8 * A_DAY, 1), 300.0))
    counts[7 * A_DAY :] = 0
    told = _run(counts, VolumeParams(learn_days=6))
    assert [c for _, c in _crossings(told)] == ["warn"]
    assert "so it warns and does not page" in told[-1][0].reason


def test_while_it_learns_it_says_so() -> None:
    told = _run(np.full((200, 1), 50), VolumeParams())
    assert told[-1][0].standing is Standing.INSUFFICIENT
    assert told[-1][0].reason == "learning what is usual over 28 d: 199 windows so far"


def test_what_is_usual_is_that_of_the_weekday_once_it_was_seen_twice_and_fades_after_four_weeks() -> None:
    known, every = usual.start(1), np.ones(1, np.bool_)
    at = np.array([0], np.int64)
    assert np.isnan(usual.expected(known, at)).all()
    for day in range(1, 4):
        known = usual.learn(known, np.array([day * 86_400_000]), np.array([100.0 * day]), every)
    assert usual.expected(known, at)[0] == pytest.approx(200.0)  # other days, same time
    week = np.array([7 * 86_400_000])
    known = usual.learn(usual.learn(known, at, np.array([10.0]), every), week, np.array([20.0]), every)
    assert usual.expected(known, at)[0] == pytest.approx(15.0)
    for _ in range(40):
        known = usual.learn(known, at, np.array([80.0]), every)
    assert usual.expected(known, at)[0] == pytest.approx(80.0, abs=0.1)

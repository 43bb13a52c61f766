"""Promises of the block increments: as inequalities where they are exact, as rates where they are calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Floats
from detectors.increments import block
from detectors.math import scales

PER_DAY = 288


def series(kind: str, windows: int, watches: int, rng: np.random.Generator) -> Floats:
    """(T, W) of mean 0 and variance 1."""
    noise = rng.standard_normal((windows, watches))
    if kind == "autocorrelated":
        for t in range(1, windows):
            noise[t] = 0.3 * noise[t - 1] + np.sqrt(1 - 0.3**2) * noise[t]
    elif kind == "heavy":
        noise = rng.standard_t(4, (windows, watches)) / np.sqrt(2)
    elif kind == "left skew":
        noise = 1.0 - rng.exponential(1.0, (windows, watches))
    elif kind == "right skew":
        noise = rng.exponential(1.0, (windows, watches)) - 1.0
    return noise


def alarms(z: Floats, kappa: Floats, spend: float) -> int:
    """Alarms of the spending e-detector over z (T, W), restarted after each; the same recursion as the bank's."""
    log_m = np.full((z.shape[1], block.BETS), -np.inf)
    told = 0
    for row in z:
        log_m = np.logaddexp(log_m, np.log(spend)) + block.log_increments(row, kappa)
        hit = np.log(np.mean(np.exp(np.minimum(log_m, 50.0)), axis=1)) >= 0
        told += int(hit.sum())
        log_m[hit] = -np.inf
    return told


def test_the_inequality_behind_it_holds_for_every_number() -> None:
    x = np.concatenate([np.linspace(-50, 50, 200_001), -np.geomspace(1e-9, 1e-3, 500), np.geomspace(1e-9, 1e-3, 500)])
    assert (np.exp(x - x**2 / 6) - (1 + x + x**2 / 3)).max() <= 1e-12


@pytest.mark.parametrize("chance", [0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kappa", [1.0, 2.5])
def test_the_mean_of_an_increment_is_at_most_one_for_two_valued_z_of_variance_kappa(
    chance: float, kappa: float
) -> None:
    """Exact, no simulation: z takes two values with mean 0 and variance kappa, from most skewed left to most skewed right."""
    high, low = np.sqrt(kappa * (1 - chance) / chance), -np.sqrt(kappa * chance / (1 - chance))
    each = np.exp(block.log_increments(np.array([high, low]), np.full(2, kappa)))
    assert (chance * each[0] + (1 - chance) * each[1]).max() <= 1.0 + 1e-12


@pytest.mark.parametrize("kind", ["independent", "autocorrelated", "heavy", "left skew", "right skew"])
def test_two_hundred_watches_in_four_weeks_alarm_no_more_often_than_they_spend(kind: str) -> None:
    """T3 in a quick form: one alarm is spent over 200 watches and a week of five-minute windows, after a week of learning."""
    rng = np.random.default_rng(828)
    watches, learn, run = 200, 7 * PER_DAY, 7 * PER_DAY
    x = series(kind, learn + run, watches, rng)
    learned = block.calibrate(x[:learn], PER_DAY, centre=0.0)
    z = block.standardised(x[learn:], np.zeros(watches), learned.s)
    assert alarms(z, learned.kappa, 1.0 / (watches * run)) <= 1 + 3


def test_without_kappa_the_same_streams_alarm_far_too_often() -> None:
    """The guard of the test above: it can fail."""
    rng = np.random.default_rng(829)
    x = series("autocorrelated", 14 * PER_DAY, 200, rng)
    assert alarms(x, np.full(200, 1.0), 10.0 / (200 * 14 * PER_DAY)) > 10 + 3 * np.sqrt(10)


@pytest.mark.parametrize(("shift", "at_most"), [(0.25, 456), (0.5, 133), (1.0, 46), (2.0, 22)])
def test_a_shift_is_found_as_fast_as_published(shift: float, at_most: int) -> None:
    """Published medians at a threshold of 1.6e6 with kappa 1.1: 412, 121, 42, 20 windows; a tenth more is allowed."""
    rng = np.random.default_rng(830)
    streams, first = 200, np.full(200, 10_000)
    z = rng.standard_normal((600, streams)) + shift
    log_m = np.full((streams, block.BETS), -np.inf)
    for t, row in enumerate(z):
        log_m = np.logaddexp(log_m, -np.log(1.6e6)) + block.log_increments(row, np.full(streams, 1.1))
        hit = (np.log(np.mean(np.exp(np.minimum(log_m, 50.0)), axis=1)) >= 0) & (first == 10_000)
        first[hit] = t + 1
    assert np.median(first) <= at_most


def test_calibration_knows_the_variance_the_autocorrelation_and_the_day() -> None:
    rng = np.random.default_rng(831)
    days, watches = 28, 20
    independent = 3.0 * rng.standard_normal((days * PER_DAY, watches))
    plain = block.calibrate(independent, PER_DAY, centre=0.0)
    assert np.allclose(plain.s, 3.0, rtol=0.05)
    assert np.median(plain.kappa) < 1.7
    chained = series("autocorrelated", days * PER_DAY, watches, rng)
    assert np.median(block.calibrate(chained, PER_DAY, centre=0.0).kappa) >= 1.3 / 0.7
    daily = independent + np.repeat(rng.normal(0.0, 0.6, (days, watches)), PER_DAY, axis=0)
    slow = block.calibrate(daily, PER_DAY, centre=0.0)
    assert np.median(slow.slow) == pytest.approx(0.6, rel=0.15)
    assert np.median(plain.slow) < 0.15
    assert (slow.smallest_margin() == 3.0 * slow.slow).all()


def test_calibration_passes_over_windows_without_data() -> None:
    rng = np.random.default_rng(832)
    blocks = rng.normal(5.0, 1.0, (4 * PER_DAY, 2))
    blocks[rng.random(blocks.shape) < 0.3] = np.nan
    learned = block.calibrate(blocks, PER_DAY)
    assert np.allclose(learned.mean, 5.0, atol=0.1)
    assert np.allclose(learned.s, 1.0, atol=0.1)


def test_moments_gathered_window_by_window_are_those_of_the_whole_series() -> None:
    rng = np.random.default_rng(833)
    x = rng.gamma(2.0, 1.0, (10 * 48, 3))
    seen = scales.start(3)
    for t, row in enumerate(x):
        seen = scales.push(seen, row, np.full(3, t // 48), np.ones(3, np.bool_))
    seen = scales.end_day(seen)
    assert np.allclose(scales.variance(seen), x.var(axis=0, ddof=1))
    wanted = [m * x[: len(x) // m * m].reshape(-1, m, 3).mean(axis=1).var(axis=0, ddof=1) for m in (1, 4, 16, 48)]
    assert np.allclose(scales.long_run_variance(seen), scales.ABOVE * np.max(wanted, axis=0))
    days = x.reshape(10, 48, 3).mean(axis=1)
    assert np.allclose(scales.slow_variance(seen), np.maximum((days**2).mean(axis=0) - x.var(axis=0, ddof=1) / 48, 0))


def test_a_series_that_never_moved_says_nothing() -> None:
    learned = block.calibrate(np.ones((100, 1)), 10)
    z = block.standardised(np.array([2.0]), np.zeros(1), learned.s)
    assert z.tolist() == [0.0]
    assert (block.log_increments(z, learned.kappa) <= 0).all()


def test_a_larger_departure_never_counts_for_less() -> None:
    z = np.geomspace(0.01, 1e6, 200)
    counted = block.log_increments(z, np.full(200, 1.7))
    assert (np.diff(counted, axis=0) >= 0).all()
    assert (counted[-1] > 0.5).all()

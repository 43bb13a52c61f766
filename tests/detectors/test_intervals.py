"""Confidence sequences: numbers by hand, and coverage at every look."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.math.intervals import empirical_cdf_radius, normal_mixture_radius, share_interval


def test_the_normal_mixture_radius_is_that_of_the_formula() -> None:
    """se = tau: se * sqrt(2 * (log 2 + 2 log 20)), computed by hand."""
    radius = normal_mixture_radius(np.array([0.01]), np.array([0.01]), 0.05)
    assert radius[0] == pytest.approx(0.01 * np.sqrt(2 * (0.6931471805599453 + 2 * 2.995732273553991)))


def test_nothing_known_is_an_infinite_interval() -> None:
    se = np.array([0.0, np.nan, np.inf, 0.1])
    radius = normal_mixture_radius(se, np.array([0.1, 0.1, 0.1, 0.0]), 0.05)
    assert np.isinf(radius).all()
    assert np.isinf(empirical_cdf_radius(np.array([0.0]), 0.05)).all()


def test_the_normal_mixture_interval_covers_at_every_look_together() -> None:
    streams, looks, alpha = 2_000, 400, 0.05
    rng = np.random.default_rng(201)
    mean = np.cumsum(rng.standard_normal((streams, looks)), axis=1) / np.arange(1, looks + 1)
    se = np.broadcast_to(1.0 / np.sqrt(np.arange(1, looks + 1)), mean.shape)
    radius = normal_mixture_radius(se, np.full(mean.shape, 0.1), alpha)
    missed = np.mean(np.any(np.abs(mean) > radius, axis=1))
    assert missed <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / streams)


def test_the_band_around_a_distribution_function_covers_everywhere_at_every_look() -> None:
    """Section 6.9 in small: 0 of 400 missed there."""
    rng = np.random.default_rng(919)
    grid = np.arange(1, 20) / 20
    for _ in range(50):
        below = np.cumsum(rng.random(4_000)[:, None] <= grid, axis=0)
        n = np.arange(1, 4_001)
        apart = np.abs(below / n[:, None] - grid).max(axis=1)
        assert np.all(apart <= empirical_cdf_radius(n.astype(np.float64), 0.05))


def test_the_band_narrows_with_n_and_with_a_larger_error() -> None:
    n = np.array([100.0, 1_000.0, 10_000.0])
    assert np.all(np.diff(empirical_cdf_radius(n, 0.05)) < 0)
    assert np.all(empirical_cdf_radius(n, 0.2) < empirical_cdf_radius(n, 0.05))
    assert empirical_cdf_radius(np.array([2_000.0]), 0.05)[0] == pytest.approx(0.0615, abs=5e-4)


@pytest.mark.parametrize(("plan", "true"), [(0.5, 0.5), (0.01, 0.01), (0.01, 0.003), (0.1, 0.4)])
def test_the_interval_of_a_share_covers_at_every_look_however_rare_the_share(plan: float, true: float) -> None:
    streams, looks, alpha = 1_000, 200, 0.05
    rng = np.random.default_rng(202)
    yes = np.cumsum(rng.binomial(50, true, (streams, looks)), axis=1).astype(np.float64)
    n = np.broadcast_to(50.0 * np.arange(1, looks + 1), yes.shape)
    low, high = share_interval(yes, n, np.array(plan), np.array(0.1), alpha)
    missed = np.mean(np.any((true < low) | (true > high), axis=1))
    assert missed <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / streams)
    assert np.all((low <= yes / n) & (yes / n <= high))


def test_the_interval_of_a_share_is_about_as_wide_as_the_normal_one_where_that_one_may_be_used() -> None:
    n, plan, tau = np.array([20_000.0]), np.array([0.3]), np.array([0.1])
    low, high = share_interval(0.3 * n, n, plan, tau, 0.05)
    se = np.sqrt(0.3 * 0.7 / n)
    assert (high - low) / 2 == pytest.approx(normal_mixture_radius(se, tau * 0.3 * 0.7, 0.05), rel=0.02)


def test_without_units_a_share_may_be_anything() -> None:
    low, high = share_interval(np.zeros(1), np.zeros(1), np.array([0.1]), np.array([0.1]), 0.05)
    assert (low[0], high[0]) == (0.0, 1.0)

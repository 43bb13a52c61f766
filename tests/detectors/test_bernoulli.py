"""Bernoulli bets: their mean under the null, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from detectors.increments import bernoulli


@pytest.mark.parametrize(("null", "alternative"), [(0.1, 0.14), (0.1, 0.05), (0.5, 0.9), (0.99, 0.995)])
@pytest.mark.parametrize("n", [1, 7, 200])
def test_the_increment_has_mean_one_at_the_null(null: float, alternative: float, n: int) -> None:
    k = np.arange(n + 1, dtype=np.float64)
    log_l = bernoulli.log_increments(k, np.array(n), np.array(null), np.array(alternative))
    assert np.sum(binom.pmf(k, n, null) * np.exp(log_l)) == pytest.approx(1.0)


@pytest.mark.parametrize(("true", "null", "alternative"), [(0.05, 0.1, 0.14), (0.2, 0.1, 0.05)])
def test_the_increment_has_mean_below_one_inside_the_null(true: float, null: float, alternative: float) -> None:
    k = np.arange(101, dtype=np.float64)
    log_l = bernoulli.log_increments(k, np.array(100), np.array(null), np.array(alternative))
    assert np.sum(binom.pmf(k, 100, true) * np.exp(log_l)) < 1.0


def test_averages_of_a_units_rows_give_no_more_than_the_betting_form() -> None:
    """A fraction counted as a vote is worth at most what log(1 + lambda (y - q)) gives for it."""
    null, alternative = 0.1, 0.2
    y = np.linspace(0.0, 1.0, 101)
    counted = bernoulli.log_increments(y, np.ones(101), np.array(null), np.array(alternative))
    bet = (alternative - null) / (null * (1 - null))
    assert np.all(counted <= np.log1p(bet * (y - null)) + 1e-12)


def test_no_units_are_no_evidence() -> None:
    assert bernoulli.log_increments(np.array(0), np.array(0), np.array(0.1), np.array(0.2)) == 0.0


def test_tilting_moves_log_odds_and_stays_inside() -> None:
    share = np.array([0.02, 0.5, 0.98])
    tilted = bernoulli.tilted(share, np.array([0.2, -0.2, 5.0]))
    assert np.log(tilted / (1 - tilted)) - np.log(share / (1 - share)) == pytest.approx([0.2, -0.2, 5.0])
    assert np.all((tilted > 0) & (tilted < 1))

"""Increments for releases: I5 with a tolerance, I7, and the two-arm bets with a relative margin."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, dirichlet_multinomial, multinomial

from detectors.columns import Floats
from detectors.increments import bernoulli, rademacher, ratio
from detectors.increments.ipw import Entries
from detectors.increments.multinomial import log_value, log_value_outside


def test_the_dirichlet_mixture_is_the_ratio_of_two_probabilities() -> None:
    counts, plan = np.array([210.0, 70.0, 40.0]), np.array([0.7, 0.2, 0.1])
    expected = dirichlet_multinomial(1_000 * plan, np.array(320)).logpmf(counts.astype(int)) - multinomial(
        320, plan
    ).logpmf(counts)
    assert log_value(counts, plan) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("p", [0.48, 0.5, 0.52])
def test_the_mixture_outside_a_tolerance_has_a_mean_of_at_most_one_inside_it(p: float) -> None:
    n = 2_000
    yes = np.arange(n + 1.0)
    e = np.exp(log_value_outside(yes, np.full(n + 1, float(n)), np.array(0.48), np.array(0.52)))
    assert binom(n, p).pmf(yes) @ e <= 1.0 + 1e-9


def test_without_a_tolerance_it_is_the_dirichlet_mixture_weighed_by_halves() -> None:
    e = log_value_outside(np.array(600.0), np.array(1_000.0), np.array(0.5), np.array(0.5))
    assert e == pytest.approx(log_value(np.array([600.0, 400.0]), np.array([0.5, 0.5])), abs=1e-6)


def test_a_tolerated_trifle_is_no_evidence_however_many_units_there_are() -> None:
    edge = bernoulli.tilted(np.full(2, 0.5), np.array([-0.01, 0.01]))
    units = np.array([1e6, 1e8, 1e10])
    assert (log_value_outside(0.5005 * units, units, edge[0], edge[1]) < 0).all()
    assert log_value_outside(0.51 * units, units, edge[0], edge[1])[0] > np.log(1_000)
    against_the_plan = log_value(np.stack([0.4995 * units, 0.5005 * units], axis=1), np.array([0.5, 0.5]))
    assert against_the_plan[1] > np.log(1_000)  # what the tolerance is for


def test_random_signs_that_make_no_difference_are_rejected_no_more_often_than_the_level() -> None:
    rng, runs, periods, pairs, level = np.random.default_rng(31), 2_000, 12, 20, 0.05
    crossed = 0
    for _ in range(runs):
        response = rng.standard_t(2, (periods, pairs))  # heavy tails: nothing of them is assumed
        sign = rng.choice([-1.0, 1.0], (periods, pairs))
        weight = rng.random((periods, pairs))
        squares = float(np.sum((weight[0] * response[0]) ** 2))
        steps = [rademacher.log_increments(response[t], sign[t], weight[t], squares) for t in range(periods)]
        paths = np.cumsum(steps, axis=0)
        crossed += bool((np.logaddexp.reduce(paths, axis=1) - np.log(rademacher.BETS) >= np.log(1 / level)).any())
    assert crossed / runs <= level + 3 * np.sqrt(level / runs)


def test_random_signs_that_matter_are_found() -> None:
    rng, log_e = np.random.default_rng(32), np.zeros(rademacher.BETS)
    for _ in range(6):
        sign = rng.choice([-1.0, 1.0], 200)
        log_e = log_e + rademacher.log_increments(0.3 * sign + rng.normal(size=200), sign, np.ones(200), 200.0)
    assert np.logaddexp.reduce(log_e) - np.log(rademacher.BETS) > np.log(20)


def evidence(treated: Floats, control: Floats, share: float, units: int, seed: int, *, factor: float) -> Floats:
    """Log e-value after every window of yes and no at these chances (runs, windows), against "treated <= factor control"."""
    rng = np.random.default_rng(seed)
    runs, windows = treated.shape
    log_e, seen, yes = np.zeros((runs, ratio.BETS)), np.zeros(runs), np.zeros(runs)
    path = []
    for t in range(windows):
        n1 = rng.binomial(units, share, runs)
        counts = np.stack([rng.binomial(n1, treated[:, t]), rng.binomial(units - n1, control[:, t])], axis=1)
        entries = Entries(
            np.repeat(np.arange(runs), 4),
            np.tile([1.0, 0.0, 1.0, 0.0], runs),
            np.tile([True, True, False, False], runs),
            np.stack([counts[:, 0], n1 - counts[:, 0], counts[:, 1], units - n1 - counts[:, 1]], axis=1)
            .ravel()
            .astype(np.float64),
        )
        log_e = log_e + ratio.log_increments(
            entries,
            runs,
            share=np.full(runs, share),
            centre=yes / np.maximum(seen, 1.0),
            ratio=np.full(runs, factor),
            allowance=np.zeros(runs),
            side=np.ones(runs),
        )
        seen, yes = seen + units, yes + counts.sum(axis=1)
        path.append(np.logaddexp.reduce(log_e, axis=1) - np.log(ratio.BETS))
    return np.array(path)


@pytest.mark.parametrize("share", [0.5, 0.05, 0.01])
def test_a_harm_at_its_margin_is_ever_called_one_no_more_often_than_the_level(share: float) -> None:
    runs, level = 2_000, 0.05
    control = np.full((runs, 100), 0.04)
    path = evidence(1.25 * control, control, share, 500, 33, factor=1.25)
    assert (path.max(axis=0) >= np.log(1 / level)).mean() <= level + 3 * np.sqrt(level / runs)


def test_three_times_the_errors_in_two_per_cent_of_the_units_are_found_soon() -> None:
    control = np.full((50, 60), 0.02)
    found = evidence(3 * control, control, 0.02, 2_000, 34, factor=1.25) >= np.log(100)
    assert found.any(axis=0).all()
    assert np.median(found.argmax(axis=0) + 1) <= 12

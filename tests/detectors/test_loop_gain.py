"""Loop gain against a world whose gain is known, and against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.increments import rademacher
from detectors.loop_gain import estimate, sequence
from detectors.loop_gain.estimate import Sums
from detectors.loop_gain.pairs import Pairs, eligible, measured
from tests.benchmarks.gain_world import World, observational, run

COURSES = 150


@pytest.mark.parametrize(("gamma", "truth"), [(0.0, 0.0), (0.5, 0.48), (0.8, 0.78)])
def test_intervals_cover_the_true_gain_and_the_regression_misses_it(gamma: float, truth: float) -> None:
    """Coverage of .95 with a Monte Carlo error of .018; the sequence may miss .05, and misses less."""
    rng, covered, missed, estimates, wrong, truths = np.random.default_rng(20261), 0, 0, [], [], []
    for _ in range(COURSES):
        course = run(rng, World(gamma))
        first = estimate.sums(course.pairs[0])
        a = estimate.nothing(1)
        ever = False
        for pairs in course.pairs:
            a += estimate.sums(pairs)
            low, high = sequence.interval(a, first, 0.05)
            ever = ever or not low <= course.truth <= high
        low, high = estimate.anderson_rubin(a, 0.05)
        covered += low <= course.truth <= high
        missed += ever
        estimates.append(estimate.total(a)[0])
        wrong.append(observational(course.untilted))
        truths.append(course.truth)
    assert np.mean(truths) == pytest.approx(truth, abs=0.03)
    assert covered / COURSES >= 0.95 - 3 * 0.018
    assert missed / COURSES <= 0.05
    assert abs(np.mean(np.array(estimates) - truths)) < 0.01
    assert np.mean(wrong) > truth + 0.1


@pytest.mark.parametrize("gamma", [0.0, 0.6])
def test_over_the_lags_of_a_training_window_the_total_is_covered(gamma: float) -> None:
    """Models trained on three periods: a third of the gain comes back at each lag. Monte Carlo error of coverage .024."""
    rng, covered, ever, gains, courses = np.random.default_rng(5), 0, 0, [], 80
    for _ in range(courses):
        course, a, missed = run(rng, World(gamma, memory=3, periods=14)), estimate.nothing(3), False
        for pairs in course.pairs:
            a += estimate.sums(pairs)
            low, high = sequence.interval(a, estimate.sums(course.pairs[0]), 0.05)
            missed = missed or not low <= course.truth <= high
        low, high = estimate.anderson_rubin(a, 0.05)
        covered += low <= course.truth <= high
        ever += missed
        gains.append((estimate.total(a)[0], course.truth, float(estimate.impulse(a)[0])))
    mean, truth, first_lag = np.mean(gains, axis=0)
    assert covered / courses >= 0.95 - 3 * 0.024
    assert ever / courses <= 0.05 + 3 * 0.024
    assert abs(mean - truth) < 0.03
    if gamma:
        assert first_lag < 0.5 * truth


def test_a_gain_above_one_is_told_in_a_large_catalogue_of_well_seen_items() -> None:
    rng, told = np.random.default_rng(607), 0
    for _ in range(6):
        course = run(rng, World(1.2, items=4_000, periods=5, h=0.3, tilted=0.8, warm=2))
        a, first = estimate.nothing(1), estimate.sums(course.pairs[0])
        for pairs in course.pairs:
            a += estimate.sums(pairs)
        low, high = sequence.interval(a, first, 0.05)
        assert low <= course.truth <= high
        told += low > 1.0
    assert told >= 4


def test_without_the_rule_of_enough_exposures_the_interval_misses() -> None:
    """The rule earns its place: thin items bias the estimate downwards."""
    rng, misses = np.random.default_rng(8), 0
    for _ in range(5):
        course = run(rng, World(1.2, items=4_000, periods=5, h=0.3, tilted=0.8, warm=2, least=0))
        a = estimate.nothing(1)
        for pairs in course.pairs:
            a += estimate.sums(pairs)
        low, high = estimate.anderson_rubin(a, 0.05)
        misses += not low <= course.truth <= high
    assert misses >= 2


def test_sums_add_over_periods_and_give_the_ratio_of_the_weighted_signed_changes() -> None:
    course = run(np.random.default_rng(3), World(0.5, periods=2))
    one, two = (estimate.sums(p) for p in course.pairs)
    n = sum(float(np.sum(p.weight * p.sign * p.response[:, 0])) for p in course.pairs)
    d = sum(float(np.sum(p.weight * p.sign * p.exposure)) for p in course.pairs)
    gain, se = estimate.total(one + two)
    assert gain == pytest.approx(n / d)
    low, high = estimate.anderson_rubin(one + two, 0.05)
    assert (high - low) / (2 * 1.96 * se) == pytest.approx(1.0, rel=0.05)


def test_a_push_that_nobody_felt_leaves_every_gain_possible() -> None:
    a = Sums(np.array([0.1, 0.2]), np.eye(2))
    assert estimate.first_stage(a) < estimate.LEAST_F
    assert estimate.anderson_rubin(a, 0.05) == (-np.inf, np.inf)
    assert np.isnan(estimate.impulse(estimate.nothing(1))).all()


def test_the_kernel_undoes_what_comes_back_by_way_of_later_models() -> None:
    own = np.array([0.25, 0.2, 0.15])
    response = np.zeros(3)
    for k in range(3):
        response[k] = own[k] + sum(own[i] * response[k - 1 - i] for i in range(k))
    assert estimate.kernel(response) == pytest.approx(own)


def test_the_total_over_a_window_that_counts_alike_is_that_of_its_kernel() -> None:
    for own in (0.1, 0.2, 0.3):
        response = np.zeros(3)
        for k in range(3):
            response[k] = own * (1.0 + response[:k].sum())
        a = Sums(np.append(response, 1.0) * 7.0, np.eye(4))
        assert estimate.total(a)[0] == pytest.approx(3 * own)
        assert estimate.total(a)[0] == pytest.approx(estimate.kernel(response).sum())


def test_the_error_of_a_total_over_lags_is_that_of_its_slope() -> None:
    """Against numerical derivatives of the ratio."""
    linear = np.array([3.0, 2.5, 2.0, 10.0])
    square = np.diag([1.0, 2.0, 3.0, 0.5]) + 0.1
    slopes = [
        (estimate.total(Sums(linear + step, square))[0] - estimate.total(Sums(linear - step, square))[0]) / 2e-6
        for step in 1e-6 * np.eye(4)
    ]
    assert estimate.total(Sums(linear, square))[1] == pytest.approx(np.sqrt(slopes @ square @ slopes), rel=1e-6)


def test_pairs_are_chosen_by_the_past_and_measured_by_hand() -> None:
    before = np.array([40, 30, 30, 29])
    first, second = np.array([0, 2]), np.array([1, 3])
    assert eligible(before, first, second).tolist() == [True, False]
    untilted, total, later = np.array([40, 40, 10, 10]), np.array([90, 60, 20, 20]), np.array([60, 30, 10, 10])
    pairs = measured(untilted, total, [later], first[:1], second[:1], np.ones(1))
    assert pairs.exposure[0] == pytest.approx(np.log(90.5 / 60.5))
    assert pairs.response[0, 0] == pytest.approx(np.log(60.5 / 30.5))
    assert pairs.weight[0] == pytest.approx(np.sqrt(40.5 / 102.0))


def test_an_interval_is_open_where_the_grid_ends_and_absent_where_no_single_gain_fits() -> None:
    nothing = estimate.nothing(1)
    assert sequence.interval(nothing, nothing, 0.05) == (-np.inf, np.inf)
    torn = Sums(np.array([50.0, 0.0]), np.eye(2))
    low, high = sequence.interval(torn, torn, 0.05)
    assert np.isnan(low)
    assert np.isnan(high)


def test_the_evidence_of_all_periods_is_the_product_of_theirs() -> None:
    course = run(np.random.default_rng(3), World(0.5, periods=3))
    first, bets = course.pairs[0], np.zeros(rademacher.BETS)
    g = sequence.GRID[75]

    def squares(p: Pairs) -> float:
        return float(np.sum((p.weight * (p.response[:, 0] - g * p.exposure)) ** 2))

    for p in course.pairs:
        bets += rademacher.log_increments(p.response[:, 0] - g * p.exposure, p.sign, p.weight, squares(first))
    whole = estimate.nothing(1)
    for p in course.pairs:
        whole += estimate.sums(p)
    expected = np.logaddexp.reduce(bets) - np.log(rademacher.BETS)
    assert sequence.against(whole, estimate.sums(first))[75] == pytest.approx(expected)

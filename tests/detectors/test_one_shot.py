"""Test mode: P(ever alarm | null) is at most the level, at every look."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import one_shot
from detectors.increments import bernoulli


def looked_at(chance: float, level: float, runs: int, windows: int, seed: int) -> one_shot.OneShot:
    """`runs` tests of "at most half say yes", ten units a window."""
    rng, bets = np.random.default_rng(seed), np.array([0.52, 0.55, 0.6, 0.7])
    test = one_shot.start(runs, len(bets))
    for window in range(windows):
        yes = rng.binomial(10, chance, (runs, 1)).astype(np.float64)
        log_l = bernoulli.log_increments(yes, np.full((runs, 1), 10.0), np.array([0.5]), bets)
        test = one_shot.advance(test, log_l, np.ones(runs, np.bool_), np.full(runs, window), level)
    return test


@pytest.mark.parametrize("level", [0.05, 0.01])
def test_a_true_null_looked_at_a_thousand_times_is_ever_rejected_no_more_often_than_its_level(level: float) -> None:
    runs = 4_000
    share = one_shot.crossed(looked_at(0.5, level, runs, 1_000, 21)).mean()
    assert share <= level + 3 * np.sqrt(level / runs)
    assert share >= level / 10  # the bound is not idle


def test_the_evidence_runs_on_after_it_crossed_and_the_moment_of_crossing_stays() -> None:
    early, late = looked_at(0.7, 0.01, 20, 30, 22), looked_at(0.7, 0.01, 20, 60, 22)
    crossed = one_shot.crossed(early)
    assert crossed.mean() > 0.9
    assert (late.crossed_at[crossed] == early.crossed_at[crossed]).all()
    assert (one_shot.log_values(late) > one_shot.log_values(early)).all()


def test_a_test_that_is_not_live_stands_still() -> None:
    test = looked_at(0.7, 0.01, 2, 5, 23)
    still = one_shot.advance(test, np.full((2, 4), 9.0), np.array([False, True]), np.array([7, 7]), 0.01)
    assert still.log_e[0].tolist() == test.log_e[0].tolist()
    assert still.crossed_at.tolist() == [one_shot.NEVER, 7]

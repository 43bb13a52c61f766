"""Families of hypotheses: rates of false discoveries, with their Monte Carlo error, where everything hangs together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from detectors.columns import Bools, Floats
from detectors.families import Lond, e_bh, selected_level

RUNS = 4_000
LEVEL = 0.1


def dependent(seed: int, shared: float, shift: Floats, runs: int = RUNS) -> Floats:
    """Gaussian likelihood ratios of K hypotheses, (runs, K), as logs: `shared` of the variance is common to all of a run."""
    rng = np.random.default_rng(seed)
    z = np.sqrt(shared) * rng.normal(size=(runs, 1)) + np.sqrt(1 - shared) * rng.normal(size=(runs, len(shift)))
    tested = 3.0
    log_e: Floats = tested * (z + shift) - tested**2 / 2
    return log_e


def false_share(rejected: Bools, true_null: Bools) -> Floats:
    """False among rejected, per run; 0 where nothing was rejected."""
    share: Floats = (rejected & true_null).sum(axis=1) / np.maximum(rejected.sum(axis=1), 1)
    return share


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_false_discoveries_of_a_set_stay_within_the_level_however_the_metrics_hang_together(shared: float) -> None:
    shift = np.repeat([0.0, 3.0], [15, 5])
    log_e = dependent(11, shared, shift)
    rejected = np.array([e_bh(row, LEVEL) for row in log_e])
    false = false_share(rejected, shift == 0)
    assert false.mean() <= LEVEL + 3 * false.std() / np.sqrt(RUNS)
    assert rejected[:, shift > 0].mean() > 0.4


def test_the_worst_dependence_comes_close_to_the_level() -> None:
    """K e-values of which in every run at most one is not 0, and then K / level: the bound is sharp."""
    rng, size = np.random.default_rng(12), 20
    log_e = np.full((RUNS, size), -np.inf)
    hit = rng.random(RUNS) < LEVEL  # each e-value has the mean (1 / K) * level * K / level = 1
    log_e[hit, rng.integers(0, size, int(hit.sum()))] = np.log(size / LEVEL)
    false = false_share(np.array([e_bh(row, LEVEL) for row in log_e]), np.ones(size, np.bool_))
    error = 3 * np.sqrt(LEVEL / RUNS)
    assert LEVEL - error <= false.mean() <= LEVEL + error


def test_a_set_is_rejected_by_its_k_th_largest_e_value() -> None:
    assert e_bh(np.log([39.0, 20.0, 20.0, 1.0]), 0.1).tolist() == [True, True, True, False]
    assert e_bh(np.log([39.0, 19.0, 1.0, 1.0]), 0.1).tolist() == [False] * 4
    assert e_bh(np.array([np.nan, np.log(40.0)]), 0.1).tolist() == [False, True]
    assert e_bh(np.zeros(0), 0.1).tolist() == []


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_false_discoveries_of_hypotheses_that_arrive_one_by_one_stay_within_the_level(shared: float) -> None:
    shift = np.tile([4.0, 0.0, 0.0], 20)
    decided = []
    for row in dependent(13, shared, shift, 1_000):
        lond, told = Lond(), []
        for log_e in row:
            lond, rejected = lond.decide(log_e, LEVEL)
            told.append(rejected)
        decided.append(told)
    rejected_all = np.array(decided)
    for until in (3, 15, 60):
        false = false_share(rejected_all[:, :until], shift[:until] == 0)
        assert false.mean() <= LEVEL + 3 * false.std() / np.sqrt(len(false))
    assert rejected_all[:, shift > 0].mean() > 0.15


def test_the_levels_of_hypotheses_without_discoveries_add_up_to_the_whole_level() -> None:
    levels = [Lond(seen=t).level(LEVEL) for t in range(20_000)]
    tail = LEVEL / (2.109742801236892 * np.log(20_001))  # of the integral from there on
    assert sum(levels) + tail == pytest.approx(LEVEL, rel=1e-4)
    assert all(a > b for a, b in pairwise(levels))


def test_intervals_of_what_was_selected_miss_no_more_often_than_stated() -> None:
    """Of 20 effects those that e-BH rejects are shown, each at the selected level; missed among shown is bounded."""
    rng, size, tau, alpha = np.random.default_rng(14), 20, 3.0, 0.1
    truth = np.repeat([0.0, 2.5], [12, 8])
    missed = []
    for _ in range(2_000):
        seen = truth + np.sqrt(0.5) * rng.normal() + np.sqrt(0.5) * rng.normal(size=size)
        log_e = -0.5 * np.log1p(tau**2) + 0.5 * seen**2 * tau**2 / (1 + tau**2)
        shown = e_bh(log_e, alpha)
        level = selected_level(int(shown.sum()), size, alpha)
        radius = np.sqrt((1 + 1 / tau**2) * (np.log1p(tau**2) + 2 * np.log(1 / level)))
        miss = np.abs(seen - truth) > radius
        missed.append((miss & shown).sum() / max(int(shown.sum()), 1))
    assert np.mean(missed) <= alpha + 3 * np.std(missed) / np.sqrt(len(missed))

"""Promises of the canary, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.canary import Canary, CanaryParams
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing, Verdict
from tests.detectors.releases import HOUR, crossings, enrolled, tick, yes_and_no

DETECTOR = Canary()


def run(
    p: CanaryParams, chance: tuple[float, float], *, runs: int, windows: int, units: int, seed: int
) -> list[list[Evidence]]:
    rng, state, told = np.random.default_rng(seed), DETECTOR.start([p] * runs), []
    for window in range(windows):
        stats = enrolled(rng, runs, units, p.treatment_share, chance)
        state, evidence = DETECTOR.close([p] * runs, state, stats, tick(window, runs))
        told.append(evidence)
    return told


@pytest.mark.parametrize("share", [0.5, 0.05, 0.01])
def test_a_release_at_the_edge_of_what_is_tolerated_is_rolled_back_or_promoted_no_more_often_than_alpha(
    share: float,
) -> None:
    p, runs = CanaryParams(treatment_share=share, worse_by=0.25, allowance=0.0, alpha=0.05, at_most=10**12), 400
    told = run(p, (0.05, 0.04), runs=runs, windows=80, units=500, seed=101)
    bound = p.alpha + 3 * np.sqrt(p.alpha / runs)
    verdicts = np.array([[e.verdict for e in row] for row in told])
    assert crossings(told, Crossing.PAGE).any(axis=0).mean() <= bound
    assert (verdicts == Verdict.PROMOTE).any(axis=0).mean() <= bound


def test_three_times_the_errors_at_two_per_cent_are_rolled_back_and_stay_so_until_a_person_says_otherwise() -> None:
    p = CanaryParams(treatment_share=0.02)
    told = run(p, (0.06, 0.02), runs=40, windows=40, units=2_000, seed=102)
    paged = crossings(told, Crossing.PAGE)
    assert (paged.sum(axis=0) == 1).mean() > 0.95
    assert np.median(paged.argmax(axis=0) + 1) <= 16
    last = [told[-1][i] for i in np.flatnonzero(paged.any(axis=0))]
    assert {(e.verdict, e.mode) for e in last} == {(Verdict.ROLLBACK, Mode.RECOVERING)}


def test_a_sound_release_is_promoted_once_and_quietly() -> None:
    p = CanaryParams(treatment_share=0.5, worse_by=0.25)
    told = run(p, (0.05, 0.05), runs=40, windows=60, units=2_000, seed=103)
    assert (crossings(told, Crossing.WARN).sum(axis=0) == 1).mean() > 0.95
    assert not crossings(told, Crossing.PAGE).any()
    assert (crossings(told, Crossing.RECOVERED).sum(axis=0) <= 1).all()
    assert np.mean([e.verdict is Verdict.PROMOTE for e in told[-1]]) > 0.95


@pytest.mark.parametrize("chance", [(0.0, 0.0), (0.02, 0.02), (0.0, 0.02)])
def test_tiny_samples_hold_and_are_never_promoted(chance: tuple[float, float]) -> None:
    p = CanaryParams(treatment_share=0.02)
    told = run(p, chance, runs=100, windows=20, units=40, seed=104)
    assert {e.verdict for row in told for e in row} == {Verdict.HOLD}
    assert {e.standing for row in told for e in row} <= {Standing.INSUFFICIENT, Standing.STALE}
    assert all("hold" in e.reason for row in told for e in row)


def test_a_release_that_is_better_where_higher_is_better_is_promoted_and_a_worse_one_rolled_back() -> None:
    p = CanaryParams(treatment_share=0.5, better="higher", worse_by=0.1)
    better = run(p, (0.14, 0.10), runs=20, windows=40, units=2_000, seed=105)
    worse = run(p, (0.07, 0.10), runs=20, windows=40, units=2_000, seed=106)
    assert {e.verdict for e in better[-1]} == {Verdict.PROMOTE}
    assert {e.verdict for e in worse[-1]} == {Verdict.ROLLBACK}


def test_time_runs_out_inconclusive_with_the_smallest_harm_that_is_excluded() -> None:
    p = CanaryParams(treatment_share=0.5, at_most=5 * HOUR)
    told = run(p, (0.05, 0.05), runs=1, windows=8, units=100, seed=107)
    (end,) = [row[0] for row in told if row[0].crossing is Crossing.WARN]
    assert end.verdict is Verdict.INCONCLUSIVE
    assert end.interval is not None
    assert f"harm of more than {100 * end.interval.high:.2g} points is excluded" in end.reason


def test_harm_that_shows_after_a_promotion_still_rolls_back() -> None:
    p, state, said = CanaryParams(treatment_share=0.5), DETECTOR.start([CanaryParams(treatment_share=0.5)]), []
    for window in range(200):
        errors = 50 if window < 40 else 400
        state, (evidence,) = DETECTOR.close([p], state, [yes_and_no(1_000, errors, 1_000, 50)], tick(window, 1))
        if evidence.crossing not in (Crossing.NONE, Crossing.RECOVERED):
            said.append(evidence.verdict)
    assert said == [Verdict.PROMOTE, Verdict.ROLLBACK]


def test_a_gate_that_recovers_restarts_what_had_no_verdict_and_a_hand_restarts_everything() -> None:
    p, state = CanaryParams(treatment_share=0.5), DETECTOR.start([CanaryParams(treatment_share=0.5)])
    state, _ = DETECTOR.close([p], state, [yes_and_no(100, 9, 100, 5)], tick(0, 1))
    gated = Tick.plain(HOUR, 2 * HOUR, page=0.0, warn=0.0, gated=True)
    state, (blind,) = DETECTOR.close([p], state, [yes_and_no(100, 90, 100, 5)], gated)
    assert (blind.standing, blind.n) == (Standing.BLIND, {"treatment": 100, "control": 100})
    state, (after,) = DETECTOR.close([p], state, [yes_and_no(50, 2, 50, 2)], tick(2, 1))
    assert after.n == {"treatment": 50, "control": 50}
    state, (harmed,) = DETECTOR.close([p], state, [yes_and_no(500, 400, 500, 5)], tick(3, 1))
    assert harmed.verdict is Verdict.ROLLBACK
    by_hand = Tick.plain(4 * HOUR, 5 * HOUR, page=0.0, warn=0.0, rearm=True)
    _, (again,) = DETECTOR.close([p], state, [yes_and_no(10, 0, 10, 0)], by_hand)
    assert (again.crossing, again.verdict, again.n["treatment"]) == (Crossing.RECOVERED, Verdict.HOLD, 10)

"""Promises of the A/B test, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import two_arms
from detectors.ab_test import AbTest, AbTestParams
from detectors.columns import Columns
from detectors.evidence import Crossing, Evidence, Standing, Verdict
from detectors.math.intervals import normal_mixture_radius
from tests.detectors.releases import correlated_events, crossings, enrolled, ever_different, same_for_both, tick

DETECTOR = AbTest()


def run(
    p: AbTestParams, share: float, chance: tuple[float, float], *, runs: int, windows: int, units: int, seed: int
) -> list[list[Evidence]]:
    rng, state, told = np.random.default_rng(seed), DETECTOR.start([p] * runs), []
    for window in range(windows):
        state, evidence = DETECTOR.close(
            [p] * runs, state, enrolled(rng, runs, units, share, chance), tick(window, runs)
        )
        told.append(evidence)
    return told


@pytest.mark.parametrize("share", [0.5, 0.05, 0.01])
def test_two_equal_arms_looked_at_after_every_window_are_ever_called_different_no_more_often_than_alpha(
    share: float,
) -> None:
    runs = 400
    assert ever_different(share, runs, windows=60, seed=81) <= 0.05 + 3 * np.sqrt(0.05 / runs)


def test_ten_to_fifty_correlated_events_of_a_unit_count_as_one_unit() -> None:
    rows = correlated_events(np.random.default_rng(82), 200, 0.5, 0)
    tally = DETECTOR.fold(None, DETECTOR.empty(None), rows)
    assert sum(two_arms.sizes(tally)) == 200
    assert len(rows) > 5_000
    alarms = same_for_both(0.5, 40, windows=25, units=80, seed=83)
    assert alarms <= 0.05 + 3 * np.sqrt(0.05 / 40)


def test_a_drop_of_two_points_is_found_with_its_sign_and_the_interval_holds_the_truth() -> None:
    told = run(AbTestParams(), 0.5, (0.10, 0.12), runs=60, windows=60, units=1_000, seed=84)
    found = crossings(told, Crossing.WARN)
    assert found.any(axis=0).mean() > 0.95
    at = [told[t][i] for i, t in enumerate(found.argmax(axis=0)) if found[:, i].any()]
    assert {e.verdict for e in at} == {Verdict.CONTROL}
    covers = [e.interval is not None and e.interval.low <= -0.02 <= e.interval.high for e in at]
    assert np.mean(covers) >= 0.95 - 3 * np.sqrt(0.05 / len(covers))


def test_the_evidence_says_there_is_an_effect_when_the_interval_leaves_zero() -> None:
    told = run(AbTestParams(), 0.5, (0.10, 0.12), runs=30, windows=40, units=1_000, seed=85)
    for row in told:
        for e in row:
            if e.interval is not None and e.log10_e is not None:
                assert (e.log10_e >= np.log10(20) - 1e-9) == (e.interval.low >= 0 or e.interval.high <= 0)
    radius = normal_mixture_radius(np.array([0.01]), np.array([0.02]), 0.05)[0]
    assert radius == pytest.approx(0.01 * np.sqrt(1.25 * (np.log(5) + 2 * np.log(20))))


def test_where_lower_is_better_the_arm_with_less_is_the_better_one() -> None:
    told = run(AbTestParams(better="lower"), 0.5, (0.05, 0.1), runs=1, windows=20, units=1_000, seed=86)
    (end,) = [row[0] for row in told if row[0].crossing is Crossing.WARN]
    assert end.verdict is Verdict.TREATMENT


def test_a_metric_that_does_not_decide_alone_never_does() -> None:
    told = run(AbTestParams(alone=False), 0.5, (0.05, 0.2), runs=1, windows=20, units=1_000, seed=87)
    assert {row[0].crossing for row in told} == {Crossing.NONE}
    assert (told[-1][0].log10_e or 0.0) > 100


def test_time_runs_out_inconclusive_with_what_is_excluded() -> None:
    told = run(AbTestParams(at_most=10 * 3_600_000), 0.5, (0.1, 0.1), runs=1, windows=15, units=200, seed=88)
    (end,) = [row[0] for row in told if row[0].crossing is Crossing.WARN]
    assert end.verdict is Verdict.INCONCLUSIVE
    assert "are excluded" in end.reason
    assert told[-1][0].verdict is Verdict.INCONCLUSIVE


def test_before_the_first_look_there_is_no_interval_and_no_verdict() -> None:
    (evidence,) = run(AbTestParams(), 0.5, (0.1, 0.1), runs=1, windows=1, units=100, seed=89)[0]
    assert evidence.interval is None
    assert (evidence.standing, evidence.verdict) == (Standing.INSUFFICIENT, Verdict.HOLD)


def test_rows_of_neither_arm_are_left_out() -> None:
    rows = correlated_events(np.random.default_rng(90), 50, 0.5, 0)
    outside = Columns(rows.time, rows.unit, np.full(len(rows), 3, np.int8), rows.partition, rows.offset, rows.fields)
    assert two_arms.sizes(DETECTOR.fold(None, DETECTOR.empty(None), outside)) == (0, 0)

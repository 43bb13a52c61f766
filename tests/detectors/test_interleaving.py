"""Promises of interleaving, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np

from detectors.columns import Columns, Floats, Hashes, Numeric, flag
from detectors.evidence import Crossing, Evidence, Standing, Verdict
from detectors.interleaving import Ballots, Interleaving, InterleavingParams
from tests.detectors.releases import crossings, tick

DETECTOR = Interleaving()


def sessions(unit: Hashes, credit: Floats, top: Floats) -> Columns:
    n = len(unit)
    return Columns(
        np.zeros(n, np.int64),
        unit,
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"credit": Numeric(credit), "top": Numeric(top), "entering": flag(np.ones(n, np.bool_))},
    )


def ballots(unit: Hashes, credit: Floats, top: Floats) -> Ballots:
    return DETECTOR.fold(None, DETECTOR.empty(None), sessions(unit, credit, top))


def run(wins: Floats, *, windows: int, seed: int, top: float = 0.5, units: int = 50) -> list[list[Evidence]]:
    """`wins` (W,): chance of treatment to win a session; a unit has one to five sessions."""
    rng, ps = np.random.default_rng(seed), [InterleavingParams()] * len(wins)
    state, told = DETECTOR.start(ps), []
    for window in range(windows):
        stats = []
        for chance in wins:
            unit = np.repeat(np.arange(units, dtype=np.uint64) + np.uint64(1), rng.integers(1, 6, units))
            credit = np.where(rng.random(len(unit)) < 0.3, 0.0, np.where(rng.random(len(unit)) < chance, 1.0, -1.0))
            stats.append(ballots(unit, credit, np.where(rng.random(len(unit)) < top, 1.0, -1.0)))
        state, evidence = DETECTOR.close(ps, state, stats, tick(window, len(wins)))
        told.append(evidence)
    return told


def test_equal_rankers_are_ever_told_apart_no_more_often_than_alpha() -> None:
    runs = 200
    ever = crossings(run(np.full(runs, 0.5), windows=40, seed=111), Crossing.WARN).any(axis=0).mean()
    assert ever <= 0.05 + 3 * np.sqrt(0.05 / runs)


def test_a_lead_of_five_points_is_found_in_a_thousand_sessions() -> None:
    """Of 1,000 units with a session each, treatment wins 55 %, whatever their order."""
    for seed in range(10):
        credit = np.random.default_rng(seed).permutation(np.repeat([1.0, -1.0], [550, 450]))
        state, said = DETECTOR.start([InterleavingParams()]), []
        for window in range(20):
            unit = np.arange(50, dtype=np.uint64) + np.uint64(1 + 50 * window)
            stat = ballots(unit, credit[50 * window : 50 * window + 50], np.where(np.arange(50) % 2, 1.0, -1.0))
            state, (evidence,) = DETECTOR.close([InterleavingParams()], state, [stat], tick(window, 1))
            said.append(evidence)
        assert said[-1].verdict is Verdict.TREATMENT
        assert said[-1].interval is not None
        assert said[-1].interval.low <= 0.05 <= said[-1].interval.high


def test_one_user_with_five_hundred_clicks_has_one_vote() -> None:
    rng, state = np.random.default_rng(112), DETECTOR.start([InterleavingParams()])
    for window in range(20):
        others = np.arange(49, dtype=np.uint64) + np.uint64(2)
        unit = np.concatenate([np.full(500, 1, np.uint64), others]) if window == 0 else others
        credit = np.where(np.arange(len(unit)) < len(unit) - 49, 1.0, np.where(rng.random(len(unit)) < 0.5, 1.0, -1.0))
        stat = ballots(unit, credit, np.where(np.arange(len(unit)) % 2, 1.0, -1.0))
        state, (evidence,) = DETECTOR.close([InterleavingParams()], state, [stat], tick(window, 1))
        assert evidence.verdict is Verdict.HOLD
    assert evidence.n == {"units": 20 * 49 + 1}


def test_an_unfair_draft_is_not_judged() -> None:
    told = run(np.array([0.7]), windows=40, seed=113, top=0.6)
    standings = [row[0].standing for row in told]
    assert standings[-1] is Standing.BLIND
    assert "the draft is not fair" in told[-1][0].reason


def test_ties_say_nothing() -> None:
    stat = ballots(np.arange(1, 101, dtype=np.uint64), np.zeros(100), np.ones(100))
    _, (evidence,) = DETECTOR.close([InterleavingParams()], DETECTOR.start([InterleavingParams()]), [stat], tick(0, 1))
    assert (evidence.n, evidence.effect) == ({"units": 0}, None)

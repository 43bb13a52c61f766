"""Promises of the comparison of values without bounds, as rates with their Monte Carlo error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.cohort_block import CohortBlock, CohortBlockParams
from detectors.cohort_block.window import Ruler, blocks
from detectors.columns import Bools, Columns, Floats, Hashes, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode

DETECTOR = CohortBlock()
HOUR = 3_600_000
PEOPLE = 600


def rows(unit: Hashes, value: Floats, held: Bools, start: int, first: Bools) -> Columns:
    n = len(unit)
    return Columns(
        np.full(n, start * HOUR),
        unit,
        held.astype(np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"value": Numeric(value), "first": flag(first)},
    )


def run(
    params: CohortBlockParams,
    *,
    windows: int,
    watches: int,
    seed: int,
    spend: float = 1e-3,
    harm: float = 1.0,
    at: int = 0,
) -> list[list[Evidence]]:
    """The same people come back, each with a level of their own, and buy: counts with a heavy tail. From window `at` on the
    exposed buy `harm` times as much."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(0.0, 1.0, (watches, PEOPLE))
    cohort = rng.random((watches, PEOPLE)) < 0.2
    known = np.zeros((watches, PEOPLE), np.bool_)
    state, told = DETECTOR.start([params] * watches), []
    for t in range(windows):
        stats = []
        for w in range(watches):
            who = np.flatnonzero(rng.random(PEOPLE) < 0.2)
            held = cohort[w, who]
            value = rng.poisson(level[w, who] * np.where(~held & (t >= at), harm, 1.0)).astype(np.float64)
            prep = DETECTOR.prepare(params, state, w)
            tape = rows((who + 1).astype(np.uint64), value, held, t, ~known[w, who])
            known[w, who] = True
            stats.append(DETECTOR.fold(prep, DETECTOR.empty(prep), tape))
        tick = Tick.plain(t * HOUR, (t + 1) * HOUR, page=spend, warn=spend, watches=watches)
        state, evidence = DETECTOR.close([params] * watches, state, stats, tick)
        told.append(evidence)
    return told


def alarms(told: list[list[Evidence]]) -> Bools:
    """(T, W)."""
    return np.array([[e.crossing in (Crossing.WARN, Crossing.PAGE) for e in row] for row in told])


def small(**more: Any) -> CohortBlockParams:
    return CohortBlockParams(**{"learn_days": 5.0, "min_holdout": 200, "sample_units": 200, **more})


@pytest.mark.parametrize("against", ["learned", "holdout"])
def test_cohorts_of_the_same_people_differ_by_chance_and_that_is_no_alarm(against: str) -> None:
    """40 worlds, each with its own chance difference that stays for ever; half an alarm is spent in each."""
    watches, windows = 40, 24 * 15
    told = run(small(against=against), windows=windows, watches=watches, seed=31, spend=0.5 / (24 * 10))
    assert all(e.mode is not Mode.LEARNING for e in told[-1])
    assert alarms(told).sum() <= 0.5 * watches + 3 * np.sqrt(0.5 * watches)


@pytest.mark.parametrize("per", ["unit", "prediction"])
def test_a_harm_is_found_and_its_interval_covers_it(per: str) -> None:
    watches = 10
    told = run(small(per=per), windows=24 * 12, watches=watches, seed=32, spend=1e-4, harm=0.5, at=24 * 6)
    found = alarms(told)
    assert not found[: 24 * 6].any()
    assert found.any(axis=0).all()
    assert np.median(found.argmax(axis=0) - 24 * 6) <= 48
    covered = []
    for e in told[-1]:
        assert e.interval is not None
        assert e.interval.kind == "fresh"
        covered.append(e.interval.low <= -0.5 * e.arms["holdout"] <= e.interval.high)
        assert e.effect is not None
        assert e.effect < 0
        assert not e.exact
    assert np.mean(covered) >= 0.7  # the values are cut off, so the effect is that of the cut values


def test_lower_is_better_turns_the_alarm_around() -> None:
    assert not alarms(
        run(small(better="lower"), windows=24 * 9, watches=4, seed=33, spend=1e-4, harm=0.5, at=24 * 6)
    ).any()
    more = run(small(better="lower"), windows=24 * 12, watches=4, seed=34, spend=1e-4, harm=1.6, at=24 * 6)
    assert alarms(more).any(axis=0).all()


def test_with_less_than_four_weeks_it_warns_and_says_why_it_does_not_page() -> None:
    told = run(small(), windows=24 * 10, watches=4, seed=35, spend=1e-4, harm=0.4, at=24 * 6)
    crossings = {e.crossing for row in told for e in row}
    assert Crossing.WARN in crossings
    assert Crossing.PAGE not in crossings
    assert "does not page" in told[24 * 5 + 10][0].reason


def test_one_enormous_amount_decides_nothing() -> None:
    unit = np.arange(1, 1_001, dtype=np.uint64)
    held = np.arange(1_000) < 100
    value = np.ones(1_000)
    ruler = Ruler(0.0, 5.0, 100)
    plain = DETECTOR.fold(ruler, DETECTOR.empty(ruler), rows(unit, value, held, 0, held))
    value[500] = 1e9
    huge = DETECTOR.fold(ruler, DETECTOR.empty(ruler), rows(unit, value, held, 0, held))
    low, high = np.zeros(2), np.full(2, 5.0)
    sums, _ = blocks([plain, huge], low, high, [True, True])
    assert sums[0, 1] == pytest.approx(0.0, abs=1e-5)
    assert sums[1, 1] == pytest.approx(4.0 / 900, abs=1e-5)


def test_a_busy_person_counts_once_per_unit_and_as_often_as_they_come_per_prediction() -> None:
    unit = np.array([1] * 9 + [2, 3, 4], np.uint64)
    value = np.array([0.0] * 9 + [4.0, 4.0, 4.0])
    held = unit >= 3
    ruler = Ruler(0.0, 4.0, 10)
    a = DETECTOR.fold(ruler, DETECTOR.empty(ruler), rows(unit, value, held, 0, held))
    sums, _ = blocks([a, a], np.zeros(2), np.full(2, 4.0), [True, False])
    assert sums[:, 1].tolist() == pytest.approx([2.0 - 4.0, 0.4 - 4.0])
    assert DETECTOR.size(a) == 2


def test_a_difference_that_moved_while_learning_fails_the_dry_run_and_never_pages() -> None:
    told = run(small(learn_days=28.0), windows=24 * 30, watches=2, seed=36, spend=1e-4, harm=0.5, at=24 * 16)
    for e in told[-1]:
        assert e.mode is Mode.WATCHING
        assert "dry run" in e.reason
        assert e.spend == 0.0

"""T2: people who come back, held out for good. Promises as rates with their Monte Carlo error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from detectors.cohort_sticky import CohortSticky, CohortStickyParams
from detectors.cohort_sticky.moments import GRID, HAD, HAS, contrast, fold, nothing, sums
from detectors.columns import Bools, Columns, Floats, Ints, Numeric
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode
from detectors.math.intervals import normal_mixture_radius
from tests.detectors.coverage import missed_at_any_look, most_missed

DETECTOR = CohortSticky()
DAY = 86_400_000
PEOPLE, EVENTS, LEARN, WINDOWS = 2_000, 2_500, 5, 45
"""2,000 people, 50 events of each in 40 windows after learning, as in the published simulation."""


@dataclass
class World:
    """Told evidence (T, W); event-level difference and its binomial standard error after each window (T, W)."""

    told: list[list[Evidence]]
    difference: Floats
    error: Floats


def rows(who: Ints, cohort: Bools, had: Floats, has: Floats) -> Columns:
    fields = {name: Numeric(had[who, i]) for i, name in enumerate(HAD)}
    fields |= {name: Numeric(has[who, i]) for i, name in enumerate(HAS)}
    n = len(who)
    zeros = np.zeros(n, np.int64)
    return Columns(
        zeros, (who + 1).astype(np.uint64), cohort[who].astype(np.int8), zeros.astype(np.int32), zeros, fields
    )


def world(runs: int, seed: int, *, harm: float = 1.0, spend: float = 0.05, share: float = 0.1) -> World:
    """Yes or no with a level of their own (mean .1, intraclass correlation .2), activity of their own; sticky cohorts."""
    rng = np.random.default_rng(seed)
    params = CohortStickyParams(learn_days=float(LEARN), min_holdout=100, page_if_worse_by=0.01)
    level = rng.beta(0.4, 3.6, (runs, PEOPLE))
    activity = rng.gamma(1.0, 1.0, (runs, PEOPLE)) + 0.05
    activity /= activity.sum(axis=1, keepdims=True)
    held = rng.random((runs, PEOPLE)) < share
    state = np.zeros((runs, PEOPLE, 4))
    detector, told = DETECTOR.start([params] * runs), []
    difference, error = np.full((WINDOWS, runs), np.nan), np.full((WINDOWS, runs), np.nan)
    for t in range(WINDOWS):
        column, size = (2, 10 * EVENTS) if t < LEARN else (0, EVENTS)
        n = rng.poisson(size * activity)
        chance = np.where(held | (t < LEARN), level, level * harm)
        k = rng.binomial(n, chance)
        before = state.copy()
        state[..., column] += n
        state[..., column + 1] += GRID * k
        stats = []
        for r in range(runs):
            who = np.flatnonzero(n[r])
            stats.append(fold(nothing(), rows(who, held[r], before[r], state[r])))
        tick = Tick.plain(t * DAY, (t + 1) * DAY, page=spend / (WINDOWS - LEARN), warn=0.0, watches=runs)
        detector, evidence = DETECTOR.close([params] * runs, detector, stats, tick)
        told.append(evidence)
        if t >= LEARN:
            total, yes = state[..., 0], state[..., 1] / GRID
            n1, n0 = (total * ~held).sum(axis=1), (total * held).sum(axis=1)
            k1, k0 = (yes * ~held).sum(axis=1), (yes * held).sum(axis=1)
            mean = (k1 + k0) / (n1 + n0)
            difference[t] = k1 / n1 - k0 / n0
            error[t] = np.sqrt(mean * (1 - mean) * (1 / n1 + 1 / n0))
    return World(told, difference, error)


def ever(told: list[list[Evidence]], what: Crossing) -> float:
    return float(np.mean([any(row[i].crossing is what for row in told) for i in range(len(told[0]))]))


@pytest.fixture(scope="module")
def null() -> World:
    return world(100, 2202)


def test_people_who_come_fifty_times_raise_false_pages_no_more_often_than_is_spent(null: World) -> None:
    assert ever(null.told, Crossing.PAGE) <= 0.07


def test_the_interval_covers_no_effect_at_every_look_at_once(null: World) -> None:
    assert missed_at_any_look(null.told, 0.0) <= most_missed(0.95, len(null.told[0]))


def test_the_same_events_taken_one_by_one_alarm_in_a_third_of_the_worlds_and_more(null: World) -> None:
    """The guard: an interval that is valid at every look, but over events, is wrong however it is computed."""
    radius = normal_mixture_radius(null.error[LEARN:], np.full_like(null.error[LEARN:], 0.02), 0.05)
    assert (np.abs(null.difference[LEARN:]) > radius).any(axis=0).mean() > 0.3


def test_a_harm_is_found_in_nearly_every_world_and_covered() -> None:
    harmed = world(40, 2203, harm=0.7)
    assert ever(harmed.told, Crossing.PAGE) >= 0.95
    last = [e for e in harmed.told[-1] if e.interval is not None]
    assert np.mean([e.interval.low <= -0.03 <= e.interval.high for e in last if e.interval is not None]) >= 0.9
    assert {e.mode for e in harmed.told[-1]} <= {Mode.RECOVERING, Mode.WATCHING}
    assert not any(e.exact for e in harmed.told[-1])


def test_the_contrast_is_that_of_the_published_formula() -> None:
    """CUPED and the clustered error, written out over people."""
    rng = np.random.default_rng(5)
    held, n, pre_n = rng.random(500) < 0.3, rng.integers(0, 9, 500), rng.integers(0, 9, 500)
    k, pre_k = rng.binomial(n, 0.3), rng.binomial(pre_n, 0.3)
    had, has = np.zeros((500, 4)), np.stack([n, k * GRID, pre_n, pre_k * GRID], axis=1).astype(np.float64)
    got = contrast(sums(fold(nothing(), rows(np.arange(500), held, had, has)))[None])
    e, former = k - k.sum() / n.sum() * n, pre_k - pre_k.sum() / pre_n.sum() * pre_n
    theta = (e * former).sum() / (former**2).sum()
    adjusted = e - theta * former
    ratio = [adjusted[arm].sum() / n[arm].sum() for arm in (~held, held)]
    variance = [
        ((adjusted[arm] - r * n[arm]) ** 2).sum() / n[arm].sum() ** 2
        for arm, r in zip((~held, held), ratio, strict=True)
    ]
    assert got.theta[0] == pytest.approx(theta)
    assert got.effect[0] == pytest.approx(ratio[0] - ratio[1])
    assert got.se[0] == pytest.approx(np.sqrt(sum(variance)))
    assert got.units[0].tolist() == [(n[~held] > 0).sum(), (n[held] > 0).sum()]


def test_sums_that_grow_window_by_window_are_those_of_everything_at_once() -> None:
    rng = np.random.default_rng(6)
    held, state, total = rng.random(300) < 0.5, np.zeros((300, 4)), np.zeros((2, 16))
    for _ in range(20):
        who = np.flatnonzero(rng.random(300) < 0.3)
        before = state.copy()
        state[who, 0] += rng.integers(1, 5, len(who))
        state[who, 1] += rng.integers(0, 3, len(who)) * GRID
        total += sums(fold(nothing(), rows(who, held, before, state)))
    everybody = np.flatnonzero(state[:, 0])
    assert np.array_equal(total, sums(fold(nothing(), rows(everybody, held, np.zeros((300, 4)), state))))


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_a_small_holdout_to_which_nothing_rare_has_happened_yet_is_no_harm(better: str) -> None:
    """One visit in a thousand, some 150 held-out people. With each cohort's own variance 13 of 20 page on "lower"."""
    runs, people, learn, windows = 20, 10_000, 5, 15
    rng = np.random.default_rng(17)
    params = CohortStickyParams(
        better="lower" if better == "lower" else "higher", learn_days=float(learn), min_holdout=100
    )
    level = np.minimum(rng.gamma(0.3, 0.001 / 0.3, (runs, people)), 1.0)
    held, state = rng.random((runs, people)) < 0.015, np.zeros((runs, people, 4))
    detector, alarmed, judged = DETECTOR.start([params] * runs), np.zeros(runs, np.bool_), 0
    for t in range(windows):
        column, came = 2 if t < learn else 0, rng.random((runs, people)) < 0.3
        before = state.copy()
        state[..., column] += came
        state[..., column + 1] += GRID * (came & (rng.random((runs, people)) < level))
        stats = [fold(nothing(), rows(np.flatnonzero(came[r]), held[r], before[r], state[r])) for r in range(runs)]
        tick = Tick.plain(t * DAY, (t + 1) * DAY, page=0.05 / 28, warn=0.0, watches=runs)
        detector, evidence = DETECTOR.close([params] * runs, detector, stats, tick)
        alarmed |= [e.crossing is not Crossing.NONE for e in evidence]
        judged += sum(e.interval is not None for e in evidence)
    spent = 0.05 * (windows - learn) / 28
    assert judged > 5 * runs
    assert alarmed.mean() <= spent + 3 * np.sqrt(spent * (1 - spent) / runs)

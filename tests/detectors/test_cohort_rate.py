"""Promises of `cohort_rate`, as rates with their Monte Carlo error; the delay that is told; units, not events."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.cohort_rate import CohortRate, CohortRateParams, Happened
from detectors.columns import Category, Column, Columns, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Standing
from detectors.power import Outlook
from detectors.reaches.cohorts import rate_delay
from tests.detectors.coverage import missed_at_any_look, most_missed

HOUR = 3_600_000
STREAMS = 120


def _windows(
    rng: np.random.Generator, watches: int, held: float, ratio: float, windows: int, *, units: int = 2_000
) -> list[list[Happened]]:
    """Of every window one statistic a watch; how often it happens to anybody swings tenfold within a day."""
    drawn = []
    for window in range(windows):
        usual = 0.01 * np.exp(1.15 * np.sin(2 * np.pi * window / 24))
        n1 = rng.binomial(units, 1 - held, watches)
        hit1, hit0 = rng.binomial(n1, usual * ratio), rng.binomial(units - n1, usual)
        drawn.append([Happened(row) for row in np.stack([n1, hit1, units - n1, hit0], axis=1)])
    return drawn


def _pages(p: CohortRateParams, drawn: list[list[Happened]], spend: float) -> np.ndarray:
    """The first window with a page, by watch; infinite where there was none."""
    detector, watches = CohortRate(), len(drawn[0])
    state, first = detector.start([p] * watches), np.full(watches, np.inf)
    for window, stats in enumerate(drawn):
        tick = Tick.plain(window * HOUR, (window + 1) * HOUR, page=spend, warn=0.0, watches=watches)
        state, told = detector.close([p] * watches, state, stats, tick)
        paged = np.array([e.crossing is Crossing.PAGE for e in told])
        first = np.where(paged, np.minimum(first, window), first)
    return first


@pytest.mark.parametrize(("held", "better"), [(0.5, "lower"), (0.05, "lower"), (0.2, "higher")])
def test_a_rate_at_the_tolerance_pages_no_more_often_than_it_spends(held: float, better: str) -> None:
    p = CohortRateParams.model_validate({"holdout_share": held, "better": better})
    edge = 1.1 if better == "lower" else 1 / 1.1
    drawn = _windows(np.random.default_rng(71), STREAMS, held, edge, 200)
    spend = 0.1 / 200
    paged = np.isfinite(_pages(p, drawn, spend)).mean()
    assert paged <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / STREAMS)


@pytest.mark.parametrize("held", [0.5, 0.01])
@pytest.mark.parametrize(("exposed", "holdout"), [(0.005, 0.05), (0.1, 0.05)])
def test_the_interval_holds_the_difference_at_every_look_however_far_apart_the_rates_are(
    held: float, exposed: float, holdout: float
) -> None:
    rng, watches, units, detector = np.random.default_rng(73), 100, 4_000, CohortRate()
    ps, told = [CohortRateParams(holdout_share=held)] * watches, []
    state = detector.start(ps)
    for window in range(25):
        n0 = rng.binomial(units, held, watches)
        counts = (units - n0, rng.binomial(units - n0, exposed), n0, rng.binomial(n0, holdout))
        stats = [Happened(row) for row in np.stack(counts, axis=1)]
        tick = Tick.plain(window * HOUR, (window + 1) * HOUR, page=0.0, warn=0.0, watches=watches)
        state, evidence = detector.close(ps, state, stats, tick)
        told.append(evidence)
    assert missed_at_any_look(told, exposed - holdout) <= most_missed(0.95, watches)
    wide = [e.interval.high - e.interval.low for e in told[-1] if e.interval is not None]
    error = np.sqrt(exposed / (1 - held) + holdout / held) / np.sqrt(units * 25)
    assert np.median(wide) < 14.0 * error


def test_the_delay_of_a_rate_that_doubles_is_told_in_advance() -> None:
    rng, watches, units, held, rate = np.random.default_rng(72), 100, 1_000, 0.2, 0.01
    p = CohortRateParams(holdout_share=held)
    harm = 0.8

    def drawn(ratio: float, windows: int) -> list[list[Happened]]:
        told = []
        for _ in range(windows):
            n1 = rng.binomial(units, 1 - held, watches)
            hit1, hit0 = rng.binomial(n1, rate * ratio), rng.binomial(units - n1, rate)
            told.append([Happened(row) for row in np.stack([n1, hit1, units - n1, hit0], axis=1)])
        return told

    first = _pages(p, drawn(1.0, 60) + drawn(1 + harm, 150), 1e-4)
    median = float(np.median(first[first >= 60])) - 59
    outlook = Outlook(units=units, window=HOUR, within=60 * HOUR, spend=1e-4, mean=rate, chance=0.5)
    assert median >= 10
    assert rate_delay(harm, p, outlook) == pytest.approx(median, rel=0.15)


def _rows(value: Column, units: int, events: int) -> Columns:
    first = np.tile(np.arange(events) == 0, units)
    return Columns(
        np.zeros(units * events, np.int64),
        np.repeat(np.arange(1, units + 1, dtype=np.uint64), events),
        np.repeat((np.arange(units) % 4 == 0).astype(np.int8), events),
        np.zeros(units * events, np.int32),
        np.arange(units * events),
        {"value": value, "first": flag(first)},
    )


def test_many_events_of_one_unit_count_once_and_a_category_counts_where_there_is_one() -> None:
    detector = CohortRate()
    happened = np.repeat(np.arange(40) < 10, 50)
    numbers = _rows(Numeric(np.where(happened, 3.0, 0.0)), 40, 50)
    named = _rows(Category(np.where(happened, 0, -1).astype(np.int32), ("timeout",)), 40, 50)
    for rows in (numbers, named):
        assert detector.fold(None, detector.empty(None), rows).units.tolist() == [30, 7, 10, 3]


def test_a_window_without_anybody_is_stale() -> None:
    detector, p = CohortRate(), CohortRateParams(holdout_share=0.5)
    tick = Tick.plain(0, HOUR, page=1e-4, warn=1e-4)
    _, (told,) = detector.close([p], detector.start([p]), [detector.empty(None)], tick)
    assert told.standing is Standing.STALE

"""Promises of the comparison of quantiles, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.cohort_quantile import CohortQuantile, CohortQuantileParams
from detectors.cohort_quantile.detector import Beyond
from detectors.cohort_quantile.state import NAMES, QUANTILES
from detectors.columns import Bools, Columns, Floats, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode

DETECTOR = CohortQuantile()
HOUR = 3_600_000


def rows(value: Floats, held: Bools, start: int) -> Columns:
    """One enrolment row a unit."""
    n = len(value)
    return Columns(
        np.full(n, start * HOUR),
        (np.arange(n) + 1 + 10_000 * start).astype(np.uint64),
        held.astype(np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"value": Numeric(value), "first": flag(np.ones(n, np.bool_))},
    )


def run(
    params: CohortQuantileParams, slow_from: int, slowed: float, *, windows: int, watches: int, page: float, seed: int
) -> list[list[Evidence]]:
    """Heavy-tailed latencies, 500 units a window; from `slow_from` on a share `slowed` of the exposed takes ten times as long."""
    rng = np.random.default_rng(seed)
    state, told = DETECTOR.start([params] * watches), []
    for t in range(windows):
        stats: list[Beyond] = []
        for w in range(watches):
            held = rng.random(500) < params.holdout_share
            value = rng.standard_t(3, 500) + 20.0
            value[(t >= slow_from) & ~held & (rng.random(500) < slowed)] *= 10.0
            prep = DETECTOR.prepare(params, state, w)
            stats.append(DETECTOR.fold(prep, DETECTOR.empty(prep), rows(value, held, t)))
        tick = Tick.plain(t * HOUR, (t + 1) * HOUR, page=page, warn=page, watches=watches)
        state, evidence = DETECTOR.close([params] * watches, state, stats, tick)
        told.append(evidence)
    return told


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_null_streams_page_no_more_often_than_they_spend(share: float) -> None:
    watches, windows, spend = 100, 100, 0.2
    params = CohortQuantileParams(holdout_share=share, learn_units=2_000, min_holdout=20, page_if_worse_by=0.001)
    told = run(params, windows, 0.0, windows=windows, watches=watches, page=spend / windows, seed=21)
    false = sum(e.crossing is Crossing.PAGE for row in told for e in row)
    assert false / watches <= spend + 3 * np.sqrt(spend / watches)


def test_a_tail_that_grows_is_found_at_the_tail_and_its_interval_covers_it() -> None:
    params = CohortQuantileParams(holdout_share=0.5, learn_units=2_000)
    told = run(params, 10, 0.02, windows=60, watches=20, page=1e-5, seed=22)
    pages = np.array([[e.crossing is Crossing.PAGE for e in row] for row in told])
    assert pages.any(axis=0).all()
    assert np.median(pages.argmax(axis=0) - 10) <= 15
    first = [told[int(t)][w] for w, t in enumerate(pages.argmax(axis=0))]
    assert {e.unit for e in first} == {"share beyond q99"}
    last = told[-1]
    assert all(e.interval is not None and e.interval.kind == "fresh" for e in last)
    covered = [e.interval.low <= 0.0198 <= e.interval.high for e in last if e.interval is not None]
    assert np.mean(covered) >= 0.9


def test_the_cuts_are_the_quantiles_of_both_cohorts_and_stay_as_they_were_learned() -> None:
    params = CohortQuantileParams(holdout_share=0.5, learn_units=4_000)
    told = run(params, 20, 0.5, windows=40, watches=1, page=0.0, seed=23)
    watching = [e for (e,) in told if e.mode is not Mode.LEARNING]
    cuts = {tuple(e.detail[f"cut_{name}"] for name in NAMES) for e in watching[1:]}
    assert len(cuts) == 1
    sample = np.random.default_rng(1).standard_t(3, 200_000) + 20.0
    assert np.allclose(cuts.pop(), np.quantile(sample, QUANTILES), rtol=0.04)


@pytest.mark.parametrize(("better", "slowed", "pages"), [("higher", 0.1, False), ("lower", 0.1, True)])
def test_which_way_is_worse_is_as_told(better: str, slowed: float, pages: bool) -> None:
    params = CohortQuantileParams.model_validate({"holdout_share": 0.5, "learn_units": 2_000, "better": better})
    told = run(params, 10, slowed, windows=40, watches=5, page=1e-4, seed=24)
    assert any(e.crossing is Crossing.PAGE for row in told for e in row) is pages


def test_of_an_amount_that_most_people_never_pay_the_share_that_pays_is_judged() -> None:
    rng = np.random.default_rng(25)
    params = CohortQuantileParams(holdout_share=0.5, learn_units=2_000, better="higher")
    state, told = DETECTOR.start([params]), []
    for t in range(40):
        held = rng.random(500) < 0.5
        pays = rng.random(500) < np.where(~held & (t >= 10), 0.05, 0.2)
        prep = DETECTOR.prepare(params, state, 0)
        a = DETECTOR.fold(prep, DETECTOR.empty(prep), rows(pays * rng.lognormal(2, 1, 500), held, t))
        state, (evidence,) = DETECTOR.close([params], state, [a], Tick.plain(t, t + 1, page=1e-4, warn=1e-4))
        told.append(evidence)
    page = next(e for e in told if e.crossing is Crossing.PAGE)
    assert page.unit == "share beyond q50"
    assert page.arms["exposed"] == pytest.approx(0.05, abs=0.03)
    assert page.arms["holdout"] == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize(("middle", "ends"), [(0.0, True), (1.0, False)])
def test_an_alert_stays_open_while_another_cut_is_worse(middle: float, ends: bool) -> None:
    """The tail of a third of the exposed grows, and is mended; meanwhile all of them have moved up from below the median."""
    rng = np.random.default_rng(23)
    p = CohortQuantileParams(holdout_share=0.5, learn_units=2_000, page_if_worse_by=0.5)
    state, told = DETECTOR.start([p]), []
    for t in range(80):
        held = rng.random(2_000) < 0.5
        value = rng.uniform(0.0, 1.0, 2_000)
        hit = ~held & (rng.random(2_000) < 0.3)
        value[hit & (20 <= t < 30)] = 2.0
        value[~held & (t >= 30) & (value < 0.5) & (rng.random(2_000) < middle)] += 0.4
        prep = DETECTOR.prepare(p, state, 0)
        stat = DETECTOR.fold(prep, DETECTOR.empty(prep), rows(value, held, t))
        tick = Tick.plain(t * HOUR, (t + 1) * HOUR, page=1e-4, warn=1e-4)
        state, (evidence,) = DETECTOR.close([p], state, [stat], tick)
        told.append(evidence.crossing)
    assert Crossing.PAGE in told
    assert (Crossing.RECOVERED in told) is ends

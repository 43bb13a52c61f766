"""What is told in advance, against the detectors themselves: median delays and the chance of finding what is in reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from detectors import engine
from detectors.calibration import CalibrationParams
from detectors.catalogue import DETECTORS
from detectors.cohort_bounded import CohortBounded, CohortBoundedParams
from detectors.cohort_reach import Plan, harm_delay
from detectors.detector import Tick
from detectors.evidence import Crossing, Mode
from detectors.math import fixed
from detectors.math.unit_sample import nobody
from detectors.numeric_shift import NumericShift, NumericShiftParams
from detectors.numeric_shift.power import shift_delay
from detectors.numeric_shift.reading import Reading
from detectors.power import Outlook
from detectors.reaches.catalogue import REACHES, UNTOLD
from detectors.reaches.cohorts import cohort_bounded
from detectors.risk import RiskParams
from detectors.sample_ratio import Counts, SampleRatio, SampleRatioParams
from detectors.sample_ratio import reach as sample_ratio
from detectors.two_arms import Tally
from tests.laws.examples import EXAMPLES

HOUR = 3_600_000
WATCHES = 120
TOLD_WITHIN = 0.15
"""How far the median delay that is told may be from the measured one, from ten windows on."""


def _delays(
    detector: Any, p: Any, state: Any, draw: Callable[[bool], list[Any]], *, spend: float, healthy: int
) -> np.ndarray:
    """Windows from the change to the page, one a watch: `draw(changed)` gives every watch's statistic of one window."""
    watches = len(state.bank.mode)
    found, early = np.full(watches, np.inf), np.zeros(watches, bool)
    watching = since = 0
    for window in range(1_000):
        changed = watching >= healthy
        tick = Tick.plain(window * HOUR, (window + 1) * HOUR, page=spend, warn=spend * 1e-3, watches=watches)
        state, evidence = detector.close([p] * watches, state, draw(changed), tick)
        watching += all(e.mode is not Mode.LEARNING for e in evidence)
        since += changed
        for row, e in enumerate(evidence):
            if e.crossing is Crossing.PAGE and changed:
                found[row] = min(found[row], since)
            early[row] |= e.crossing is Crossing.PAGE and not changed
        if np.isfinite(found[~early]).all():
            break
    return found[~early]


def _tallies(rng: np.random.Generator, units: int, holdout: float, exposed_rate: float, rate: float) -> list[Tally]:
    one = int(fixed.to_fixed(np.array([1.0]))[0])
    chances = [
        holdout * (1 - rate),
        (1 - holdout) * (1 - exposed_rate),
        holdout * rate,
        (1 - holdout) * exposed_rate,
    ]
    keys = np.array([0, 1, one << 1, one << 1 | 1], np.uint64)
    drawn = rng.multinomial(units, chances, WATCHES)
    return [Tally(keys[row > 0], row[row > 0].astype(np.int64)[:, None]) for row in drawn]


@pytest.mark.parametrize(
    ("holdout", "rate", "harm", "units"),
    [(0.5, 0.1, 0.1, 1_000), (0.02, 0.1, 0.2, 5_000), (0.1, 0.005, 0.5, 4_000), (0.1, 0.3, 0.024, 400_000)],
)
def test_the_delay_of_a_comparison_is_told_in_advance(holdout: float, rate: float, harm: float, units: int) -> None:
    rng, spend = np.random.default_rng(404), 1e-4
    p = CohortBoundedParams(holdout_share=holdout, learn_units=40_000)
    outlook = Outlook(units=units, window=HOUR, within=100 * HOUR, spend=spend, mean=rate, chance=0.5)
    told = harm_delay(harm, Plan(holdout, p.page_if_worse_by, p.better), outlook)
    seen = _delays(
        CohortBounded(),
        p,
        CohortBounded().start([p] * WATCHES),
        lambda changed: _tallies(rng, units, holdout, rate * (1 - harm * changed), rate),
        spend=spend,
        healthy=100,
    )
    median = float(np.median(seen))
    assert median >= 10
    assert told == pytest.approx(median, rel=TOLD_WITHIN)


def test_of_ten_million_people_a_day_a_harm_little_beyond_the_margin_is_found() -> None:
    p = CohortBoundedParams(holdout_share=0.02)
    reaches = [
        cohort_bounded(p, Outlook(units=n / 24, window=HOUR, within=28 * 24 * HOUR, spend=1e-4, mean=0.3)).relative
        for n in (1e5, 1e6, 1e7, 1e8)
    ]
    beyond = [(reach or np.nan) - p.page_if_worse_by for reach in reaches]
    assert beyond == sorted(beyond, reverse=True)
    assert beyond[2] < 0.003
    assert beyond[3] < 0.001


def test_a_harm_in_reach_is_found_in_time_as_often_as_told() -> None:
    rng, spend, units = np.random.default_rng(405), 1e-4, 2_000
    p = CohortBoundedParams(holdout_share=0.2, learn_units=40_000)
    outlook = Outlook(units=units, window=HOUR, within=60 * HOUR, spend=spend, mean=0.2, chance=0.8)
    reach = cohort_bounded(p, outlook)
    assert reach.relative is not None
    assert p.page_if_worse_by < reach.relative < 0.2
    rate = 0.2
    exposed = rate * (1 - reach.relative)
    seen = _delays(
        CohortBounded(),
        p,
        CohortBounded().start([p] * WATCHES),
        lambda changed: _tallies(rng, units, 0.2, exposed if changed else rate, rate),
        spend=spend,
        healthy=60,
    )
    assert np.mean(seen <= 60) == pytest.approx(0.8, abs=0.11)  # three Monte Carlo errors


def test_the_delay_of_a_lost_holdout_is_told_in_advance() -> None:
    rng, spend, units = np.random.default_rng(406), 1e-5, 400
    p = SampleRatioParams(holdout_share=0.1)
    lost = sample_ratio(p, Outlook(units=units, window=HOUR, within=40 * HOUR, spend=spend, chance=0.5)).relative
    assert lost is not None

    def draw(changed: bool) -> list[Counts]:
        kept = 1 - lost * changed
        held = rng.binomial(units, 0.1 * kept / (0.9 + 0.1 * kept), WATCHES)
        return [Counts(np.array([units - h, h], np.int64)) for h in held]

    seen = _delays(SampleRatio(), p, SampleRatio().start([p] * WATCHES), draw, spend=spend, healthy=400)
    assert np.median(seen) == pytest.approx(40, rel=TOLD_WITHIN)


def test_the_delay_of_a_shift_is_told_in_advance() -> None:
    """All of a normal distribution moves; the reference was learned from the number of units that the parameters say."""
    rng, spend, units, shift = np.random.default_rng(407), 1e-4, 100, 0.3
    p = NumericShiftParams(learn_units=40_000)
    told = shift_delay(shift, p, Outlook(units=units, window=HOUR, within=60 * HOUR, spend=spend, chance=0.5))
    owners = np.arange(1, units + 1, dtype=np.uint64) << np.uint64(5)
    cuts = ndtri(np.arange(1, 20) / 20)
    before = np.diff(np.concatenate([[0.0], ndtr(cuts), [1.0]]))
    after = np.diff(np.concatenate([[0.0], ndtr(cuts - shift), [1.0]]))
    learning = NumericShift().start([p] * WATCHES)
    learned = replace(
        learning,
        cuts=np.tile(cuts, (WATCHES, 1)),
        cut=np.ones(WATCHES, bool),
        reference=np.tile([*(before * p.learn_units), 0.0, p.learn_units], (WATCHES, 1)),
        bank=engine.begin(learning.bank, np.ones(WATCHES, bool), np.zeros(WATCHES, np.int64)),
    )

    def draw(changed: bool) -> list[Reading]:
        bins = rng.choice(20, (WATCHES, units), p=after if changed else before).astype(np.uint64)
        return [Reading(owners | row, np.ones((units, 1), np.int64), nobody()) for row in bins]

    median = float(np.median(_delays(NumericShift(), p, learned, draw, spend=spend, healthy=60)))
    assert median >= 10
    assert told == pytest.approx(median, rel=TOLD_WITHIN)


USUAL = {name: example.params for name, example in EXAMPLES.items()} | {
    "calibration": CalibrationParams(),  # the examples learn from too few to find anything
    "risk": RiskParams(),
}

KNOWN = {
    "block_deviation": 1.0,
    "s": 0.2,
    "kappa": 1.5,
    "margin": 0.1,
    "baseline": 0.5,
    "standard_error": 0.01,
}


def test_every_detector_has_a_reach_or_says_why_it_has_none() -> None:
    assert REACHES.keys() | UNTOLD.keys() == DETECTORS.keys()
    assert not REACHES.keys() & UNTOLD.keys()


@pytest.mark.parametrize("name", sorted(REACHES))
def test_more_units_and_more_time_never_make_the_reach_worse(name: str) -> None:
    found = [
        REACHES[name](
            USUAL[name],
            Outlook(units=units, window=HOUR, within=days * 24 * HOUR, spend=1e-4, mean=0.1, known=KNOWN),
        ).effect
        for units, days in ((100, 14), (100, 28), (1_000, 28), (10_000, 28))
    ]
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < np.inf


@pytest.mark.parametrize("name", sorted(REACHES))
def test_a_watch_that_has_seen_nothing_says_so_instead_of_a_figure(name: str) -> None:
    nobody = Outlook(units=0, window=HOUR, within=28 * 24 * HOUR, spend=1e-4)
    assert REACHES[name](EXAMPLES[name].params, nobody).unknown

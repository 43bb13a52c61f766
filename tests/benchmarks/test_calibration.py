"""A quick part of the calibration: the oracle is one, the rivals do what they are shown for, and promises hold."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from detectors.catalogue import DETECTORS
from detectors.increments.bernoulli import log_increments
from detectors.promises import PROMISES, Promise
from tests.benchmarks.calibrate import budget, delays, false_alarms, oracle, rivals
from tests.benchmarks.calibrate.adapters import ADAPTERS, COVERED_IN, HEALTHY_ONLY, of
from tests.benchmarks.calibrate.cells import COMPARING, EVENTS, LEVELS, SPLITS, Cell, Noise
from tests.benchmarks.calibrate.worlds import UNITS


def test_every_detector_has_an_adapter_or_a_reason_to_have_none() -> None:
    """A new detector: add how to make null streams for it to `ADAPTERS`, or say in `HEALTHY_ONLY` why not."""
    without = set(DETECTORS) - set(ADAPTERS) - set(HEALTHY_ONLY)
    assert not without, f"no way to calibrate {', '.join(sorted(without))}"
    assert not set(ADAPTERS) & set(HEALTHY_ONLY)
    assert not (set(ADAPTERS) | set(HEALTHY_ONLY)) - set(DETECTORS)
    assert {name for name, _ in false_alarms.tasks()} >= set(DETECTORS)


def test_the_design_meets_every_level_and_every_pair_of_split_and_events() -> None:
    met = {level for cell in COMPARING for level in cell.levels()}
    assert met == set(LEVELS)
    assert {(c.held, c.events) for c in COMPARING} == {(h, m) for h in SPLITS for m in EVENTS}


def test_coverage_is_measured_by_an_adapter_or_by_a_test_that_there_is() -> None:
    """`tests/detectors/test_recompute.py` says which detectors show an interval that claims every look."""
    assert not {name for name in COVERED_IN if ADAPTERS.get(name, of(name)).truth is not None}
    for name, test in COVERED_IN.items():
        module, _, function = test.partition(".")
        assert callable(getattr(importlib.import_module(f"tests.detectors.{module}"), function)), name


def test_every_detector_with_a_promise_stands_beside_an_oracle_or_says_why_not() -> None:
    promising = {name for name, promise in PROMISES.items() if promise is not Promise.NONE}
    assert promising == set(delays.BESIDE) | set(delays.NO_ORACLE)
    assert not set(delays.BESIDE) & set(delays.NO_ORACLE)
    assert {name.split()[0] for name in delays.CASES} >= {measure.__name__ for measure in delays.BESIDE.values()}


def test_streams_are_enough_for_a_standard_error_of_a_fifth_of_the_promise() -> None:
    for name, adapter in ADAPTERS.items():
        if adapter.promise:
            assert np.sqrt(false_alarms.PROMISE / adapter.streams) <= false_alarms.PROMISE / 5 + 1e-12, name


@pytest.mark.parametrize("held", [0.5, 0.01])
def test_false_pages_stay_within_the_spend_and_intervals_hold_the_truth(held: float) -> None:
    for name in ("cohort_bounded", "sample_ratio"):
        (measured,) = false_alarms.measure((name, Cell(held, 1, Noise.IID)))
        assert measured.promise is not None
        assert measured.rate <= measured.promise + 3 * measured.error
        assert measured.covered is not None
        assert measured.covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / measured.shown)


def test_200_watches_share_one_alarm_on_autocorrelated_series() -> None:
    spent = budget.spend("autocorrelated .3", 5, windows=2 * budget.PER_DAY, horizons=1)
    assert sum(spent.alarms) <= budget.BUDGET + 3 * np.sqrt(budget.BUDGET)


def test_an_oracle_at_a_given_rate_keeps_it_and_finds_a_change_in_about_log_a_over_kl() -> None:
    rng, units, before, after = np.random.default_rng(1), 500, 0.10, 0.085

    def llr(share: float, windows: int, streams: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        yes = rng.binomial(units, share, (windows, streams)).astype(np.float64)
        return log_increments(yes, np.array(float(units)), np.array(before), np.array(after))

    threshold = oracle.threshold_for(llr(before, 1_000, 500), 1e-3)
    assert oracle.rate_of(llr(before, 1_000, 500), threshold) == pytest.approx(1e-3, rel=0.2)
    kl = units * (after * np.log(after / before) + (1 - after) * np.log((1 - after) / (1 - before)))
    delay = oracle.delays(llr(after, 200, 500), threshold, 0).mean()
    assert delay == pytest.approx(threshold / kl, abs=4.0)


def test_rivals_alarm_on_healthy_events_that_come_in_clusters_of_a_unit() -> None:
    """Why the unit is the sample: nothing changes in these streams."""
    cell, streams = Cell(0.5, 50, Noise.IID), 30
    world = ADAPTERS["cohort_bounded"].world(np.random.default_rng(2), cell, streams)
    told = [world.rows(t, 0.0) for t in range(rivals.EVENTS // (UNITS * cell.events))]
    peeking = np.mean([rivals.peeking_z([row[r] for row in told]) for r in range(streams)])
    assert peeking > 0.5
    values = np.concatenate([rows[0].numbers("value") for rows in told])
    assert rivals.river_alarms("river ADWIN", values) > 10

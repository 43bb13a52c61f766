"""Promises of the gate against mixed-up people, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Bools, Columns, Floats, flag
from detectors.contamination import Contamination, ContaminationParams, Marked
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence
from detectors.math.intervals import share_sequence

DETECTOR = Contamination()


def run(rate: Floats, units: int, *, spend: float, seed: int) -> list[list[Evidence]]:
    """`rate` (W, T): chance of each of `units` voters a window to be marked."""
    rng = np.random.default_rng(seed)
    watches, windows = rate.shape
    ps = [ContaminationParams()] * watches
    state, told = DETECTOR.start(ps), []
    ids = np.arange(1, units + 1, dtype=np.uint64)
    for t in range(windows):
        marked = rng.random((watches, units)) < rate[:, t : t + 1]
        stats = [Marked(ids, np.stack([np.ones(units, np.int64), row.astype(np.int64)], axis=1)) for row in marked]
        tick = Tick.plain(t, t + 1, page=spend, warn=spend, watches=watches)
        state, evidence = DETECTOR.close(ps, state, stats, tick)
        told.append(evidence)
    return told


def crossed(told: list[list[Evidence]], *what: Crossing) -> Bools:
    """(T, W)."""
    return np.array([[e.crossing in what for e in row] for row in told])


def test_as_much_as_is_allowed_alarms_no_more_than_it_spends() -> None:
    watches, windows, spend = 200, 150, 0.05
    told = run(np.full((watches, windows), 0.002), 200, spend=spend / windows, seed=707)
    assert crossed(told, Crossing.PAGE).sum() / watches <= spend + 3 * np.sqrt(spend / watches)


def test_a_leak_of_one_in_a_hundred_is_found_within_a_few_thousand_people_and_its_end_is_told() -> None:
    rate = np.full((30, 120), 0.0002)
    rate[:, 40:70] = 0.01
    told = run(rate, 500, spend=1e-6, seed=708)
    found = crossed(told, Crossing.PAGE)
    assert not found[:40].any()
    assert found.any(axis=0).all()
    assert np.median(found.argmax(axis=0) - 39) <= 8
    assert crossed(told, Crossing.RECOVERED)[70:].any(axis=0).all()


def test_an_alert_shows_how_many_of_how_many_and_how_much_a_comparison_is_diluted() -> None:
    rate = np.full((1, 30), 0.05)
    told = run(rate, 500, spend=1e-6, seed=709)
    first = next(row[0] for row in told if row[0].crossing is Crossing.PAGE)
    assert first.n["mixed up"] / first.n["units"] == pytest.approx(first.arms["mixed up"])
    assert first.interval is not None
    assert first.interval.low <= 0.05 <= first.interval.high
    assert first.detail["dilution"] == first.arms["mixed up"]


def test_a_person_with_a_hundred_marked_events_counts_once() -> None:
    rows = Columns(
        np.zeros(100, np.int64), np.ones(100, np.uint64), np.ones(100, np.int8), np.zeros(100, np.int32), np.arange(100),
        {"voting": flag(np.ones(100, np.bool_)), "value": flag(np.ones(100, np.bool_))},
    )  # fmt: skip
    assert len(DETECTOR.fold(None, DETECTOR.empty(None), rows).units) == 1


@pytest.mark.parametrize("rate", [0.002, 0.03, 0.5])
def test_the_interval_of_a_share_misses_the_truth_at_any_look_in_at_most_one_of_twenty_runs(rate: float) -> None:
    rng, runs, n = np.random.default_rng(710), 600, 3_000
    looks = np.unique(np.geomspace(1, n, 200).astype(np.int64))
    yes = np.cumsum((rng.random((runs, n)) < rate).astype(np.float64), axis=1)[:, looks - 1]
    low, high = share_sequence(yes, looks.astype(np.float64), 0.05)
    missed = float(((low > rate) | (high < rate)).any(axis=1).mean())
    assert missed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)

"""Promises of the sample-ratio gate, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import split
from detectors.columns import Bools, Floats
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode
from detectors.sample_ratio import Counts, SampleRatio, SampleRatioParams

DETECTOR = SampleRatio()


def run(planned: float, seen: Floats, units: int, *, spend: float, seed: int) -> list[list[Evidence]]:
    """`seen` (W, T): chance of each of `units` new units a window to be held out."""
    rng = np.random.default_rng(seed)
    watches, windows = seen.shape
    ps = [SampleRatioParams(holdout_share=planned)] * watches
    state, told = DETECTOR.start(ps), []
    for t in range(windows):
        held = np.asarray(rng.binomial(units, seen[:, t]))
        stats = [Counts(np.array([units - h, h], np.int64)) for h in held.tolist()]
        state, evidence = DETECTOR.close(
            ps, state, stats, Tick.plain(t, t + 1, page=spend, warn=spend, watches=watches)
        )
        told.append(evidence)
    return told


def crossed(told: list[list[Evidence]], *what: Crossing) -> Bools:
    """(T, W)."""
    return np.array([[e.crossing in what for e in row] for row in told])


@pytest.mark.parametrize("share", [0.5, 0.05, 0.01])
def test_a_sound_holdout_looked_at_in_each_of_four_hundred_windows_alarms_no_more_than_it_spends(share: float) -> None:
    watches, windows, spend = 200, 400, 0.05
    told = run(share, np.full((watches, windows), share), 2_500, spend=spend / windows, seed=404)
    bound = spend + split.START_LEVEL
    assert crossed(told, Crossing.PAGE).sum() / watches <= bound + 3 * np.sqrt(bound / watches)


def test_a_plan_that_was_wrong_from_the_first_day_is_found_as_fast_as_published() -> None:
    told = run(0.1, np.full((40, 120), 0.11), 1_000, spend=1e-6, seed=405)
    found = crossed(told, Crossing.PAGE)
    assert found.any(axis=0).all()
    # 16,000 units in the published simulation (oracle 12,800) at evidence 1,000.
    assert np.median(found.argmax(axis=0) + 1) * 1_000 <= 1.3 * 16_000


def test_a_break_after_half_a_million_sound_units_is_found_fast() -> None:
    seen = np.full((30, 600), 0.1)
    seen[:, 500:] = 0.11
    found = crossed(run(0.1, seen, 1_000, spend=1e-6, seed=406), Crossing.PAGE)
    assert found.any(axis=0).all()
    # 25,000 units in the published simulation, with a frozen test 106,000.
    assert np.median(found.argmax(axis=0) + 1 - 500) * 1_000 <= 1.3 * 25_000


def test_a_repaired_holdout_is_told_and_its_evidence_starts_afresh() -> None:
    seen = np.full((20, 120), 0.05)
    seen[:, 20:50] = 0.03
    told = run(0.05, seen, 2_000, spend=1e-5, seed=407)
    opened, closed = crossed(told, Crossing.PAGE, Crossing.WARN), crossed(told, Crossing.RECOVERED)
    assert (opened.sum(axis=0) == 1).all()
    assert (closed.sum(axis=0) == 1).all()
    assert (closed.argmax(axis=0) >= 50).all()
    assert all(e.mode is Mode.WATCHING for e in told[-1])


def test_a_holdout_that_stays_broken_is_not_called_repaired() -> None:
    seen = np.full((200, 150), 0.05)
    seen[:, 10:] = 0.04
    told = run(0.05, seen, 2_000, spend=1e-4, seed=408)
    assert crossed(told, Crossing.PAGE).any(axis=0).all()
    assert crossed(told, Crossing.RECOVERED).any(axis=0).mean() <= 0.05 + 3 * np.sqrt(0.05 / 200)


def test_trifles_in_big_data_are_not_told() -> None:
    told = run(0.5, np.full((10, 200), 0.502), 1_000_000, spend=1e-3, seed=409)
    assert not crossed(told, Crossing.PAGE, Crossing.WARN).any()


def test_windows_of_a_million_units_do_not_overflow() -> None:
    told = run(0.5, np.full((2, 30), 0.6), 1_000_000, spend=1e-6, seed=410)
    assert crossed(told, Crossing.PAGE)[0].all()
    assert all(np.isfinite(e.log10_e or 0.0) for row in told for e in row)

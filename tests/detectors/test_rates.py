"""Promises of the rate increments, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Floats
from detectors.increments import rates


def evidence(ratio: float, share: float, *, side: float, seed: int, streams: int = 1_000) -> Floats:
    """Log evidence of `streams` tests after every window, (T, W): the base rate swings thirtyfold within a day."""
    rng = np.random.default_rng(seed)
    windows, w = 200, np.ones(streams)
    log_e = np.full((streams, rates.BETS), 0.0)
    told = np.zeros((windows, streams))
    for t in range(windows):
        base = 20.0 * np.exp(1.7 * np.sin(2 * np.pi * t / 48)) * rng.gamma(4.0, 0.25, streams)
        exposed = rng.poisson(base * share * ratio).astype(np.float64)
        held = rng.poisson(base * (1 - share)).astype(np.float64)
        log_e += rates.log_increments(exposed, exposed + held, share * w, 0.05 * w, side * w)
        told[t] = np.log(np.mean(np.exp(np.minimum(log_e, 300.0)), axis=1))
    return told


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_ratio_at_the_tolerance_is_seldom_called_worse_however_the_base_rate_swings(
    share: float, side: float
) -> None:
    ever = (evidence(float(np.exp(0.05 * side)), share, side=side, seed=61) >= np.log(20)).any(axis=0)
    assert ever.mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(ever))


@pytest.mark.parametrize(("ratio", "side"), [(1.5, 1.0), (0.6, -1.0)])
def test_a_ratio_beyond_the_tolerance_is_found_and_the_other_way_is_not(ratio: float, side: float) -> None:
    found = (evidence(ratio, 0.9, side=side, seed=62, streams=200) >= np.log(20)).any(axis=0)
    other = (evidence(ratio, 0.9, side=-side, seed=62, streams=200) >= np.log(20)).any(axis=0)
    assert found.mean() > 0.95
    assert other.mean() == 0.0

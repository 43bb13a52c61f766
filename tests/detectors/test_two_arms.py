"""The standard error of a difference of means: small arms and rare values."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import two_arms
from detectors.columns import Floats
from detectors.math.intervals import normal_mixture_radius


def missed(rate_exposed: float, rate_holdout: float, held: float, seed: int) -> float:
    """Share of 1,000 streams whose 95 % interval misses the effect at one of 150 looks, from 50 held-out units on."""
    streams, looks, units, rng = 1_000, 150, 1_000, np.random.default_rng(seed)
    n0 = np.cumsum(rng.binomial(units, held, (streams, looks)), axis=1)
    n1 = np.arange(1, looks + 1) * units - n0
    k0 = np.cumsum(rng.binomial(np.diff(n0, axis=1, prepend=0), rate_holdout), axis=1)
    k1 = np.cumsum(rng.binomial(np.diff(n1, axis=1, prepend=0), rate_exposed), axis=1)
    totals: Floats = np.stack([n1, k1, k1, n0, k0, k0], axis=-1).astype(np.float64).reshape(-1, 6)
    m1, m0 = two_arms.means(totals)
    radius = normal_mixture_radius(two_arms.standard_error(totals), np.full(len(totals), 0.01), 0.05)
    out = (np.abs(m1 - m0 - (rate_exposed - rate_holdout)) > radius) & (totals[:, two_arms.N0] >= 50)
    return float(out.reshape(streams, looks).any(axis=1).mean())


@pytest.mark.parametrize("held", [0.01, 0.05])
def test_a_small_arms_own_variance_is_not_trusted(held: float) -> None:
    """A rare yes that the small arm has not met yet gives it a variance of 0."""
    assert missed(0.02, 0.02, held, 909) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_000)


def test_after_a_hard_failure_the_pooled_variance_is_not_trusted() -> None:
    assert missed(0.0, 0.4, 0.05, 910) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_000)


def test_an_arm_without_units_leaves_the_error_infinite() -> None:
    assert np.isinf(two_arms.standard_error(np.array([[100.0, 10.0, 10.0, 0.0, 0.0, 0.0]])))[0]

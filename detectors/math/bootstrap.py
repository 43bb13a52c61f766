"""The Poisson bootstrap over units: weights that every process draws alike, so replicates add up like plain counts.

A unit weighs Poisson(1) in each of 20 replicates, drawn from its hash and the replicate's number alone. It therefore weighs
the same in every window, cohort and process, and a replicate of a comparison of two periods keeps what they have in common.
The spread of the replicates has 19 degrees of freedom: quantiles are Student's (with normal ones, a level of .001 is .004).

Source: Chamandy, Muralidharan, Najmi and Naidu 2012, "Estimating uncertainty for massive data streams".
"""

from __future__ import annotations

import numpy as np
from scipy.special import pdtr, stdtrit

from detectors.columns import Floats, Hashes, Ints

REPLICATES = 20

_STEP = 0x9E3779B97F4A7C15
_STEPS = np.array([((b + 1) * _STEP) & (2**64 - 1) for b in range(REPLICATES)], np.uint64)
_SMALLEST = np.finfo(np.float64).tiny
_LARGEST = 12
_CUTS = np.array([int(p * 2.0**64) for p in pdtr(np.arange(_LARGEST), 1.0)], np.uint64)


def mix(values: Hashes) -> Hashes:
    """A bijection of 64-bit integers after which all bits depend on all bits. Any shape.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators" (the finaliser of SplitMix64).
    """
    z = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = z ^ (z >> np.uint64(31))
    return mixed


def weights(units: Hashes) -> Ints:
    """Weights in 0 .. 12 of units (n,), shape (n, REPLICATES); larger ones, chance 1e-10, count as 12."""
    drawn = mix(mix(units)[:, None] + _STEPS)
    return np.searchsorted(_CUTS, drawn, side="right")


def standard_error(replicates: Floats) -> Floats:
    """Standard error of a statistic from its replicates (..., REPLICATES). NaN if one of them is not finite."""
    finite = np.asarray(np.isfinite(replicates).all(axis=-1))
    se: Floats = np.std(np.where(finite[..., None], replicates, 0.0), axis=-1, ddof=1)
    return np.where(finite, se, np.nan)


def quantile(level: Floats | float) -> Floats:
    """How many standard errors a one-sided bound at error `level` in [0, 1) lies away; infinite at level 0.

    >>> quantile(np.array([0.0, 1e-320, 0.025, 0.5])).round(3).tolist()
    [inf, inf, 2.093, -0.0]
    """
    given = np.asarray(level, np.float64)
    return np.where(given < _SMALLEST, np.inf, -stdtrit(REPLICATES - 1, given))

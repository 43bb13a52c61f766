"""I5: counts per arm against planned shares, by a Dirichlet mixture over all other shares."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from detectors.columns import Floats, Ints

CONCENTRATION = 1000.0


def log_e(counts: Ints | Floats, shares: Floats, concentration: float = CONCENTRATION) -> Floats:
    """Log e-value of all counts so far, shape (...,) for counts and shares (..., arms); 0 at no counts.

    lgamma(c) - lgamma(c + N) + sum_i [lgamma(c th_i + N_i) - lgamma(c th_i) - N_i log th_i]. A martingale under the planned
    shares, so differences between two looks are log e-increments. Source: Lindon and Malek 2022, NeurIPS, equation (4).
    """
    c = concentration
    total = counts.sum(axis=-1)
    terms = gammaln(c * shares + counts) - gammaln(c * shares) - counts * np.log(shares)
    result: Floats = gammaln(c) - gammaln(c + total) + terms.sum(axis=-1)
    return result

"""Confidence sequences: intervals that are valid at every look."""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats


def normal_mixture_radius(se: Floats, tau: Floats, alpha: Floats | float) -> Floats:
    """Half-width of the normal-mixture confidence sequence around an estimate with standard error `se`.

    radius = se * sqrt((1 + se^2 / tau^2) * (log(1 + tau^2 / se^2) + 2 log(1 / alpha))), all shapes broadcast. `tau` > 0 is
    the effect size where it is tightest and must be fixed in advance. Asymptotic; `se` must be computed over independent
    units. Infinite where `se` is 0 or NaN (nothing is known yet).

    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, Annals of Statistics (Theorem 2.2 with t rho^2 = tau^2 / se^2);
    Howard, Ramdas, McAuliffe and Sekhon 2021, Annals of Statistics, equation (14).
    """
    known = np.isfinite(se) & (se > 0) & (tau > 0)
    s = np.where(known, se, 1.0)
    ratio = (s / np.where(known, tau, 1.0)) ** 2
    radius = s * np.sqrt((1.0 + ratio) * (np.log1p(1.0 / ratio) + 2.0 * np.log(1.0 / alpha)))
    return np.where(known, radius, np.inf)


def empirical_cdf_radius(n: Floats, alpha: Floats | float) -> Floats:
    """Half-width of a band around an empirical distribution function, at every x and every n at once.

    0.85 * sqrt((log log(e n) + 0.8 log(1612 / alpha)) / n), `n` distinct units with one value each. Infinite at n = 0.

    Source: Howard and Ramdas 2022, Bernoulli 28(3), Theorem 2 in the explicit form of their equation (5).
    """
    size = np.maximum(n, 1.0)
    radius = 0.85 * np.sqrt((np.log(np.log(np.e * size)) + 0.8 * np.log(1612.0 / alpha)) / size)
    return np.where(n > 0, radius, np.inf)

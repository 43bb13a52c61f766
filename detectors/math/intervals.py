"""Confidence sequences: intervals that are valid at every look."""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, rel_entr, xlog1py, xlogy

from detectors.columns import Floats

_BISECTIONS = 50


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


def bounded_mean_bounds(mean: Floats, n: Floats, alpha: Floats | float) -> tuple[Floats, Floats]:
    """Where the mean of values in [0, 1] lies, from `n` independent ones with average `mean`: (low, high), shapes broadcast.

    The means m with n KL(mean, m) <= log(2 / alpha), KL between Bernoulli laws: the truth is outside with a chance of at most
    `alpha`, whatever the values' distribution, for one n fixed in advance. (0, 1) where n is 0.

    Source: Hoeffding 1963, JASA 58, Theorem 1, equation (2.1), inverted by bisection.
    """
    average, size = np.broadcast_arrays(np.clip(mean, 0.0, 1.0), np.asarray(n, np.float64))
    return _within(average, size, np.log(2.0 / alpha) / np.maximum(size, 1e-9))


def share_sequence(yes: Floats, n: Floats, alpha: Floats | float) -> tuple[Floats, Floats]:
    """Where a chance lies that gave `yes` of `n` independent units: (low, high), valid at every look, shapes broadcast.

    All q at which a Beta(1/2, 1/2) mixture of likelihood ratios against q stays below 1 / alpha: exact for any n, also for
    shares near 0 or 1. (0, 1) where n is 0.

    Source: Robbins 1970, Annals of Mathematical Statistics 41, "Statistical methods related to the law of the iterated
    logarithm", section 5; inverted by bisection.

    >>> low, high = share_sequence(np.array([3.0, 0.0]), np.array([1_000.0, 10.0]), 0.05)
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0001, 0.0], [0.0143, 0.377])
    """
    hits, size = np.broadcast_arrays(yes, np.asarray(n, np.float64))
    share = hits / np.maximum(size, 1.0)
    mixture = betaln(0.5 + hits, 0.5 + size - hits) - betaln(0.5, 0.5)
    best = xlogy(hits, share) + xlog1py(size - hits, -share)
    return _within(share, size, (best - mixture - np.log(alpha)) / np.maximum(size, 1e-9))


def _within(average: Floats, size: Floats, room: Floats) -> tuple[Floats, Floats]:
    """The means m with KL(average, m) <= room, by bisection; (0, 1) where size is 0."""
    out, into = np.stack([np.zeros(average.shape), np.ones(average.shape)]), np.stack([average, average])
    for _ in range(_BISECTIONS):
        middle = (out + into) / 2.0
        far = _divergence(average, middle) > room
        out, into = np.where(far, middle, out), np.where(far, into, middle)
    return np.where(size > 0, out[0], 0.0), np.where(size > 0, out[1], 1.0)


def _divergence(p: Floats, q: Floats) -> Floats:
    result: Floats = rel_entr(p, q) + rel_entr(1.0 - p, 1.0 - q)
    return result


def empirical_bernstein_radius(variance: Floats, n: Floats, width: Floats | float, alpha: Floats | float) -> Floats:
    """How far the average of `n` independent values in an interval of `width` lies from their mean, both sides, at most.

    sqrt(2 V log(4 / alpha) / n) + 7 width log(4 / alpha) / (3 (n - 1)) with V their sample variance: missed with a chance of at
    most `alpha`, for one n fixed in advance. Infinite for n < 2.

    Source: Maurer and Pontil 2009, COLT, Theorem 4, for both sides at once.
    """
    size, room = np.maximum(n, 2.0), np.log(4.0 / np.asarray(alpha, np.float64))
    radius = np.sqrt(2.0 * np.maximum(variance, 0.0) * room / size) + 7.0 * width * room / (3.0 * (size - 1.0))
    return np.where(n >= 2.0, radius, np.inf)


def share_interval(yes: Floats, n: Floats, plan: Floats, tau: Floats, alpha: Floats | float) -> tuple[Floats, Floats]:
    """Lower and upper end of a confidence sequence for a share, from `yes` of `n` units; all shapes broadcast.

    Exact at every look and for every share: the shares that a beta mixture of likelihoods has not made 1 / alpha times less
    likely than itself (Ville's inequality). The mixture is centred at `plan` in (0, 1), with a spread of about `tau` in log
    odds, where the interval is tightest. (0, 1) while n is 0.

    Source: Robbins 1970, Annals of Mathematical Statistics 41(5); Lindon and Malek 2022, NeurIPS, equation (6).
    """
    strength = np.maximum(1.0 / (plan * (1.0 - plan) * tau**2) - 1.0, 1.0)
    a, b = strength * plan, strength * (1.0 - plan)
    no = n - yes
    least = betaln(a + yes, b + no) - betaln(a, b) + np.log(alpha)
    seen = yes / np.maximum(n, 1.0)
    low = _edge(yes, no, least, np.zeros_like(least), seen)
    high = _edge(yes, no, least, np.ones_like(least), seen)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def rate_difference_interval(
    yes: Floats, n: Floats, share: Floats, tau: Floats, alpha: Floats | float, first: Floats, second: Floats
) -> tuple[Floats, Floats]:
    """Where one rate less another lies: (low, high), from `n` units it happened to, `yes` of them of the first arm. Shapes (W,).

    share           of the first arm among all units, planned, in (0, 1)
    first, second   units of both arms

    What two intervals have in common that are valid at every look and miss half as often each. One is of the ratio: given n,
    `yes` is binomial, and the odds of its chance are the ratio of the rates times those of `share`; what hits both arms cancels.
    Its ends are told in units of the rate that is smaller there, which makes room for that rate's own error. The other is of
    both rates by themselves: it is the shorter one where they are far apart.

    Source: `share_interval`, `share_sequence`; Przyborowski and Wilenski 1940, Biometrika 31.
    """
    half, odds = np.asarray(alpha) / 2.0, (1.0 - share) / share
    rate1, rate0 = yes / np.maximum(first, 1.0), (n - yes) / np.maximum(second, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [x / (1.0 - x) * odds for x in share_interval(yes, n, share, tau, half)]
        ends = [np.where(end > 1.0, rate0 * (end - 1.0), rate1 * (1.0 - 1.0 / end)) for end in ratios]
    low1, high1 = share_sequence(yes, first, half / 2.0)
    low0, high0 = share_sequence(n - yes, second, half / 2.0)
    return np.fmax(ends[0], low1 - high0), np.fmin(ends[1], high1 - low0)


def _edge(yes: Floats, no: Floats, least: Floats, outside: Floats, inside: Floats) -> Floats:
    """Between `outside` and `inside`, the share nearest to `outside` whose log likelihood is `least`: by halving."""
    out, into = np.broadcast_arrays(outside, inside)
    for _ in range(_BISECTIONS):
        middle = (out + into) / 2.0
        likely = xlogy(yes, middle) + xlog1py(no, -middle) >= least
        out, into = np.where(likely, out, middle), np.where(likely, middle, into)
    result: Floats = out
    return result


def decides_nothing(estimate: float, radius: float, margin: float) -> bool:
    """Whether an interval `estimate` +- `radius` holds no change, and reaches further than `margin` from its middle.

    Then even a change of exactly nothing could not be told from one that is no longer tolerated: neither harm nor health is known.

    >>> decides_nothing(0.01, 0.05, -0.02), decides_nothing(0.08, 0.05, -0.02), decides_nothing(0.01, 0.015, -0.02)
    (True, False, False)
    """
    return radius > abs(margin) and abs(estimate) <= radius

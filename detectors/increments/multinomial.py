"""I5: counts of randomised units by arm, against the planned shares. Test mode: one e-process from the first unit on."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, betaincc, betaln, gammaln

from detectors.columns import Floats

PRIOR = 1_000.0
"""Strength of the prior around the plan, in units: tightest for shares that are off by about 1 / sqrt(PRIOR)."""


def log_value(counts: Floats, plan: Floats, prior: float = PRIOR) -> Floats:
    """Log e-value of counts (..., K) since the start against "each unit fell by the shares `plan` (..., K)", shape (...).

    A Dirichlet mixture around the plan over the plan's likelihood: a martingale under the plan, exactly. Every deviation is
    found in the end, also one that concerns nobody; where two arms are compared for good, use `log_value_outside`.
    Source: Lindon and Malek 2022, NeurIPS, "Anytime-valid inference for multinomial count data", equation (6).
    """
    strength = prior * plan
    total = counts.sum(axis=-1)
    mixture = gammaln(prior) - gammaln(prior + total)
    value: Floats = mixture + (gammaln(strength + counts) - gammaln(strength) - counts * np.log(plan)).sum(axis=-1)
    return value


def log_value_outside(yes: Floats, n: Floats, low: Floats, high: Floats, prior: float = PRIOR) -> Floats:
    """Log e-value of `yes` of `n` units since the start against "every unit's chance was within [low, high]".

    All shapes broadcast; 0 < low <= high < 1. The average of two halves: the same mixture, cut at the nearer edge of the
    tolerated chances, over the likelihood at that edge. Each half is a mixture of likelihood ratios of one side, and so a
    supermartingale for all chances within, also when they vary with the past. The size of the data therefore never makes an
    alarm of a tolerated deviation, which a mixture over all shares against the plan alone would do.
    """
    centre = (low + high) / 2.0
    a, b = prior * centre, prior * (1.0 - centre)
    no = n - yes
    mixture = betaln(a + yes, b + no) - betaln(a, b)
    with np.errstate(divide="ignore"):
        above = np.log(betaincc(a + yes, b + no, high)) - np.log(betaincc(a, b, high))
        below = np.log(betainc(a + yes, b + no, low)) - np.log(betainc(a, b, low))
    value: Floats = np.logaddexp(
        mixture + above - yes * np.log(high) - no * np.log1p(-high),
        mixture + below - yes * np.log(low) - no * np.log1p(-low),
    ) - np.log(2.0)
    return value

"""I1: units that say yes or no, against a bound on how many may say yes."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from detectors.columns import Floats


def log_increments(yes: Floats, n: Floats, null: Floats, alternative: Floats) -> Floats:
    """k log(p/q) + (n - k) log((1 - p) / (1 - q)), all shapes broadcast; q = `null`, p = `alternative`, both in (0, 1).

    An e-increment for "mean <= q" where p > q and for "mean >= q" where p < q, if the window's units are independent given
    the past. `yes` may be fractional (a mean per unit, summed): the log is then a lower bound of the betting form by
    concavity, still valid. Source: Wald 1945; Waudby-Smith and Ramdas 2024, JRSS-B.
    """
    return yes * np.log(alternative / null) + (n - yes) * np.log((1.0 - alternative) / (1.0 - null))


def tilted(share: Floats, log_odds: Floats) -> Floats:
    """The share whose log odds differ from those of `share` in (0, 1) by `log_odds`; stays inside (0, 1)."""
    result: Floats = expit(logit(share) + log_odds)
    return result

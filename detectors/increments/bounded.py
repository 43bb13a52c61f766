"""I2: values between 0 and 1, one a unit, against a bound on their mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.columns import Floats
from detectors.increments.bernoulli import tilted
from detectors.increments.ipw import sum_by_watch

TILTS = np.array([0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
"""Differences of the log odds that are bet on."""

BETS = len(TILTS)


def log_increments(values: Floats, row: npt.NDArray[np.intp], null: Floats, side: float) -> Floats:
    """Sum over the values of log(1 + lam_g (y - q)), shape (R, BETS), by `row` (E,), ascending, of values (E,) in [0, 1].

    null   (R,) the bound q, in (0, 1); side: 1 for "mean <= q", -1 for "mean >= q".

    With p_g the share whose log odds are `TILTS` away from those of q, lam_g = (p_g - q) / (q (1 - q)): an e-increment for
    every p_g on the side that is bet on, whatever the values' distribution, if units are independent given the past and their
    means average at most q (at least q). Of values 0 and 1 this is `increments.bernoulli`.

    Source: Waudby-Smith and Ramdas 2024, JRSS-B (betting).
    """
    q = null[:, None]
    bets = (tilted(q, side * TILTS) - q) / (q * (1.0 - q))
    return sum_by_watch(np.log1p(bets[row] * (values - null[row])[:, None]), row, len(null))

"""An estimate that gathers: the mixture of normal likelihood ratios, as increments.

For an estimate of an effect with standard error se, both over everything so far, and a scale tau fixed in advance, the ratio
of likelihoods averaged over effects beyond the null (half-normal, scale tau) is asymptotically an e-process. What one window
adds to it is the increment. One scale a bet.

Source: Robbins 1970, "Statistical methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41;
Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, Annals of Statistics.

>>> import numpy as np
>>> log_e = log_evidence(np.array([0.0, 3.0, 6.0]), np.ones(3), np.full((3, 1), 2.0))
>>> [round(float(x), 2) for x in log_e[:, 0]]
[-0.8, 3.48, 14.29]
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from detectors.columns import Floats


def log_evidence(beyond: Floats, se: Floats, tau: Floats) -> Floats:
    """Log of the mixture against "the effect is at most 0", shape (W, G); 0 where se is not finite or 0: nothing is known.

    beyond   (W,) the estimate, measured from the null's edge, positive where it lies beyond.
    se       (W,) its standard error, over independent units.
    tau      (W, G) scales, > 0.
    """
    known = np.isfinite(se) & (se > 0)
    v = np.where(known, se, 1.0)[:, None] ** 2
    u, t = np.where(known, beyond, 0.0)[:, None], tau**2
    pulled = u * tau / np.sqrt(v * (v + t))
    log_e: Floats = np.log(2.0) + 0.5 * np.log(v / (v + t)) + 0.5 * pulled**2 + log_ndtr(pulled)
    return np.where(known[:, None], log_e, 0.0)

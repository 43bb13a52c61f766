"""I6: how many units of each cohort something happened to, when how often it happens to anybody is not known and changes.

Given that it happened to N units in all, the number of exposed ones among them is binomial, with a share that only the ratio
of the two rates moves away from the exposed cohort's share of the people: night and day, campaigns and outages cancel.

It counts units, each once per fresh randomisation. Events of one unit come in clumps; counting those is not covered.

Source: Lindon and Malek 2022, "Anytime-valid inference for multinomial count data", NeurIPS; the conditional binomial is
Przyborowski and Wilenski 1940, Biometrika 31.

>>> import numpy as np
>>> share, within = np.array([0.9]), np.array([0.05])            # nine in ten exposed; 5 % more is nobody's concern
>>> as_planned = log_increments(np.array([900.0]), np.array([1000.0]), share, within, np.array([1.0]))
>>> twice = log_increments(np.array([948.0]), np.array([1000.0]), share, within, np.array([1.0]))
>>> bool(as_planned.max() < 0), bool(twice.max() > 10)
(True, True)
"""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats
from detectors.increments import bernoulli

BETS = 6

_BEYOND = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])


def log_increments(exposed: Floats, total: Floats, share: Floats, tolerance: Floats, side: Floats) -> Floats:
    """Log e-increments against "the exposed rate is at most exp(tolerance) times the holdout's", shape (W, BETS).

    exposed    (W,) exposed units it happened to, of `total` (W,) units of both cohorts.
    share      (W,) share of the exposed among all units that it could have happened to, in (0, 1), fixed by design.
    tolerance  (W,) on the logarithm of the ratio of rates; negative values test that the ratio is at least so large.
    side       (W,) +1 where more is worse; -1 where less is worse: "at least exp(-tolerance) times the holdout's".

    Written for what is rare. Of what is frequent the counts spread less than binomial ones do: then it errs on the safe side.
    """
    edge = (side * tolerance)[:, None]
    null = bernoulli.tilted(share[:, None], edge)
    alternative = bernoulli.tilted(share[:, None], edge + side[:, None] * _BEYOND)
    return bernoulli.log_increments(exposed[:, None], total[:, None], null, alternative)


def log_increments_worse(exposed: Floats, total: Floats, share: Floats, tolerance: Floats, side: Floats) -> Floats:
    """The mirror: against "it is still worse than the tolerance", shape (W, BETS)."""
    return log_increments(exposed, total, share, -tolerance, -side)

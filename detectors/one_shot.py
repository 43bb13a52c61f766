"""Test mode: a hypothesis that is tested once, from a first unit to a verdict, and looked at after every window.

The same e-increments as the monitor's (see `detectors.engine`), without spending: E <- E * L, starting at 1. Under the null
P(E ever reaches 1 / alpha) <= alpha (Ville 1939), so one may look as often as one likes. E runs on after it crossed: families
of hypotheses (`detectors.families`) need its present value, not the memory of a crossing.

>>> import numpy as np
>>> from detectors.increments.bernoulli import log_increments
>>> bets, test = np.array([0.55, 0.6, 0.7]), start(1, 3)
>>> for window in range(20):
...     log_l = log_increments(np.array([[13.0]]), np.array([[20.0]]), np.array([0.5]), bets)     # 13 of 20 say yes
...     test = advance(test, log_l, np.array([True]), np.array([window]), level=0.01)
>>> round(float(log_values(test)[0]), 1), int(test.crossed_at[0])
(15.7, 6)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats, Ints

_CAP = 700.0
NEVER = -1
"""`crossed_at` of a test that has not crossed."""


@dataclass(frozen=True)
class OneShot:
    """W tests with G bets each.

    log_e        (W, G): log of each bet's product since the start.
    crossed_at   (W,): event time, ms, at which E first reached its bound; `NEVER` before.
    """

    log_e: Floats
    crossed_at: Ints


def start(tests: int, bets: int) -> OneShot:
    """No evidence: E = 1."""
    return OneShot(np.zeros((tests, bets)), np.full(tests, NEVER, np.int64))


def advance(test: OneShot, log_l: Floats, live: Bools, at: Ints, level: Floats | float) -> OneShot:
    """One window: log e-increments `log_l` (W, G) of the tests in `live` (W,), which ends at event time `at` (W,), ms.

    level   chance, in (0, 1), ever to cross while the null is true.
    """
    log_e = np.where(live[:, None], np.minimum(test.log_e + log_l, _CAP), test.log_e)
    moved = OneShot(log_e, test.crossed_at)
    crosses = live & (test.crossed_at == NEVER) & (log_values(moved) >= -np.log(level))
    return OneShot(log_e, np.where(crosses, at, test.crossed_at))


def log_values(test: OneShot) -> Floats:
    """Log of E, the plain average over the bets, shape (W,)."""
    value: Floats = np.logaddexp.reduce(test.log_e, axis=-1) - np.log(test.log_e.shape[-1])
    return value


def crossed(test: OneShot) -> Bools:
    """Tests that have crossed at some time, shape (W,)."""
    has: Bools = test.crossed_at != NEVER
    return has

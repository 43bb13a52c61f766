"""One alarm promised to 200 watches over four weeks of five-minute windows, on series that break a Gaussian engine.

Each watch learns four weeks (`increments.block.calibrate`), then spends its share of the one alarm for four weeks. Eight such
horizons. A monitor that assumes independent normal windows told 5 (autocorrelation .1), 91 (.3) and 216 (twice the variance).
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from detectors import engine
from detectors.detector import Tick
from detectors.evidence import Crossing
from detectors.increments import block

WATCHES, HORIZONS, PER_DAY, DAYS = 200, 8, 288, 28
WINDOWS = PER_DAY * DAYS
BUDGET = 1.0
KINDS = ("autocorrelated .3", "right skew", "left skew", "t4")


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms of all watches in each horizon."""

    kind: str
    alarms: list[int]


def series(kind: str, windows: int, watches: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(windows, watches), mean 0 and variance 1, in single precision to halve the memory."""
    shape = (windows, watches)
    if kind == "right skew":
        return (rng.standard_exponential(shape) - 1.0).astype(np.float32)
    if kind == "left skew":
        return (1.0 - rng.standard_exponential(shape)).astype(np.float32)
    if kind == "t4":
        heavy: npt.NDArray[np.float32] = (rng.standard_t(4, shape) / 2.0**0.5).astype(np.float32)
        return heavy
    x = rng.standard_normal(shape, np.float32)
    x[1:] *= np.float32(np.sqrt(1 - 0.3**2))
    for t in range(1, windows):
        x[t] += np.float32(0.3) * x[t - 1]
    return x


def spend(kind: str, seed: int, *, windows: int = WINDOWS, horizons: int = HORIZONS) -> Spent:
    """Run all horizons of one kind side by side; learning lasts as long as watching."""
    rng, rows = np.random.default_rng(seed), WATCHES * horizons
    x = series(kind, 2 * windows, rows, rng)
    learned = block.calibrate(x[:windows].astype(np.float64), PER_DAY, centre=0.0)
    none = np.full((rows, block.BETS), -np.inf)
    weights, everyone = np.full(block.BETS, -np.log(block.BETS)), np.ones(rows, np.bool_)
    bank = engine.begin(engine.start(rows, block.BETS), everyone, np.zeros(rows, np.int64))
    alarms = np.zeros(horizons, np.int64)
    for t in range(windows):
        z = block.standardised(x[windows + t].astype(np.float64), np.zeros(rows), learned.s)
        tells = engine.Increments(block.log_increments(z, learned.kappa), none, block.log_increments(-z, learned.kappa))
        tick = Tick.plain(t, t + 1, page=BUDGET / (WATCHES * windows), warn=0.0, watches=rows)
        bank, verdict = engine.advance(bank, tells, weights, tick, everyone, everyone)
        paged = np.array([c is Crossing.PAGE for c in verdict.crossing])
        alarms += paged.reshape(horizons, WATCHES).sum(axis=1)
    return Spent(kind=kind, alarms=alarms.tolist())

"""Worlds for comparisons of releases: many experiments side by side, units that come back, answers in pairs."""

from __future__ import annotations

import numpy as np

from detectors.ab_test import AbTest, AbTestParams
from detectors.columns import Bools, Columns, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence
from detectors.math import fixed
from detectors.two_arms import Tally

HOUR = 3_600_000


def tick(window: int, watches: int) -> Tick:
    """A window that spends nothing."""
    return Tick.plain(window * HOUR, (window + 1) * HOUR, page=0.0, warn=0.0, watches=watches)


def yes_and_no(treated: int, treated_yes: int, control: int, control_yes: int) -> Tally:
    """Units of both arms, enrolled in one window, with a value of 0 or 1."""
    keys = np.array([0, 1, fixed.ONE * 2, fixed.ONE * 2 + 1], np.uint64)
    counts = np.array([control - control_yes, treated - treated_yes, control_yes, treated_yes], np.int64)
    return Tally(keys[counts > 0], counts[counts > 0][:, None])


def enrolled(rng: np.random.Generator, runs: int, units: int, share: float, chance: tuple[float, float]) -> list[Tally]:
    """A window of every run: `units` units, each treated by a coin of the given share, who say yes by their arm's chance."""
    treated = rng.binomial(units, share, runs)
    yes1, yes0 = rng.binomial(treated, chance[0]), rng.binomial(units - treated, chance[1])
    return [
        yes_and_no(t, a, units - t, b) for t, a, b in zip(treated.tolist(), yes1.tolist(), yes0.tolist(), strict=True)
    ]


def crossings(told: list[list[Evidence]], *what: Crossing) -> Bools:
    """(windows, watches)."""
    found: Bools = np.array([[e.crossing in what for e in row] for row in told])
    return found


def correlated_events(rng: np.random.Generator, units: int, share: float, window: int) -> Columns:
    """Units of one enrolment window with 10 to 50 events each, whose levels differ (intra-class correlation .2)."""
    events = rng.integers(10, 51, units)
    level = rng.beta(0.4, 3.6, units)
    unit = np.repeat(np.arange(units, dtype=np.uint64) + np.uint64(1 + window * units), events)
    arm = np.repeat(np.where(rng.random(units) < share, 0, 1).astype(np.int8), events)
    first = np.zeros(len(unit), np.bool_)
    first[np.cumsum(events) - events] = True
    value = (rng.random(len(unit)) < np.repeat(level, events)).astype(np.float64)
    n = len(unit)
    return Columns(
        np.full(n, window * HOUR),
        unit,
        arm,
        np.zeros(n, np.int32),
        np.arange(n),
        {"value": Numeric(value), "first": flag(first)},
    )


def same_for_both(share: float, runs: int, *, windows: int, units: int, seed: int, alpha: float = 0.05) -> float:
    """Share of A/A experiments that ever see a difference: `units` new units a window, looked at after each of `windows`.

    Every unit has 10 to 50 correlated events; all of them are folded.
    """
    rng, detector, p = np.random.default_rng(seed), AbTest(), AbTestParams(alpha=alpha, at_most=10**12)
    state, ever = detector.start([p] * runs), np.zeros(runs, np.bool_)
    for window in range(windows):
        stats = [
            detector.fold(None, detector.empty(None), correlated_events(rng, units, share, window)) for _ in range(runs)
        ]
        state, told = detector.close([p] * runs, state, stats, tick(window, runs))
        ever |= crossings([told], Crossing.WARN)[0]
    return float(ever.mean())


def ever_different(share: float, runs: int, *, windows: int, seed: int, alpha: float = 0.05) -> float:
    """The same for arms of any size, with the values by which units are enrolled alone: all that the test looks at.

    The smaller arm has its first look after about four windows.
    """
    units = int(50 / min(share, 1.0 - share))
    rng, p = np.random.default_rng(seed), AbTestParams(alpha=alpha, at_most=10**12)
    detector = AbTest()
    state, ever = detector.start([p] * runs), np.zeros(runs, np.bool_)
    for window in range(windows):
        state, told = detector.close(
            [p] * runs, state, enrolled(rng, runs, units, share, (0.1, 0.1)), tick(window, runs)
        )
        ever |= crossings([told], Crossing.WARN)[0]
    return float(ever.mean())

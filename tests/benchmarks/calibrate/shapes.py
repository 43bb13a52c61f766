"""Values of many streams at once: correlated within a unit, of a given law, with what all units of a window share."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from detectors.columns import Floats
from tests.benchmarks.calibrate.cells import Cell, Noise

WITHIN_UNIT = 0.5
"""Correlation of the normal scores of two events of one unit."""

STEP_HOURS = 3
PERSISTENCE = 0.6


def scores(rng: np.random.Generator, cell: Cell, streams: int, units: int) -> Floats:
    """Standard normal scores (streams, units, events)."""
    own = rng.standard_normal((streams, units, cell.events))
    if cell.events == 1:
        return own
    unit = rng.standard_normal((streams, units, 1))
    result: Floats = np.sqrt(WITHIN_UNIT) * unit + np.sqrt(1 - WITHIN_UNIT) * own
    return result


def shaped(normal: Floats, noise: Noise) -> Floats:
    """The same ranks under the law of `noise`, mean 0 and variance 1."""
    result = normal
    if noise is Noise.T4:
        result = stdtrit(4.0, ndtr(normal)) / np.sqrt(2.0)
    elif noise is Noise.SKEWED:
        result = -np.log(ndtr(-normal)) - 1.0
    return result


class Common:
    """What all units of a window share: nothing, an AR(1) path, or a daily and weekly season; root mean square `size`."""

    def __init__(self, rng: np.random.Generator, cell: Cell, streams: int, size: float) -> None:
        self._rng, self._noise, self._size = rng, cell.noise, size
        self._level = size * rng.standard_normal(streams)

    def of(self, window: int) -> Floats:
        """(streams,) for the next window, a number since Monday midnight; call once a window, in order."""
        if self._noise is Noise.AUTOCORRELATED:
            fresh = self._size * np.sqrt(1 - PERSISTENCE**2) * self._rng.standard_normal(len(self._level))
            self._level = PERSISTENCE * self._level + fresh
            return self._level
        if self._noise is Noise.SEASON:
            hour = window * STEP_HOURS
            day = np.sqrt(2.0) * np.sin(2 * np.pi * hour / 24)
            weekend = np.where(hour // 24 % 7 >= 5, 1.0, -0.4)
            return np.full(len(self._level), self._size * (0.8 * day + 0.8 * weekend))
        return np.zeros(len(self._level))

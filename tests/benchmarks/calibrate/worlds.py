"""Streams of rows that detectors fold: one `Columns` a stream and window. `worse` is an effect in margins; 0 is healthy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy.special import ndtri

from detectors.columns import Category, Columns, Floats, Hash, Numeric, Ragged, flag
from tests.benchmarks.calibrate.cells import Cell, Noise
from tests.benchmarks.calibrate.shapes import STEP_HOURS, Common, scores, shaped

WINDOW = STEP_HOURS * 3_600_000
UNITS = 100
"""Units of a stream and window; every unit comes once, with all its events."""

_SPREAD = 0x9E37_79B9_7F4A_7C15


class World(Protocol):
    """R streams."""

    def rows(self, window: int, worse: float) -> list[Columns]:
        """Rows of every stream in the next window; call once a window, in order."""


MakeWorld = Callable[[np.random.Generator, Cell, int], World]
"""A generator, the cell and the number of streams."""


class People:
    """Units with a cohort coin and events; the values are made from scores by `value`.

    value(scores, common, exposed, worse): (streams, units, events), (streams, 1, 1), 1 or 0 in (streams, units, 1), a number.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        cell: Cell,
        streams: int,
        value: Callable[[Floats, Floats, Floats, float], Floats],
        *,
        wander: float,
        held: Callable[[float], float] | None = None,
        units: Callable[[int], int] = lambda window: UNITS,  # noqa: ARG005
    ) -> None:
        self._rng, self._cell, self._streams, self._units = rng, cell, streams, units
        self._value, self._held = value, held or (lambda _: cell.held)
        self._common = Common(rng, cell, streams, wander)
        self._seen = 0

    def rows(self, window: int, worse: float) -> list[Columns]:
        """Columns `value`, `first` (a unit's first event) and `voting` (all)."""
        streams, units, events = self._streams, self._units(window), self._cell.events
        held = self._rng.random((streams, units)) < self._held(worse)
        normal = scores(self._rng, self._cell, streams, units)
        common = self._common.of(window)[:, None, None]
        value = self._value(normal, common, (~held[:, :, None]).astype(np.float64), worse).reshape(streams, -1)
        cohort = np.repeat(held.astype(np.int8), events, axis=1)
        unit = np.repeat(np.arange(self._seen + 1, self._seen + units + 1).astype(np.uint64), events)
        unit = unit * np.uint64(_SPREAD)
        self._seen += units
        n = units * events
        time, none, offset = np.full(n, window * WINDOW), np.zeros(n, np.int32), np.arange(n)
        first, voting = flag(np.tile(np.arange(events) == 0, units)), flag(np.ones(n, np.bool_))
        return [
            Columns(time, unit, cohort[r], none, offset, self._columns(value[r]) | {"first": first, "voting": voting})
            for r in range(streams)
        ]

    def _columns(self, value: Floats) -> dict[str, Numeric | Category]:
        return {"value": Numeric(value)}


BASE = 0.10
"""Mean of a healthy yes-or-no value."""


def bounded(cell: Cell, margin: float) -> Callable[[Floats, Floats, Floats, float], Floats]:
    """Values in [0, 1]: yes or no at the rate `BASE`, graded under t4 and skew; the exposed lose `margin` times worse."""

    def value(normal: Floats, common: Floats, exposed: Floats, worse: float) -> Floats:
        if cell.noise in (Noise.T4, Noise.SKEWED):
            return np.clip(0.3 + 0.1 * shaped(normal, cell.noise), 0.0, 1.0)
        bar = -ndtri(BASE * (1.0 - margin * worse * exposed))
        return (normal + common > bar).astype(np.float64)

    return value


def moved(cell: Cell, distance: float) -> Callable[[Floats, Floats, Floats, float], Floats]:
    """Real numbers; `worse` moves the mean so far that the Kolmogorov-Smirnov distance is `distance` times it (normal law)."""

    def value(normal: Floats, common: Floats, exposed: Floats, worse: float) -> Floats:  # noqa: ARG001 - everybody moves
        mean = 2.0 * ndtri((1.0 + distance * worse) / 2.0)
        result: Floats = shaped(normal, cell.noise) + common + mean
        return result

    return value


class Arrivals:
    """Counts of a window of one minute; negative binomial where the noise is heavy, in hours where it is seasonal."""

    def __init__(self, rng: np.random.Generator, cell: Cell, streams: int) -> None:
        self._rng, self._cell, self._streams = rng, cell, streams
        self._common = Common(rng, Cell(cell.held, 1, cell.noise), streams, 0.5)
        self._path = np.zeros(streams)

    def rows(self, window: int, worse: float) -> list[Columns]:
        """Column `count`; any `worse` above 0 is silence."""
        if window % 60 == 0:
            self._path = self._common.of(window // 60 // STEP_HOURS)
        mean = 0.8 * np.exp(self._path) * (worse <= 0)
        spread = float(self._cell.events) ** 0.5
        size = np.maximum(mean, 1e-9) / max(spread - 1.0, 1e-9)
        counts = self._rng.poisson(mean if spread <= 1.0 else self._rng.gamma(size, spread - 1.0))
        none = np.zeros(1, np.int64)
        return [
            Columns(
                none,
                none.astype(np.uint64),
                none.astype(np.int8),
                none.astype(np.int32),
                none,
                {"count": Numeric(np.array([float(n)]))},
            )
            for n in counts
        ]


class Slates:
    """One slate of items a unit and event; `worse` narrows what the exposed choose among by `fall` that many times over."""

    ITEMS, SLATE, UNITS = 200, 5, 400

    def __init__(self, rng: np.random.Generator, cell: Cell, streams: int, fall: float) -> None:
        self._rng, self._cell, self._streams, self._fall = rng, cell, streams, fall
        self._common = Common(rng, cell, streams, 0.1)

    def rows(self, window: int, worse: float) -> list[Columns]:
        """Column `items`; a unit's items come from its own corner of the catalogue in as many slates as it has events."""
        n = self.UNITS
        common = np.exp(-np.abs(self._common.of(window)))
        result = []
        for r in range(self._streams):
            held = self._rng.random(n) < max(self._cell.held, 0.1)
            choice = self.ITEMS * common[r] * np.where(held, 1.0, (1.0 - self._fall) ** worse)
            skew = 2.0 if self._cell.noise in (Noise.SKEWED, Noise.T4) else 1.0
            taken = max(1, self.SLATE // min(self._cell.events, self.SLATE))
            drawn = 1 + np.floor(self._rng.random((n, taken)) ** skew * choice[:, None]).astype(np.uint64)
            item = np.tile(drawn, (1, self.SLATE // taken)).ravel() * np.uint64(_SPREAD)
            starts = np.arange(n + 1) * (self.SLATE // taken * taken)
            result.append(
                Columns(
                    np.full(n, window * WINDOW),
                    np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_SPREAD),
                    held.astype(np.int8),
                    np.zeros(n, np.int32),
                    np.arange(n),
                    {"items": Ragged(starts, {"item": Hash(item)})},
                )
            )
        return result

"""Streams of rows that detectors fold: one `Columns` a stream and window. `worse` is an effect in margins; 0 is healthy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from scipy.special import ndtri

from detectors.columns import Category, Column, Columns, Floats, Hash, Numeric, Ragged, Vector, flag
from tests.benchmarks.calibrate.cells import Cell, Noise
from tests.benchmarks.calibrate.shapes import STEP_HOURS, Common, scores, shaped

WINDOW = STEP_HOURS * 3_600_000
Ints8 = np.ndarray[tuple[int], np.dtype[np.int8]]

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

    value(scores, common, exposed, worse): shapes (streams, units, events), (streams, 1, 1), 1 or 0 in (streams, units, 1), a
    number. columns(value): what a stream's values (n,) are shown as; None: as the number `value`.
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
        columns: Callable[[Floats], Mapping[str, Column]] | None = None,
        units: Callable[[int], int] = lambda window: UNITS,  # noqa: ARG005
    ) -> None:
        self._rng, self._cell, self._streams, self._units = rng, cell, streams, units
        self._value, self._held, self._columns = value, held or (lambda _: cell.held), columns or numbers
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
            Columns(time, unit, cohort[r], none, offset, {**self._columns(value[r]), "first": first, "voting": voting})
            for r in range(streams)
        ]


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


def numbers(value: Floats) -> dict[str, Column]:
    """`value` as it is."""
    return {"value": Numeric(value)}


def in_fifths(value: Floats) -> dict[str, Column]:
    """`value` as one of five categories, equally likely where it is standard normal."""
    codes = np.searchsorted(ndtri(np.arange(1, 5) / 5), value).astype(np.int32)
    return {"value": Category(codes, ("a", "b", "c", "d", "e"))}


def with_gaps(value: Floats) -> dict[str, Column]:
    """`value`, missing where it is among the largest twentieth of a standard normal."""
    return {"value": Numeric(np.where(value > ndtri(0.95), np.nan, value))}


def as_vectors(value: Floats) -> dict[str, Column]:
    """A vector that `value` decides: four functions of it."""
    return {
        "value": Vector(np.stack([value, np.sin(value), np.cos(2 * value), np.tanh(value)], axis=1, dtype=np.float32))
    }


def in_groups(value: Floats) -> dict[str, Column]:
    """`value`, and a group of three that has nothing to do with it."""
    return {"value": Numeric(value), "group": Category(np.arange(len(value), dtype=np.int32) % 3, ("x", "y", "z"))}


def chances(n: int) -> Floats:
    """What a classifier claims of n events in a row, between .02 and .38."""
    result: Floats = 0.02 + 0.36 * np.mod(np.arange(n, dtype=np.float64) * 0.618_033_988_75, np.float64(1.0))
    return result


def claimed(value: Floats) -> dict[str, Column]:
    """What came true, beside `chances`."""
    return {"value": Numeric(value), "probability": Numeric(chances(len(value)))}


def come_true(normal: Floats, common: Floats, exposed: Floats, worse: float) -> Floats:  # noqa: ARG001 - everybody's
    """1 with the chance claimed, which nobody shifts: the classifier is calibrated."""
    claims = chances(normal.shape[1] * normal.shape[2]).reshape(normal.shape[1:])
    return (normal > -ndtri(claims) + common).astype(np.float64)


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


class Comers:
    """Units enrolled in the first window, who come again or not, each with a habit of its own; the exposed stay away by `apart`.

    `worse` 1: the chances of both cohorts are `apart` times their mean from each other. Columns `first` and `counted`.
    """

    UNITS, COMES = 5_000, 0.5

    def __init__(self, rng: np.random.Generator, cell: Cell, streams: int, apart: float) -> None:
        self._rng, self._cell, self._streams, self._apart = rng, cell, streams, apart
        self._common = Common(rng, cell, streams, 0.2)
        self._cohort = (rng.random((streams, self.UNITS)) < cell.held).astype(np.int8)
        self._habit = rng.standard_normal((streams, self.UNITS))

    def rows(self, window: int, worse: float) -> list[Columns]:
        """Everybody in the first window; then who comes."""
        lost = worse * self._apart / 2.0
        chance = self.COMES * np.array([(1.0 - lost) / (1.0 + lost), 1.0])[self._cohort]
        level = (self._habit + self._common.of(window)[:, None]) / np.sqrt(2.0)
        noise = self._rng.standard_normal(level.shape) / np.sqrt(2.0)
        here = (level + noise < ndtri(chance)) | (window == 0)
        return [self._of(window, here[r], self._cohort[r]) for r in range(self._streams)]

    def _of(self, window: int, here: np.ndarray[tuple[int], np.dtype[np.bool_]], cohort: Ints8) -> Columns:
        unit = np.repeat(np.flatnonzero(here), self._cell.events)
        n = len(unit)
        fields = {
            "first": flag(np.full(n, window == 0)),
            "counted": flag(np.tile(np.arange(self._cell.events) == 0, n // self._cell.events)),
        }
        ids = (unit + 1).astype(np.uint64) * np.uint64(_SPREAD)
        return Columns(np.full(n, window * WINDOW), ids, cohort[unit], np.zeros(n, np.int32), np.arange(n), fields)


class Slates:
    """One slate of items a unit and event; `worse` narrows what the exposed choose among by `fall` that many times over."""

    ITEMS, SLATE, UNITS = 200, 5, 400

    def __init__(self, rng: np.random.Generator, cell: Cell, streams: int, fall: float) -> None:
        self._rng, self._cell, self._streams, self._fall = rng, cell, streams, fall
        self._common = Common(rng, cell, streams, 0.1)

    def rows(self, window: int, worse: float) -> list[Columns]:
        """Column `items`; the more events a unit has, the more often the same items; three in a hundred drawn at random."""
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
                    {
                        "items": Ragged(
                            starts, {"item": Hash(item), "explored": flag(self._rng.random(len(item)) < 0.03)}
                        )
                    },
                )
            )
        return result

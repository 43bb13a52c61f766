"""False alarms and coverage of every detector in every cell, and of the rivals on the same kinds of streams."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np

from detectors.catalogue import DETECTORS
from tests.benchmarks.calibrate import rivals
from tests.benchmarks.calibrate.adapters import ADAPTERS, of
from tests.benchmarks.calibrate.cells import ALONE, COMPARING, Cell
from tests.benchmarks.calibrate.course import run

PROMISE = 0.1
"""Expected false pages of a stream."""

_RIVAL_STREAMS = 60


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One procedure in one cell.

    rate       false pages a stream (rivals: alarms per 20,000 events, or share of streams with an alarm).
    promise    expected false pages a stream that were spent; None: nothing is promised.
    error      Monte Carlo standard error of `rate`, at the promise where there is one.
    streams    how many; covered: share of streams whose intervals held the truth at every look, of `shown` streams;
               nominal: what the intervals claim.
    """

    procedure: str
    levels: tuple[str, ...]
    rate: float
    promise: float | None
    error: float
    streams: int
    covered: float | None = None
    shown: int = 0
    nominal: float | None = None


def seed_of(*words: object) -> int:
    """A seed that depends on what is measured, and on nothing else."""
    return zlib.crc32(repr(words).encode())


def tasks() -> list[tuple[str, Cell]]:
    """Every detector in its cells; the rivals in one list of cells each."""
    own = [(name, cell) for name in DETECTORS for cell in of(name).cells]
    alone = [("rivals alone", cell) for cell in ALONE if not cell.edge]
    return own + alone + [("rivals comparing", cell) for cell in COMPARING if not cell.edge]


def measure(task: tuple[str, Cell]) -> list[Measured]:
    """One task of `tasks`."""
    name, cell = task
    if name == "rivals alone":
        return _rivals_alone(cell)
    if name == "rivals comparing":
        return _rivals_comparing(cell)
    adapter = of(name)
    windows = adapter.windows(cell)
    worse, since = (1.0, adapter.learns) if cell.edge else (0.0, 0)
    course = run(name, adapter, cell, seed_of(name, cell), page=PROMISE / windows, worse=worse, since=since)
    promise = adapter.level or float(course.spent.mean()) + adapter.extra
    alarms = course.pages.any(axis=0) if adapter.level else course.pages
    shown = int(course.judged.sum())
    return [
        Measured(
            procedure=name,
            levels=cell.levels() if name in ADAPTERS else ("healthy",),
            rate=float(alarms.sum()) / adapter.streams,
            promise=promise if adapter.promise else None,
            error=float(np.sqrt(max(promise, 1.0 / adapter.streams) / adapter.streams)),
            streams=adapter.streams,
            covered=1.0 - float(course.missed[course.judged].mean()) if shown else None,
            shown=shown,
            nominal=course.level if shown else None,
        )
    ]


def _rivals_alone(cell: Cell) -> list[Measured]:
    world = ADAPTERS["numeric_shift"].world(np.random.default_rng(seed_of("rivals", cell)), cell, _RIVAL_STREAMS)
    windows = -(-(rivals.EVENTS + rivals.REFERENCE) // (100 * cell.events))
    told = [[rows.numbers("value") for rows in world.rows(t, 0.0)] for t in range(windows)]
    first = np.concatenate([row[0] for row in told])[: rivals.EVENTS]
    result = [
        Measured(
            procedure=name,
            levels=cell.levels()[1:],
            rate=rivals.river_alarms(name, first),
            promise=None,
            error=float("nan"),
            streams=1,
        )
        for name in rivals.RIVER
    ]
    tested = [rivals.windowed_tests([row[r] for row in told]) for r in range(_RIVAL_STREAMS)]
    for name in tested[0]:
        each = np.array([t[name] for t in tested])
        result.append(
            Measured(
                procedure=name,
                levels=cell.levels()[1:],
                rate=float(each.mean()),
                promise=None,
                error=float(each.std(ddof=1) / np.sqrt(len(each))),
                streams=len(each),
            )
        )
    return result


def _rivals_comparing(cell: Cell) -> list[Measured]:
    streams = 2 * _RIVAL_STREAMS
    world = ADAPTERS["cohort_bounded"].world(np.random.default_rng(seed_of("rivals", cell)), cell, streams)
    told = [world.rows(t, 0.0) for t in range(-(-rivals.EVENTS // (100 * cell.events)))]
    share = float(np.mean([rivals.peeking_z([row[r] for row in told]) for r in range(streams)]))
    return [
        Measured(
            procedure="z-test of cohorts, peeking",
            levels=cell.levels(),
            rate=share,
            promise=None,
            error=float(np.sqrt(max(share * (1 - share), 0.01) / streams)),
            streams=streams,
        )
    ]

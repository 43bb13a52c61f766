"""A bank of one detector over the streams of one world, through the public interface, as the daemon calls it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.catalogue import DETECTORS
from detectors.columns import Bools, Floats
from detectors.detector import Tick
from tests.benchmarks.calibrate.adapters import Adapter
from tests.benchmarks.calibrate.cells import Cell

WARN_TO_PAGE = 4.0


@dataclass(frozen=True)
class Course:
    """What R streams of T windows told.

    pages   (T, R) a false alarm, as the adapter says what is one.
    spent   (R,) expected false pages that were spent.
    judged, missed   (R,) an interval that claims every look was shown, and one of them did not hold the truth.
    level   what such intervals claim; NaN where none was shown.
    """

    pages: Bools
    spent: Floats
    judged: Bools
    missed: Bools
    level: float


def run(
    name: str, adapter: Adapter, cell: Cell, seed: int, *, page: float, worse: float, since: int = 0, windows: int = 0
) -> Course:
    """Streams whose effect is `worse` from window `since` on (0 before it); `page` may be spent in every window."""
    detector, streams = DETECTORS[name], adapter.streams
    windows = windows or adapter.windows(cell)
    world = adapter.world(np.random.default_rng(seed), cell, streams)
    ps = [adapter.params(cell)] * streams
    state = detector.start(ps)
    pages = np.zeros((windows, streams), np.bool_)
    spent, judged, missed = np.zeros(streams), np.zeros(streams, np.bool_), np.zeros(streams, np.bool_)
    truth, level = None if adapter.truth is None or since else adapter.truth(cell, worse), float("nan")
    for t in range(windows):
        now = worse if t >= since else 0.0
        stats = []
        for row, rows in enumerate(world.rows(t, now)):
            prep = detector.prepare(ps[row], state, row)
            stats.append(detector.fold(prep, detector.empty(prep), rows))
        start = t * adapter.step
        tick = Tick.plain(start, start + adapter.step, page=page, warn=WARN_TO_PAGE * page, watches=streams)
        state, told = detector.close(ps, state, stats, tick)
        pages[t] = [e.crossing in adapter.alarms for e in told]
        spent += [e.spend for e in told]
        for row, interval in enumerate(e.interval for e in told):
            if truth is not None and interval is not None and interval.kind == "since_start":
                judged[row], level = True, interval.level
                missed[row] |= not interval.low <= truth <= interval.high
    return Course(pages, spent, judged, missed, level)

"""Arrival windows: how many events of every stream came and how many records could not be used, by the broker's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors import columns as cols
from detectors.columns import Columns, Numeric
from monitor.engine.judge import Judge
from monitor.engine.lanes import LONGEST_SILENCE, REJECTED, Lanes
from monitor.memory import ARRIVALS, ModelMemory, OpenWindow
from monitor.watch.plan import ModelPlan, WatchPlan


def close_arrivals(memory: ModelMemory, plan: ModelPlan, lanes: Lanes, judge: Judge, until: int) -> None:
    """Close every arrival window up to `until`; the first is the earliest in which anything arrived.

    Of a silence that is longer than three days the rest is passed over: all was said, and years may lie in an old topic.
    """
    _close(memory, plan, lanes.watches[ARRIVALS], judge, until)


def close_last_arrivals(memory: ModelMemory, plan: ModelPlan, lanes: Lanes, judge: Judge) -> None:
    """Where nothing will ever come again, judge what came last and could not be used. That nothing follows is no silence."""
    watches = [watch for watch in lanes.watches[ARRIVALS] if "rejected" in watch.needs.columns]
    last = max((start for windows in memory.arrivals.values() for start in windows), default=None)
    if last is not None:
        _close(memory, plan, watches, judge, last + plan.arrivals)


def _close(memory: ModelMemory, plan: ModelPlan, watches: Sequence[WatchPlan], judge: Judge, until: int) -> None:
    length = plan.arrivals
    if not watches:
        return
    if ARRIVALS not in memory.lanes:
        seen = [start for windows in memory.arrivals.values() for start in windows]
        if not seen or min(seen) + length > until:
            return
        memory.lanes[ARRIVALS] = min(seen)
    closed = 0
    while memory.lanes[ARRIVALS] + length <= until:
        if closed == LONGEST_SILENCE // length:
            next_arrival = min((s for windows in memory.arrivals.values() for s in windows), default=until)
            memory.lanes[ARRIVALS] = max(memory.lanes[ARRIVALS], next_arrival - next_arrival % length)
            closed = 0
            continue
        start = memory.lanes[ARRIVALS]
        closed = 0 if any(start in windows for windows in memory.arrivals.values()) else closed + 1
        memory.lanes[ARRIVALS] = start + length
        came = {stream: windows.pop(start, 0) for stream, windows in memory.arrivals.items()}
        rows = {
            stream: _arrival_row(start, came.get(stream, 0), came.get(REJECTED + stream, 0))
            for stream in {watch.on for watch in watches}
        }
        for watch in watches:
            bank = memory.banks[watch.detector]
            prep = bank.test.prepare(watch.params, bank.state, bank.row(watch))
            statistic = bank.test.fold(prep, bank.test.empty(prep), rows[watch.on])
            memory.open[watch.key] = OpenWindow(start, statistic)
        for name in sorted({w.detector for w in watches}):
            own = [w for w in watches if w.detector == name]
            said = judge.advance(memory, memory.banks[name], own, start + length)
            judge.teller.speak(memory, said, start + length)


def _arrival_row(start: int, count: int, rejected: int) -> Columns:
    rows = cols.no_rows()
    one = np.zeros(1, np.int64)
    return replace(
        rows,
        time=one + start,
        unit=one.astype(np.uint64),
        cohort=one.astype(np.int8),
        partition=one.astype(np.int32),
        offset=one,
        fields={"count": Numeric(np.array([float(count)])), "rejected": Numeric(np.array([float(rejected)]))},
    )

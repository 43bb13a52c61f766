"""How much of every stream could not be used, by event time: verdicts of windows in which it was too much are stale.

A record that cannot be used has no event time. It counts for the time that its stream had come to in its partition, so that where
a poll is cut or which partition is read first changes nothing. What came before the first event counts for no window.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from detectors.columns import Ints
from monitor.ingest.mapping import PREDICTIONS
from monitor.memory import ModelMemory
from monitor.watch.plan import ModelPlan

_NONE = np.zeros(0, np.int64)


def count(memory: ModelMemory, plan: ModelPlan, stream: str, *, kept: Ints = _NONE, rejected: Ints = _NONE) -> None:
    """Count rows that were kept and records that were rejected, both by event time."""
    slots = memory.quality.setdefault(stream, {})
    for times, place in ((kept, 0), (rejected, 1)):
        for slot, n in Counter((times - times % plan.slot).tolist()).items():
            slots.setdefault(slot, [0, 0])[place] += n


def stale(memory: ModelMemory, plan: ModelPlan, lane: str, start: int, end: int) -> str:
    """Why a window of a lane cannot be believed: too much of what it is made of was rejected; "" if it can."""
    spans = {PREDICTIONS: (start, end)}
    if lane != PREDICTIONS:
        outcome = next(o for o in plan.outcomes if o.name == lane)
        spans[lane] = (start - plan.early, end + outcome.within)
    why = []
    for stream, (low, high) in spans.items():
        counts = [n for slot, n in memory.quality.get(stream, {}).items() if low - plan.slot < slot < high]
        good, bad = (sum(n[place] for n in counts) for place in (0, 1))
        if good + bad >= plan.rejects.at_least and bad > plan.rejects.at_most * (good + bad):
            why.append(f"{100 * bad / (good + bad):.3g} % of {good + bad:,} records of {stream} could not be used")
    return "; ".join(why)


def forget(memory: ModelMemory, plan: ModelPlan, before: int) -> None:
    """Drop counts of slots that no open window can need any more; all before `before` - `plan.early`."""
    oldest = min([before, *(window.start for window in memory.open.values())]) - plan.early - plan.slot
    for slots in memory.quality.values():
        for slot in [slot for slot in slots if slot < oldest]:
            del slots[slot]

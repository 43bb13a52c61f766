"""A finding that there is too little to judge says what would be found, and by when, at the pace seen so far.

The pace is what a watch has counted since its first such finding. It is told to one digit, rounded down: so it is told steadily,
and is computed anew only when that digit moves.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec

from detectors.detector import Params
from detectors.evidence import Evidence, Standing
from detectors.power import Outlook, Reach
from detectors.reaches import catalogue
from monitor.memory import ModelMemory
from monitor.watch import reach
from monitor.watch.plan import DAY, WatchPlan

_TOLD = "smallest_by"
_LEARNED = ("block_deviation", "s", "kappa", "margin", "baseline", "standard_error")
"""Figures of its own that a reach may rest on."""


def with_reach(memory: ModelMemory, watch: WatchPlan, evidence: Evidence, end: int) -> Evidence:
    """`evidence` of a window that ends at `end`, with its reach where it is insufficient and does not tell it itself."""
    if evidence.standing is not Standing.INSUFFICIENT or _TOLD in evidence.detail:
        return evidence
    if watch.detector not in catalogue.REACHES or not reach.may_alarm(watch):
        return evidence
    counted = reach.counted(evidence)
    since, first = memory.paces.get(watch.key, (end, counted))
    if counted < first or since > end:
        since, first = end, counted
    memory.paces[watch.key] = (since, first)
    if counted == first or since == end:
        return evidence
    mean, square = reach.moments(evidence)
    known = {name: v for name, v in reach.figures(evidence).items() if name in _LEARNED}
    units = _down((counted - first) / (end - since) * DAY)
    pace = reach.Pace(units, None if mean is None else _down(mean), None if square is None else _down(square), known)
    found = _reach(watch.detector, watch.params, reach.outlook(watch, pace))
    if found.unknown:
        return evidence
    by = max(end, since + int(found.learning * watch.window)) + int(reach.within(watch) * DAY)
    figures = {"smallest_effect": found.effect} if math.isfinite(found.effect) else {}
    words = reach.would_be_found(watch, found)
    return msgspec.structs.replace(
        evidence,
        reason=f"{evidence.reason}; at this pace {words}",
        detail=evidence.detail | figures | {_TOLD: float(by)},
    )


@lru_cache(maxsize=4096)
def _reach(detector: str, p: Params, outlook: Outlook) -> Reach:
    return catalogue.reach(detector, p, outlook)


def _down(x: float) -> float:
    """To one digit, rounded down."""
    if not x > 0:
        return x
    unit = 10.0 ** math.floor(math.log10(x))
    return float(f"{math.floor(x / unit + 1e-9) * unit:.1g}")

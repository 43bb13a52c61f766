"""Of which windows a figure is told: all since watching began, those since the change, or those since the alert opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from detectors import engine
from detectors.columns import Bools, Floats, Ints
from detectors.evidence import Crossing, Evidence, Mode
from detectors.math import dyadic

LEVEL = 0.95


class Kept(Protocol):
    """What a state keeps for it; sums are (W, k)."""

    @property
    def bank(self) -> engine.Bank:
        """The engines."""

    @property
    def spans(self) -> dyadic.Spans:
        """Sums of the last windows."""

    @property
    def total(self) -> Floats:
        """Sums since watching began, or evidence was thrown away."""

    @property
    def fresh(self) -> Floats:
        """Sums since the open alert began."""


@dataclass(frozen=True)
class Views:
    """Sums over windows, (W, k).

    total    since watching began, or evidence was thrown away.
    recent   since the change most likely began, or, where an alert ends, since the recovery did: the shortest of `offered`
             (W,) spans that is long enough.
    fresh    since the open alert began.
    """

    total: Floats
    recent: Floats
    offered: Ints
    fresh: Floats

    def told(self, base: Evidence, row: int) -> tuple[str, Floats, float]:
        """The kind of interval that one watch shows, the sums (k,) it is taken from, and the chance that it misses."""
        alpha = 1.0 - LEVEL
        if base.crossing is not Crossing.NONE and self.recent[row].any():
            return "recent", self.recent[row], alpha / float(self.offered[row])
        if base.mode is Mode.RECOVERING and self.fresh[row].any():
            return "fresh", self.fresh[row], alpha
        return "since_start", self.total[row], alpha


def of(s: Kept, spans: dyadic.Spans, window: Floats, counted: Bools, verdict: engine.Verdict) -> Views:
    """After a window with sums (W, k) that counts in the rows `counted` (W,); `s` is the state before, `spans` hold the window."""
    open_ = s.bank.mode == engine.RECOVERING
    total = np.where(counted[:, None], s.total + window, s.total)
    recent, _, offered = dyadic.at_least(spans, verdict.lasted)
    return Views(
        total=np.where((verdict.restarted & counted)[:, None], window, total),
        recent=recent,
        offered=offered,
        fresh=np.where((open_ & counted)[:, None], s.fresh + window, s.fresh),
    )


def kept(views: Views, spans: dyadic.Spans, verdict: engine.Verdict) -> dict[str, Any]:
    """What the state keeps of it, by field: with an alert that began or ended, what was counted for another one is forgotten."""
    return {
        "spans": dyadic.clear(spans, verdict.ended),
        "total": views.total,
        "fresh": np.where((verdict.opened | verdict.ended)[:, None], 0.0, views.fresh),
    }

"""Experiments one after the other: each gets its level when it starts, so that few of those that find something are wrong. Pure.

The t-th to start is tested at the share gamma_t * (found until then + 1) of the model's `false_discoveries` (e-LOND, see
`detectors.families`). The level of an experiment under way does not change; experiments may overlap and end in any order.

The family is the model's, not its team's: models are judged apart, in no order that a replay could keep. Over several models the
expected share of wrong findings is at most the sum of theirs, as V / R over all is at most the sum of V / R of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from detectors.detector import Family
from detectors.families import Lond
from monitor.watch.plan import ModelPlan, WatchPlan


@dataclass(frozen=True)
class InTurn:
    """The experiments of a model so far.

    lond     how many have started, and how many of them found something.
    shares   of those under way: the share of `false_discoveries` that is theirs; by the room of the experiment.
    found    of those: the rooms that have found something.
    """

    lond: Lond = field(default_factory=Lond)
    shares: Mapping[str, float] = field(default_factory=dict)
    found: frozenset[str] = frozenset()

    def started(self, room: str) -> InTurn:
        """With an experiment that starts now, or once more: what it found before stays counted.

        >>> first = InTurn().started("a").discovered("a")
        >>> [round(share, 2) for share in first.started("b").shares.values()]
        [0.49, 0.26]
        """
        share = self.lond.level(1.0)
        lond = replace(self.lond, seen=self.lond.seen + 1)
        return InTurn(lond, {**self.shares, room: share}, self.found - {room})

    def discovered(self, room: str) -> InTurn:
        """With what an experiment has found; it counts once."""
        if room not in self.shares or room in self.found:
            return self
        return replace(self, lond=replace(self.lond, rejected=self.lond.rejected + 1), found=self.found | {room})

    def packed(self) -> list[Any]:
        """As plain values, for a snapshot."""
        return [self.lond.seen, self.lond.rejected, dict(sorted(self.shares.items())), sorted(self.found)]

    @staticmethod
    def unpacked(packed: list[Any], rooms: set[str]) -> InTurn:
        """From what `packed` gave. Of experiments that are no more in `rooms`, only the counts stay."""
        seen, rejected, shares, found = packed
        return InTurn(Lond(seen, rejected), {r: s for r, s in shares.items() if r in rooms}, frozenset(found) & rooms)


def at_share(watch: WatchPlan, share: float) -> WatchPlan:
    """The watch at a share of its alpha."""
    return replace(watch, params=watch.params.model_copy(update={"alpha": alpha_of(watch) * share}))


def alpha_of(watch: WatchPlan) -> float:
    """The chance at which it is tested; 0 for what is no test of an experiment."""
    return float(getattr(watch.params, "alpha", 0.0))


def place(plan: ModelPlan, watch: WatchPlan) -> int | None:
    """Its experiment's place among those that get their level in turn, from 0, in the order of the config; None: not of them."""
    if watch.test.family is not Family.DEPLOYMENT:
        return None
    order = [e.name for e in plan.experiments if e.false_discoveries is not None]
    return order.index(watch.experiment) if watch.experiment in order else None


def share_in(place: int) -> float:
    """The share of the experiment that starts after `place` others, of which none has found anything.

    >>> [round(share_in(place), 3) for place in range(4)]
    [0.493, 0.131, 0.062, 0.037]
    """
    return Lond(seen=place).level(1.0)

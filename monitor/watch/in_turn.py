"""Experiments one after the other: each gets its level when it starts, so that few of those that find something are wrong. Pure.

The t-th to start is tested at the share gamma_t * (found until then + 1) of the model's `false_discoveries` (e-LOND, see
`detectors.families`). The level of an experiment under way does not change; experiments may overlap and end in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from detectors.families import Lond


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

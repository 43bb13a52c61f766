"""How much of what was shown most has given way to other items from one period to the next, without what chance alone replaces.

Two samples of one and the same period do not agree on which `top` items are shown most, and the fewer showings there are the less
they do: taken as it is, an overlap with the period before makes little traffic look like turnover. So units are split into two
halves A and B, by their hash and for good. With T the `top` items of a half in a period (0 before, 1 now),

    kept = (|T_A1 & T_B0| + |T_B1 & T_A0|) / (|T_A1 & T_B1| + |T_A0 & T_B0|),    turnover = 1 - kept,

where what two periods have in common is divided by what two halves of a period have. All four halves are rarefied to the same
number of showings, whole units at a time. If nothing changes, both sums have the same mean, whatever that is and however alike a
unit's showings are, as every pair is one of different units; an item that stays is found in both as often. It is the correction
for attenuation (Spearman 1904, American Journal of Psychology 15) of an overlap of sets. A unit counts once for an item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats, Hashes, Ints
from detectors.math import bootstrap
from detectors.math.unit_sample import mixed
from detectors.overlap import Seen

_HALVES = 0x63_6875_726E
_RUNS = 1 + bootstrap.REPLICATES


@dataclass(frozen=True)
class Turnover:
    """Of an arm's `top` items between two periods.

    share        that gave way to others, corrected for chance: 0 on average if nothing changed; NaN if the halves have nothing in
                 common. Not cut to [0, 1]. replicates (REPLICATES,) of the bootstrap over units.
    uncorrected  the same without correction; agreement: of a period's halves, in [0, 1].
    gone         share of the items before that nobody is shown now; new: of those now that nobody was shown before.
    showings     of each half after rarefaction; items: different ones in the smallest half.
    """

    share: float
    replicates: Floats
    uncorrected: float
    agreement: float
    gone: float
    new: float
    showings: int
    items: int


def between(before: Seen, now: Seen, arm: int, top: int) -> Turnover:
    """Turnover of the `top` items of an arm, 0 exposed or 1 holdout."""
    halves = [_half(period, arm, which) for period in (before, now) for which in (False, True)]
    equal = min(len(unit) for unit, _ in halves)
    halves = [_rarefied(unit, item, equal) for unit, item in halves]
    items = np.unique(np.concatenate([item for _, item in halves]))
    tops = np.stack([_tops(unit, np.searchsorted(items, item), len(items), top) for unit, item in halves])
    (a0, b0), (a1, b1) = tops[:2], tops[2:]
    across, within = (a1 & b0).sum(axis=1) + (b1 & a0).sum(axis=1), (a1 & b1).sum(axis=1) + (a0 & b0).sum(axis=1)
    shares: Floats = np.where(within > 0, 1.0 - across / np.maximum(within, 1), np.nan)
    return Turnover(
        share=float(shares[0]),
        replicates=shares[1:],
        uncorrected=1.0 - float(across[0]) / (2 * top),
        agreement=float(within[0]) / (2 * top),
        gone=_absent(items, a0[0], b0[0], now),
        new=_absent(items, a1[0], b1[0], before),
        showings=equal,
        items=min(len(np.unique(item)) for _, item in halves),
    )


def _half(seen: Seen, arm: int, which: bool) -> tuple[Hashes, Hashes]:
    """Distinct (unit, item) of a half of an arm's units, ascending by unit."""
    own = (seen.arm == arm) & ((mixed(seen.unit, _HALVES) & np.uint64(1)).astype(np.bool_) == which)
    return seen.unit[own], seen.item[own]


def _rarefied(unit: Hashes, item: Hashes, at_most: int) -> tuple[Hashes, Hashes]:
    """The first units that have at most so many showings together."""
    if len(unit) <= at_most:
        return unit, item
    fits = unit < unit[at_most]
    return unit[fits], item[fits]


def _tops(unit: Hashes, item: Ints, items: int, top: int) -> Bools:
    """(runs, items) whether an item is among the `top` of a half, unweighted and by replicate; ties are broken by the items' order."""
    people, of_unit = np.unique(unit, return_inverse=True)
    weight = np.concatenate([np.ones((len(people), 1), np.int64), bootstrap.weights(people)], axis=1)
    own = np.zeros((_RUNS, items), np.bool_)
    place = np.arange(items)
    for run in range(_RUNS):
        counts = np.rint(np.bincount(item, weight[of_unit, run], items)).astype(np.int64)
        rank = counts * items + place
        own[run, np.argpartition(rank, -top)[-top:] if items > top else place] = True
        own[run] &= counts > 0
    return own


def _absent(items: Hashes, a: Bools, b: Bools, there: Seen) -> float:
    """Share of the items that both halves have at the top which nobody was shown in the other period."""
    both = items[a & b]
    return float(np.mean(~np.isin(both, there.item))) if len(both) else 0.0

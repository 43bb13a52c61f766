"""Which items people have in common, in one period, without comparing pairs of people.

Kept are the distinct items of a sample of units of each arm: those with the smallest mixed hashes, as many whole units as fit
into a number of (unit, item) pairs. That sample depends on nothing but the set of pairs seen, so any cut, order and partitioning
of the rows gives the same arrays.

With m_j the units that were shown item j, U units and k distinct items a unit on average, the share of items that two units
have in common is sum m_j (m_j - 1) / (U (U - 1) k): unbiased, in O(items), where all pairs would be O(units squared).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors import showings
from detectors.arms import Reading
from detectors.columns import Columns, Floats, Hashes, Ints
from detectors.math import bootstrap

EVERYBODY = np.uint64(2**64 - 1)
"""`Seen.below` of an arm of which every unit is kept."""


@dataclass(frozen=True)
class Seen:
    """Distinct (arm, unit, item), ascending, each array (n,).

    arm, unit, item   0 exposed or 1 holdout; both hashes mixed, so that no unit's own hash outlives its erasure.
    below             (2,) mixed hashes of units from which on none of the arm is kept.
    exposures         (2,) items shown, also to units that are not kept.
    """

    arm: Ints
    unit: Hashes
    item: Hashes
    below: Hashes
    exposures: Ints


def empty() -> Seen:
    """Nobody was shown anything."""
    none = np.zeros(0, np.uint64)
    return Seen(np.zeros(0, np.int64), none, none.copy(), np.full(2, EVERYBODY), np.zeros(2, np.int64))


def of(rows: Columns, max_pairs: int) -> Seen:
    """What the policy chose for exposed units and what held-out units were shown, at most `max_pairs` of each arm."""
    shown = showings.chosen(showings.of(rows))
    exposures = np.bincount(shown.arm, minlength=2).astype(np.int64)
    return _kept(
        shown.arm, bootstrap.mix(rows.unit[shown.owner]), shown.item, np.full(2, EVERYBODY), exposures, max_pairs
    )


def merge(a: Seen, b: Seen, max_pairs: int) -> Seen:
    """Both as one."""
    return _kept(
        np.concatenate([a.arm, b.arm]),
        np.concatenate([a.unit, b.unit]),
        np.concatenate([a.item, b.item]),
        np.minimum(a.below, b.below),
        a.exposures + b.exposures,
        max_pairs,
    )


def _kept(arm: Ints, unit: Hashes, item: Hashes, below: Hashes, exposures: Ints, max_pairs: int) -> Seen:
    kept = unit < below[arm]
    arm, unit, item = arm[kept], unit[kept], item[kept]
    order = np.lexsort((item, unit, arm))
    arm, unit, item = arm[order], unit[order], item[order]
    new = np.ones(len(arm), np.bool_)
    new[1:] = (arm[1:] != arm[:-1]) | (unit[1:] != unit[:-1]) | (item[1:] != item[:-1])
    arm, unit, item = arm[new], unit[new], item[new]
    below = below.copy()
    for which in (0, 1):
        own = unit[arm == which]
        if len(own) > max_pairs:
            below[which] = own[max_pairs]  # the first unit that does not fit goes whole, and so do all after it
    fits = unit < below[arm]
    return Seen(arm[fits], unit[fits], item[fits], below, exposures)


def units(a: Seen) -> Ints:
    """(2,) sampled units of each arm."""
    return np.array([len(np.unique(a.unit[a.arm == which])) for which in (0, 1)], np.int64)


def reading(a: Seen) -> Reading:
    """How little people have in common: minus the logarithm of the overlap, with its replicates."""
    own = np.full((2, 1 + bootstrap.REPLICATES), np.nan)
    told: dict[str, Any] = {}
    for which, name in enumerate(("exposed", "holdout")):
        here = a.arm == which
        if here.any():
            overlaps, mean_items = _overlaps(a.unit[here], a.item[here])
            with np.errstate(divide="ignore", invalid="ignore"):
                own[which] = np.where(overlaps > 0, -np.log(overlaps), np.nan)
            told[f"jaccard_{name}"] = float(overlaps[0] / (2.0 - overlaps[0]))
            told[f"items_per_unit_{name}"] = mean_items
    told["sampled"] = bool((a.below < EVERYBODY).any())
    return Reading(own[:, 0], own[:, 1:], units(a), a.exposures, told)


def _overlaps(unit: Hashes, item: Hashes) -> tuple[Floats, float]:
    """(1 + REPLICATES,) overlap of distinct (unit, item), by replicate, the first unweighted; and items a unit."""
    people, of_unit, size = np.unique(unit, return_inverse=True, return_counts=True)
    items, of_item = np.unique(item, return_inverse=True)
    weight = np.concatenate([np.ones((len(people), 1), np.int64), bootstrap.weights(people)], axis=1).astype(np.float64)
    of_all = weight.sum(axis=0)
    mean_items = (weight * size[:, None]).sum(axis=0) / np.maximum(of_all, 1.0)
    common = np.array([np.sum(np.bincount(of_item, w[of_unit], len(items)) ** 2) for w in weight.T])
    own = (weight**2 * size[:, None]).sum(axis=0)
    pairs = (of_all**2 - (weight**2).sum(axis=0)) * mean_items
    overlaps: Floats = np.where(pairs > 0, (common - own) / np.where(pairs > 0, pairs, 1.0), np.nan)
    return overlaps, float(mean_items[0])

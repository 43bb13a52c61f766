"""Who was shown which items in one period: the statistic under the concentration of exposure.

Of the exposed only what the policy chose counts: items marked `explored` were drawn at random, and would hide how narrow the
policy is. Of the holdout everything counts. Where nobody is held out, those items themselves can stand in its place, weighted
(`detectors.draws`). Three integer tables, each bounded in memory whatever the catalogue and the traffic:

- items: exact counts of the exposed and the holdout for at most `max_items` items. Beyond, those with the smallest mixed
  hashes are kept, which is a uniform sample of the items and depends on nothing but the set of items seen; the exposures of
  the rest stay in the totals and are reported as folded.
- slots: 16,384 signed sums (a count sketch) of plain and bootstrap-weighted counts. The sum of their squares is an unbiased
  estimate of the sum over all items of the squared count, with a relative error of at most sqrt(2 / 16384) = 1.1 %, and the
  same error, nearly, in every replicate. It yields the standard error always and the estimate itself only when items were folded.
- units: distinct units of each cohort.

Source: Alon, Matias and Szegedy 1999, JCSS 58 (second frequency moment); Charikar, Chen and Farach-Colton 2002 (count sketch).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detectors import draws, showings
from detectors.arms import Reading
from detectors.arms_report import ARMS
from detectors.columns import Columns, Floats, Hashes, Ints
from detectors.math import bootstrap, distinct, diversity, keyed

SLOTS = 1 << 14

_RUNS = 1 + bootstrap.REPLICATES
_SIGN = np.uint64(63)


@dataclass(frozen=True)
class Exposures:
    """Counts by item and cohort. The arm axis is (exposed, holdout); run 0 has weight 1, the others are replicates.

    items, counts          (n,) mixed item hashes, ascending; (n, 2) exposures, each once.
    slots, slot_sums       (k,) slots in use, ascending; (k, 2 * runs) signed weighted exposures, arm-major.
    weight, squares        (2, runs) sums over all exposures of their weight times the unit's, and of its square.
    shown                  (3,) exposures of each arm, and draws that were left out for want of a propensity.
    exposed, holdout       mixed unit hashes; see `detectors.math.distinct`.
    """

    items: Hashes
    counts: Ints
    slots: Hashes
    slot_sums: Ints
    weight: Ints
    squares: Ints
    shown: Ints
    exposed: Hashes
    holdout: Hashes


def empty() -> Exposures:
    """Nobody was shown anything."""
    none = np.zeros(0, np.uint64)
    return Exposures(
        items=none,
        counts=np.zeros((0, 2), np.int64),
        slots=none.copy(),
        slot_sums=np.zeros((0, 2 * _RUNS), np.int64),
        weight=np.zeros((2, _RUNS), np.int64),
        squares=np.zeros((2, _RUNS), np.int64),
        shown=np.zeros(3, np.int64),
        exposed=none.copy(),
        holdout=none.copy(),
    )


def merge(a: Exposures, b: Exposures, max_items: int) -> Exposures:
    """Both as one."""
    items = keyed.merge(keyed.KeyedSums(a.items, a.counts), keyed.KeyedSums(b.items, b.counts))
    slots = keyed.merge(keyed.KeyedSums(a.slots, a.slot_sums), keyed.KeyedSums(b.slots, b.slot_sums))
    return Exposures(
        items=items.keys[:max_items],
        counts=items.sums[:max_items],
        slots=slots.keys,
        slot_sums=slots.sums,
        weight=a.weight + b.weight,
        squares=a.squares + b.squares,
        shown=a.shown + b.shown,
        exposed=distinct.add(a.exposed, b.exposed),
        holdout=distinct.add(a.holdout, b.holdout),
    )


def of(rows: Columns, column: str, max_items: int, drawn_of: int | None = None) -> Exposures:
    """What `rows` show to exposed and held-out units; rows without a unit and items without an identity are left out.

    drawn_of   None, or: instead of held-out units, what was drawn at random for the exposed; see `detectors.draws.against`.

    KeyError if there is no such column, TypeError if it is no list of items.
    """
    shown, unknown = showings.of(rows, column), 0
    if drawn_of is None:
        chosen = showings.chosen(shown)
        counted = np.ones(len(chosen.item), np.int64)
    else:
        chosen, counted, unknown = draws.against(shown, rows, drawn_of)
    if not len(chosen.item):
        return replace(empty(), shown=np.array([0, 0, unknown], np.int64))
    owner, item, arm = chosen.owner, chosen.item, chosen.arm
    people, of_unit = np.unique(rows.unit[owner], return_inverse=True)
    weight = np.concatenate([np.ones((len(people), 1), np.int64), bootstrap.weights(people)], axis=1)

    keys, of_item = np.unique(item, return_inverse=True)
    slots, of_slot = np.unique(bootstrap.mix(keys) & np.uint64(SLOTS - 1), return_inverse=True)
    sign = 1 - 2 * (bootstrap.mix(keys) >> _SIGN).astype(np.int64)
    cell = of_slot[of_item] * 2 + arm
    by_exposure = sign[of_item] * counted
    sums = np.stack(
        [_sums(cell, by_exposure * weight[of_unit, run], 2 * len(slots)).reshape(-1, 2) for run in range(_RUNS)], axis=2
    )
    times, times_squared = (
        np.stack([_sums(of_unit, np.where(arm == which, each, 0), len(people)) for which in (0, 1)])
        for each in (counted, counted**2)
    )
    mixed = bootstrap.mix(people)
    return Exposures(
        items=keys[:max_items],
        counts=_sums(of_item * 2 + arm, np.ones(len(arm)), 2 * len(keys)).reshape(-1, 2)[:max_items],
        slots=slots,
        slot_sums=sums.reshape(len(slots), 2 * _RUNS),
        weight=times @ weight,
        squares=times_squared @ weight**2,
        shown=np.append(np.bincount(arm, minlength=2), unknown).astype(np.int64),
        exposed=distinct.add(np.zeros(0, np.uint64), mixed[times[0] > 0]),
        holdout=distinct.add(np.zeros(0, np.uint64), mixed[times[1] > 0]),
    )


def _sums(index: Ints, values: Ints | Floats, length: int) -> Ints:
    """Integer sums by index; exact, as no sum comes near 2^53."""
    return np.rint(np.bincount(index, values, length)).astype(np.int64)


def units(a: Exposures) -> tuple[int, int]:
    """Distinct units, exposed and held out."""
    return distinct.count(a.exposed), distinct.count(a.holdout)


def reading(a: Exposures) -> Reading:
    """How concentrated the exposures of each arm are: the logarithms of their effective items."""
    total, self_pairs = a.weight.astype(np.float64), a.squares.astype(np.float64)
    sketched = np.sum(a.slot_sums.astype(np.float64) ** 2, axis=0).reshape(2, _RUNS)
    folded = int(a.shown[:2].sum() - a.counts.sum())
    for arm in (0, 1):
        if folded == 0 and (each := _each(a, arm)):
            sketched[arm, 0] = np.sum((each * a.counts[:, arm].astype(np.float64)) ** 2)
    logs = diversity.log_effective_items(diversity.unbiased_hhi(sketched, total, self_pairs))
    people = np.array(units(a), np.int64)
    told: dict[str, Any] = {
        "folded_exposures": folded,
        "units_estimated": bool((people >= distinct.KEPT).any()),
        **figures(a),
    }
    if folded:
        told["folded"] = (
            f"{folded:,} exposures are of items beyond the cap: effective items come from 16,384 signed sums "
            "(relative error about 1 %), the other figures from a uniform sample of the items"
        )
    return Reading(logs[:, 0], logs[:, 1:], people, a.shown[:2], told)


def _each(a: Exposures, arm: int) -> float:
    """The weight of every exposure of an arm where all weigh alike; else 0."""
    n, total, squares = int(a.shown[arm]), int(a.weight[arm, 0]), int(a.squares[arm, 0])
    return total / n if n and squares * n == total**2 else 0.0


def figures(a: Exposures) -> dict[str, float]:
    """Descriptions of each arm for people, by name; with folded items, of the uniform sample of items that was kept.

    Coverage is rarefied to the smaller arm's traffic, so that arms compare.
    """
    totals = a.counts.sum(axis=0)
    equal = int(totals[totals > 0].min()) if totals.any() else 0
    told: dict[str, float] = {}
    for arm, name in enumerate(ARMS):
        if totals[arm]:
            counts = a.counts[:, arm]
            told[f"exp_entropy_{name}"] = diversity.exp_entropy(counts)
            told[f"coverage_at_5_{name}"] = diversity.coverage(counts, equal)
            told[f"gini_{name}"] = diversity.gini(counts)
    return told

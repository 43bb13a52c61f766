"""Scores of what was shown and what came of it, in one period, and the gap between the cohorts at equal scores.

Kept are all showings of a sample of units of each arm: those with the smallest mixed hashes, as many whole units as fit. That
sample depends on nothing but the showings, so any cut, order and partitioning of the rows gives the same arrays.

The bins are 20 equal parts of the exposed's scores between their 1st and 99th percentile, so that no bin is open at an end; only
bins with 20 units of each cohort count, by the holdout's showings in them. In wide bins the exposed's scores lie above the
holdout's, which alone makes a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors import showings
from detectors.columns import Bools, Columns, Floats, Hashes, Ints
from detectors.math import bootstrap

BINS = 20
FEWEST = 20
"""Units of each cohort that a bin needs."""

_ALL = np.uint64(2**64 - 1)
_RUNS = 1 + bootstrap.REPLICATES
_INNER = np.linspace(0.01, 0.99, BINS + 1)


@dataclass(frozen=True)
class Scored:
    """Showings with a score, ascending by (arm, mixed unit, score, came), each array (n,).

    arm, unit, score, came   0 exposed or 1 holdout; mixed hash; the model's score; 1 if it brought the outcome.
    below                    (2,) mixed hashes of units from which on none of the arm is kept.
    shown                    (2, 2) by arm: showings, and those with a score, also of units that are not kept.
    """

    arm: Ints
    unit: Hashes
    score: Floats
    came: Ints
    below: Hashes
    shown: Ints


@dataclass(frozen=True)
class Gap:
    """Outcome rates at equal scores, weighted by the holdout's showings.

    rates       (2, runs): of the exposed and the held out; run 0 unweighted, the others bootstrap replicates. NaN without a bin.
    units       (2,) units in the bins that count; bins: how many count.
    compared    share of the holdout's showings in them.
    """

    rates: Floats
    units: Ints
    bins: int
    compared: float


def empty() -> Scored:
    """Nobody was shown anything."""
    none = np.zeros(0, np.int64)
    return Scored(none, np.zeros(0, np.uint64), np.zeros(0), none.copy(), np.full(2, _ALL), np.zeros((2, 2), np.int64))


def of(rows: Columns, max_rows: int) -> Scored:
    """What the policy chose for exposed units and what held-out units were shown, at most `max_rows` of each arm."""
    chosen = showings.chosen(showings.of(rows))
    score, came = showings.numbers(rows, chosen, "score"), showings.flags(rows, chosen, "came")
    told = np.isfinite(score)
    shown = np.stack([np.bincount(chosen.arm[which], minlength=2) for which in (slice(None), told)], axis=1)
    return _kept(
        Scored(
            chosen.arm[told],
            bootstrap.mix(rows.unit[chosen.owner[told]]),
            score[told] + 0.0,  # zero has two signs, and is one value
            came[told].astype(np.int64),
            np.full(2, _ALL),
            shown.astype(np.int64),
        ),
        max_rows,
    )


def merge(a: Scored, b: Scored, max_rows: int) -> Scored:
    """Both as one."""
    return _kept(
        Scored(
            np.concatenate([a.arm, b.arm]),
            np.concatenate([a.unit, b.unit]),
            np.concatenate([a.score, b.score]),
            np.concatenate([a.came, b.came]),
            np.minimum(a.below, b.below),
            a.shown + b.shown,
        ),
        max_rows,
    )


def _kept(a: Scored, max_rows: int) -> Scored:
    order = np.lexsort((a.came, a.score, a.unit, a.arm))
    order = order[a.unit[order] < a.below[a.arm[order]]]
    arm, unit, below = a.arm[order], a.unit[order], a.below.copy()
    for which in (0, 1):
        own = unit[arm == which]
        if len(own) > max_rows:
            below[which] = own[max_rows]  # the first unit that does not fit goes whole, and so do all after it
    fits = order[unit < below[arm]]
    return Scored(a.arm[fits], a.unit[fits], a.score[fits], a.came[fits], below, a.shown)


def units(a: Scored) -> Ints:
    """(2,) sampled units of each arm."""
    return np.array([len(np.unique(a.unit[a.arm == which])) for which in (0, 1)], np.int64)


def gap(a: Scored) -> Gap:
    """The rates of both arms at equal scores."""
    unknown = Gap(np.full((2, _RUNS), np.nan), np.zeros(2, np.int64), 0, 0.0)
    if not (a.arm == 0).any():
        return unknown
    edges = np.unique(np.quantile(a.score[a.arm == 0], _INNER, method="inverted_cdf"))
    place = np.searchsorted(edges, a.score, side="right") - 1
    place = np.where(a.score == edges[-1], max(len(edges) - 2, 0), place)
    inside = (place >= 0) & (a.score <= edges[-1])
    place = np.clip(place, 0, BINS - 1)
    people, of_unit = np.unique(a.unit, return_inverse=True)
    pairs = np.unique(np.stack([a.arm[inside], place[inside], of_unit[inside]]), axis=1)
    in_bin = np.stack([np.bincount(pairs[1, pairs[0] == which], minlength=BINS) for which in (0, 1)])
    good: Bools = np.asarray((in_bin >= FEWEST).all(axis=0))
    if not good.any():
        return unknown
    used = inside & good[place]
    weight = np.concatenate([np.ones((len(people), 1), np.int64), bootstrap.weights(people)], axis=1)
    cell = (a.arm * BINS + place)[used]
    n, yes = (
        np.stack(
            [
                np.bincount(cell, of * weight[of_unit[used], run], 2 * BINS).reshape(2, BINS)[:, good]
                for run in range(_RUNS)
            ],
            axis=2,
        )
        for of in (np.ones(int(used.sum())), a.came[used])
    )
    rate = yes / np.maximum(n, 1.0)
    rates = (n[1] * rate).sum(axis=1) / np.maximum(n[1].sum(axis=0), 1.0)
    people_in = np.array([len(np.unique(of_unit[used & (a.arm == which)])) for which in (0, 1)], np.int64)
    held = a.arm == 1
    return Gap(rates, people_in, int(good.sum()), float(used[held].sum() / held.sum()))

"""Who brought about the labels that the next model is taught: the model itself, chance, or people who came by themselves.

A label is an item shown to an exposed unit that brought an outcome; an organic outcome is a label that no showing brought about
(search, a direct visit, another place). Told together, over some periods: shares of all labels, with an interval of what was not
the model's doing, from a Poisson bootstrap over units (Student's with 19 degrees of freedom, asymptotic), and how many people
the labels of the last period are of. Nothing is told where organic outcomes are not told apart from others.

An organic outcome belongs to the period of its own time, a label of a showing to that of the showing, which has waited for it: an
outcome has no showing to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.columns import Bools, Cohort, Columns, Flag, Hashes, Ints
from detectors.math import bootstrap, distinct
from detectors.showings import Showings

LEVEL = 0.95

_RANDOM, _SHOWN, _ORGANIC = range(3)
_RUNS = 1 + bootstrap.REPLICATES


@dataclass(frozen=True)
class Taught:
    """Labels of exposed units; nothing where organic outcomes are not told apart.

    sums      (3, runs) labels of items drawn at random, of all items shown, and organic ones, each with its unit's bootstrap weight;
              run 0 has weight 1.
    organic   mixed units with an organic outcome; people: with a label of any kind; see `detectors.math.distinct`.
    """

    sums: Ints
    organic: Hashes
    people: Hashes


def nothing() -> Taught:
    """No labels."""
    none = np.zeros(0, np.uint64)
    return Taught(np.zeros((3, _RUNS), np.int64), none, none.copy())


def read(rows: Columns, shown: Showings, came: Bools) -> Taught:
    """Labels of `rows`: of what they show, where `came` (n,) is true, and rows that are `organic`."""
    told = rows.fields.get("organic")
    if not isinstance(told, Flag):
        return nothing()
    label = (shown.arm == Cohort.EXPOSED) & came
    own = told.values & (rows.unit != 0) & (rows.cohort == Cohort.EXPOSED)
    counts = np.zeros((np.count_nonzero(label) + np.count_nonzero(own), 3), np.int64)
    counts[: label.sum(), _RANDOM] = shown.explored[label]
    counts[: label.sum(), _SHOWN] = 1
    counts[label.sum() :, _ORGANIC] = 1
    unit = np.concatenate([rows.unit[shown.owner[label]], rows.unit[own]])
    people, of_unit = np.unique(unit, return_inverse=True)
    by_unit = np.stack([np.bincount(of_unit, column, len(people)) for column in counts.T]).astype(np.int64)
    weight = np.concatenate([np.ones((len(people), 1), np.int64), bootstrap.weights(people)], axis=1)
    mixed = bootstrap.mix(people)
    none = np.zeros(0, np.uint64)
    return Taught(
        by_unit @ weight,
        distinct.add(none, mixed[by_unit[_ORGANIC] > 0]),
        distinct.add(none, mixed),
    )


def merge(a: Taught, b: Taught) -> Taught:
    """Both together."""
    return Taught(
        a.sums + b.sums,
        distinct.add(a.organic, b.organic),
        distinct.add(a.people, b.people),
    )


def closed(a: Taught) -> list[Ints]:
    """What is kept of a period that is over: its sums, and how many people; of nobody in particular. Empty if nothing is told."""
    people = np.array([distinct.count(a.organic), distinct.count(a.people)], np.int64)
    return [a.sums, people] if people[1] else []


def figures(periods: Sequence[Sequence[Ints]]) -> dict[str, Any]:
    """Shares of all labels of some periods, each as `closed`, and people of the last one, 0 if it is empty; {} if all are.

    The error of the share that was not the model's doing is at least what one label more would change; its interval is stored as
    that of an evidence is, for `detectors.recompute`.
    """
    told = [period for period in periods if len(period)]
    if not told:
        return {}
    sums = np.sum([sums for sums, _ in told], axis=0).astype(np.float64)
    organic_people, people = periods[-1][1].tolist() if len(periods[-1]) else (0, 0)
    labels = sums[_SHOWN] + sums[_ORGANIC]
    shares = (sums[_RANDOM] + sums[_ORGANIC]) / np.maximum(labels, 1.0)
    share, se = float(shares[0]), max(float(bootstrap.standard_error(shares[1:])), 1.0 / float(labels[0]))
    radius = float(bootstrap.quantile((1.0 - LEVEL) / 2.0)) * se
    return {
        "all_labels": int(labels[0]),
        "people": people,
        "organic_labels": int(sums[_ORGANIC, 0]),
        "organic_people": organic_people,
        "organic_share": float(sums[_ORGANIC, 0] / labels[0]),
        "exploration_share": float(sums[_RANDOM, 0] / labels[0]),
        "not_by_the_model": {
            "share": share,
            "low": max(share - radius, 0.0),
            "high": min(share + radius, 1.0),
            "level": LEVEL,
            "kind": "recent",
            "formula": "student",
            "inputs": {"se": se, "alpha": 1.0 - LEVEL, "at_least": 0.0, "at_most": 1.0},
        },
        "labels_caused_by_the_model": 1.0 - share,
    }


def in_words(told: dict[str, Any]) -> str:
    """`figures` as part of a sentence; "" if they are empty.

    >>> print(in_words({"all_labels": 800, "people": 900, "organic_people": 80, "organic_share": 0.05, "exploration_share": 0.07,
    ...                 "not_by_the_model": {"low": 0.1, "high": 0.14}, "labels_caused_by_the_model": 0.88}))
    of 800 labels the model itself caused 88.0% [86.0% to 90.0%], random items 7.0%, and 5.0% are organic (80 of 900 people in this period)
    """
    if "organic_share" not in told:
        return ""
    bounds, caused = told["not_by_the_model"], told["labels_caused_by_the_model"]
    people = f"{told['organic_people']:,} of {told['people']:,} people" if told["people"] else "no label"
    return (
        f"of {told['all_labels']:,} labels the model itself caused {caused:.1%} "
        f"[{1 - bounds['high']:.1%} to {1 - bounds['low']:.1%}], random items {told['exploration_share']:.1%}, and "
        f"{told['organic_share']:.1%} are organic ({people} in this period)"
    )

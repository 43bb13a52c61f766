"""What the last periods leave for the next training: how much of the catalogue starves, and who chose what it will learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors import snapshot
from detectors.columns import Floats, Ints
from detectors.effective_sample import LARGEST_WEIGHT
from detectors.math import keyed

FEW = 30
"""Random showings below which little can be learned of an item."""

EXPLORED, ALL, EXPLORED_LABELS, LABELS = range(4)
WIDTH = 4
"""Columns of counts by item: random and all showings to exposed units, and those of them that brought an outcome."""


def figures(trail: Sequence[bytes], max_items: int, *, labels: bool) -> dict[str, Any]:
    """Starvation, effective sample size and what the model caused, over packed (items, counts) of the trailing periods."""
    table = keyed.nothing(WIDTH)
    for packed in trail:
        items, counts = snapshot.unpack(packed)
        table = keyed.merge(table, keyed.KeyedSums(items, counts))
    counts = table.sums[:max_items]
    if not len(counts):
        return {}
    total = counts.sum(axis=0)
    taught: dict[str, Any] = {"labels": int(total[LABELS])} if labels else {}
    if taught and total[LABELS]:
        taught["labels_caused_by_the_model"] = float(1.0 - total[EXPLORED_LABELS] / total[LABELS])
    return {
        "starved": float(np.mean(counts[:, EXPLORED] < FEW)),
        "items": len(counts),
        "effective_sample_ratio": effective_sample_ratio(counts[:, ALL]),
        "caused_by_the_model": float(1.0 - total[EXPLORED] / max(total[ALL], 1)),
        "trailing_periods": len(trail),
    } | taught


def starvation(detail: dict[str, Any]) -> str:
    """Starvation in words, and what of the labels is the model's own doing where that is known."""
    count = detail["trailing_periods"]
    over = "this period" if count == 1 else f"the last {count} periods"
    text = f"{detail['starved']:.0%} of {detail['items']:,} items were shown at random fewer than {FEW} times in {over}"
    if "labels_caused_by_the_model" in detail:
        text += (
            f", and the model itself caused {detail['labels_caused_by_the_model']:.1%} of {detail['labels']:,} labels"
        )
    return text


def effective_sample_ratio(counts: Ints) -> float:
    """Effective sample size of exposures (J,) weighted to equal shares of all items, as a share of them, in (0, 1].

    >>> effective_sample_ratio(np.array([100, 100])), round(effective_sample_ratio(np.array([199, 1])), 3)
    (1.0, 0.03)
    """
    share: Floats = (counts + 0.5) / np.sum(counts + 0.5)
    weight = 1.0 / share
    weight = np.minimum(weight, LARGEST_WEIGHT * float(np.sum(share * weight)))
    return float(np.sum(share * weight) ** 2 / np.sum(share * weight**2))

"""What the last periods leave for the next training: how much of the catalogue starves, and who chose what it will learn from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from detectors import snapshot, taught
from detectors.columns import Bools, Floats, Ints
from detectors.effective_sample import LARGEST_WEIGHT
from detectors.math import keyed

FEW = 30
"""Random showings below which little can be learned of an item."""

EXPLORED, ALL, EXPLORED_LABELS, LABELS = range(4)
WIDTH = 4
"""Columns of counts by item: random and all showings to exposed units, and those of them that brought an outcome."""


SUPERLINEAR = (
    "what brought more labels comes to be shown more than in proportion: exponents {before:.2f} and {now:.2f}, above 1 in two "
    "periods. A description, no test: the noise of small counts pulls the exponent towards 0, so the true one is larger"
)
_FEWEST_ITEMS = 10


def figures(trail: Sequence[bytes], trailing: int, max_items: int, *, labels: bool) -> dict[str, Any]:
    """Starvation, effective sample size and what the model caused, over packed (items, counts, ...) of the last periods.

    trail   the oldest first; of the last `trailing` the figures are told, and the exponents of the last three.
    """
    unpacked = [snapshot.unpack(packed) for packed in trail]
    tables = [keyed.KeyedSums(items, counts) for items, counts, *_ in unpacked]
    table = keyed.nothing(WIDTH)
    for period in tables[-trailing:]:
        table = keyed.merge(table, period)
    counts = table.sums[:max_items]
    if not len(counts):
        return {}
    total = counts.sum(axis=0)
    learned: dict[str, Any] = {"labels": int(total[LABELS])} if labels else {}
    if learned and total[LABELS]:
        learned["labels_caused_by_the_model"] = float(1.0 - total[EXPLORED_LABELS] / total[LABELS])
    learned |= taught.figures([told for _, _, *told in unpacked[-trailing:]])
    return {
        "starved": float(np.mean(counts[:, EXPLORED] < FEW)),
        "items": len(counts),
        "effective_sample_ratio": effective_sample_ratio(counts[:, ALL]),
        "caused_by_the_model": float(1.0 - total[EXPLORED] / max(total[ALL], 1)),
        "trailing_periods": min(len(trail), trailing),
    } | (learned | _popularity(tables) if labels else {})


def _popularity(tables: Sequence[keyed.KeyedSums]) -> dict[str, Any]:
    """How exposure followed labels in the last periods, and a warning where it did so more than in proportion, twice."""
    exponents = [
        popularity_exponent(before.sums[:, LABELS], now.sums[rows, ALL] - now.sums[rows, EXPLORED], rows >= 0)
        for before, now in pairwise(tables[-3:])
        for rows in (keyed.rows_of(now, before.keys),)
        if len(now)
    ]
    if not exponents or exponents[-1] is None:
        return {}
    told: dict[str, Any] = {"popularity_exponent": exponents[-1]}
    if len(exponents) == 2 and exponents[0] is not None and min(exponents[0], exponents[1] or 0.0) > 1.0:
        told["popularity_warning"] = SUPERLINEAR.format(before=exponents[0], now=exponents[1])
    return told


def popularity_exponent(labels: Ints, shown: Ints, known: Bools) -> float | None:
    """Slope of log showings by the policy in a period on log labels in the one before, items weighted by labels.

    labels, shown, known   (J,): labels before, showings now, and whether the item was seen now. None with fewer than ten items
    that have both, or if all have equally many labels. Attenuated by the noise of the labels.

    >>> labels = np.arange(1, 41)
    >>> popularity_exponent(labels, 3 * labels**2, np.ones(40, np.bool_))
    2.0
    """
    used = known & (labels > 0) & (shown > 0)
    if used.sum() < _FEWEST_ITEMS:
        return None
    weight, x, y = labels[used].astype(np.float64), np.log(labels[used]), np.log(shown[used])
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    spread = float(np.sum(weight * x * x))
    return round(float(np.sum(weight * x * y)) / spread, 12) if spread > 0 else None


def starvation(detail: dict[str, Any]) -> str:
    """Starvation in words, and what of the labels is the model's own doing where that is known."""
    count = detail["trailing_periods"]
    over = "this period" if count == 1 else f"the last {count} periods"
    text = f"{detail['starved']:.0%} of {detail['items']:,} items were shown at random fewer than {FEW} times in {over}"
    if said := taught.in_words(detail):
        text += f"; {said}"
    elif "labels_caused_by_the_model" in detail:
        text += (
            f", and the model itself caused {detail['labels_caused_by_the_model']:.1%} of {detail['labels']:,} labels"
        )
    if "popularity_warning" in detail:
        text += f"; {detail['popularity_warning']}"
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

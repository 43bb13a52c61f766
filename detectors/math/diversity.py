"""How spread out counts over items are. `counts` has shape (items,); zeros are items nobody was shown."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtrc

from detectors.columns import Floats, Ints


def unbiased_hhi(squares: Floats, total: Floats, self_pairs: Floats) -> Floats:
    """Chance that two different exposures show the same item (Simpson's index, Herfindahl-Hirschman index), all one shape.

    squares      sum over items of the squared (weighted) count.
    total        sum of the weights of all exposures.
    self_pairs   sum of the squared weights of all exposures: the pairs of an exposure with itself, left out. Equal to `total`
                 where all weights are 1, which gives sum n_j (n_j - 1) / (N (N - 1)).

    NaN where there are no two exposures. Can be 0 or, from sketched squares, negative: then nothing was seen twice.
    Source: Simpson 1949, Nature 163.
    """
    pairs = total**2 - self_pairs
    return np.where(pairs > 0, (squares - self_pairs) / np.where(pairs > 0, pairs, 1.0), np.nan)


def log_effective_items(hhi: Floats) -> Floats:
    """log(1 / HHI): how many equally shown items would be as concentrated. NaN where the HHI is not above 0."""
    known = hhi > 0
    return np.where(known, -np.log(np.where(known, hhi, 1.0)), np.nan)


def exp_entropy(counts: Ints) -> float:
    """exp of Shannon's entropy of the observed shares: falls with traffic, so for display only. 0.0 for no exposures."""
    seen = counts[counts > 0]
    if not len(seen):
        return 0.0
    share = seen / seen.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def coverage(counts: Ints, exposures: int, at_least: int = 5) -> float:
    """Expected share of the items that would have `at_least` exposures if there had been only `exposures` of them.

    Rarefied with Bin(n_j, exposures / N), so that arms of unequal traffic compare. 0.0 for no exposures or no items.
    """
    total = int(counts.sum())
    if total == 0 or exposures <= 0:
        return 0.0
    values, items = np.unique(counts, return_counts=True)
    enough, share = values >= at_least, min(exposures / total, 1.0)
    chance = np.where(enough, bdtrc(at_least - 1, np.where(enough, values, at_least), share), 0.0)
    return float(np.sum(chance * items) / len(counts))


def gini(counts: Ints) -> float:
    """Gini coefficient of the counts, in [0, 1): 0 when all items are shown alike. 0.0 for no exposures."""
    n, total = len(counts), int(counts.sum())
    if total == 0:
        return 0.0
    ordered = np.sort(counts).astype(np.float64)
    return float(2.0 * np.sum(np.arange(1, n + 1) * ordered) / (n * total) - (n + 1) / n)

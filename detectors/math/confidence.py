"""What probabilities say of their own performance, once it is known how often each height of them comes true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from detectors.columns import Floats, Ints

BINS = 40
"""Bins of the log odds, from -6 to 6; what lies beyond counts to the last."""

_FAR = 6.0


@dataclass(frozen=True)
class Curve:
    """By bin: `comes_true`, the recalibrated chance, (BINS,); `yes` (BINS,): whether the raw probability is at least one half."""

    comes_true: Floats
    yes: Floats


def bin_of(chance: Floats) -> Ints:
    """The bin of each probability (n,), none missing."""
    odds = logit(np.clip(chance, 1e-9, 1.0 - 1e-9))
    return np.clip(np.floor((odds + _FAR) * (BINS / (2.0 * _FAR))), 0, BINS - 1).astype(np.int64)


def curve_of(votes: Floats, true: Floats) -> Curve:
    """The isotonic curve through shares of `true` among `votes`, each (BINS,); bins without votes lie between their neighbours.

    All zero without any votes.
    """
    filled = np.flatnonzero(votes > 0)
    yes = (np.arange(BINS) >= BINS // 2).astype(np.float64)
    if not len(filled):
        return Curve(np.zeros(BINS), yes)
    from scipy.optimize import isotonic_regression  # a third of a second to load: only where it is used

    fit = isotonic_regression(true[filled] / votes[filled], weights=votes[filled])
    return Curve(np.interp(np.arange(BINS), filled, fit.x), yes)


def accuracy(curve: Curve, votes: Floats) -> tuple[float, float]:
    """Expected accuracy at one half of predictions with these votes by bin, and its standard error for so many votes."""
    n = float(votes.sum())
    if n <= 0:
        return 0.0, 0.0
    right = np.where(curve.yes > 0, curve.comes_true, 1.0 - curve.comes_true)
    mean = float(votes @ right) / n
    return mean, float(np.sqrt(max(float(votes @ (right - mean) ** 2), 0.0)) / n)


def area(curve: Curve, votes: Floats) -> float:
    """Expected area under the ROC curve, ties counting one half; .5 where only one outcome is expected."""
    positive, negative = votes * curve.comes_true, votes * (1.0 - curve.comes_true)
    below = np.cumsum(negative) - negative
    pairs = float(positive.sum() * negative.sum())
    return float(positive @ (below + negative / 2.0)) / pairs if pairs > 0 else 0.5

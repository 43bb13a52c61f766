"""Loop gain out of sums over pairs and periods: estimates, intervals, and whether the pushes were felt at all.

With z = (responses 1 .. L, exposure) of a pair, weight v and sign s, all that is kept are sum v s z and sum v^2 z z'. For one
lag these are N, D, Qyy, Qxy and Qxx.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from detectors.columns import Floats
from detectors.loop_gain.pairs import Pairs

LEAST_F = 10.0
"""First-stage F below which nothing is claimed: Staiger and Stock 1997, Econometrica 65."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Additive over pairs and periods: `linear` (L + 1,) = sum v s z, `square` (L + 1, L + 1) = sum v^2 z z'."""

    linear: Floats
    square: Floats

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.linear + other.linear, self.square + other.square)


def nothing(lags: int) -> Sums:
    """No pairs."""
    return Sums(np.zeros(lags + 1), np.zeros((lags + 1, lags + 1)))


def sums(pairs: Pairs) -> Sums:
    """Of the pairs of one period."""
    z = pairs.weight[:, None] * np.column_stack([pairs.response, pairs.exposure])
    return Sums(pairs.sign @ z, z.T @ z)


def spread(pairs: Pairs) -> Floats:
    """(2,) sum v^2 and sum v^4: additive, and by `effective` the number of pairs that an estimate truly rests on."""
    square = pairs.weight**2
    return np.array([square.sum(), (square**2).sum()])


def effective(spread: Floats) -> float:
    """Effective number of pairs, (sum v^2)^2 / sum v^4: few heavy ones count for little more than themselves. Kong 1992.

    >>> effective(np.array([4.0, 4.0])), effective(np.array([4.0, 10.0]))           # four alike; one of three weighs most
    (4.0, 1.6)
    """
    return float(spread[0] ** 2 / spread[1]) if spread[1] > 0 else 0.0


def first_stage(a: Sums) -> float:
    """F of the push on exposure over the training window: how many times its noise, squared. 0.0 without pairs."""
    one = over_window(a)
    return float(one.linear[1] ** 2 / one.square[1, 1]) if one.square[1, 1] > 0 else 0.0


def impulse(a: Sums) -> Floats:
    """h_1 .. h_L: what comes back at each lag, of a push of 1. NaN where no push was felt."""
    felt = a.linear[-1]
    return np.asarray(a.linear[:-1] / felt) if felt != 0 else np.full(len(a.linear) - 1, np.nan)


def kernel(response: Floats) -> Floats:
    """g_1 .. g_L from h_1 .. h_L: g_k = h_k - sum over i < k of g_i h_{k-i}.

    >>> kernel(np.array([0.5, 0.25, 0.125]))                       # all of it after one retraining
    array([0.5, 0. , 0. ])
    """
    own = np.zeros(len(response))
    for k in range(len(response)):
        own[k] = response[k] - np.dot(own[:k], response[:k][::-1])
    return own


def over_window(a: Sums) -> Sums:
    """The sums of several lags as those of one whose ratio is the total gain, for a training window of L periods that count alike.

    With g_k = G / L, the responses add up to h_1 + .. + h_L = G (1 + sum over i < L of h_i (L - i) / L): on the left what came
    back, in brackets the exposure that brought it, the push itself and its own echo. Both are linear in the data, so what holds of
    one lag (the interval of Anderson and Rubin, the coins' e-process) holds of the total; for L = 1 nothing changes.

    >>> over_window(Sums(np.array([3.0, 6.0, 10.0]), np.zeros((3, 3)))).linear          # h = (.3, .6)
    array([ 9. , 11.5])
    """
    lags = len(a.linear) - 1
    came_back = np.append(np.ones(lags), 0.0)
    brought_it = np.append((lags - np.arange(1.0, lags + 1)) / lags, 1.0)
    both = np.stack([came_back, brought_it])
    return Sums(both @ a.linear, both @ a.square @ both.T)


def total(a: Sums) -> tuple[float, float]:
    """Total gain over the training window, and its standard error: of the ratio of `over_window`, by its residual.

    Asymptotic in pairs times periods; for lags above 1 also because a response holds the noise of later pushes.
    """
    one = over_window(a)
    gain = float(impulse(one)[0])
    contrast = np.array([1.0, -gain])
    variance = float(contrast @ one.square @ contrast)
    return gain, float(np.sqrt(max(variance, 0.0)) / abs(one.linear[-1])) if one.linear[-1] != 0 else np.nan


def anderson_rubin(a: Sums, alpha: float) -> tuple[float, float]:
    """Interval of the total gain at one look fixed in advance: the g with (N - g D)^2 <= z^2 (Qyy - 2 g Qxy + g^2 Qxx).

    Its level holds however weak the pushes are; where they say nothing it is the whole line.

    >>> low, high = anderson_rubin(Sums(np.array([5.0, 10.0]), np.array([[1.0, 0.0], [0.0, 1.0]])), 0.05)
    >>> round(low, 3), round(high, 3)
    (0.296, 0.744)
    """
    z2 = float(-ndtri(alpha / 2.0)) ** 2
    one = over_window(a)
    (n, d), (qyy, qxy), qxx = one.linear, one.square[0], one.square[1, 1]
    bend, slope, level = d * d - z2 * qxx, n * d - z2 * qxy, n * n - z2 * qyy
    if bend <= 0:
        return -np.inf, np.inf
    root = np.sqrt(max(slope * slope - bend * level, 0.0))
    return float((slope - root) / bend), float((slope + root) / bend)

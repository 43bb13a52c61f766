"""What a watch can find, and how soon, told before it looks.

A bet's evidence after a change is a random walk: every window adds `mean` to its logarithm, give or take the root of
`variance`, until the mixture reaches 1. Its time is that of a Brownian motion with the same drift, an inverse Gaussian; its
start is what the detector holds when the change comes, in the middle of its rest. Both are known in closed form:

    sum over starts after the change of exp(-walk)    about e^.577 (1 - e^(-mean t)) / (1 - e^-mean), at most t
    sum over starts before it, evidence at rest       the median of 2 / (variance Gamma(2 |drift| / variance)), at most as
                                                      many as there were windows

The mixture's logarithm grows faster than its bets' do, by half the variance that they do not have in common with it (to second
order).

So the spend of one window is multiplied by about as many windows as the evidence needs to grow by e, and the delay is
log(1 / spend) over the growth rate, give or take. Against simulation (tests/detectors/test_power.py) the median delay is within
15 % from ten windows on; below that, whole windows round it.

Source: Wald 1947, Sequential Analysis (growth rate); Shin, Ramdas and Rinaldo 2024, NEJSDS (delay of e-detectors); Dufresne 1990,
Scandinavian Actuarial Journal (the two sums); Folks and Chhikara 1978, JRSS-B (the inverse Gaussian).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import gammaincinv, log_ndtr, ndtr

from detectors.columns import Bools, Floats

CHANCE = 0.8
"""Chance with which an effect of the size told is found within the time told."""

_EULER = 0.5772156649015329
_HALF_A_WINDOW = 0.5
_STEPS = 24
_NOTHING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a watch may count on.

    units    units that it counts in a window, all cohorts together: new ones where a unit counts once, else voters.
    window   length of a window, ms; within: time after the change in which it must be found, ms.
    spend    expected false pages (warnings, where it may not page) that a window may cost, in (0, 1).
    mean     mean of a unit's value, None if nobody knows; square: mean of its square, None if the values are 0 and 1.
    chance   with which the effect is found within the time, in (0, 1).
    known    figures that the watch itself has told (`Evidence.detail`, and its `margin`), by name; empty before it has seen any.
    """

    units: float
    window: int
    within: int
    spend: float
    mean: float | None = None
    square: float | None = None
    chance: float = CHANCE
    known: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def windows(self) -> float:
        """How many windows there are in `within`."""
        return self.within / self.window


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The smallest effect that is found in time.

    effect     in `unit`, at least 0; relative: as a share of the mean or of the plan; None where there is no such thing.
    learning   windows of learning before the watch begins to look.
    counted    units by arm that it has counted by then, or `of` what else it counts.
    words      the effect in words, such as "a shift of .04 KS"; "" where effect, relative and unit say it all.
    unknown    said instead: why nothing can be told; the other figures are then NaN or None. Infinite: no effect is found in time.
    """

    effect: float = np.nan
    relative: float | None = None
    unit: str = ""
    learning: float = 0.0
    counted: tuple[tuple[str, float], ...] = ()
    of: str = "votes"
    words: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Walk:
    """Log evidence per window of G bets: mean (G,) and covariance (G, G) after the change, mean and variance (G,) before it."""

    mean: Floats
    covariance: Floats
    rest_mean: Floats
    rest_variance: Floats

    def over(self, units: float) -> Walk:
        """The walk of windows of `units` independent units, from that of one unit."""
        return Walk(self.mean * units, self.covariance * units, self.rest_mean * units, self.rest_variance * units)


def walk_of(increments: Floats, after: Floats, before: Floats) -> Walk:
    """The walk of one unit whose log `increments` (k, G) come with the chances `after` and `before` the change, each (k,)."""
    mean, rest = after @ increments, before @ increments
    centred = increments - mean
    return Walk(mean, (after * centred.T) @ centred, rest, before @ (increments - rest) ** 2)


def strongest(walk: Walk, log_weights: Floats, most: int) -> tuple[Walk, Floats]:
    """The `most` bets that grow fastest, with their weights: the others hardly add to the mixture."""
    best = np.sort(np.argsort(-walk.mean, kind="stable")[:most])
    covariance = walk.covariance[np.ix_(best, best)]
    return Walk(walk.mean[best], covariance, walk.rest_mean[best], walk.rest_variance[best]), log_weights[best]


def once_delay(walk: Walk, log_weights: Floats, level: float, chance: float) -> float:
    """Windows from its start until a test that is made once, at `level`, decides: it has one start, and no rest before it.

    >>> one = np.ones(1)
    >>> walk = Walk(mean=0.1 * one, covariance=0.2 * np.ones((1, 1)), rest_mean=-0.1 * one, rest_variance=0.2 * one)
    >>> round(once_delay(walk, np.zeros(1), 0.01, 0.5))       # log(1 / level) = 4.6; 41 when simulated
    39
    """
    grows = _growing(walk, log_weights)
    if not grows.any():
        return float("inf")
    return _until(
        walk.mean[grows], walk.covariance[np.ix_(grows, grows)], log_weights[grows] + np.log(level), None, chance
    )


def delay(walk: Walk, log_weights: Floats, outlook: Outlook) -> float:
    """Windows until the alarm, with the outlook's chance, in a watch that has run for `within`; infinite if no bet grows.

    log_weights (G,), as `engine.advance` takes them.

    >>> one = np.ones(1)
    >>> walk = Walk(mean=0.1 * one, covariance=0.2 * np.ones((1, 1)), rest_mean=-0.1 * one, rest_variance=0.2 * one)
    >>> outlook = Outlook(units=1, window=1, within=500, spend=1e-5, chance=0.5)
    >>> round(delay(walk, np.zeros(1), outlook))      # log(1 / spend) = 11.5, of which the starts give 3.6
    75
    """
    grows = _growing(walk, log_weights)
    if not grows.any():
        return float("inf")
    rest = np.minimum(_at_rest(walk.rest_mean[grows], walk.rest_variance[grows]), outlook.windows)
    staked = log_weights[grows] + np.log(outlook.spend)
    return _until(walk.mean[grows], walk.covariance[np.ix_(grows, grows)], staked, rest, outlook.chance)


def _growing(walk: Walk, log_weights: Floats) -> Bools:
    """Bets whose evidence grows, by chance: of one that always says the same nothing can be told."""
    grows: Bools = (walk.mean > 0) & np.isfinite(log_weights) & (np.diagonal(walk.covariance) > 0)
    return grows


def _until(mean: Floats, covariance: Floats, staked: Floats, rest: Floats | None, chance: float) -> float:
    """Windows until the mixture of bets reaches 1, from log stakes `staked` (G,); one start if `rest` is None."""
    variance, one_window = np.diagonal(covariance), np.expm1(-mean) / np.exp(_EULER)

    def mixture(windows: float) -> tuple[float, float]:
        """Mean of the mixture's logarithm, and the variance that a window adds to it."""
        logs = staked + mean * windows
        if rest is not None:
            started = np.minimum(np.expm1(-mean * windows) / one_window, windows)
            logs += np.log(np.maximum(rest + started, 1e-12))
        top = float(logs.max())
        share = np.exp(logs - top)
        total = float(share.sum())
        share /= total
        common = covariance @ share
        together = max(float(share @ common), 1e-300)
        apart = float(share @ (variance - common**2 / together))
        return top + float(np.log(total)) + apart * windows / 2.0, together

    needed = _zero(lambda windows: mixture(windows)[0], float(np.min(-staked / mean)) + 1.0)
    rise = max(-mixture(0.0)[0], 1.0)
    return max(passage(chance, needed, rise**2 / mixture(needed)[1]) + _HALF_A_WINDOW, 1.0)


def smallest(delay_of: Callable[[float], float], windows: float, low: float, high: float) -> float:
    """The smallest effect in (low, high] with delay at most `windows`; infinite if even `high` takes longer.

    delay_of must not rise with the effect. To .2 % of itself.
    """
    if delay_of(high) > windows:
        return float("inf")
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if delay_of(middle) > windows:
            low = middle
        else:
            high = middle
        if high - low <= 0.002 * high:
            break
    return high


def _at_rest(mean: Floats, variance: Floats) -> Floats:
    """Median of evidence in units of the spend, before the change, (G,); at most its mean."""
    falls = np.maximum(-mean, 1e-12)
    known = np.maximum(variance, 1e-300)
    shape = np.maximum(2.0 * falls / known, 1e-3)
    return np.minimum(2.0 / known / np.maximum(gammaincinv(shape, 0.5), 1e-300), 1.0 / -np.expm1(-falls))


def passage(chance: float, mean: float, shape: float) -> float:
    """The quantile `chance` of an inverse Gaussian with that mean and shape."""

    def passed(time: float) -> bool:
        root = np.sqrt(shape / time)
        late = np.exp(2.0 * shape / mean + log_ndtr(-root * (time / mean + 1.0)))
        return bool(ndtr(root * (time / mean - 1.0)) + late >= chance)

    high = 2.0 * mean
    while not passed(high):
        high *= 2.0
    return _first(passed, high)


def _zero(rising: Callable[[float], float], high: float) -> float:
    """Where `rising` passes 0 in (0, high], to a millionth of itself; `high` if it does not.

    Source: Dowell and Jarratt 1971, BIT 11, "A modified regula falsi method for computing the root of an equation" (Illinois).
    """
    low, below, above = 0.0, rising(0.0), rising(high)
    if below >= 0 or above <= 0:
        return _NOTHING * high if below >= 0 else high
    was_above: bool | None = None
    for _ in range(_STEPS):
        middle = high - above * (high - low) / (above - below)
        value = rising(middle)
        is_above = value >= 0
        if is_above:
            high, above = middle, value
            below = below / 2.0 if was_above is True else below
        else:
            low, below = middle, value
            above = above / 2.0 if was_above is False else above
        was_above = is_above
        if abs(value) < _NOTHING or high - low <= _NOTHING * high:
            return middle
    return high


def _first(true: Callable[[float], bool], high: float) -> float:
    """The smallest number in (0, high] for which `true` holds, which it does from there on."""
    low = 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if true(middle) else (middle, high)
    return high

"""A world whose loop gain is known: shares follow the logarithm of the clicks they brought.

Policy share of the next period = softmax(base + gamma log(clicks + 1) + noise), clicks of the last `memory` periods together;
exposure and clicks are Poisson. The truth is the finite difference of the expected response to the push that was made, over that of
exposure, with the estimator's weights; with a memory of more periods, summed over them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from scipy.special import gammaln, log_softmax

from detectors.columns import Floats, Ints
from detectors.loop_gain.pairs import Pairs, eligible, log_shares, measured

EXPLORED = 0.05
_GRID = np.linspace(np.log(1e-3), np.log(300.0), 160)
_COUNTS = np.arange(500)
_MEANS = np.array(
    [np.sum(np.exp(-np.exp(log) + _COUNTS * log - gammaln(_COUNTS + 1)) * np.log1p(_COUNTS)) for log in _GRID]
)


@dataclass(frozen=True)
class World:
    """gamma: strength of the loop; views: exposures an item and period; h, tilted: strength and share of the push."""

    gamma: float
    items: int = 400
    views: int = 200
    periods: int = 12
    h: float = 0.2
    tilted: float = 0.5
    noise: float = 0.1
    warm: int = 6
    least: int = 30
    memory: int = 1


@dataclass(frozen=True)
class Run:
    """Pairs of each period, the true gain, and the untilted counts of all periods, (periods + 1, J)."""

    pairs: list[Pairs]
    truth: float
    untilted: Ints


@dataclass(frozen=True)
class _Waiting:
    """A push, until all that comes back of it has been seen."""

    untilted: Ints
    total: Ints
    first: Ints
    second: Ints
    sign: Floats
    moved: Floats
    pushed: Floats
    later: list[Ints] = field(default_factory=list)


def run(rng: np.random.Generator, world: World) -> Run:
    """One course of a world."""
    j, views = world.items, world.views * world.items * (1.0 - EXPLORED)
    random = world.views * EXPLORED
    click = 0.1 * np.exp(0.5 * rng.standard_normal(j) - 0.125)
    base = 0.3 * rng.standard_normal(j)
    log_p: Floats = log_softmax(base)
    seen, all_pairs, true_response, true_exposure = [], [], 0.0, 0.0
    waiting: deque[_Waiting] = deque()
    remembered: deque[Ints] = deque(maxlen=world.memory)
    before = np.zeros(j, np.int64)
    for period in range(world.warm + world.periods + 1):
        p = np.exp(log_p)
        ranked = np.argsort(-p, kind="stable")
        first, second = ranked[0::2], ranked[1::2]
        fit = eligible(before, first, second, world.least)
        first, second = first[fit], second[fit]
        sign = rng.choice(np.array([-1.0, 1.0]), len(first))
        push = np.zeros(j)
        if period >= world.warm:
            push[first], push[second] = sign, -sign
        tilted = np.exp(log_softmax(log_p + world.h * push))
        untilted = rng.poisson(views * (1 - world.tilted) * p)
        total = untilted + rng.poisson(views * world.tilted * tilted) + rng.poisson(random, j)
        for each in waiting:
            each.later.append(untilted)
        if waiting and len(waiting[0].later) == world.memory:
            w = waiting.popleft()
            pairs = measured(w.untilted, w.total, w.later, w.first, w.second, w.sign)
            all_pairs.append(pairs)
            true_response += float(np.sum(pairs.weight * w.sign * (w.moved[w.first] - w.moved[w.second])))
            true_exposure += float(np.sum(pairs.weight * w.sign * (w.pushed[w.first] - w.pushed[w.second])))
        if period >= world.warm:
            shown = views * ((1 - world.tilted) * p + world.tilted * tilted) + random
            alone = views * p + random
            others = (world.memory - 1) * alone
            change = world.gamma * (_log_clicks(click * (others + shown)) - _log_clicks(click * (others + alone)))
            moved, pushed = world.memory * change, np.log(shown / alone)
            waiting.append(_Waiting(untilted, total, first, second, sign, moved, pushed))
            seen.append(untilted)
        before = untilted
        remembered.append(rng.poisson(click * total))
        drawn = base + world.gamma * np.log1p(np.sum(list(remembered), axis=0)) + world.noise * rng.standard_normal(j)
        log_p = np.asarray(log_softmax(drawn))
    return Run(all_pairs, true_response / true_exposure, np.array(seen))


def observational(untilted: Ints) -> float:
    """What a regression of log shares on those before says, which is no loop gain: items that are liked stay liked."""
    logs = np.stack([log_shares(counts) for counts in untilted])
    logs = logs - logs.mean(axis=1, keepdims=True)
    return float(np.sum(logs[1:] * logs[:-1]) / np.sum(logs[:-1] ** 2))


def _log_clicks(mean: Floats) -> Floats:
    """E log(1 + Poisson(mean))."""
    small = np.interp(np.log(np.maximum(mean, 1e-3)), _GRID, _MEANS)
    large = np.log1p(mean) - 0.5 / np.maximum(mean, 1.0)
    return np.where(mean < 290.0, small, large)

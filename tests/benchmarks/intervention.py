"""The true loop gain of the simulated world, by intervening in it: what would have been shown, had the coins fallen otherwise.

Two worlds share all chance but the signs of one period's push: in one every pair is pushed as its coin says, in the other the
opposite way. All that differs later is what came back of the push. Means over fresh coins.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from detectors.columns import Floats, Ints
from detectors.loop_gain.estimate import Sums, kernel, nothing, sums
from detectors.loop_gain.pairs import eligible, log_shares, measured
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.simulate.closed_loop.world import Period, periods


@dataclass(frozen=True)
class Truth:
    """h_1 .. h_L of the push of one period, with their Monte Carlo errors, and pairs measured."""

    response: Floats
    error: Floats
    pairs: int

    @property
    def total(self) -> float:
        """Total gain."""
        return float(kernel(self.response).sum())


def true_gain(seed: int, mode: Mode, shape: Shape, at: int, coins: int) -> Truth:
    """Of a push in period `at`, summed over the periods that the model is trained on; `coins`: fresh draws of all signs."""
    shape = msgspec.structs.replace(shape, periods=at + shape.memory, tilted=0.5)
    rng = np.random.default_rng([seed, at])
    moved, pushed, pairs = np.zeros((coins, shape.memory)), np.zeros(coins), 0
    for draw in range(coins):
        coin = rng.choice(np.array([-1, 1]), shape.items)
        one, other = (_course(seed, mode, shape, at, sign * coin) for sign in (1, -1))
        first, second, sign = _pairs(one[1].pair)
        well = eligible(_policy(one[0], shape, untilted=True), first, second)
        first, second, sign = first[well], second[well], sign[well]
        pairs = len(first)
        own = log_shares(_policy(one[1], shape, untilted=True))
        by = np.exp((own[first] + own[second]) / 4.0)

        def apart(a: Ints, b: Ints) -> float:
            change = log_shares(a) - log_shares(b)
            return float(np.sum(by * sign * (change[first] - change[second])))  # noqa: B023 - used at once

        pushed[draw] = apart(_all(one[1], shape), _all(other[1], shape))
        moved[draw] = [apart(_policy(a, shape), _policy(b, shape)) for a, b in zip(one[2:], other[2:], strict=True)]
    response = moved.sum(axis=0) / pushed.sum()
    error = np.sqrt(np.sum((moved - response * pushed[:, None]) ** 2, axis=0)) / abs(pushed.sum())
    return Truth(response, error, pairs)


def estimated(seed: int, mode: Mode, shape: Shape) -> tuple[Sums, int]:
    """The estimator's sums over a world's periods, and how many pairs they hold."""
    lags, kept, a, count = shape.memory, list[Period](), nothing(shape.memory), 0
    for period in periods(seed, mode, shape):
        kept = [*kept, period][-(lags + 2) :]
        if len(kept) == lags + 2:
            first, second, sign = _pairs(kept[1].pair)
            well = eligible(_policy(kept[0], shape, untilted=True), first, second)
            own, later = kept[1], [_policy(p, shape, untilted=True) for p in kept[2:]]
            untilted, everything = _policy(own, shape, untilted=True), _all(own, shape)
            a += sums(measured(untilted, everything, later, first[well], second[well], sign[well]))
            count += int(well.sum())
    return a, count


def _course(seed: int, mode: Mode, shape: Shape, at: int, coin: Ints) -> list[Period]:
    """The period before `at`, it, and those after, with no other push than that of `at`: coin (J,) by pair."""

    def push(number: int, pair: Ints) -> Ints:
        return np.abs(pair) * np.sign(pair) * coin[np.abs(pair)] if number == at else np.zeros_like(pair)

    return [p for p in periods(seed, mode, shape, push) if p.number >= at - 1]


def _pairs(pair: Ints) -> tuple[Ints, Ints, Floats]:
    """Items of each pair, the smaller number first, and +1 where that one was lifted."""
    order = np.argsort(np.abs(pair), kind="stable")
    order = order[pair[order] != 0]
    first, second = order[0::2], order[1::2]
    return first, second, np.sign(pair[first]).astype(np.float64)


def _policy(period: Period, shape: Shape, *, untilted: bool = False) -> Ints:
    rows = period.by_model & ~period.held_out & ~(period.tilted & untilted)
    return _count(period.items[rows, : shape.slots - shape.explored], shape)


def _all(period: Period, shape: Shape) -> Ints:
    return _count(period.items[period.by_model & ~period.held_out], shape)


def _count(items: Ints, shape: Shape) -> Ints:
    return np.bincount(items.ravel(), minlength=shape.items)

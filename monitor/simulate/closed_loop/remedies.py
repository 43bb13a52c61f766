"""Remedies against a loop, each tried in a simulated world that was fitted to a model's own figures.

What is fitted: how sharply the policy prefers what scores best (`Shape.temperature`), so that the world narrows by as much as was
seen in as many periods, and shows the loop gain that was seen, where one was. Catalogue and people are the model's own up to
`MOST_ITEMS` and `MOST_PEOPLE`, scaled down beyond. All else (tastes, clicks, the recommender) is the world's, so this is a
simulation: it ranks remedies and says by how much in such a world; it does not foretell. Each remedy is in force from the first
retrain on. The gain is measured there as `detectors.loop_gain` does, with pushes stronger than anybody would serve to people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from scipy.special import stdtrit

from detectors.columns import Bools, Ints
from detectors.loop_gain import estimate, pairs
from detectors.math import diversity
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.simulate.closed_loop.world import Period, periods

MOST_ITEMS, MOST_PEOPLE = 400, 1_000
SLOTS = 25
"""One of them at random is 4 %."""

SHARES = (0.04, 0.08, 0.16, 0.32)
TEMPERATURES = (0.2, 0.3, 0.45, 0.7, 1.0, 1.5)
_FIT_SEEDS = 2
_MISFIT = 0.25
_SLACK = 0.1
"""Error of the narrowing allowed for in the fit, a logarithm."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A model's own figures.

    items, people    size of the catalogue; people seen in a period, both cohorts.
    periods          since the baseline; items_left: different items that exposed people see, as a share of the baseline's.
    explored, holdout  shares; gain: loop gain with its interval, None where it was not measured.
    memory           periods of logs that the model is trained on. tolerated: the gain above which somebody is told.
    """

    items: int
    people: int
    periods: int
    items_left: float
    explored: float
    holdout: float
    gain: tuple[float, float, float] | None = None
    memory: int = 1
    tolerated: float = 0.3


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One remedy over several seeds: means with Student's 95 % intervals. `gain` None where no push could be measured."""

    remedy: str
    explored: float | None
    gain: tuple[float, float, float] | None
    items_left: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Remedy:
    """A name for people, how the world differs, and the share of random slots where that is the remedy."""

    name: str
    mode: Mode
    change: Callable[[Shape], Shape]
    explored: float | None = None


def remedies(seen: Seen) -> list[Remedy]:
    """What is tried: first nothing."""

    def explored(share: float) -> Callable[[Shape], Shape]:
        return lambda shape: msgspec.structs.replace(shape, explored=round(share * SLOTS))

    def held_out(shape: Shape) -> Shape:
        return msgspec.structs.replace(shape, holdout=_larger(seen.holdout))

    def same(shape: Shape) -> Shape:
        return shape

    more = [
        Remedy(f"{share:.0%} exploration", Mode.CLOSED, explored(share), share)
        for share in SHARES
        if share > seen.explored
    ]
    return [
        Remedy("as it is", Mode.CLOSED, same),
        *more,
        Remedy("propensity weights", Mode.PROPENSITY_WEIGHTED, same),
        Remedy("training on random items alone", Mode.EXPLORATION_ONLY, explored(max(seen.explored, SHARES[0]))),
        Remedy("no more retraining", Mode.FROZEN, same),
        Remedy(f"{_larger(seen.holdout):.0%} held out", Mode.CLOSED, held_out),
    ]


def _larger(holdout: float) -> float:
    return min(3.0 * holdout, 0.5)


def shape_of(seen: Seen, temperature: float) -> Shape:
    """The world that stands for a model."""
    items = min(max(seen.items, 2 * SLOTS), MOST_ITEMS)
    return Shape(
        people=min(max(seen.people, 400), MOST_PEOPLE),
        items=items - items % 2,
        periods=min(max(seen.periods + 1, 4 + seen.memory), 10),
        slots=SLOTS,
        explored=min(round(seen.explored * SLOTS), SLOTS - 1),
        holdout=min(max(seen.holdout, 0.02), 0.5),
        memory=seen.memory,
        tilt=0.8,
        temperature=temperature,
    )


def run(seed: int, mode: Mode, shape: Shape, after: int) -> tuple[float | None, float]:
    """One world: its loop gain, None where no pair was well seen, and the items left `after` so many periods."""
    untilted, total, paired = [], [], []
    for period in periods(seed, mode, shape):
        untilted.append(_counts(period, shape, period.by_model & ~period.tilted, policy=True))
        total.append(_counts(period, shape, period.by_model, policy=False))
        paired.append(period.pair)
    sums, found = estimate.nothing(shape.memory), False
    for at in range(1, len(total) - shape.memory):
        first, second = _pairs(paired[at])
        well = pairs.eligible(untilted[at - 1], first, second)
        if well.any():
            first, second, found = first[well], second[well], True
            later = untilted[at + 1 : at + 1 + shape.memory]
            sign = np.where(first > second, -1.0, 1.0)
            low, high = np.minimum(first, second), np.maximum(first, second)
            sums += estimate.sums(pairs.measured(untilted[at], total[at], later, low, high, sign))
    left = _effective(untilted[min(after, len(untilted) - 1)]) / _effective(untilted[0])
    return (estimate.total(sums)[0] if found else None), left


def _counts(period: Period, shape: Shape, rows: Bools, *, policy: bool) -> Ints:
    places = shape.slots - shape.explored if policy else shape.slots
    return np.bincount(period.items[rows][:, :places].ravel(), minlength=shape.items)


def _pairs(pair: Ints) -> tuple[Ints, Ints]:
    """Items lifted and lowered, pair by pair."""
    lifted = {int(p): j for j, p in enumerate(pair) if p > 0}
    both = [(lifted[-int(p)], j) for j, p in enumerate(pair) if p < 0 and -int(p) in lifted]
    found = np.array(both, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _effective(counts: Ints) -> float:
    n, squares = float(counts.sum()), float(np.sum(counts.astype(np.float64) ** 2))
    hhi = diversity.unbiased_hhi(np.array(squares), np.array(n), np.array(n))
    return float(np.exp(diversity.log_effective_items(hhi)))


def fit(seen: Seen) -> Iterator[float]:
    """Try every temperature; the last value given is the one that fits best. Each step gives the best so far."""
    best, least = TEMPERATURES[0], np.inf
    for temperature in TEMPERATURES:
        shape = shape_of(seen, temperature)
        ran = [run(seed, Mode.CLOSED, shape, seen.periods) for seed in range(_FIT_SEEDS)]
        miss = (np.mean([np.log(left) for _, left in ran]) - np.log(seen.items_left)) ** 2 / _SLACK**2
        gains = [gain for gain, _ in ran if gain is not None]
        if seen.gain is not None and gains:
            error = max((seen.gain[2] - seen.gain[1]) / 4.0, 0.05)
            miss += (float(np.mean(gains)) - seen.gain[0]) ** 2 / error**2
        if miss < least:
            best, least = temperature, float(miss)
        yield best


def tried(seen: Seen, temperature: float, seeds: int) -> Iterator[Tried]:
    """Every remedy in turn, the first being none."""
    for remedy in remedies(seen):
        shape = remedy.change(shape_of(seen, temperature))
        ran = [run(1_000 + seed, remedy.mode, shape, seen.periods) for seed in range(seeds)]
        gains = [gain for gain, _ in ran if gain is not None]
        yield Tried(
            remedy=remedy.name,
            explored=remedy.explored,
            gain=_interval(gains) if len(gains) == seeds else None,
            items_left=_interval([left for _, left in ran]),
        )


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    mean, n = float(np.mean(values)), len(values)
    radius = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("inf")
    return mean, mean - radius, mean + radius


def sentences(seen: Seen, results: Sequence[Tried], seeds: int) -> tuple[str, ...]:
    """What a message quotes: what was fitted, what nothing does, the least exploration that is enough, and the rest."""
    now = results[0]
    scaled = (
        f"{min(seen.items, MOST_ITEMS):,} of {seen.items:,} items"
        if seen.items > MOST_ITEMS
        else f"{seen.items:,} items"
    )
    gain = "" if seen.gain is None else f", loop gain {seen.gain[0]:.2f}"
    told = [
        f"Not a forecast: a simulated world fitted to what was seen here ({scaled}, {seen.people:,} people a period, "
        f"different items at {100 * seen.items_left:.0f} % of the first after {seen.periods} periods{gain}); {seeds} runs each.",
        f"As it is: {_result(now)}{_misfit(seen, now)}.",
    ]
    explored = [r for r in results if r.explored is not None and r.gain is not None]
    enough = next((r for r in explored if r.gain is not None and r.gain[2] < seen.tolerated), None)
    if enough is not None:
        told.append(f"At {_name(enough)} the gain falls below {seen.tolerated:g}: {_result(enough)}.")
    elif explored:
        told.append(
            f"No share up to {_name(explored[-1])} surely brings the gain below {seen.tolerated:g}: {_result(explored[-1])}."
        )
    told += [f"{_name(r)[0].upper()}{_name(r)[1:]}: {_result(r)}." for r in results[1:] if r.explored is None]
    return tuple(told)


def _misfit(seen: Seen, now: Tried) -> str:
    """Said where the world narrows clearly more or less than was seen."""
    off = np.log(now.items_left[0] / seen.items_left)
    if abs(off) < _MISFIT:
        return ""
    return f"; it narrows {'less' if off > 0 else 'more'} than was seen, so trust the order of the remedies more than their sizes"


def _name(result: Tried) -> str:
    return result.remedy.replace("%", " %")


def _result(result: Tried) -> str:
    gain = (
        "no gain to be measured"
        if result.gain is None
        else f"gain {result.gain[0]:.2f} [{result.gain[1]:.2f} to {result.gain[2]:.2f}]"
    )
    left, low, high = (100 * x for x in result.items_left)
    return f"{gain}, different items at {left:.0f} % of the first [{low:.0f} to {high:.0f}]"

"""What `cohort_bounded` will find: the smallest harm to the exposed, as a share of the mean.

A unit's value is taken to be 0 or one other number, such that mean and mean square are as given; without a mean square it is
0 or 1. The harm changes how often it is not 0 among the exposed, while the holdout stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detectors.columns import Floats
from detectors.detector import Tick
from detectors.increments import ipw
from detectors.power import Outlook, Reach, delay, smallest, walk_of

DAY = 86_400_000
HORIZON = 28 * DAY
"""Time after a change within which it is said to be found, ms."""

UNKNOWN_MEAN = "the mean of the value is not known yet"

_LOG_WEIGHTS = np.full(ipw.BETS, -np.log(ipw.BETS))
_LARGEST_RISE = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a comparison was asked to do: planned shares, tolerated relative harm, and which values are better."""

    holdout_share: float
    tolerated: float
    better: str


def harm_delay(harm: float, plan: Plan, outlook: Outlook) -> float:
    """Windows until a relative harm is found. The outlook's mean is in (0, 1)."""
    mean = outlook.mean or np.nan
    value = 1.0 if outlook.square is None else min(max(outlook.square / mean, mean), 1.0)
    often, share = mean / value, 1.0 - plan.holdout_share
    worse = often * (1.0 - harm) if plan.better == "higher" else min(often * (1.0 + harm), 1.0)
    good = 1.0 if plan.better == "higher" else -1.0
    coming = outlook.units * HORIZON / outlook.window
    increments = _increments(share, mean, plan.tolerated * mean, good, value, coming)
    walk = walk_of(increments, chances(share, worse, often), chances(share, often, often))
    return delay(walk.over(outlook.units), _LOG_WEIGHTS, outlook)


def smallest_harm(plan: Plan, outlook: Outlook) -> float:
    """The smallest relative harm found in time; infinite if not even the largest one is."""
    largest = 1.0 if plan.better == "higher" else min(1.0 / (outlook.mean or np.nan) - 1.0, _LARGEST_RISE)
    if largest <= plan.tolerated:
        return float("inf")
    return smallest(lambda harm: harm_delay(harm, plan, outlook), outlook.windows, plan.tolerated, largest)


def reach(plan: Plan, outlook: Outlook, learning_units: float) -> Reach:
    """The reach of a comparison that learns from `learning_units` units first."""
    if outlook.units <= 0:
        return Reach(unknown="no new unit is counted")
    if outlook.mean is None or not 0.0 < outlook.mean < 1.0:
        return Reach(unknown=UNKNOWN_MEAN)
    harm, units = smallest_harm(plan, outlook), outlook.units * outlook.windows
    return Reach(
        effect=harm * outlook.mean,
        relative=harm,
        unit="per unit",
        learning=learning_units / outlook.units,
        counted=(("exposed", units * (1.0 - plan.holdout_share)), ("holdout", units * plan.holdout_share)),
    )


@lru_cache(maxsize=4096)
def _smallest_harm(plan: Plan, outlook: Outlook) -> float:
    return smallest_harm(plan, outlook)


@lru_cache(maxsize=4096)
def _harm_delay(harm: float, plan: Plan, outlook: Outlook) -> float:
    return harm_delay(harm, plan, outlook)


@dataclass(frozen=True, slots=True)
class Pace:
    """What a comparison has seen so far: units a window (ms), the mean of their values and of the squares; `now` is event time, ms.

    spend   of a window; 0 where nothing may be spent, and then nothing can be found.
    """

    units: float
    window: int
    now: int
    spend: float
    mean: float
    square: float

    def steady(self) -> Outlook:
        """As an outlook with figures of two digits, so that a steady pace is told steadily."""
        units, spend, mean, square = (float(f"{x:.2g}") for x in (self.units, self.spend, self.mean, self.square))
        return Outlook(units=units, window=self.window, within=HORIZON, spend=spend, mean=mean, square=square)

    @property
    def known(self) -> bool:
        """Whether anything can be foretold from it."""
        return self.units > 0 and 0.0 < self.mean < 1.0 and 0.0 < self.spend < 1.0

    @staticmethod
    def seen(total: Floats, began: int, tick: Tick, row: int) -> Pace:
        """From the sums (n, sum, squares) x 2 since event time `began` (-1: nobody yet) to the end of a tick."""
        now, window = int(tick.end[row]), int(tick.end[row] - tick.start[row])
        spend = float(tick.page[row]) or float(tick.warn[row])
        n = float(total[0] + total[3])
        if began < 0 or n < 1:
            return Pace(0.0, window, now, spend, 0.0, 0.0)
        units = n / (now - began) * window
        return Pace(units, window, now, spend, float(total[1] + total[4]) / n, float(total[2] + total[5]) / n)


def told(plan: Plan, pace: Pace, missing: float) -> tuple[str, dict[str, float]]:
    """What would be found at this pace once `missing` more units are there: in words ("" if nothing can be said), and as figures.

    smallest_relative and smallest_effect (per unit): left out where not even the largest harm is found; smallest_by: event time, ms.

    >>> words, figures = told(Plan(0.02, 0.02, "higher"), Pace(15.0, 3_600_000, 0, 1e-4, 0.1, 0.1), 0.0)
    >>> words, round(figures["smallest_effect"], 3), round(figures["smallest_by"] / 86_400_000)
    ('at this pace a fall by 66 % or more would be found within 28 days', 0.066, 28)
    """
    if not pace.known:
        return "", {}
    harm = _smallest_harm(plan, pace.steady())
    by = pace.now + missing / pace.units * pace.window + HORIZON
    figures = {"smallest_relative": harm, "smallest_effect": harm * pace.mean} if np.isfinite(harm) else {}
    return f"at this pace {_in_words(plan, harm)}", {**figures, "smallest_by": float(int(by))}


def too_early(plan: Plan, pace: Pace, harm: float, watched: float) -> str:
    """Why it could not have been found within `watched` ms that the exposed are worse off by `harm`; "" if it could.

    >>> too_early(Plan(0.02, 0.02, "higher"), Pace(15.0, 3_600_000, 0, 1e-4, 0.1, 0.1), 0.8, 86_400_000)
    'a fall by 80 % takes 19 d to find'
    """
    if not pace.known:
        return ""
    needed = _harm_delay(harm, plan, pace.steady()) * pace.window
    if needed <= watched:
        return ""
    fall = "fall" if plan.better == "higher" else "rise"
    if not np.isfinite(needed):
        return f"a {fall} by {100 * harm:.2g} % is never found"
    return f"a {fall} by {100 * harm:.2g} % takes {needed / DAY:.2g} d to find"


def _in_words(plan: Plan, harm: float) -> str:
    if np.isfinite(harm):
        fall = "fall" if plan.better == "higher" else "rise"
        return f"a {fall} by {100 * harm:.2g} % or more would be found within 28 days"
    largest = "a complete loss" if plan.better == "higher" else "the largest rise"
    return f"not even {largest} would be found within 28 days"


def _increments(share: float, centre: float, margin: float, good: float, value: float, coming: float) -> Floats:
    """Log e-increments (4, BETS) of one unit: exposed with the value and without, held out with it and without.

    coming   units within the horizon.
    """
    four = np.ones(4)
    entries = ipw.Entries(
        np.arange(4), np.array([value, 0.0, value, 0.0]), np.array([True, True, False, False]), np.ones(4)
    )
    return ipw.log_increments(entries, 4, share * four, centre * four, margin * four, good * four, coming * four)


def chances(share: float, exposed: float, holdout: float) -> Floats:
    """How often each of the four comes, (4,)."""
    return np.array(
        [share * exposed, share * (1.0 - exposed), (1.0 - share) * holdout, (1.0 - share) * (1.0 - holdout)]
    )

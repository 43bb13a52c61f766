"""What `cohort_bounded` will find: the smallest harm to the exposed, as a share of the mean.

A unit's value is taken to be 0 or one other number, such that mean and mean square are as given; without a mean square it is
0 or 1. The harm changes how often it is not 0 among the exposed, while the holdout stays as it is.
"""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats
from detectors.increments import ipw
from detectors.power import Outlook, Reach, delay, smallest, walk_of

UNKNOWN_MEAN = "the mean of the value is not known yet"

_LOG_WEIGHTS = np.full(ipw.BETS, -np.log(ipw.BETS))
_LARGEST_RISE = 20.0


def harm_delay(
    harm: float,
    *,
    outlook: Outlook,
    exposed_share: float,
    tolerated: float,
    better: str,
    mean: float,
    square: float | None,
) -> float:
    """Windows until a relative harm is found; `tolerated` is the margin as a share of the mean, `mean` in (0, 1)."""
    value = mean if square is None else min(max(square / mean, mean), 1.0)
    value = 1.0 if square is None else value
    often = mean / value
    worse = often * (1.0 - harm) if better == "higher" else min(often * (1.0 + harm), 1.0)
    good = 1.0 if better == "higher" else -1.0
    increments = _increments(exposed_share, mean, tolerated * mean, good, value)
    walk = walk_of(increments, _chances(exposed_share, worse, often), _chances(exposed_share, often, often))
    return delay(walk.over(outlook.units), _LOG_WEIGHTS, outlook)


def smallest_harm(
    outlook: Outlook, *, exposed_share: float, tolerated: float, better: str, mean: float, square: float | None
) -> float:
    """The smallest relative harm found in time; infinite if not even the largest one is."""
    largest = 1.0 if better == "higher" else min(1.0 / mean - 1.0, _LARGEST_RISE)
    if largest <= tolerated or outlook.units <= 0:
        return float("inf")
    return smallest(
        lambda harm: harm_delay(
            harm,
            outlook=outlook,
            exposed_share=exposed_share,
            tolerated=tolerated,
            better=better,
            mean=mean,
            square=square,
        ),
        outlook.windows,
        tolerated,
        largest,
    )


def reach(outlook: Outlook, *, holdout_share: float, tolerated: float, better: str, learning_units: float) -> Reach:
    """The reach of a comparison that learns from `learning_units` units first."""
    if outlook.units <= 0:
        return Reach(unknown="no new unit is counted")
    if outlook.mean is None or not 0.0 < outlook.mean < 1.0:
        return Reach(unknown=UNKNOWN_MEAN)
    harm = smallest_harm(
        outlook,
        exposed_share=1.0 - holdout_share,
        tolerated=tolerated,
        better=better,
        mean=outlook.mean,
        square=outlook.square,
    )
    units = outlook.units * outlook.windows
    return Reach(
        effect=harm * outlook.mean,
        relative=harm,
        unit="per unit",
        learning=learning_units / outlook.units,
        counted=(("exposed", units * (1.0 - holdout_share)), ("holdout", units * holdout_share)),
    )


def _increments(share: float, centre: float, margin: float, good: float, value: float) -> Floats:
    """Log e-increments (4, BETS) of one unit: exposed with the value and without, held out with it and without."""
    four = np.ones(4)
    entries = ipw.Entries(
        np.arange(4), np.array([value, 0.0, value, 0.0]), np.array([True, True, False, False]), np.ones(4)
    )
    return ipw.log_increments(entries, 4, share * four, centre * four, margin * four, good * four)


def _chances(share: float, exposed: float, holdout: float) -> Floats:
    """How often each of the four comes, (4,)."""
    return np.array(
        [share * exposed, share * (1.0 - exposed), (1.0 - share) * holdout, (1.0 - share) * (1.0 - holdout)]
    )

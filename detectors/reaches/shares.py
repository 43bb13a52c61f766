"""The reach of detectors that count votes for cells: how far one share must move.

The bets on the cell that moves decide; those on the others share the stake and are lost. What a reference cannot tell in advance
is assumed, and said: a category with a tenth of the votes among ten, a field that is hardly ever missing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.category_shift import CategoryShiftParams
from detectors.category_shift.reading import CELLS
from detectors.columns import Floats
from detectors.contamination import BETS_WORSE, ContaminationParams
from detectors.increments import bernoulli, shares
from detectors.math.intervals import bounded_mean_bounds
from detectors.missing_rate import FIELDS, MissingRateParams
from detectors.power import Outlook, Reach, delay, smallest, walk_of
from detectors.share_over import ShareOverParams
from detectors.shares.watch import REFERENCE_LEVEL

NOBODY = "no unit votes"
_USUAL = 0.1
_CATEGORIES = 10
_ALTERNATIVES = len(shares.ALTERNATIVES)
_RARE = 0.001
_LARGEST = 0.999


def category_shift(p: CategoryShiftParams, outlook: Outlook) -> Reach:
    """The smallest change of the share of a category that a tenth of votes are for."""
    error = _error(_USUAL, p.learn_units, CELLS)
    null = _USUAL + error + max(p.eps, p.relative * _USUAL)
    bets = 2 * _ALTERNATIVES * _CATEGORIES + 3 * _ALTERNATIVES  # others, unseen and missing ones can only rise
    learning = max((p.sample_units + p.learn_units) / max(outlook.units, 1e-9), p.learn_windows * _merged(p, outlook))
    found = _smallest_rise(_USUAL, null, bets, outlook)
    words = f"a category going from {_percent(_USUAL)} to {_percent(_USUAL + found)} of votes"
    return _told(found, outlook, learning, words)


def missing_rate(p: MissingRateParams, outlook: Outlook) -> Reach:
    """The smallest share of values of one field that go missing, where hardly any did."""
    null = _RARE + _error(_RARE, p.learn_units, FIELDS) + p.eps
    learning = max(p.learn_units / max(outlook.units, 1e-9), p.learn_windows * _merged(p, outlook))
    found = _smallest_rise(_RARE, null, _ALTERNATIVES * len(p.fields), outlook)
    return _told(found, outlook, learning, f"a field missing in {_percent(found)} of votes")


def share_over(p: ShareOverParams, outlook: Outlook) -> Reach:
    """The smallest rise of the share over the limit; from half of what is allowed, where its mean is not known."""
    before = min(outlook.mean or p.at_most / 2.0, 0.9 * p.at_most)
    found = _smallest_rise(before, p.at_most, _ALTERNATIVES, outlook)
    return _told(found, outlook, 0.0, f"{_percent(before + found)} of votes over {p.limit:g}")


def contamination(p: ContaminationParams, outlook: Outlook) -> Reach:
    """The smallest share of units that are mixed up, where a quarter of the allowed share was."""
    before, null = p.at_most / 4.0, np.array([[p.at_most]])
    bets = np.minimum(null * BETS_WORSE, _LARGEST)
    yes_no = np.concatenate(
        [bernoulli.log_increments(y, np.ones((1, 1)), null, bets) for y in (np.ones((1, 1)), np.zeros((1, 1)))]
    )
    weights = np.full(len(BETS_WORSE), -np.log(len(BETS_WORSE)))
    found = _smallest(lambda rise: _delay(yes_no, weights, before + rise, before, outlook), before, outlook)
    return _told(found, outlook, 0.0, f"{_percent(before + found)} of people mixed up")


def _smallest_rise(before: float, null: float, bets: int, outlook: Outlook) -> float:
    """The smallest rise of a share `before`, bet on in four sizes above `null` with an equal part of `bets` stakes."""
    tested = shares.Bounds(np.full((2, 1, 2), null), np.tile([True, False], (2, 1, 1)))
    yes_no = shares.against(tested, np.array([[1.0], [0.0]]), np.ones(2))[:, :_ALTERNATIVES]
    weights = np.full(_ALTERNATIVES, -np.log(bets))
    return _smallest(lambda rise: _delay(yes_no, weights, before + rise, before, outlook), before, outlook)


def _delay(yes_no: Floats, weights: Floats, after: float, before: float, outlook: Outlook) -> float:
    walk = walk_of(yes_no, np.array([after, 1.0 - after]), np.array([before, 1.0 - before]))
    return delay(walk.over(outlook.units), weights, outlook)


def _smallest(delay_of: Callable[[float], float], before: float, outlook: Outlook) -> float:
    return smallest(delay_of, outlook.windows, 0.0, _LARGEST - before) if outlook.units > 0 else float("inf")


def _told(found: float, outlook: Outlook, learning: float, words: str) -> Reach:
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    counted = (("now", outlook.units * outlook.windows),)
    return Reach(effect=found, unit="share", learning=learning, counted=counted, words=words)


def _error(share: float, units: float, cells: int) -> float:
    """What a reference of so many units is granted above its share."""
    _, high = bounded_mean_bounds(np.array([share]), np.array([float(units)]), REFERENCE_LEVEL / cells)
    return float(high[0]) - share


def _merged(p: CategoryShiftParams | MissingRateParams, outlook: Outlook) -> float:
    """Windows of the clock that one window with enough units takes."""
    return max(p.min_units / max(outlook.units, 1e-9), 1.0)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"

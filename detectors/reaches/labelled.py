"""The reach of watches of what came true: how far a loss, or the gap of a score bin, must move."""

from __future__ import annotations

import numpy as np

from detectors.calibration import CalibrationParams
from detectors.increments import bounded
from detectors.labelled import gaps
from detectors.labelled.reading import BINS
from detectors.math.intervals import bounded_mean_bounds, empirical_bernstein_radius
from detectors.power import Outlook, Reach, delay, smallest, walk_of
from detectors.risk import REFERENCE_LEVEL, RiskParams

NOBODY = "no labelled unit votes"
LOSS_UNKNOWN = "told once it has seen how large the loss usually is"
RATE_UNKNOWN = "told once it is known how often the outcome comes: --mean METRIC=MEAN of a metric of that outcome"
_LARGEST = 0.999
_WEIGHTS = np.full(bounded.BETS, -np.log(bounded.BETS))


def risk(p: RiskParams, outlook: Outlook) -> Reach:
    """The smallest rise of the mean loss. A loss is taken to be 0 or one other number, of mean and mean square as seen."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    if outlook.mean is None or not 0.0 < outlook.mean < 1.0:
        return Reach(unknown=LOSS_UNKNOWN)
    largest = _LARGEST * _value(outlook) / outlook.mean - 1.0
    rise = float("inf")
    if largest > p.page_if_worse_by:
        rise = smallest(lambda x: risk_delay(x, p, outlook), outlook.windows, p.page_if_worse_by, largest)
    merged = max(p.min_units / outlook.units, 1.0)
    return Reach(
        effect=rise * outlook.mean,
        relative=rise,
        unit="loss",
        learning=max((p.sample_units + p.learn_units) / outlook.units, p.learn_windows * merged),
        counted=(("now", outlook.units * outlook.windows),),
        words=f"a rise of the loss by {100 * rise:.2g} %",
    )


def risk_delay(rise: float, p: RiskParams, outlook: Outlook) -> float:
    """Windows until a rise of the risk, as a share of it, is found."""
    mean, value = outlook.mean or np.nan, _value(outlook)
    n = np.array([float(p.learn_units)])
    _, by_hoeffding = bounded_mean_bounds(np.array([mean]), n, REFERENCE_LEVEL / 2.0)
    spread = np.array([max(mean * (value - mean), 0.0)])
    by_bernstein = mean + empirical_bernstein_radius(spread, n, 1.0, REFERENCE_LEVEL / 2.0)
    limit = min(float(np.minimum(by_hoeffding, by_bernstein)[0]) + p.page_if_worse_by * mean, 1.0 - 1e-6)
    increments = bounded.log_increments(np.array([value, 0.0]), np.arange(2), np.full(2, limit), 1.0)
    often = mean / value
    after, before = (np.array([x, 1.0 - x]) for x in (min(often * (1.0 + rise), 1.0), often))
    return delay(walk_of(increments, after, before).over(outlook.units), _WEIGHTS, outlook)


def calibration(p: CalibrationParams, outlook: Outlook) -> Reach:
    """The smallest change of what comes true in one of ten score bins, one that predicts the mean."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    if outlook.mean is None or not 0.0 < outlook.mean < 1.0:
        return Reach(unknown=RATE_UNKNOWN)
    mean = outlook.mean
    gap = (
        smallest(lambda x: gap_delay(x, p, outlook), outlook.windows, 0.0, _LARGEST - mean)
        if mean < _LARGEST
        else float("inf")
    )
    merged = max(p.min_units / outlook.units, 1.0)
    return Reach(
        effect=gap,
        unit="share",
        learning=max((p.sample_units + p.learn_units) / outlook.units, p.learn_windows * merged),
        counted=(("now", outlook.units * outlook.windows),),
        words=f"a tenth of scores that come true in {100 * (mean + gap):.2g} % instead of {100 * mean:.2g} %",
    )


def gap_delay(gap: float, p: CalibrationParams, outlook: Outlook) -> float:
    """Windows until it is found that in a tenth of scores `gap` more comes true than did."""
    mean = outlook.mean or np.nan
    n = np.array([p.learn_units / BINS])
    error = empirical_bernstein_radius(np.array([mean * (1.0 - mean)]), n, 1.0, gaps.REFERENCE_LEVEL / BINS)
    limit = min(mean + float(error[0]) + max(p.page_if_worse_by * mean, p.at_least), 1.0 - 1e-6)
    increments = bounded.log_increments(np.array([1.0, 0.0]), np.arange(2), np.full(2, limit), 1.0)
    after, before = (np.array([x, 1.0 - x]) for x in (mean + gap, mean))
    weights = np.full(bounded.BETS, -np.log(gaps.BETS))
    return delay(walk_of(increments, after, before).over(outlook.units / BINS), weights, outlook)


def _value(outlook: Outlook) -> float:
    mean = outlook.mean or np.nan
    return 1.0 if outlook.square is None else min(max(outlook.square / mean, mean), 1.0)

"""The detector that knows everything: Page's CUSUM of the log-likelihood ratio of the true change, at a given run length.

No detector with the same mean time between false alarms is faster by more than a constant (Lorden 1971; Moustakides 1986).
"""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats


def rate_of(llr: Floats, threshold: float) -> float:
    """False alarms a window of a CUSUM that restarts at every alarm, from healthy log-likelihood ratios (T, R)."""
    c, alarms = np.zeros(llr.shape[1]), 0
    for row in llr:
        c = np.maximum(c, 0.0) + row
        hit = c >= threshold
        alarms += int(hit.sum())
        c[hit] = 0.0
    return float(alarms / llr.size)


def threshold_for(llr: Floats, rate: float) -> float:
    """The threshold at which `rate_of` is `rate`: bisection between 0 and log(1 / rate) + 2, to within .02."""
    low, high = 0.0, float(-np.log(rate)) + 2.0
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (middle, high) if rate_of(llr, middle) > rate else (low, middle)
    return (low + high) / 2


def delays(llr: Floats, threshold: float, since: int) -> Floats:
    """Windows from a change at `since` to the alarm, of the streams (T, R) not in alarm before; NaN where none came."""
    c, first = np.zeros(llr.shape[1]), np.full(llr.shape[1], np.nan)
    for t, row in enumerate(llr):
        c = np.maximum(c, 0.0) + row
        first = np.where((c >= threshold) & np.isnan(first), t, first)
    result: Floats = first[~(first < since)] - since + 1.0
    return result

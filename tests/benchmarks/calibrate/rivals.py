"""What else could be asked of the same values: detectors of the river library, and tests repeated at every look.

river's detectors see one stream, value by value, at their default settings; those for yes-or-no data see whether a value
is above the reference median. The tests are those that are run every day: p below .001 in each window against the first
windows, and, for two cohorts, p below .05 over all that has come so far. None of them knows what a unit is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, HDDMA
from scipy import stats

from detectors.columns import Columns, Floats

EVENTS = 20_000
KSWIN_EVENTS = 4_000
"""KSWIN costs a thousand times what the others do."""

REFERENCE = 2_000
PER_WINDOW, CUMULATIVE = 0.001, 0.05

RIVER: dict[str, tuple[Callable[[], Any], bool, int]] = {
    "river ADWIN": (ADWIN, False, EVENTS),
    "river PageHinkley": (PageHinkley, False, EVENTS),
    "river KSWIN": (lambda: KSWIN(seed=1), False, KSWIN_EVENTS),
    "river DDM": (DDM, True, EVENTS),
    "river HDDM_A": (HDDMA, True, EVENTS),
}
"""Detector, whether it takes yes-or-no values, and how many values it is given."""


def river_alarms(name: str, values: Floats) -> float:
    """Alarms in a stream without a change, scaled to `EVENTS` values."""
    make, binary, most = RIVER[name]
    detector, alarms, fed = make(), 0, values[:most]
    for value in (fed > np.median(values[:REFERENCE]) if binary else fed).tolist():
        detector.update(value)
        alarms += bool(detector.drift_detected)
    return alarms * EVENTS / len(fed)


def windowed_tests(windows: Sequence[Floats]) -> dict[str, float]:
    """Alarms of z, chi-square (ten bins) and KS, each window (n,) against the first `REFERENCE` values, per `EVENTS` values."""
    flat = np.concatenate(windows)
    reference, rest = flat[:REFERENCE], flat[REFERENCE:]
    size = len(windows[0])
    looks = [rest[i : i + size] for i in range(0, min(len(rest), EVENTS) - size + 1, size)]
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 11)[1:-1]))
    expected = np.bincount(np.searchsorted(edges, reference), minlength=len(edges) + 1)
    alarms = {"z-test, every window": 0, "chi-square, every window": 0, "KS, every window": 0}
    for now in looks:
        z = (now.mean() - reference.mean()) / np.sqrt(reference.var() * (1 / len(now) + 1 / REFERENCE))
        alarms["z-test, every window"] += bool(2 * stats.norm.sf(abs(z)) < PER_WINDOW)
        seen = np.bincount(np.searchsorted(edges, now), minlength=len(edges) + 1)
        table = np.stack([expected, seen])[:, (expected + seen) > 0]
        if table.shape[1] > 1:
            alarms["chi-square, every window"] += bool(stats.chi2_contingency(table).pvalue < PER_WINDOW)
        alarms["KS, every window"] += bool(stats.ks_2samp(reference, now, method="asymp").pvalue < PER_WINDOW)
    return {name: n * EVENTS / (len(looks) * size) for name, n in alarms.items()}


def peeking_z(windows: Sequence[Columns]) -> bool:
    """Whether a z-test of the cohorts' event means over all so far is ever significant at .05, looked at every window."""
    n, s, q = np.zeros(2), np.zeros(2), np.zeros(2)
    for rows in windows:
        value = rows.numbers("value")
        n += np.bincount(rows.cohort, minlength=2)
        s += np.bincount(rows.cohort, value, 2)
        q += np.bincount(rows.cohort, value**2, 2)
        if n.min() < 50:
            continue
        variance = float((q - s**2 / n).sum() / (n.sum() - 2))
        se = np.sqrt(variance * (1 / n).sum())
        if se > 0 and 2 * stats.norm.sf(abs(s[0] / n[0] - s[1] / n[1]) / se) < CUMULATIVE:
            return True
    return False

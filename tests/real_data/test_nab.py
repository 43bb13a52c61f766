"""24 series of the Numenta Anomaly Benchmark through the block engine: a floor, not a claim.

NAB asks for the first strange point of a series after at most 750 points of learning; the block engine asks whether a mean has
moved by more than the series' own slow wander, and is meant to learn four weeks. So what is asked of it is little, and on the
side it stands for: nothing is told on the five series without an anomaly, and the score is above that of saying nothing.
Published raw scores on these files: windowedGaussian .24, skyline -4.0, random -3.6, null -34, the best 20.2.
Source: Lavin and Ahmad 2015, ICMLA; github.com/numenta/NAB, MIT.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from detectors import engine
from detectors.columns import Floats
from detectors.detector import Tick
from detectors.increments import block
from tests.figures import Figure
from tests.real_data.shared import folder, scorer, table

PAGE = 1e-3
Series = dict[str, tuple[list[str], Floats]]


@pytest.fixture(scope="module")
def series() -> Series:
    times: dict[str, list[str]] = {}
    values: dict[str, list[float]] = {}
    for r in table("nab_A/series.csv.gz"):
        times.setdefault(r["series"], []).append(r["timestamp"])
        values.setdefault(r["series"], []).append(float(r["value"]))
    return {name: (times[name], np.array(values[name])) for name in times}


@pytest.fixture(scope="module")
def alarms(series: Series) -> dict[str, list[int]]:
    """Points at which an alert began, all series side by side, each after the part that does not count."""
    learned, ahead = [], []
    for times, values in series.values():
        probation = min(int(0.15 * len(values)), 750)
        step = (datetime.fromisoformat(times[1]) - datetime.fromisoformat(times[0])).total_seconds()
        learned.append(block.calibrate(values[:probation, None], max(1, int(86_400 / step))))
        ahead.append(values[probation:])
    mean, s, kappa, margin = (
        np.concatenate(parts)
        for parts in zip(*((c.mean, c.s, c.kappa, c.smallest_margin()) for c in learned), strict=True)
    )
    w, longest = len(ahead), max(len(values) for values in ahead)
    bank = engine.begin(engine.start(w, 2 * block.BETS), np.ones(w, np.bool_), np.zeros(w, np.int64))
    weights, found = np.full(2 * block.BETS, -np.log(2 * block.BETS)), [list[int]() for _ in ahead]
    for t in range(longest):
        there = np.array([t < len(values) for values in ahead])
        now = np.array([values[min(t, len(values) - 1)] for values in ahead])
        above, below = block.standardised(now, mean + margin, s), block.standardised(now, mean - margin, s)
        null = block.log_increments_both(above, below, kappa)
        back = np.minimum(block.log_increments(-above, kappa), block.log_increments(below, kappa))
        tells = engine.Increments(null, np.full_like(null, -np.inf), np.concatenate([back, back], axis=1))
        bank, verdict = engine.advance(
            bank, tells, weights, Tick.plain(t, t + 1, page=PAGE, warn=0.0, watches=w), there, there
        )
        for row in np.flatnonzero(verdict.opened):
            found[row].append(t + len(list(series.values())[row][1]) - len(ahead[row]))
    return dict(zip(series, found, strict=True))


def score(series: Series, alarms: dict[str, list[int]]) -> tuple[float, float]:
    """NAB's raw score of these alarms, and that of none."""
    labels: dict[str, Any] = json.loads((folder() / "nab_A/labels.json").read_text())
    nab, ours, none = scorer("score_nab"), 0.0, 0.0
    for name, (times, values) in series.items():
        windows = [
            (next(i for i, t in enumerate(times) if t >= a[:19]), max(i for i, t in enumerate(times) if t <= b[:19]))
            for a, b in labels[name]["windows"]
        ]
        ours += nab.score_file(len(values), windows, alarms[name])[0]
        none += nab.score_file(len(values), windows, [])[0]
    return ours, none


def test_series_without_an_anomaly_stay_silent(alarms: dict[str, list[int]]) -> None:
    clean = [name for name in alarms if name.startswith("artificialNoAnomaly")]
    assert len(clean) == 5
    assert {name: alarms[name] for name in clean if alarms[name]} == {}


def test_the_score_is_above_that_of_saying_nothing(
    series: Series, alarms: dict[str, list[int]], figure: Figure
) -> None:
    ours, none = score(series, alarms)
    figure("NAB, 24 series: raw score (of silence: -34)", ours, "points", len(series), target=none, met=ours > none)
    assert none == pytest.approx(-34.0)
    assert ours > none + 3.0


def test_hardly_more_is_told_than_there_is(series: Series, alarms: dict[str, list[int]]) -> None:
    assert len(series) == 24
    assert sum(len(found) for found in alarms.values()) <= 24

"""Targets of the calibration, as rows of `build/TARGET.json`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.benchmarks.calibrate.budget import BUDGET, Spent
from tests.benchmarks.calibrate.delays import BOUND, CENTRE, EDGE, EQUAL, Delay
from tests.benchmarks.calibrate.false_alarms import Measured
from tests.benchmarks.targets import Row

COMMAND = "make calibrate"
_LARGEST_RATIO = {EQUAL: 1.15, EDGE: 1.6, CENTRE: 1.6, BOUND: 1.3}


def of_false_alarms(measured: Sequence[Measured]) -> list[Row]:
    """Per detector: its worst excess over the promise, in Monte Carlo errors; and the worst coverage of its intervals."""
    rows = []
    for name in dict.fromkeys(m.procedure for m in measured if m.promise is not None):
        excess = [(m.rate - m.promise) / m.error for m in measured if m.procedure == name and m.promise is not None]
        rows.append(
            _row(
                f"{name}: false pages above the promise, worst cell",
                max(excess),
                "errors",
                min(excess),
                len(excess),
                3.0,
            )
        )
    for name in dict.fromkeys(m.procedure for m in measured if m.covered is not None):
        own = [
            (m.nominal, m.covered, m.shown)
            for m in measured
            if m.procedure == name and m.covered is not None and m.nominal is not None
        ]
        short = [(nominal - covered) / float(np.sqrt(nominal * (1 - nominal) / n)) for nominal, covered, n in own]
        rows.append(
            _row(f"{name}: coverage below {own[0][0]:g}, worst cell", max(short), "errors", min(short), len(short), 3.0)
        )
    return rows


def of_budget(spent: Sequence[Spent]) -> list[Row]:
    """Mean alarms of 200 watches in four weeks."""
    rows = []
    for s in spent:
        each = np.array(s.alarms, np.float64)
        error = float(each.std(ddof=1) / np.sqrt(len(each)))
        mean = float(each.mean())
        rows.append(
            Row(
                name=f"200 watches, four weeks, {s.kind}: false alarms",
                value=mean,
                unit="alarms",
                low=mean - 1.96 * error,
                high=mean + 1.96 * error,
                n=len(each),
                target=BUDGET,
                met=mean <= BUDGET,
                command=COMMAND,
            )
        )
    return rows


def of_delays(delays: Sequence[Delay]) -> list[Row]:
    """Ratios; a change that some stream never told is not met."""
    return [
        Row(
            name=f"{d.detector}, {d.change}: delay over {d.against}",
            value=d.ratio,
            unit="ratio",
            low=d.ratio - 1.96 * d.error,
            high=d.ratio + 1.96 * d.error,
            n=d.streams,
            target=_LARGEST_RATIO[d.against],
            met=d.ratio <= _LARGEST_RATIO[d.against] and d.missed == 0,
            command=COMMAND,
        )
        for d in delays
    ]


def _row(name: str, value: float, unit: str, low: float, n: int, target: float) -> Row:
    return Row(
        name=name, value=value, unit=unit, low=low, high=value, n=n, target=target, met=value <= target, command=COMMAND
    )

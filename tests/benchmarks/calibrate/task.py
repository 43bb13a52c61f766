"""One piece of the calibration: what a worker process is given, and what it gives back."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.calibrate import budget, delays, false_alarms

Task = tuple[str, Any]
"""What is measured, `false_alarms`, `delays` or `budget`, and which part of it."""


def measure(numbered: tuple[int, Task]) -> tuple[int, list[Any]]:
    """The task with its number, and what was measured."""
    index, (what, part) = numbered
    if what == "budget":
        return index, [budget.spend(part, false_alarms.seed_of("budget", part))]
    if what == "delays":
        return index, list(delays.CASES[part]())
    return index, list(false_alarms.measure(part))

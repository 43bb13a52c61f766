"""What tests measure on the way, as rows of `build/TARGET.json`: figures on real data, and how many of a scenario's claims hold.

A test hands a figure to the fixture `figure`; it travels with the test's report, also from another process. A scenario, a file
of `tests/scenarios`, is met when each of its tests passed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.benchmarks.targets import Row, keep

COMMAND = "make test"
PROPERTY = "figure"
Figure = Callable[..., None]


def teller(record_property: Callable[[str, object], None]) -> Figure:
    """A function that takes down one figure."""

    def figure(
        name: str,
        value: float,
        unit: str,
        n: int,
        *,
        target: float | None = None,
        met: bool | None = None,
        ends: tuple[float, float] | None = None,
    ) -> None:
        """`target` None: reported, not judged. A figure of given data has no error: without `ends`, low and high are the value."""
        low, high = (value, value) if ends is None else ends
        row = Row(name=name, value=value, unit=unit, low=low, high=high, n=n, target=target, met=met, command=COMMAND)
        record_property(PROPERTY, msgspec.json.encode(row).decode())

    return figure


class Figures:
    """Plugin of the process that hears all reports."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._told: list[Row] = []
        self._scenarios: dict[str, dict[str, bool]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A figure counts when its test passed or failed at being asserted; setup and teardown only spoil a scenario."""
        if report.when == "call":
            self._told += [msgspec.json.decode(str(v), type=Row) for k, v in report.user_properties if k == PROPERTY]
        file, _, _ = report.nodeid.partition("::")
        if Path(file).name.startswith("test_scenario_"):
            tests = self._scenarios[Path(file).stem.removeprefix("test_")]
            tests[report.nodeid] = tests.get(report.nodeid, True) and report.outcome == "passed"

    def pytest_sessionfinish(self) -> None:
        """Write what was heard; rows of other commands and of tests that did not run stay."""
        rows = self._told + [
            Row(
                name=f"{name.replace('_', ' ')}: claims that hold, its silent twin's among them",
                value=sum(passed.values()),
                unit="tests",
                low=sum(passed.values()),
                high=sum(passed.values()),
                n=len(passed),
                target=len(passed),
                met=all(passed.values()),
                command=COMMAND,
            )
            for name, passed in sorted(self._scenarios.items())
        ]
        if rows:
            keep(rows, self.out)

"""The states of watches, one bank a detector, and the windows that they have open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detectors.detector import AnyDetector
from monitor.alerting.alert import Alert
from monitor.watch.plan import WatchPlan


def named(watch: WatchPlan) -> str:
    """The name under which a watch's pages are stored; another one for each incarnation."""
    return f"{watch.key}|{watch.incarnation}"


def pages_of(alert: Alert) -> list[tuple[str, str]]:
    """The pages (room, key) in which the state of an alert's watch is stored."""
    return [(room, f"{alert.watch}|{alert.finding.incarnation}") for room in ("engine", "open")]


def beside(key: str) -> str:
    """Of a watch's key: the name of its sums of the metric that it is shown beside its own."""
    return f"{key}/beside"


@dataclass
class Bank:
    """The states of all watches of one detector: row i belongs to `watches[i]`."""

    test: AnyDetector
    watches: list[WatchPlan]
    state: Any

    def __post_init__(self) -> None:
        self._rows = {watch.key: row for row, watch in enumerate(self.watches)}

    def row(self, watch: WatchPlan) -> int:
        """Where a watch's state stands."""
        return self._rows[watch.key]


@dataclass
class OpenWindow:
    """A window that rows are still folded into: its start (ms) and the statistic so far."""

    start: int
    statistic: Any

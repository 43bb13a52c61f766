"""What the current turn has changed so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from detectors.columns import Columns
from detectors.sides import Sides
from monitor.alerting.alert import Alert, Decided, Notification
from monitor.events import Reject
from monitor.watch.finding import Finding

REJECTS_A_TURN = 1_000
"""Dead letters stored with one step at most."""


@dataclass
class Turn:
    """What the current turn has changed so far.

    `moved` names rows of banks whose state has changed, `touched` watches whose open window has: they are packed once, at the
    end of the turn, however often they changed. `sides` holds what was stored of a watch's two cohorts before the turn; `hours` and
    `days` begin those of the log that changed.
    """

    parts: dict[tuple[str, int], list[Columns]] = field(default_factory=dict)
    dropped: list[tuple[str, int]] = field(default_factory=list)
    rewritten: set[tuple[str, int]] = field(default_factory=set)
    pages: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    outbox: list[Notification] = field(default_factory=list)
    decisions: list[Decided] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    refused: set[tuple[str, int, int]] = field(default_factory=set)
    requeued: set[tuple[str, int, int]] = field(default_factory=set)
    moved: set[tuple[str, int]] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    sides: dict[str, Sides | None] = field(default_factory=dict)
    hours: set[int] = field(default_factory=set)
    days: set[int] = field(default_factory=set)
    records: int = 0

    def rewrite(self, stream: str, slot: int, rows: Columns) -> None:
        """All that is stored of a generation gives way to these rows."""
        self.rewritten.add((stream, slot))
        self.parts.pop((stream, slot), None)
        if len(rows):
            self.parts[stream, slot] = [rows]

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Keep dead letters, one a record, up to `REJECTS_A_TURN`: in a flood the first tell the story; all are counted."""
        for reject in rejects:
            place = (reject.topic, reject.partition, reject.offset)
            if len(self.rejects) < REJECTS_A_TURN and place not in self.refused:
                self.refused.add(place)
                self.rejects.append(reject)

"""What a model and an outbox row look like in memory, and its audit chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from monitor.alerting.alert import Notification
from monitor.events import Reject, TopicPartition
from monitor.store import codec
from monitor.store.chain import Head, Link, News
from monitor.store.delivery import QUEUED
from monitor.store.erasure import in_flight
from monitor.store.protocols import Kept, Queued, RecordedFinding
from monitor.watch.finding import Finding

T = TypeVar("T")


class OutboxRow(msgspec.Struct, kw_only=True):
    """An outbox row. `due_at` None: at once."""

    id: int
    notification: Notification
    state: str = QUEUED
    attempts: int = 0
    repeated: bool = False
    due_at: int | None = None
    settled_at: int | None = None

    @property
    def queue(self) -> tuple[str, str]:
        """Rows of one queue are sent in order."""
        return self.notification.alert, self.notification.destination

    def queued(self) -> Queued:
        """As the relay takes it."""
        return Queued(id=self.id, notification=self.notification, attempts=self.attempts, repeated=self.repeated)


class Committed(NamedTuple):
    """A step's own row."""

    number: int
    at: int
    observed: dict[str, Any]


class StoredFinding(NamedTuple):
    """A finding with its row and the step that wrote it."""

    row: int
    step: int
    finding: Finding


class Shelf:
    """The state of one model."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.steps: list[Committed] = []
        self.offsets: dict[TopicPartition, int] = {}
        self.chunks: dict[tuple[str, int, int], bytes] = {}
        self.pages: dict[tuple[str, str], bytes] = {}
        self.findings: dict[tuple[str, str, int, int], StoredFinding] = {}
        self.told = 0
        self.rejects: list[tuple[int, Reject]] = []
        self.refused = 0
        self.plan = ""
        self.head = Head()
        self.links: list[Link] = []
        self.details: dict[tuple[int, int], str] = {}
        self.purged: dict[Kept, int] = {}

    @property
    def last(self) -> int:
        """Number of the last step."""
        return self.steps[-1].number if self.steps else 0

    def keep(self, finding: Finding) -> None:
        """Store a finding of the last step; one that is stored already is left as it was."""
        key = (finding.watch, finding.incarnation, finding.start, finding.end)
        if key not in self.findings:
            self.told += 1
            self.findings[key] = StoredFinding(self.told, self.last, finding)

    def refuse(self, rejects: Sequence[Reject], now: int) -> None:
        """Store dead letters; `refused` is the number of the last one."""
        self.refused += len(rejects)
        self.rejects.extend((now, reject) for reject in rejects)

    def empty(self, after: int) -> None:
        """Rid the dead letters numbered above `after` of all that they hold."""
        first = max(len(self.rejects) - (self.refused - after - 1), 0)
        self.rejects[first:] = [(at, in_flight(reject)) for at, reject in self.rejects[first:]]

    def chain(self, news: News, now: int) -> None:
        """Add a link if there is news."""
        if news:
            link = news.link(self.model, self.head, self.last, now)
            self.head = Head(link.position, link.hash)
            self.links.append(link)
            self.details |= {(link.position, place): text for place, text in news.details.items()}

    def recorded(self) -> list[RecordedFinding]:
        """Findings in the order they were stored."""
        return [
            RecordedFinding(
                row=row,
                step=step,
                watch=finding.watch,
                incarnation=finding.incarnation,
                start=finding.start,
                end=finding.end,
                text=codec.encode(finding),
            )
            for row, step, finding in sorted(self.findings.values(), key=lambda stored: stored.row)
        ]


def as_stored(value: T) -> T:
    """The value as a database would give it back; nobody else can change it."""
    return codec.decode(codec.encode(value), type(value))

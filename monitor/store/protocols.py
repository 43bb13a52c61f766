"""What the engine asks of a store, and the one step it commits.

A turn of one model ends in one `Step`, committed in one transaction: all of it or nothing. `load` after any number of
commits gives the `Image` that the committed steps add up to. Steps of one model are numbered 1, 2, 3 …; a step whose
number does not follow is refused (`OutOfStep`), so nothing can be committed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from monitor.alerting.alert import Alert, Delivery, Notification
from monitor.events import Reject, TopicPartition
from monitor.watch.finding import Finding


class StoreError(Exception):
    """The store cannot serve. Subclasses are named by what the caller does next."""


class StoreUnavailable(StoreError):
    """No connection, a time-out, a full disk: throw the turn away, wait, load again."""


class LeaseLost(StoreError):
    """Another daemon owns the store now: stop writing and stand by."""


class OutOfStep(StoreError):
    """The step does not follow the last committed one: throw memory away and load again."""


class SchemaTooOld(StoreError):
    """The database needs `loopwatch db upgrade`; the message says so."""


class Lease(msgspec.Struct, frozen=True):
    """The right to write, until `expires_at` (store's wall clock, ms). A higher fence shuts out every lower one."""

    owner: str
    fence: int
    expires_at: int


class Chunk(msgspec.Struct, frozen=True):
    """Rows appended to a generation (`slot`, event-time ms of its start) of a stream of the join."""

    stream: str
    slot: int
    sequence: int
    data: bytes


class Page(msgspec.Struct, frozen=True):
    """A piece of mutable state by name. `data` None drops it. Rooms: see monitor/memory.py."""

    room: str
    key: str
    data: bytes | None


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person asked for; taken by a model's next turn as input. `number` is given by the store."""

    number: int
    model: str
    verb: str
    target: str = ""
    arguments: dict[str, Any] = {}
    author: str = ""
    asked_at: int = 0


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one turn of one model changes.

    observed   wall-clock facts the turn depended on (ms, idle partitions, caught-up partitions): recorded, so that the
               turn can be repeated.
    commands   numbers of the commands it took.
    alerts     whole rows, new or changed.
    """

    model: str
    number: int
    offsets: dict[TopicPartition, int] = {}
    chunks: Sequence[Chunk] = ()
    dropped: Sequence[tuple[str, int]] = ()
    pages: Sequence[Page] = ()
    findings: Sequence[Finding] = ()
    alerts: Sequence[Alert] = ()
    outbox: Sequence[Notification] = ()
    rejects: Sequence[Reject] = ()
    observed: dict[str, Any] = {}
    commands: Sequence[int] = ()


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What the committed steps of one model add up to. `chunks` in the order of their sequence; `alerts` not resolved."""

    number: int = 0
    offsets: dict[TopicPartition, int] = {}
    chunks: Sequence[Chunk] = ()
    pages: Sequence[Page] = ()
    alerts: Sequence[Alert] = ()


class StateStore(Protocol):
    """Durable memory. Any call may raise `StoreUnavailable`."""

    def acquire(self, owner: str, ttl_ms: int) -> Lease | None:
        """Take the lease if it is free, expired or already `owner`'s; None if another owner holds it."""

    def renew(self, lease: Lease, ttl_ms: int) -> Lease:
        """Keep it. Raises `LeaseLost`."""

    def release(self, lease: Lease) -> None:
        """Give it back early, if still held."""

    def load(self, model: str) -> Image:
        """The state of a model; an empty image if it has none."""

    def commit(self, step: Step, lease: Lease) -> None:
        """Apply a step, all or nothing. Raises `LeaseLost` if the lease was taken over, `OutOfStep`."""

    def commands(self, model: str) -> Sequence[Command]:
        """Those not yet taken, oldest first."""

    def submit(self, command: Command) -> int:
        """Store a command (its `number` is ignored); returns its number."""


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """An outbox row that is due. `attempts` counts those begun before; `repeated` if one may have been in flight at a crash."""

    id: int
    notification: Notification
    attempts: int
    repeated: bool = False


class Outbox(Protocol):
    """The relay's side of the store. Rows of one alert are delivered in the order they were written."""

    def due(self, now: int, limit: int) -> Sequence[Queued]:
        """Rows whose time has come, oldest first; a row behind an unsettled one of the same alert and destination is not due."""

    def begin(self, row: int, now: int) -> None:
        """Mark an attempt as in flight, before sending."""

    def settle(self, row: int, delivery: Delivery, now: int, retry_at: int | None) -> None:
        """Record the result. RETRY with `retry_at` keeps the row; RETRY without it, or REFUSED, parks it."""


class Reader(Protocol):
    """What people and pages look at. Newest first, at most `limit` rows."""

    def models(self) -> Sequence[str]:
        """Models that have state."""

    def status(self, model: str) -> dict[str, Any]:
        """Step number, offsets, last observed facts, counts of findings, alerts, rejects and queued or parked messages."""

    def latest(self, model: str) -> Sequence[Finding]:
        """The newest finding of every watch."""

    def findings(
        self, model: str, watch: str | None = None, *, since: int | None = None, limit: int = 1000
    ) -> Sequence[Finding]:
        """Findings of a model or of one of its watches."""

    def alerts(self, model: str | None = None, *, limit: int = 1000) -> Sequence[Alert]:
        """Alerts, resolved ones included."""

    def notifications(self, *, limit: int = 1000) -> Sequence[tuple[Queued, str]]:
        """Outbox rows with their state: queued, delivered or parked."""

    def rejects(self, model: str, *, limit: int = 1000) -> Sequence[Reject]:
        """Dead letters of a model."""


class Store(StateStore, Outbox, Reader, Protocol):
    """All three sides; what `monitor.app` builds."""

    def close(self) -> None:
        """Let go of connections."""

"""What the engine asks of a store, and the one step it commits.

A turn of one model ends in one `Step`, committed in one transaction: all of it or nothing. `load` after any number of
commits gives the `Image` that the committed steps add up to. Steps of one model are numbered 1, 2, 3 …; a step whose
number does not follow is refused (`OutOfStep`), so nothing can be committed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from monitor.alerting.alert import Alert, Decided, Delivery, Notification
from monitor.events import Reject, TopicPartition
from monitor.store.chain import Head, Link
from monitor.watch.description import PlanDescription
from monitor.watch.finding import Finding


class StoreError(Exception):
    """The store cannot serve. Subclasses are named by what the caller does next."""


class StoreUnavailable(StoreError):
    """No connection, a time-out, a full disk: throw the turn away, wait, load again."""


class StoreRefused(StoreError):
    """For good, until a person acts: an unreadable URL, missing rights, a value or a repeated chunk that cannot be stored."""


class LeaseLost(StoreError):
    """Another daemon owns the store now: stop writing and stand by."""


class OutOfStep(StoreError):
    """The step does not follow the last committed one: throw memory away and load again."""


class SchemaTooOld(StoreError):
    """The database needs `loopwatch db upgrade`; the message says so."""


class SchemaTooNew(StoreError):
    """A newer loopwatch upgraded the database: run that version, or restore a backup."""


class RowTaken(StoreError):
    """The outbox row is not queued any more: do not send it."""


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
    """A piece of mutable state by name. `data` None drops it. Rooms: see monitor/memory/."""

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
    alerts     whole rows, new or changed.
    rewritten  generations (stream, slot) of which everything stored goes before `chunks` are appended.
    dropped    generations (stream, slot); applied after `chunks`: what was appended to one in the same step goes with it.
    findings   one whose model, watch, incarnation, start and end are stored already is left as it was: twice is once.
    outbox     likewise by key.
    commands   numbers of the commands it took: an erasure and a resending take effect in the store with it.
    requeued   topic, partition and offset of dead letters that were read again: they go, before `rejects` are added.
    decisions  changes of alerts with their reasons, in order: for the audit.
    plan       what the turn ran under; recorded for the audit when it is another than that of the step before.
    """

    model: str
    number: int
    offsets: dict[TopicPartition, int] = {}
    chunks: Sequence[Chunk] = ()
    rewritten: Sequence[tuple[str, int]] = ()
    dropped: Sequence[tuple[str, int]] = ()
    pages: Sequence[Page] = ()
    findings: Sequence[Finding] = ()
    alerts: Sequence[Alert] = ()
    outbox: Sequence[Notification] = ()
    rejects: Sequence[Reject] = ()
    requeued: Sequence[tuple[str, int, int]] = ()
    observed: dict[str, Any] = {}
    commands: Sequence[int] = ()
    decisions: Sequence[Decided] = ()
    plan: PlanDescription | None = None


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What the committed steps of one model add up to. `chunks` in the order of their sequence; `alerts` not resolved, oldest first.

    `heard`: destinations that messages of these alerts were written for, sorted, by alert; without those that had none.
    Chunks of one sequence are ordered by stream and slot, pages by room and key.
    """

    number: int = 0
    offsets: dict[TopicPartition, int] = {}
    chunks: Sequence[Chunk] = ()
    pages: Sequence[Page] = ()
    alerts: Sequence[Alert] = ()
    heard: dict[str, Sequence[str]] = {}


class Redacted(NamedTuple):
    """How many dead letters held a text, and the number of the last one that was searched; -1 if there was none."""

    changed: int
    through: int


class StateStore(Protocol):
    """Durable memory. Any call may raise `StoreUnavailable`."""

    def acquire(self, owner: str, ttl_ms: int) -> Lease | None:
        """Take the lease if it is free, expired or already `owner`'s, always under a new fence; None if another holds it."""

    def renew(self, lease: Lease, ttl_ms: int) -> Lease:
        """Keep it; also one that expired, if nobody took it since. Raises `LeaseLost`."""

    def release(self, lease: Lease) -> None:
        """Give it back early, if still held."""

    def load(self, model: str) -> Image:
        """The state of a model; an empty image if it has none."""

    def commit(self, step: Step, lease: Lease) -> None:
        """Apply a step, all or nothing. Raises `LeaseLost` if the lease was taken over or given back, `OutOfStep`."""

    def redact(self, model: str, text: str) -> Redacted:
        """Dead letters that hold a text lose their bytes, and their reason if that quotes it.

        Whoever erases a person asks for the rest with the command `ERASE`, whose `after` is `Redacted.through`.
        """

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
    """The relay's side of the store. Rows of one alert are delivered in the order they were written.

    Whoever sends must hold the lease: `begin`, `settle` and `recover` raise `LeaseLost` for one that was taken over. Parked rows are
    queued again by the command `RESEND`, with the step that takes it.
    """

    def due(self, now: int, limit: int) -> Sequence[Queued]:
        """Rows whose time has come, oldest first; a row behind an unsettled one of the same alert and destination is not due."""

    def begin(self, row: int, now: int, lease: Lease) -> None:
        """Mark an attempt as in flight, before sending. Raises `RowTaken` if the row is not queued."""

    def settle(self, row: int, delivery: Delivery, now: int, retry_at: int | None, lease: Lease) -> None:
        """Record the result. RETRY with `retry_at` keeps the row; RETRY without it, or REFUSED, parks it.

        A parked row holds nothing up. A row that is delivered or parked already stays so.
        """

    def recover(self, now: int, lease: Lease) -> int:
        """At start: rows left in flight by a process that died are due again, `repeated`. Returns how many."""


class Reader(Protocol):
    """What people and pages look at. Newest first, at most `limit` rows."""

    def models(self) -> Sequence[str]:
        """Models that have state."""

    def status(self, model: str) -> dict[str, Any]:
        """Where a model stands, as plain values ready for JSON.

        model, step, committed_at (ms, None before the first step), offsets (topic to partition to next offset), observed
        (of the last step), findings and rejects (counts), alerts (counts by phase), outbox (counts by state), audit (position and
        hash of the newest link), forgotten (kinds that the audit speaks of, to the time before which they may be gone).
        """

    def latest(self, model: str) -> Sequence[Finding]:
        """The newest finding of every watch."""

    def findings(
        self, model: str, watch: str | None = None, *, since: int | None = None, limit: int = 1000
    ) -> Sequence[Finding]:
        """Findings of a model or of one of its watches."""

    def alerts(self, model: str | None = None, *, limit: int = 1000) -> Sequence[Alert]:
        """Alerts, resolved ones included."""

    def notifications(self, *, limit: int = 1000) -> Sequence[tuple[Queued, str]]:
        """Outbox rows with their state: queued, in_flight, delivered or parked."""

    def rejects(self, model: str, *, limit: int = 1000) -> Sequence[Reject]:
        """Dead letters of a model."""


class RecordedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A stored finding as the audit sees it: its row, the step that wrote it, what it is about, its text.

    `differing` names the columns beside the text that do not say what the text says.
    """

    row: int
    step: int
    watch: str
    incarnation: str
    start: int
    end: int
    text: str
    differing: Sequence[str] = ()


class RecordedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A stored alert as the audit sees it: likewise."""

    id: str
    step: int
    text: str
    differing: Sequence[str] = ()


class Ledger(Protocol):
    """The audit chain and what it speaks of. Everything of one model, oldest first, at most `limit` rows."""

    def head(self, model: str) -> Head:
        """The newest link, as the model's own row remembers it."""

    def links(self, model: str, *, after: int = 0, limit: int = 500) -> Sequence[Link]:
        """Links whose position is above `after`."""

    def details(self, model: str, first: int, last: int) -> Mapping[tuple[int, int], str]:
        """Details of the links at these positions: (position, place of the entry) to text."""

    def recorded_findings(
        self, model: str, *, after: tuple[int, int] = (-1, -1), limit: int = 5_000
    ) -> Sequence[RecordedFinding]:
        """Findings by step and row: those above (step, row) `after`."""

    def step_of(self, model: str, watch: str, incarnation: str, start: int, end: int) -> int | None:
        """The step of the stored finding of a watch and window; None if there is none."""

    def recorded_alerts(self, model: str, *, after: str = "", limit: int = 1_000) -> Sequence[RecordedAlert]:
        """Alerts, resolved ones included, by id: those above `after`."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What a watch learned from history; used once a person has adopted it, with the model's next turn.

    version        of its content, period and number of records: two of one version are the same.
    learned_as     the watch's incarnation while it learned: with other parameters it is another quantity.
    state          the detector's state after learning, packed.
    start, end     event time of the history, ms; records: how many events it had.
    failed         why the watch did not pass the dry run over the rest of the history; "" if it did.
    adopted_at     when a person last adopted it, ms; None if nobody has.
    """

    model: str
    watch: str
    version: str
    learned_as: str
    state: bytes
    start: int
    end: int
    records: int
    failed: str = ""
    built_at: int = 0
    built_by: str = ""
    adopted_at: int | None = None
    adopted_by: str = ""


class References(Protocol):
    """References of watches."""

    def keep_reference(self, reference: Reference) -> None:
        """Store one that was built; one whose model, watch and version are stored already is left as it was."""

    def references(self, model: str) -> Sequence[Reference]:
        """All of a model, newest first."""

    def adopt_reference(self, model: str, watch: str, version: str, author: str, now: int) -> bool:
        """Record that a person wants a reference to be used, with a command row for the audit; False if there is no such one."""


class Kept(StrEnum):
    """What is kept for people and grows without end, and the time that its age is counted by.

    FINDINGS by the end of their window; ALERTS, if resolved, by when they were. STEPS and DEAD_LETTERS by their commit; a
    model's last step stays. OUTBOX rows, if delivered or parked and their alert is not open, by when they were. COMMANDS, if
    taken, by when they were asked. AUDIT, links and their details, by their commit; a chain's newest link stays.
    """

    FINDINGS = "findings"
    STEPS = "steps"
    DEAD_LETTERS = "dead_letters"
    ALERTS = "alerts"
    OUTBOX = "outbox"
    COMMANDS = "commands"
    AUDIT = "audit"


class Store(StateStore, Outbox, Reader, Ledger, References, Protocol):
    """All sides; what `monitor.app` builds."""

    def frozen(self) -> AbstractContextManager[Ledger]:
        """The ledger as it is at this moment, whatever a daemon writes meanwhile."""

    def purge(self, kind: Kept, before: int, lease: Lease, limit: int = 5_000) -> int:
        """Forget up to `limit` rows of a kind that are older than `before` (ms); returns how many.

        One transaction; never part of an `Image`. What the audit speaks of is forgotten with an entry that says so, written
        before the first row goes. Raises `LeaseLost`.
        """

    def close(self) -> None:
        """Let go of connections. Idempotent."""

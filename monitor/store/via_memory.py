"""The store as plain dicts: the reference that the databases are held to. Forgets everything with its process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from monitor.alerting.alert import Alert, Delivery, Notification, Phase
from monitor.clock import Clock
from monitor.events import Reject, TopicPartition
from monitor.store import codec
from monitor.store.admission import admit, hold, lasting_chunks
from monitor.store.codec import storable
from monitor.store.delivery import DELIVERED, IN_FLIGHT, PARKED, QUEUED, STATES, UNSETTLED, after
from monitor.store.protocols import Chunk, Command, Image, Kept, Lease, Page, Queued, RowTaken, Step, StoreRefused
from monitor.watch.finding import Finding

T = TypeVar("T")


class _Row(msgspec.Struct, kw_only=True):
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


class _Committed(NamedTuple):
    """A step's own row."""

    number: int
    at: int
    observed: dict[str, Any]


class _Model:
    """The state of one model."""

    def __init__(self) -> None:
        self.steps: list[_Committed] = []
        self.offsets: dict[TopicPartition, int] = {}
        self.chunks: dict[tuple[str, int, int], bytes] = {}
        self.pages: dict[tuple[str, str], bytes] = {}
        self.findings: dict[tuple[str, str, int, int], Finding] = {}
        self.rejects: list[tuple[int, Reject]] = []

    @property
    def last(self) -> int:
        """Number of the last step."""
        return self.steps[-1].number if self.steps else 0


class MemoryStore:
    """`monitor.store.protocols.Store` without a database. Safe to share between threads; a restart keeps the object."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._lease = Lease("", 0, 0)
        self._models: dict[str, _Model] = {}
        self._alerts: dict[str, Alert] = {}
        self._outbox: dict[int, _Row] = {}
        self._keys: set[str] = set()
        self._commands: dict[int, Command] = {}
        self._submitted = 0
        self._queued = 0

    def acquire(self, owner: str, ttl_ms: int) -> Lease | None:
        """Take the lease under a new fence; None if another owner holds it."""
        with self._lock:
            now = self._clock.now()
            if self._lease.owner not in ("", owner) and self._lease.expires_at > now:
                return None
            self._lease = Lease(owner, self._lease.fence + 1, now + ttl_ms)
            return self._lease

    def renew(self, lease: Lease, ttl_ms: int) -> Lease:
        """Keep the lease. Raises `LeaseLost`."""
        with self._lock:
            hold(lease, self._lease.owner, self._lease.fence)
            self._lease = Lease(lease.owner, lease.fence, self._clock.now() + ttl_ms)
            return self._lease

    def release(self, lease: Lease) -> None:
        """Give the lease back, if still held."""
        with self._lock:
            if (lease.owner, lease.fence) == (self._lease.owner, self._lease.fence):
                self._lease = Lease("", lease.fence, 0)

    def load(self, model: str) -> Image:
        """What the committed steps of a model add up to."""
        with self._lock:
            state = self._models.get(model)
            if state is None:
                return Image()
            chunks = [Chunk(*key, data) for key, data in state.chunks.items()]
            told = [each for each in self._alerts.values() if each.model == model and each.phase != Phase.RESOLVED]
            return Image(
                number=state.last,
                offsets=dict(state.offsets),
                chunks=sorted(chunks, key=lambda chunk: (chunk.sequence, chunk.stream, chunk.slot)),
                pages=[Page(room, key, data) for (room, key), data in sorted(state.pages.items())],
                alerts=sorted(told, key=lambda alert: (alert.opened_at, alert.id)),
            )

    def commit(self, step: Step, lease: Lease) -> None:
        """Apply a step, all or nothing. Raises `LeaseLost`, `OutOfStep`."""
        with self._lock:
            hold(lease, self._lease.owner, self._lease.fence)
            state = self._models.get(step.model, _Model())
            admit(step, state.last)
            chunks = _after_chunks(state.chunks, step)
            findings = [_stored(each) for each in step.findings]
            alerts = {each.id: _stored(each) for each in step.alerts}
            messages = [_stored(each) for each in step.outbox]
            observed = _stored(step.observed)
            self._models[step.model] = state
            now = self._clock.now()
            state.steps.append(_Committed(step.number, now, observed))
            state.offsets |= step.offsets
            state.chunks = chunks
            for page in step.pages:
                state.pages.pop((page.room, page.key), None)
                if page.data is not None:
                    state.pages[page.room, page.key] = page.data
            for finding in findings:
                state.findings.setdefault((finding.watch, finding.incarnation, finding.start, finding.end), finding)
            self._alerts |= alerts
            for message in messages:
                self._queue(message)
            state.rejects.extend((now, _told(reject)) for reject in step.rejects)
            for number in step.commands:
                if number in self._commands and self._commands[number].model == step.model:
                    del self._commands[number]

    def _queue(self, message: Notification) -> None:
        if message.key not in self._keys:
            self._keys.add(message.key)
            self._queued += 1
            self._outbox[self._queued] = _Row(id=self._queued, notification=message)

    def commands(self, model: str) -> Sequence[Command]:
        """Commands not yet taken, oldest first."""
        with self._lock:
            return [command for command in self._commands.values() if command.model == model]

    def submit(self, command: Command) -> int:
        """Store a command; its number."""
        with self._lock:
            self._submitted += 1
            self._commands[self._submitted] = msgspec.structs.replace(_stored(command), number=self._submitted)
            return self._submitted

    def due(self, now: int, limit: int) -> Sequence[Queued]:
        """Outbox rows to send now, oldest first."""
        with self._lock:
            found: list[Queued] = []
            busy: set[tuple[str, str]] = set()
            for row in self._outbox.values():
                in_time = row.due_at is None or row.due_at <= now
                if row.state == QUEUED and in_time and row.queue not in busy:
                    found.append(row.queued())
                if row.state in UNSETTLED:
                    busy.add(row.queue)
            return found[:limit]

    def begin(self, row: int, now: int, lease: Lease) -> None:  # noqa: ARG002  # a database also shows people when it began
        """Mark an attempt as in flight. Raises `RowTaken`, `LeaseLost`."""
        with self._lock:
            hold(lease, self._lease.owner, self._lease.fence)
            found = self._outbox.get(row)
            if found is None or found.state != QUEUED:
                raise RowTaken(f"outbox row {row} is not queued: somebody else is sending it, or it is settled")
            found.state = IN_FLIGHT
            found.attempts += 1

    def settle(self, row: int, delivery: Delivery, now: int, retry_at: int | None, lease: Lease) -> None:
        """Record what became of an attempt. Raises `LeaseLost`."""
        with self._lock:
            hold(lease, self._lease.owner, self._lease.fence)
            found = self._outbox.get(row)
            if found is None or found.state not in UNSETTLED:
                return
            found.state = after(delivery.outcome, retry_at)
            if found.state == QUEUED:
                found.due_at = retry_at
            else:
                found.settled_at = now

    def recover(self, now: int, lease: Lease) -> int:
        """Make rows due again that a dead process left in flight; how many. Raises `LeaseLost`."""
        with self._lock:
            hold(lease, self._lease.owner, self._lease.fence)
            left = [row for row in self._outbox.values() if row.state == IN_FLIGHT]
            for row in left:
                row.state, row.repeated, row.due_at = QUEUED, True, now
            return len(left)

    def requeue(self, now: int, row: int | None = None) -> int:
        """Try parked rows again, all or one; how many."""
        with self._lock:
            wanted = [each for each in self._outbox.values() if each.state == PARKED and row in (None, each.id)]
            for each in wanted:
                each.state, each.due_at, each.settled_at = QUEUED, now, None
            return len(wanted)

    def models(self) -> Sequence[str]:
        """Models that have state."""
        with self._lock:
            return sorted(self._models)

    def status(self, model: str) -> dict[str, Any]:
        """Where a model stands."""
        with self._lock:
            state = self._models.get(model, _Model())
            last = state.steps[-1] if state.steps else _Committed(0, -1, {})
            positions: dict[str, dict[int, int]] = {}
            for source, position in state.offsets.items():
                positions.setdefault(source.topic, {})[source.partition] = position
            phases = [each.phase.value for each in self._alerts.values() if each.model == model]
            sent = [row.state for row in self._outbox.values() if row.notification.model == model]
            return {
                "model": model,
                "step": last.number,
                "committed_at": last.at if state.steps else None,
                "offsets": positions,
                "observed": last.observed,
                "findings": len(state.findings),
                "rejects": len(state.rejects),
                "alerts": {phase.value: phases.count(phase.value) for phase in Phase},
                "outbox": {name: sent.count(name) for name in STATES},
            }

    def latest(self, model: str) -> Sequence[Finding]:
        """The newest finding of every watch."""
        newest: dict[str, Finding] = {}
        for finding in self._newest_first(model):
            newest.setdefault(finding.watch, finding)
        return list(newest.values())

    def findings(
        self, model: str, watch: str | None = None, *, since: int | None = None, limit: int = 1000
    ) -> Sequence[Finding]:
        """Findings whose window ended at `since` or later."""
        wanted = [
            finding
            for finding in self._newest_first(model)
            if watch in (None, finding.watch) and (since is None or finding.end >= since)
        ]
        return wanted[:limit]

    def alerts(self, model: str | None = None, *, limit: int = 1000) -> Sequence[Alert]:
        """Alerts, resolved ones included."""
        with self._lock:
            wanted = [alert for alert in self._alerts.values() if model in (None, alert.model)]
            return sorted(wanted, key=lambda alert: (-alert.opened_at, alert.id))[:limit]

    def notifications(self, *, limit: int = 1000) -> Sequence[tuple[Queued, str]]:
        """Outbox rows with their state."""
        with self._lock:
            return [(row.queued(), row.state) for row in reversed(self._outbox.values())][:limit]

    def rejects(self, model: str, *, limit: int = 1000) -> Sequence[Reject]:
        """Dead letters of a model."""
        with self._lock:
            state = self._models.get(model, _Model())
            return [reject for _at, reject in reversed(state.rejects)][:limit]

    def purge(self, before: int, kinds: Collection[Kept] = tuple(Kept)) -> dict[Kept, int]:
        """Forget what is older than `before`."""
        with self._lock:
            return {kind: self._purge(kind, before) for kind in kinds}

    def close(self) -> None:
        """There is nothing to let go of."""

    def _newest_first(self, model: str) -> list[Finding]:
        with self._lock:
            stored = list(self._models.get(model, _Model()).findings.values())
        stored.reverse()
        return sorted(stored, key=lambda finding: -finding.end)

    def _purge(self, kind: Kept, before: int) -> int:
        if kind is Kept.ALERTS:
            gone = [
                id_
                for id_, alert in self._alerts.items()
                if alert.phase is Phase.RESOLVED and alert.resolved_at is not None and alert.resolved_at < before
            ]
            return len([self._alerts.pop(id_) for id_ in gone])
        if kind is Kept.OUTBOX:
            opened = {alert.id for alert in self._alerts.values() if alert.phase is not Phase.RESOLVED}
            old = [
                row
                for row in self._outbox.values()
                if row.state == DELIVERED
                and row.settled_at is not None
                and row.settled_at < before
                and row.notification.alert not in opened
            ]
            for row in old:
                del self._outbox[row.id]
                self._keys.discard(row.notification.key)
            return len(old)
        return sum(_purge_model(state, kind, before) for state in self._models.values())


def _purge_model(state: _Model, kind: Kept, before: int) -> int:
    if kind is Kept.FINDINGS:
        kept = {key: finding for key, finding in state.findings.items() if finding.end >= before}
        gone = len(state.findings) - len(kept)
        state.findings = kept
        return gone
    if kind is Kept.STEPS:
        steps = [step for step in state.steps[:-1] if step.at >= before] + state.steps[-1:]
        gone = len(state.steps) - len(steps)
        state.steps = steps
        return gone
    rejects = [(at, reject) for at, reject in state.rejects if at >= before]
    gone = len(state.rejects) - len(rejects)
    state.rejects = rejects
    return gone


def _after_chunks(stored: dict[tuple[str, int, int], bytes], step: Step) -> dict[tuple[str, int, int], bytes]:
    """A model's chunks after the step. Raises `StoreRefused` for one that is stored already."""
    dropped = set(step.dropped)
    chunks = {key: data for key, data in stored.items() if key[:2] not in dropped} if dropped else dict(stored)
    for chunk in lasting_chunks(step):
        key = (chunk.stream, chunk.slot, chunk.sequence)
        if key in chunks:
            raise StoreRefused(f"model {step.model!r}, step {step.number}: chunk {key} is stored already")
        chunks[key] = chunk.data
    return chunks


def _stored(value: T) -> T:
    """The value as a database would give it back; nobody else can change it."""
    return codec.decode(codec.encode(value), type(value))


def _told(reject: Reject) -> Reject:
    return msgspec.structs.replace(reject, reason=storable(reject.reason), field=storable(reject.field))

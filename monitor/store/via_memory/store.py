"""The store as plain dicts: the reference that the databases are held to. Forgets everything with its process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from monitor.alerting.alert import Alert, Delivery, Notification, Phase
from monitor.clock import Clock
from monitor.events import Reject
from monitor.store import codec
from monitor.store.admission import admit, hold, lasting_chunks
from monitor.store.adoption import adoption
from monitor.store.chain import ACT, ERASE, RESEND, Head, Link, News, act
from monitor.store.codec import storable
from monitor.store.delivery import IN_FLIGHT, PARKED, QUEUED, STATES, UNSETTLED, after
from monitor.store.erasure import without
from monitor.store.protocols import (
    Chunk,
    Command,
    Image,
    Kept,
    Lease,
    Ledger,
    Page,
    Queued,
    RecordedAlert,
    RecordedFinding,
    Redacted,
    Reference,
    RowTaken,
    Step,
    StoreRefused,
)
from monitor.store.via_memory.retention import purge_alerts, purge_outbox, purge_shelf
from monitor.store.via_memory.shelves import Committed, OutboxRow, Shelf, as_stored
from monitor.watch.finding import Finding


class MemoryStore:
    """`monitor.store.protocols.Store` without a database. Safe to share between threads; a restart keeps the object."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._lease = Lease("", 0, 0)
        self._models: dict[str, Shelf] = {}
        self._alerts: dict[str, Alert] = {}
        self._alert_steps: dict[str, int] = {}
        self._outbox: dict[int, OutboxRow] = {}
        self._keys: set[str] = set()
        self._commands: dict[int, Command] = {}
        self._references: dict[tuple[str, str, str], Reference] = {}
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
                heard=self._heard({alert.id for alert in told}),
            )

    def _heard(self, alerts: Collection[str]) -> dict[str, Sequence[str]]:
        messages = [row.notification for row in self._outbox.values() if row.notification.alert in alerts]
        return {
            each: sorted({m.destination for m in messages if m.alert == each}) for each in {m.alert for m in messages}
        }

    def commit(self, step: Step, lease: Lease) -> None:
        """Apply a step, all or nothing. Raises `LeaseLost`, `OutOfStep`."""
        with self._lock:
            hold(lease, self._lease.owner, self._lease.fence)
            state = self._models.get(step.model, Shelf(step.model))
            admit(step, state.last)
            chunks = _after_chunks(state.chunks, step)
            findings = [as_stored(each) for each in step.findings]
            alerts = {each.id: as_stored(each) for each in step.alerts}
            messages = [as_stored(each) for each in step.outbox]
            observed = as_stored(step.observed)
            self._models[step.model] = state
            now = self._clock.now()
            state.steps.append(Committed(step.number, now, observed))
            state.offsets |= step.offsets
            state.chunks = chunks
            for page in step.pages:
                state.pages.pop((page.room, page.key), None)
                if page.data is not None:
                    state.pages[page.room, page.key] = page.data
            state.chain(self._news(step, state, findings, alerts), now)
            for finding in findings:
                state.keep(finding)
            self._alerts |= alerts
            self._alert_steps |= dict.fromkeys(alerts, step.number)
            for message in messages:
                self._queue(message)
            again = set(step.requeued)
            state.rejects = [(at, r) for at, r in state.rejects if (r.topic, r.partition, r.offset) not in again]
            self._take(step, state, now)
            state.refuse([_told(reject) for reject in step.rejects], now)

    def _take(self, step: Step, state: Shelf, now: int) -> None:
        for number in sorted(step.commands):
            command = self._commands.get(number)
            if command is None or command.model != step.model:
                continue
            del self._commands[number]
            if command.verb == RESEND:
                self._resend(step.model, command.arguments.get("row"), now)
            elif command.verb == ERASE and "after" in command.arguments:
                state.empty(command.arguments["after"])

    def _news(self, step: Step, state: Shelf, findings: Sequence[Finding], alerts: Mapping[str, Alert]) -> News:
        news = News()
        news.findings(findings, [codec.encode(each) for each in findings])
        news.alerts(list(alerts.values()), [codec.encode(each) for each in alerts.values()])
        news.decisions(step.decisions)
        if step.plan is not None and step.plan.fingerprint != state.plan:
            state.plan = step.plan.fingerprint
            news.config(step.plan)
        for number in sorted(step.commands):
            command = self._commands.get(number)
            if command is not None and command.model == step.model:
                said = (command.verb, command.target, command.arguments, command.author, command.asked_at)
                news.detail(ACT, str(number), act(number, *said))
        return news

    def _queue(self, message: Notification) -> None:
        if message.key not in self._keys:
            self._keys.add(message.key)
            self._queued += 1
            self._outbox[self._queued] = OutboxRow(id=self._queued, notification=message)

    def redact(self, model: str, text: str) -> Redacted:
        """Dead letters that hold a text lose their bytes."""
        with self._lock:
            state = self._models.get(model, Shelf(model))
            redacted = [(at, without(reject, text)) for at, reject in state.rejects]
            changed = sum(new is not old for (_, new), (_, old) in zip(redacted, state.rejects, strict=True))
            state.rejects = redacted
            return Redacted(changed, state.refused - 1)

    def commands(self, model: str) -> Sequence[Command]:
        """Commands not yet taken, oldest first."""
        with self._lock:
            return [command for command in self._commands.values() if command.model == model]

    def submit(self, command: Command) -> int:
        """Store a command; its number."""
        with self._lock:
            self._submitted += 1
            self._commands[self._submitted] = msgspec.structs.replace(as_stored(command), number=self._submitted)
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

    def _resend(self, model: str, row: object, now: int) -> None:
        for each in self._outbox.values():
            if each.state == PARKED and each.notification.model == model and row in (None, each.id):
                each.state, each.due_at, each.settled_at = QUEUED, now, None

    def models(self) -> Sequence[str]:
        """Models that have state."""
        with self._lock:
            return sorted(self._models)

    def status(self, model: str) -> dict[str, Any]:
        """Where a model stands."""
        with self._lock:
            state = self._models.get(model, Shelf(model))
            last = state.steps[-1] if state.steps else Committed(0, -1, {})
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
                "audit": {"position": state.head.position, "hash": state.head.hash},
                "forgotten": {kind.value: before for kind, before in sorted(state.purged.items())},
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
            state = self._models.get(model, Shelf(model))
            return [reject for _at, reject in reversed(state.rejects)][:limit]

    @contextmanager
    def frozen(self) -> Iterator[Ledger]:
        """Its ledger; nobody else writes to it meanwhile."""
        with self._lock:
            yield self

    def head(self, model: str) -> Head:
        """The newest link of a model's chain."""
        with self._lock:
            return self._models.get(model, Shelf(model)).head

    def links(self, model: str, *, after: int = 0, limit: int = 500) -> Sequence[Link]:
        """Links above a position, oldest first."""
        with self._lock:
            return [link for link in self._models.get(model, Shelf(model)).links if link.position > after][:limit]

    def details(self, model: str, first: int, last: int) -> Mapping[tuple[int, int], str]:
        """Details of the links at these positions."""
        with self._lock:
            kept = self._models.get(model, Shelf(model)).details
            return {place: text for place, text in kept.items() if first <= place[0] <= last}

    def recorded_findings(
        self, model: str, *, after: tuple[int, int] = (-1, -1), limit: int = 5_000
    ) -> Sequence[RecordedFinding]:
        """Findings by step and row."""
        with self._lock:
            stored = self._models.get(model, Shelf(model)).recorded()
            return [each for each in stored if (each.step, each.row) > after][:limit]

    def step_of(self, model: str, watch: str, incarnation: str, start: int, end: int) -> int | None:
        """The step of the stored finding of a watch and window."""
        with self._lock:
            found = self._models.get(model, Shelf(model)).findings.get((watch, incarnation, start, end))
            return None if found is None else found.step

    def recorded_alerts(self, model: str, *, after: str = "", limit: int = 1_000) -> Sequence[RecordedAlert]:
        """Alerts by id."""
        with self._lock:
            return [
                RecordedAlert(id=id_, step=self._alert_steps[id_], text=codec.encode(alert))
                for id_, alert in sorted(self._alerts.items())
                if alert.model == model and id_ > after
            ][:limit]

    def keep_reference(self, reference: Reference) -> None:
        """Store a reference that was built."""
        with self._lock:
            self._references.setdefault((reference.model, reference.watch, reference.version), reference)

    def references(self, model: str) -> Sequence[Reference]:
        """References of a model, newest first."""
        with self._lock:
            own = [r for r in self._references.values() if r.model == model]
            return sorted(own, key=lambda r: (-r.built_at, r.watch, r.version))

    def adopt_reference(self, model: str, watch: str, version: str, author: str, now: int) -> bool:
        """Record that a reference is to be used; False if there is no such one."""
        with self._lock:
            found = self._references.get((model, watch, version))
            if found is None:
                return False
            adopted = msgspec.structs.replace(found, adopted_at=now, adopted_by=author)
            self._references[model, watch, version] = adopted
            self.submit(adoption(adopted))
            return True

    def purge(self, kind: Kept, before: int, lease: Lease, limit: int = 5_000) -> int:
        """Forget a batch of what is older than `before`. Raises `LeaseLost`."""
        with self._lock:
            hold(lease, self._lease.owner, self._lease.fence)
            shelves, now = [self._models[name] for name in sorted(self._models)], self._clock.now()
            if kind is Kept.ALERTS:
                return purge_alerts(shelves, self._alerts, before, now, limit)
            if kind is Kept.OUTBOX:
                old = purge_outbox(self._outbox, self._alerts, before, limit)
                self._keys.difference_update(row.notification.key for row in old)
                return len(old)
            gone = 0
            for shelf in shelves if kind is not Kept.COMMANDS else ():  # a command that was taken is gone already
                gone += purge_shelf(shelf, kind, before, now, limit - gone)
            return gone

    def close(self) -> None:
        """There is nothing to let go of."""

    def _newest_first(self, model: str) -> list[Finding]:
        with self._lock:
            stored = [each.finding for each in self._models.get(model, Shelf(model)).findings.values()]
        stored.reverse()
        return sorted(stored, key=lambda finding: -finding.end)


def _after_chunks(stored: dict[tuple[str, int, int], bytes], step: Step) -> dict[tuple[str, int, int], bytes]:
    """A model's chunks after the step. Raises `StoreRefused` for one that is stored already."""
    dropped = {*step.dropped, *step.rewritten}
    chunks = {key: data for key, data in stored.items() if key[:2] not in dropped} if dropped else dict(stored)
    for chunk in lasting_chunks(step):
        key = (chunk.stream, chunk.slot, chunk.sequence)
        if key in chunks:
            raise StoreRefused(f"model {step.model!r}, step {step.number}: chunk {key} is stored already")
        chunks[key] = chunk.data
    return chunks


def _told(reject: Reject) -> Reject:
    return msgspec.structs.replace(reject, reason=storable(reject.reason), field=storable(reject.field))

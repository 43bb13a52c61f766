"""`SqlStore`: every call of the contract as one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from monitor.alerting.alert import Alert, Delivery
from monitor.clock import Clock
from monitor.events import Reject
from monitor.store.chain import Head, Link
from monitor.store.protocols import (
    Command,
    Image,
    Kept,
    Lease,
    Ledger,
    Queued,
    RecordedAlert,
    RecordedFinding,
    Redacted,
    Reference,
    Step,
)
from monitor.store.via_sql import dead_letters, ledger, reader, references, relay_side, retention, schema, state
from monitor.store.via_sql import lease as leases
from monitor.store.via_sql.connection import Database
from monitor.watch.finding import Finding


class SqlStore:
    """`monitor.store.protocols.Store` on SQLite or PostgreSQL. Safe to share between threads.

    url    sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME; the password is never shown.
    clock  wall time of the lease and of commits.

    Raises `SchemaTooOld` or `SchemaTooNew` when opened on tables of another version, and `StoreUnavailable` or
    `StoreRefused` from any call.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        self._database = Database(url)
        try:
            schema.verify(self._database)
        except BaseException:
            self._database.close()
            raise

    @staticmethod
    def upgrade(url: str) -> bool:
        """Bring the tables to this version, from nothing or from an older one; True if anything was to do."""
        return schema.upgrade(url)

    def __repr__(self) -> str:
        return f"SqlStore({self._database.name})"

    def acquire(self, owner: str, ttl_ms: int) -> Lease | None:
        """Take the lease under a new fence; None if another owner holds it."""
        with self._database.writing() as connection:
            return leases.acquire(connection, owner, self._clock.now(), ttl_ms)

    def renew(self, lease: Lease, ttl_ms: int) -> Lease:
        """Keep the lease. Raises `LeaseLost`."""
        with self._database.writing() as connection:
            return leases.renew(connection, lease, self._clock.now(), ttl_ms)

    def release(self, lease: Lease) -> None:
        """Give the lease back, if still held."""
        with self._database.writing() as connection:
            leases.release(connection, lease)

    def load(self, model: str) -> Image:
        """What the committed steps of a model add up to."""
        with self._database.reading() as connection:
            return state.load(connection, model)

    def commit(self, step: Step, lease: Lease) -> None:
        """Apply a step, all or nothing. Raises `LeaseLost`, `OutOfStep`."""
        with self._database.writing() as connection:
            state.commit(connection, step, lease, self._clock.now())

    def redact(self, model: str, text: str) -> Redacted:
        """Dead letters that hold a text lose their bytes. One transaction a batch."""
        changed, through, more = 0, -1, True
        while more:
            with self._database.writing() as connection:
                batch, more = dead_letters.redact(connection, model, text, through)
            changed, through = changed + batch.changed, batch.through
        return Redacted(changed, through)

    def commands(self, model: str) -> Sequence[Command]:
        """Commands not yet taken, oldest first."""
        with self._database.reading() as connection:
            return state.waiting_commands(connection, model)

    def submit(self, command: Command) -> int:
        """Store a command; its number."""
        with self._database.writing() as connection:
            return state.submit(connection, command)

    def due(self, now: int, limit: int) -> Sequence[Queued]:
        """Outbox rows to send now, oldest first."""
        with self._database.reading() as connection:
            return relay_side.due(connection, now, limit)

    def begin(self, row: int, now: int, lease: Lease) -> None:
        """Mark an attempt as in flight. Raises `RowTaken`, `LeaseLost`."""
        with self._database.writing() as connection:
            leases.verify(connection, lease)
            relay_side.begin(connection, row, now)

    def settle(self, row: int, delivery: Delivery, now: int, retry_at: int | None, lease: Lease) -> None:
        """Record what became of an attempt. Raises `LeaseLost`."""
        with self._database.writing() as connection:
            leases.verify(connection, lease)
            relay_side.settle(connection, row, delivery, now, retry_at)

    def recover(self, now: int, lease: Lease) -> int:
        """Make rows due again that a dead process left in flight; how many. Raises `LeaseLost`."""
        with self._database.writing() as connection:
            leases.verify(connection, lease)
            return relay_side.recover(connection, now)

    def models(self) -> Sequence[str]:
        """Models that have state."""
        with self._database.reading() as connection:
            return reader.model_names(connection)

    def status(self, model: str) -> dict[str, Any]:
        """Where a model stands."""
        with self._database.reading() as connection:
            return reader.status(connection, model)

    def latest(self, model: str) -> Sequence[Finding]:
        """The newest finding of every watch."""
        with self._database.reading() as connection:
            return reader.latest(connection, model)

    def findings(
        self, model: str, watch: str | None = None, *, since: int | None = None, limit: int = 1000
    ) -> Sequence[Finding]:
        """Findings whose window ended at `since` or later."""
        with self._database.reading() as connection:
            return reader.findings_of(connection, model, watch, since, limit)

    def alerts(self, model: str | None = None, *, limit: int = 1000) -> Sequence[Alert]:
        """Alerts, resolved ones included."""
        with self._database.reading() as connection:
            return reader.alerts_of(connection, model, limit)

    def notifications(self, *, limit: int = 1000) -> Sequence[tuple[Queued, str]]:
        """Outbox rows with their state."""
        with self._database.reading() as connection:
            return reader.notifications(connection, limit)

    def rejects(self, model: str, *, limit: int = 1000) -> Sequence[Reject]:
        """Dead letters of a model."""
        with self._database.reading() as connection:
            return dead_letters.newest(connection, model, limit)

    @contextmanager
    def frozen(self) -> Iterator[Ledger]:
        """The ledger as it is at this moment: one transaction, so not for long between two calls."""
        with self._database.reading() as connection:
            yield ledger.FrozenLedger(connection)

    def head(self, model: str) -> Head:
        """The newest link of a model's chain."""
        with self.frozen() as frozen:
            return frozen.head(model)

    def links(self, model: str, *, after: int = 0, limit: int = 500) -> Sequence[Link]:
        """Links above a position, oldest first."""
        with self.frozen() as frozen:
            return frozen.links(model, after=after, limit=limit)

    def details(self, model: str, first: int, last: int) -> Mapping[tuple[int, int], str]:
        """Details of the links at these positions."""
        with self.frozen() as frozen:
            return frozen.details(model, first, last)

    def recorded_findings(
        self, model: str, *, after: tuple[int, int] = (-1, -1), limit: int = 5_000
    ) -> Sequence[RecordedFinding]:
        """Findings by step and row."""
        with self.frozen() as frozen:
            return frozen.recorded_findings(model, after=after, limit=limit)

    def step_of(self, model: str, watch: str, incarnation: str, start: int, end: int) -> int | None:
        """The step of the stored finding of a watch and window."""
        with self.frozen() as frozen:
            return frozen.step_of(model, watch, incarnation, start, end)

    def recorded_alerts(self, model: str, *, after: str = "", limit: int = 1_000) -> Sequence[RecordedAlert]:
        """Alerts by id."""
        with self.frozen() as frozen:
            return frozen.recorded_alerts(model, after=after, limit=limit)

    def keep_reference(self, reference: Reference) -> None:
        """Store a reference that was built."""
        with self._database.writing() as connection:
            references.keep(connection, reference)

    def references(self, model: str) -> Sequence[Reference]:
        """References of a model, newest first."""
        with self._database.reading() as connection:
            return references.of_model(connection, model)

    def adopt_reference(self, model: str, watch: str, version: str, author: str, now: int) -> bool:
        """Record that a reference is to be used; False if there is no such one."""
        with self._database.writing() as connection:
            return references.adopt(connection, model, watch, version, author, now)

    def purge(self, kind: Kept, before: int, lease: Lease, limit: int = 5_000) -> int:
        """Forget a batch of what is older than `before`. Raises `LeaseLost`."""
        with self._database.writing() as connection:
            return retention.purge(connection, kind, before, lease, self._clock.now(), limit)

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()

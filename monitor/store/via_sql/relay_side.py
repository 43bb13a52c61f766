"""The outbox as the relay sees it: due, begun, settled."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from monitor.alerting.alert import Delivery, Notification
from monitor.store import codec
from monitor.store.codec import storable
from monitor.store.delivery import DELIVERED, IN_FLIGHT, PARKED, QUEUED, UNSETTLED, after
from monitor.store.protocols import Queued, RowTaken
from monitor.store.via_sql.tables import outbox


def due(connection: sa.Connection, now: int, limit: int) -> Sequence[Queued]:
    """Rows to send now, oldest first."""
    earlier = outbox.alias("earlier")
    waits = sa.exists().where(
        earlier.c.alert == outbox.c.alert,
        earlier.c.destination == outbox.c.destination,
        earlier.c.id < outbox.c.id,
        earlier.c.state.in_(UNSETTLED),
    )
    found = connection.execute(
        sa.select(outbox.c.id, outbox.c.notification, outbox.c.attempts, outbox.c.repeated)
        .where(outbox.c.state == QUEUED, sa.or_(outbox.c.due_at.is_(None), outbox.c.due_at <= now), ~waits)
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return [queued(*row) for row in found]


def begin(connection: sa.Connection, row: int, now: int) -> None:
    """Queued to in flight. Raises `RowTaken`."""
    begun = connection.execute(
        sa.update(outbox)
        .where(outbox.c.id == row, outbox.c.state == QUEUED)
        .values(state=IN_FLIGHT, attempts=outbox.c.attempts + 1, begun_at=now)
    )
    if begun.rowcount == 0:
        raise RowTaken(f"outbox row {row} is not queued: somebody else is sending it, or it is settled")


def settle(connection: sa.Connection, row: int, delivery: Delivery, now: int, retry_at: int | None) -> None:
    """Record what became of an attempt."""
    state = after(delivery.outcome, retry_at)
    values: dict[str, object] = {"state": state}
    if state != DELIVERED:
        values["reason"] = storable(delivery.reason)
    values |= {"due_at": retry_at} if state == QUEUED else {"settled_at": now}
    connection.execute(sa.update(outbox).where(outbox.c.id == row, outbox.c.state.in_(UNSETTLED)).values(values))


def recover(connection: sa.Connection, now: int) -> int:
    """In flight to queued, repeated."""
    return connection.execute(
        sa.update(outbox).where(outbox.c.state == IN_FLIGHT).values(state=QUEUED, repeated=True, due_at=now)
    ).rowcount


def resend(connection: sa.Connection, model: str, row: object, now: int) -> None:
    """Parked to queued: all of a model, or one."""
    parked = sa.and_(outbox.c.model == model, outbox.c.state == PARKED)
    wanted = parked if row is None else sa.and_(parked, outbox.c.id == row)
    connection.execute(sa.update(outbox).where(wanted).values(state=QUEUED, due_at=now, settled_at=None))


def queued(row: int, notification: str | bytes, attempts: int, repeated: bool) -> Queued:
    """A row of the table as the relay takes it."""
    return Queued(id=row, notification=codec.decode(notification, Notification), attempts=attempts, repeated=repeated)

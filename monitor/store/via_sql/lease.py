"""The one lease row: who may write, under which fence, until when."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.store.admission import hold
from monitor.store.protocols import Lease, LeaseLost, StoreRefused
from monitor.store.via_sql.tables import lease as table

_ROW = table.c.name == "writer"
_FROZEN_AFTER = 4
"""Leases that a transaction may last before its process counts as frozen."""
_END_FROZEN = sa.text("""
    SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
    WHERE l.relation = 'lease'::regclass AND l.granted AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
    AND a.pid <> pg_backend_pid() AND a.xact_start < now() - make_interval(secs => :seconds)
""")


def acquire(connection: sa.Connection, owner: str, now: int, ttl_ms: int) -> Lease | None:
    """Take it if it is free, expired or `owner`'s; the fence goes up by one.

    A process that froze in the middle of a commit still holds the row: when its lease is long over, its session is ended.
    """
    row = connection.execute(sa.select(table).where(_ROW)).one()
    if row.owner not in ("", owner):
        if row.expires_at > now:
            return None
        if connection.dialect.name == "postgresql":
            connection.execute(_END_FROZEN, {"seconds": _FROZEN_AFTER * ttl_ms / 1000})
    row = connection.execute(sa.select(table).where(_ROW).with_for_update()).one()
    if row.owner not in ("", owner) and row.expires_at > now:
        return None
    taken = Lease(owner, row.fence + 1, now + ttl_ms)
    connection.execute(sa.update(table).where(_ROW).values(owner=owner, fence=taken.fence, expires_at=taken.expires_at))
    return taken


def renew(connection: sa.Connection, held: Lease, now: int, ttl_ms: int) -> Lease:
    """Keep it. Raises `LeaseLost`."""
    verify(connection, held, to_write=True)
    connection.execute(sa.update(table).where(_ROW).values(expires_at=now + ttl_ms))
    return Lease(held.owner, held.fence, now + ttl_ms)


def release(connection: sa.Connection, held: Lease) -> None:
    """Give it back, if still held; the fence stays."""
    try:
        verify(connection, held, to_write=True)
    except LeaseLost:
        return
    connection.execute(sa.update(table).where(_ROW).values(owner="", expires_at=0))


def verify(connection: sa.Connection, held: Lease, *, to_write: bool = False) -> None:
    """Raises `LeaseLost` unless `held` is the lease. Until the transaction ends nobody else can take it."""
    row = connection.execute(
        sa.select(table.c.owner, table.c.fence).where(_ROW).with_for_update(read=not to_write)
    ).one_or_none()
    if row is None:
        raise StoreRefused("the table lease has lost its row 'writer'; restore it with owner '' and a fence never used")
    hold(held, row.owner, row.fence)

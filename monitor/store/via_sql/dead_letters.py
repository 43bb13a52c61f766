"""Records that could not be used: read by people, and rid of one person's id."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from monitor.events import Reject
from monitor.store.erasure import IN_FLIGHT, without
from monitor.store.protocols import Redacted
from monitor.store.via_sql.tables import dead_letters as table

_AT_ONCE = 1_000


def newest(connection: sa.Connection, model: str, limit: int) -> Sequence[Reject]:
    """Dead letters of a model, newest first."""
    found = connection.execute(sa.select(table).where(table.c.model == model).order_by(table.c.id.desc()).limit(limit))
    return [_reject(row) for row in found]


def redact(connection: sa.Connection, model: str, text: str, after: int) -> tuple[Redacted, bool]:
    """Rid a batch of rows above `after` of a text; and whether there are more."""
    found = connection.execute(
        sa.select(table).where(table.c.model == model, table.c.id > after).order_by(table.c.id).limit(_AT_ONCE)
    ).all()
    held = [
        {"of_id": row.id, "raw": new.raw, "reason": new.reason, "field": new.field}
        for row in found
        if (new := without(old := _reject(row), text)) is not old
    ]
    if held:
        connection.execute(sa.update(table).where(table.c.id == sa.bindparam("of_id")), held)
    return Redacted(len(held), found[-1].id if found else after), len(found) == _AT_ONCE


def empty(connection: sa.Connection, model: str, after: int) -> None:
    """Rid the rows above `after` of all that they hold: they came while an erasure was asked for."""
    later = (table.c.model == model) & (table.c.id > after)
    connection.execute(sa.update(table).where(later).values(raw=None, reason=IN_FLIGHT))


def _reject(row: sa.Row[tuple[object, ...]]) -> Reject:
    return Reject(
        topic=row.topic,
        partition=row.partition_number,
        offset=row.record_offset,
        timestamp=row.record_time,
        reason=row.reason,
        field=row.field,
        raw=row.raw,
    )

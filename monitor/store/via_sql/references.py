"""References in their table."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from monitor.store.adoption import adoption
from monitor.store.protocols import Reference
from monitor.store.via_sql import state
from monitor.store.via_sql.tables import references
from monitor.store.via_sql.writing import insert_new


def keep(connection: sa.Connection, reference: Reference) -> None:
    """Store one; one that is there already is left as it was."""
    row = msgspec.structs.asdict(reference)
    row["history_start"], row["history_end"] = row.pop("start"), row.pop("end")
    insert_new(connection, references, [row])


def of_model(connection: sa.Connection, model: str) -> Sequence[Reference]:
    """All of a model, newest first."""
    table = references.c
    query = (
        sa.select(references).where(table.model == model).order_by(table.built_at.desc(), table.watch, table.version)
    )
    return [_read(row) for row in connection.execute(query).mappings()]


def adopt(connection: sa.Connection, model: str, watch: str, version: str, author: str, now: int) -> bool:
    """Mark one as adopted and submit the command that the audit keeps; False if there is no such one."""
    table = references.c
    this = sa.and_(table.model == model, table.watch == watch, table.version == version)
    connection.execute(sa.update(references).where(this).values(adopted_at=now, adopted_by=author))
    row = connection.execute(sa.select(references).where(this)).mappings().one_or_none()
    if row is None:
        return False
    state.submit(connection, adoption(_read(row)))
    return True


def _read(row: sa.RowMapping) -> Reference:
    values = dict(row)
    values["start"], values["end"] = values.pop("history_start"), values.pop("history_end")
    return Reference(**values)

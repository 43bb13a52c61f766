"""Statements that both databases spell alike, only elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[Mapping[str, Any]]


def insert_new(connection: sa.Connection, table: sa.Table, new: Rows) -> None:
    """Insert rows; those that would break a unique constraint are left out."""
    if new:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), new)


def replace(connection: sa.Connection, table: sa.Table, new: Rows) -> None:
    """Insert rows, or overwrite those of the same primary key."""
    if not new:
        return
    statement = _insert(connection, table)
    changed = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed), new
    )


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)

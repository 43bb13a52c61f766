"""The store on SQLite or PostgreSQL, through SQLAlchemy Core."""

from __future__ import annotations

from monitor.store.via_sql.connection import sqlite_file
from monitor.store.via_sql.schema import upgrade
from monitor.store.via_sql.store import SqlStore

__all__ = ["SqlStore", "sqlite_file", "upgrade"]

"""Which migration a database is at, and bringing it to the newest."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.store.protocols import SchemaTooNew, SchemaTooOld, StoreRefused
from monitor.store.via_sql.connection import Database
from monitor.store.via_sql.tables import REVISIONS, VERSION_TABLE

_ONE_UPGRADE_AT_A_TIME = 7_305_811_660_240_112_001
"""Key of PostgreSQL's advisory lock: any number that others are unlikely to use."""


def upgrade(url: str) -> bool:
    """Run the migrations that `url`'s database lacks; a missing SQLite file is made. True if there were any.

    All in one transaction; of several processes one does it and the others wait. Raises `SchemaTooNew`, `StoreRefused`,
    `StoreUnavailable`.
    """
    database = Database(url)
    try:
        with database.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ONE_UPGRADE_AT_A_TIME)))
            found = revision(connection)
            if found == REVISIONS[-1]:
                return False
            if found is not None and found not in REVISIONS:
                raise SchemaTooNew(_too_new(database, found))
            migrate(connection, REVISIONS[-1])
            return True
    finally:
        database.close()


def migrate(connection: sa.Connection, to: str) -> None:
    """Run the migrations up to `to`, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "monitor.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, to)


def verify(database: Database) -> None:
    """Raises `SchemaTooOld` or `SchemaTooNew` unless the database is at this version's migration."""
    if database.file is not None and not database.file.exists():
        raise SchemaTooOld(f"database {database.name}: there is no such file; run `loopwatch db upgrade` to make it")
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            encoding = connection.scalar(sa.text("SHOW server_encoding"))
            if encoding != "UTF8":
                raise StoreRefused(f"database {database.name} has the encoding {encoding}; it must be UTF8")
        found = revision(connection)
    if found == REVISIONS[-1]:
        return
    if found is None:
        raise SchemaTooOld(f"database {database.name} has no tables of loopwatch; run `loopwatch db upgrade`")
    if found in REVISIONS:
        raise SchemaTooOld(
            f"database {database.name} is at schema {found}, this version needs {REVISIONS[-1]}; run `loopwatch db upgrade`"
        )
    raise SchemaTooNew(_too_new(database, found))


def revision(connection: sa.Connection) -> str | None:
    """The last migration that ran; None before the first."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    table = sa.table(VERSION_TABLE, sa.column("version_num"))
    found = connection.scalar(sa.select(table.c.version_num))
    return None if found is None else str(found)


def _too_new(database: Database, found: str) -> str:
    return (
        f"database {database.name} is at schema {found}, which this version does not know (its newest is {REVISIONS[-1]}); "
        "run the newer loopwatch that upgraded it, or restore a backup"
    )

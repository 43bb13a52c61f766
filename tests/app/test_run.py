"""`loopwatch run` as a process, where what it needs is not there."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.conftest import CommandLine
from tests.e2e import daemons
from tests.e2e.daemons import RunningDaemon
from tests.servers.webhook import refusing_port

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresCluster


def test_run_waits_for_a_kafka_that_cannot_be_reached_and_says_so(loopwatch: CommandLine) -> None:
    broker = f"127.0.0.1:{refusing_port()}"
    config = loopwatch.write("http: { port: 0 }", brokers=broker)
    with RunningDaemon(config, {}) as daemon:
        daemon.wait("/readyz says so", lambda: "no events" in daemon.parts().get("source", {"reason": ""})["reason"])
        status, body = daemon.get("/readyz")
        assert daemon.get("/healthz")[0] == 200
        assert daemon.terminate() == 0
        events = [line["event"] for line in daemon.log()]
    assert status == 503
    assert (
        f"Kafka broker {broker} cannot be reached: Connection refused" in json.loads(body)["parts"]["models"]["reason"]
    )
    assert events[0] == "started"
    assert events[-1] == "stopped"


@pytest.mark.postgres
def test_run_on_a_database_without_tables_says_what_to_do(
    loopwatch: CommandLine, postgres_cluster: PostgresCluster
) -> None:
    url = postgres_cluster.create_database("not_upgraded")
    config = loopwatch.write("database: ${DATABASE_URL}\nhttp: { port: 0 }")
    for command in ("run", "status"):
        done = daemons.loopwatch(command, "--config", str(config), env={"DATABASE_URL": url})
        assert done.returncode == 3
        assert re.search(r"loopwatch db upgrade", done.stderr)
        assert "Traceback" not in done.stderr
    for said in ("the tables were brought up to date", "the tables are up to date"):
        done = daemons.loopwatch("db", "upgrade", "--config", str(config), env={"DATABASE_URL": url})
        assert (done.returncode, done.stdout.strip()) == (0, said)
    assert daemons.loopwatch("status", "--config", str(config), env={"DATABASE_URL": url}).returncode == 0


def test_run_with_a_database_that_cannot_be_reached_ends_with_its_name_and_no_password(loopwatch: CommandLine) -> None:
    config = loopwatch.write("database: ${DATABASE_URL}")
    url = f"postgresql://watcher:h1dden@127.0.0.1:{refusing_port()}/loopwatch"
    done = daemons.loopwatch("run", "--config", str(config), env={"DATABASE_URL": url})
    assert done.returncode == 3
    assert "127.0.0.1" in done.stderr
    assert "h1dden" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_run_on_a_port_that_is_taken_says_which(loopwatch: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = loopwatch.write(f"http: {{ port: {port} }}")
        done = daemons.loopwatch("run", "--config", str(config))
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_with_an_unknown_log_level_says_which_there_are(loopwatch: CommandLine) -> None:
    done = daemons.loopwatch("run", "--config", str(loopwatch.config), "--log-level", "loud")
    assert done.returncode == 2
    assert "allowed are debug, info, warning, error" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_without_kafka_says_what_is_missing(loopwatch: CommandLine, tmp_path: Path) -> None:
    text = loopwatch.config.read_text()
    loopwatch.config.write_text(re.sub(r"kafka:\n(?:  .*\n)+", "", text))
    done = daemons.loopwatch("run", "--config", str(loopwatch.config))
    assert done.returncode == 2
    assert "the config has no kafka: section, so there is nothing to read" in done.stderr
    assert not list(tmp_path.glob("*.lock"))

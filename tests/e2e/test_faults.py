"""Whatever happens to brokers, databases, clocks and daemons, people are told what they would have been told anyway.

The faults are those of `make faults`, several to a run: each of them alone, on more servers and more often, is there.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.store.via_sql import upgrade
from tests.e2e import streams
from tests.faults.cases import Database
from tests.faults.child import Death, Drift, Where
from tests.faults.trial import Trial
from tests.servers.webhook import Answer, Webhook

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster
    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.kafka

DAY = 86_400_000
KILLS = 3


@pytest.fixture
def trial(
    request: pytest.FixtureRequest,
    kafka_cluster: KafkaCluster,
    topics: streams.Topics,
    replayed: streams.Replayed,
    receiver: Webhook,
    tmp_path: Path,
) -> Iterator[Trial]:
    """A run on SQLite, or on PostgreSQL where the test asks for it."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    if "postgres_cluster" in request.fixturenames:
        postgres: PostgresCluster = request.getfixturevalue("postgres_cluster")
        url = postgres.create_database(f"trial_{os.urandom(4).hex()}")
    upgrade(url)
    with closing(Trial(tmp_path, kafka_cluster, topics, replayed, url, receiver)) as made:
        yield made


def test_a_daemon_that_is_killed_told_to_end_and_loses_its_broker_goes_on_where_it_was(trial: Trial) -> None:
    moments = random.Random(5)
    for _ in range(KILLS):
        with trial.daemon() as daemon:
            daemon.wait("it has begun", daemon.address)
            time.sleep(moments.uniform(0.0, 0.8))
            daemon.kill()
    for where in Where:
        with trial.daemon(death=Death(where, commits=2)) as daemon:
            daemon.process.wait(60)
            assert daemon.process.returncode == -signal.SIGKILL
    with trial.daemon() as daemon:
        trial.in_the_middle(daemon, steps=2)
        assert daemon.terminate() == 0
    with trial.daemon() as daemon:
        trial.in_the_middle(daemon, steps=2)
        trial.cluster.kill()
        try:
            trial.hear(daemon, "source", f"no events can be read for {streams.MODEL}")
            trial.hear(daemon, "models", trial.cluster.bootstrap[0])
            assert daemon.parts()["store"]["ok"]
            assert daemon.get("/healthz")[0] == 200
            before = trial.step()
        finally:
            trial.cluster.restart()
        trial.recover(daemon, time.monotonic(), before)
        trial.finish(daemon)
    verdict = trial.verdict()
    assert verdict.sound(), verdict


@pytest.mark.postgres
def test_a_daemon_that_froze_wakes_to_a_successor_and_does_not_write(
    trial: Trial, postgres_cluster: PostgresCluster
) -> None:
    database, drift = Database(postgres_cluster), Drift()
    trial.receiver.script.extend([Answer(429, {"Retry-After": "1"}), Answer(500)])
    with trial.daemon("first") as first:
        trial.in_the_middle(first)
        with trial.daemon("second", drift=drift) as second:
            trial.hear(second, "lease", "another daemon owns the store; standing by")
            assert not second.ready()
            first.process.send_signal(signal.SIGSTOP)
            before = trial.step()
            trial.recover(second, time.monotonic(), before)
            first.process.send_signal(signal.SIGCONT)
            trial.hear(first, "lease", "standing by")
            drift.ms = DAY
            with database.session(trial) as session:
                database.read_only(session, "on")
                trial.hear(second, "store", "read-only")
                database.read_only(session, "off")
            drift.ms = 0
            trial.finish(second)
        assert first.terminate() == 0
    verdict = trial.verdict()
    assert verdict.sound(), verdict

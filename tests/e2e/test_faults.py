"""Whatever happens to the broker or to the daemon, people are told what they would have been told anyway."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.alerting.alert import Alert
from tests.e2e import streams
from tests.e2e.daemons import RunningDaemon, loopwatch
from tests.servers.webhook import Webhook

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster
    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.kafka

KILLS = 3
FINISHED_WITHIN = 150.0


def steps(outcome: streams.Outcome) -> int:
    return int(outcome.store.status(streams.MODEL)["step"])


def finish(daemon: RunningDaemon, outcome: streams.Outcome, topics: streams.Topics, replayed: streams.Replayed) -> None:
    """Let the daemon come to the stream's end and send what it has to, then end it."""
    daemon.wait("all windows are closed", lambda: outcome.judged_to() >= topics.until, seconds=FINISHED_WITHIN)
    wanted = len(replayed.story.messages)
    daemon.wait("everything is delivered", lambda: [s for _, s in outcome.messages()].count("delivered") >= wanted)
    assert daemon.terminate() == 0


def told(alerts: list[Alert]) -> list[tuple[str, str, str, str, int, int | None]]:
    return [(a.id, a.watch, a.phase, a.severity, a.opened_at, a.resolved_at) for a in alerts]


def same_as_undisturbed(outcome: streams.Outcome, topics: streams.Topics, replayed: streams.Replayed) -> None:
    story = replayed.story
    assert outcome.findings(topics.until) == replayed.findings(topics.until)
    assert told(outcome.alerts()) == told(list(story.alerts.values()))
    assert [(n.key, n.title, n.text) for n, _ in outcome.messages()] == [
        (n.key, n.title, n.text) for n in story.messages
    ]


def test_a_broker_that_dies_in_the_middle_is_waited_for_and_changes_no_finding(
    kafka_cluster: KafkaCluster,
    topics: streams.Topics,
    replayed: streams.Replayed,
    receiver: Webhook,
    tmp_path: Path,
) -> None:
    config = streams.write_config(tmp_path, kafka_cluster, topics)
    url = f"sqlite:///{tmp_path / 'state.db'}"
    env = {"DATABASE_URL": url, "SLACK_URL": receiver.url("slackhook")}

    with RunningDaemon(config, env) as daemon:
        daemon.wait("every part is ready", daemon.ready)
        outcome = streams.Outcome(url)
        daemon.wait("it is in the middle", lambda: steps(outcome) >= 5)
        kafka_cluster.kill()
        try:
            assert outcome.judged_to() < topics.until
            daemon.wait("/readyz says so", lambda: not daemon.parts().get("source", {"ok": True})["ok"])
            said = daemon.parts()
            assert daemon.get("/healthz")[0] == 200
        finally:
            kafka_cluster.restart()
        daemon.wait("it is ready again", daemon.ready, seconds=90)
        finish(daemon, outcome, topics, replayed)

    assert said["source"]["reason"] == f"no events can be read for {streams.MODEL}"
    assert kafka_cluster.bootstrap[0] in said["models"]["reason"]
    assert said["store"]["ok"]
    same_as_undisturbed(outcome, topics, replayed)
    outcome.close()


def test_a_daemon_killed_at_any_moment_goes_on_where_it_was(
    kafka_cluster: KafkaCluster,
    topics: streams.Topics,
    replayed: streams.Replayed,
    receiver: Webhook,
    tmp_path: Path,
) -> None:
    config = streams.write_config(tmp_path, kafka_cluster, topics)
    url = f"sqlite:///{tmp_path / 'state.db'}"
    env = {"DATABASE_URL": url, "SLACK_URL": receiver.url("slackhook")}
    moments = random.Random(5)
    reached = 0

    for _ in range(KILLS):
        with RunningDaemon(config, env) as daemon:
            daemon.wait("every part is ready", daemon.ready)
            outcome = streams.Outcome(url)
            reached = steps(outcome) + moments.randint(1, 6)
            daemon.wait("it is in the middle", lambda: steps(outcome) >= reached, seconds=90)  # noqa: B023  # asked at once
            daemon.kill()
            outcome.close()
    outcome = streams.Outcome(url)
    assert outcome.judged_to() < topics.until
    with RunningDaemon(config, env) as daemon:
        daemon.wait("every part is ready", daemon.ready)
        finish(daemon, outcome, topics, replayed)

    same_as_undisturbed(outcome, topics, replayed)
    outcome.close()


@pytest.mark.postgres
def test_a_second_daemon_stands_by_and_takes_over_when_the_first_is_killed(
    kafka_cluster: KafkaCluster,
    postgres_cluster: PostgresCluster,
    topics: streams.Topics,
    replayed: streams.Replayed,
    receiver: Webhook,
    tmp_path: Path,
) -> None:
    config = streams.write_config(tmp_path, kafka_cluster, topics)
    url = postgres_cluster.create_database(f"standby_{os.urandom(4).hex()}")
    env = {"DATABASE_URL": url, "SLACK_URL": receiver.url("slackhook")}
    assert loopwatch("db", "upgrade", "--config", str(config), env=env).returncode == 0
    outcome = streams.Outcome(url)

    with RunningDaemon(config, env, "first") as first:
        first.wait("it owns the store", lambda: first.parts().get("lease", {"ok": False})["ok"])
        with RunningDaemon(config, env, "second") as second:
            second.wait("it stands by", lambda: "standing by" in second.parts().get("lease", {"reason": ""})["reason"])
            first.wait("it is in the middle", lambda: steps(outcome) >= 5)
            assert not second.ready()
            first.kill()
            assert outcome.judged_to() < topics.until
            second.wait("it has taken over", second.ready)
            finish(second, outcome, topics, replayed)

    same_as_undisturbed(outcome, topics, replayed)
    outcome.close()

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

KILLS = 2
FINISHED_WITHIN = 150.0


def steps(url: str) -> int:
    with streams.Outcome(url) as outcome:
        return int(outcome.store.status(streams.MODEL)["step"])


def judged_to(url: str) -> int:
    with streams.Outcome(url) as outcome:
        return outcome.judged_to()


def delivered(url: str) -> int:
    with streams.Outcome(url) as outcome:
        return [state for _, state in outcome.messages()].count("delivered")


def finish(daemon: RunningDaemon, url: str, topics: streams.Topics, replayed: streams.Replayed) -> None:
    """Let the daemon come to the stream's end and send what it has to, then end it."""
    daemon.wait("all windows are closed", lambda: judged_to(url) >= topics.until, seconds=FINISHED_WITHIN)
    daemon.wait("everything is delivered", lambda: delivered(url) >= len(replayed.story.messages))
    assert daemon.terminate() == 0


def told(alerts: list[Alert]) -> list[tuple[str, str, str, str, int, int | None]]:
    return [(a.id, a.watch, a.phase, a.severity, a.opened_at, a.resolved_at) for a in alerts]


def same_as_undisturbed(url: str, topics: streams.Topics, replayed: streams.Replayed) -> None:
    story = replayed.story
    with streams.Outcome(url) as outcome:
        assert outcome.findings(topics.until) == replayed.findings(topics.until)
        assert told(outcome.alerts()) == told(list(story.alerts.values()))
        sent = [(n.key, n.title, n.text) for n, _ in outcome.messages()]
    assert sent == [(n.key, n.title, n.text) for n in story.messages]


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
        daemon.wait("it is in the middle", lambda: steps(url) >= 5)
        kafka_cluster.kill()
        try:
            assert judged_to(url) < topics.until
            daemon.wait("/readyz says so", lambda: not daemon.parts().get("source", {"ok": True})["ok"])
            said = daemon.parts()
            assert daemon.get("/healthz")[0] == 200
        finally:
            kafka_cluster.restart()
        daemon.wait("it is ready again", daemon.ready, seconds=90)
        finish(daemon, url, topics, replayed)

    assert said["source"]["reason"] == f"no events can be read for {streams.MODEL}"
    assert kafka_cluster.bootstrap[0] in said["models"]["reason"]
    assert said["store"]["ok"]
    same_as_undisturbed(url, topics, replayed)


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
            reached = steps(url) + moments.randint(1, 6)
            daemon.wait("it is in the middle", lambda: steps(url) >= reached, seconds=90)  # noqa: B023  # asked at once
            daemon.kill()
    assert judged_to(url) < topics.until
    with RunningDaemon(config, env) as daemon:
        daemon.wait("every part is ready", daemon.ready)
        finish(daemon, url, topics, replayed)

    same_as_undisturbed(url, topics, replayed)


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

    with RunningDaemon(config, env, "first") as first:
        first.wait("it owns the store", lambda: first.parts().get("lease", {"ok": False})["ok"])
        with RunningDaemon(config, env, "second") as second:
            second.wait("it stands by", lambda: "standing by" in second.parts().get("lease", {"reason": ""})["reason"])
            first.wait("it is in the middle", lambda: steps(url) >= 5)
            assert not second.ready()
            first.kill()
            assert judged_to(url) < topics.until
            second.wait("it has taken over", second.ready)
            finish(second, url, topics, replayed)

    same_as_undisturbed(url, topics, replayed)

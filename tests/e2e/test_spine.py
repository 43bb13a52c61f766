"""From real topics to a real database and a real webhook, through the real command."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from monitor.alerting.alert import Kind, Phase
from monitor.simulate import open_bandit
from tests.e2e import streams
from tests.e2e.daemons import RunningDaemon, loopwatch
from tests.servers.webhook import Webhook

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster
    from tests.servers.postgres import PostgresCluster

HOOK_SECRET = "T0wn-hook-s3cret"  # planted, to be found nowhere
DATABASE_SECRET = "d4tabase/p@ss"  # likewise, in a spelling that a URL must quote


def with_password(url: str) -> str:
    """The URL of a database with a user's password put into it."""
    return re.sub(r"://([^:@/?]*)(:[^@/]*)?@", rf"://\1:{quote(DATABASE_SECRET, safe='')}@", url, count=1)


def everything_stored(url: str) -> str:
    """Every row of every table, as text."""
    engine = sa.create_engine(url)
    tables = sa.MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        rows = [str(tuple(row)) for table in tables.sorted_tables for row in connection.execute(sa.select(table))]
    engine.dispose()
    return "\n".join(rows)


@pytest.fixture
def database(postgres_cluster: PostgresCluster) -> str:
    url = with_password(postgres_cluster.create_database(f"spine_{os.urandom(4).hex()}"))
    assert quote(DATABASE_SECRET, safe="") in url
    return url


@pytest.mark.kafka
@pytest.mark.postgres
def test_a_planted_harm_reaches_the_webhook_once_and_its_end_once(
    kafka_cluster: KafkaCluster,
    database: str,
    topics: streams.Topics,
    replayed: streams.Replayed,
    receiver: Webhook,
    tmp_path: Path,
) -> None:
    config = streams.write_config(tmp_path, kafka_cluster, topics)
    env = {"DATABASE_URL": database, "SLACK_URL": receiver.url("slackhook", f"/services/{HOOK_SECRET}")}
    seen = []

    upgraded = loopwatch("db", "upgrade", "--config", str(config), env=env)
    assert upgraded.returncode == 0, upgraded.stderr
    with streams.Outcome(database) as outcome, RunningDaemon(config, env) as daemon:
        daemon.wait("every part is ready", daemon.ready)
        daemon.wait("all windows are closed", lambda: outcome.judged_to() >= topics.until, seconds=120)
        daemon.wait("everything is delivered", lambda: len(receiver.received) >= len(replayed.story.messages))
        seen += [daemon.get(path) for path in ("/", "/healthz", "/readyz", "/metrics")]
        told = loopwatch("status", "--config", str(config), "--json", env=env)
        assert daemon.terminate() == 0
        log = daemon.log()
        findings, messages, alerts = outcome.findings(topics.until), outcome.messages(), outcome.alerts()

    assert [status for status, _ in seen] == [200, 200, 200, 200]
    page, _, ready, metrics = (body for _, body in seen)
    assert "clicks" in page
    assert json.loads(ready)["ready"]
    assert re.search(r'^loopwatch_alerts_total\{model="open-bandit",.*\} 1\.0$', metrics, re.MULTILINE)
    assert 'loopwatch_behind_records{model="open-bandit",stream="predictions"} 0.0' in metrics
    assert f'{{destination="slack",outcome="delivered"}} {len(replayed.story.messages)}.0' in metrics
    assert 'loopwatch_outbox_rows{state="queued"} 0.0' in metrics

    assert findings == replayed.findings(topics.until)
    assert [n.key for n, _ in messages] == [n.key for n in replayed.story.messages]
    assert [n.kind for n, _ in messages].count(Kind.FIRING) == 1
    assert [n.kind for n, _ in messages].count(Kind.RESOLVED) == 1
    assert {state for _, state in messages} == {"delivered"}
    assert {n.destination for n, _ in messages} == {"slack"}
    (alert,) = alerts
    assert (alert.watch, alert.phase) == ("clicks", Phase.RESOLVED)
    assert streams.PLANT.after_days <= (alert.opened_at - open_bandit.FIRST_DAY) / open_bandit.DAY_MS

    texts = [request.json["text"] for request in receiver.received]
    assert len(texts) == len(messages)
    for text in texts:
        assert re.search(r"Size(?: now)?:\* \*?[\u2212+-]\d", text), text
        assert re.search(r"\[.+ to .+\]", text), text
        assert re.search(r"exposed\s+\d\.\d+\s+\d[\d,]+", text), text
        assert re.search(r"holdout\s+\d\.\d+\s+\d[\d,]+", text), text
    assert "Resolved" in texts[-1]

    standing = json.loads(told.stdout)["models"]["open-bandit"]
    (clicks,) = [row for row in standing["watches"] if row["watch"] == "clicks"]
    assert clicks["state"] in ("resolved", "ok")
    assert told.returncode == 0
    assert standing["store"]["alerts"] == {"pending": 0, "firing": 0, "resolved": 1}
    assert standing["store"]["outbox"]["delivered"] == len(messages)
    assert log[-1]["event"] == "stopped"

    everything = [told.stdout, told.stderr, upgraded.stdout, upgraded.stderr, *(body for _, body in seen), *texts]
    everything += [daemon.out.read_text(), daemon.err.read_text(), everything_stored(database)]
    for secret in (HOOK_SECRET, DATABASE_SECRET, quote(DATABASE_SECRET, safe="")):
        assert not [text for text in everything if secret in text]


def test_the_same_stream_with_its_cohorts_shuffled_or_nothing_planted_wakes_nobody(tmp_path: Path) -> None:
    impressions = streams.IMPRESSIONS // 2
    shuffled = open_bandit.resampled(streams.SEED, impressions, plant=streams.PLANT, shuffled_cohorts=True)
    untouched = open_bandit.resampled(streams.SEED, impressions)

    for name, stream in (("shuffled", shuffled), ("untouched", untouched)):
        story = streams.told(tmp_path / name, stream)
        assert story.records == len(stream) + len(stream.clicked)
        assert not [n.title for n in story.messages if n.severity != "warn"]

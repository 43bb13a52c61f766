"""Records that a real Kafka no longer has are told: as a finding, with the verdicts they touch, in the log and the metrics."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from detectors.evidence import Standing
from monitor.clock import SystemClock
from monitor.engine.missing import INTAKE
from monitor.store.via_sql import SqlStore, upgrade
from monitor.watch.finding import Finding, Origin
from tests.faults.child import ForkedDaemon

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

pytestmark = pytest.mark.kafka

START, MINUTE = 1_704_067_200_000, 60_000
A_MINUTE = 10
CONFIG = """
rehearsal: 0s
kafka: {{ brokers: [{brokers}], start: earliest }}
database: sqlite:///{folder}/state.db
notify: {{ nobody: "json://127.0.0.1:1/" }}
http: {{ port: 0 }}
limits: {{ lease: 3s }}

model: feed
kind: classifier
window: 10m
predictions: {{ topic: {topic}, id: slate, time: at, unit: who, score: score }}
watch:
  shift: {{ detector: {{ kind: numeric_shift, min_units: 30 }}, on: score }}
"""


def slates(first: int, last: int) -> list[bytes]:
    """Predictions of some minutes."""
    return [
        f'{{"slate":"s{n}","at":{START + n * MINUTE // A_MINUTE},"who":"u{n}","score":{n % 7}}}'.encode()
        for n in range(first * A_MINUTE, last * A_MINUTE)
    ]


class Feed:
    def __init__(self, cluster: KafkaCluster, folder: Path) -> None:
        self.cluster, self.topic = cluster, cluster.create_topic(f"gaps-{uuid.uuid4().hex[:8]}")
        self.url = f"sqlite:///{folder}/state.db"
        upgrade(self.url)
        self.store = SqlStore(self.url, SystemClock())
        self.config = folder / "loopwatch.yaml"
        brokers = ", ".join(cluster.bootstrap)
        self.config.write_text(CONFIG.format(brokers=brokers, folder=folder, topic=self.topic))

    def daemon(self) -> ForkedDaemon:
        return ForkedDaemon(self.config, {}, owner="us")

    def read(self) -> int:
        """Where reading goes on."""
        return int(self.store.status("feed")["offsets"].get(self.topic, {}).get(0, 0))

    def findings(self, watch: str) -> list[Finding]:
        return sorted((f for f in self.store.findings("feed", watch)), key=lambda f: f.end)


@pytest.fixture
def feed(kafka_cluster: KafkaCluster, tmp_path: Path) -> Feed:
    return Feed(kafka_cluster, tmp_path)


def test_what_retention_deleted_before_it_was_read_marks_the_verdicts_and_what_follows_is_sound_again(
    feed: Feed,
) -> None:
    feed.cluster.produce(feed.topic, slates(0, 60))
    with feed.daemon() as daemon:
        daemon.wait("the first hour is read", lambda: feed.read() == 60 * A_MINUTE)
        assert daemon.terminate() == 0
    feed.cluster.produce(feed.topic, slates(60, 180))
    feed.cluster.delete_records(feed.topic, 80 * A_MINUTE)
    with feed.daemon() as daemon:
        daemon.wait("the rest is read", lambda: feed.read() == 180 * A_MINUTE)
        daemon.wait("it is told that it is over", lambda: len(feed.findings(INTAKE)) == 2)
        metrics = daemon.get("/metrics")[1]
        assert daemon.terminate() == 0
        said = [line for line in daemon.log() if line["event"] == "data is missing"]

    why = f"200 records of {feed.topic}[0] were deleted by Kafka's retention before they were read"
    begun, over = feed.findings(INTAKE)
    assert (begun.evidence.standing, begun.evidence.reason, begun.origin) == (
        Standing.INSUFFICIENT,
        why,
        Origin.DATA_QUALITY,
    )
    assert (over.evidence.standing, over.evidence.reason) == (Standing.OK, "everything is taken in again")
    marked = [((f.start - START) // MINUTE, (f.end - START) // MINUTE) for f in feed.findings("shift") if f.missing]
    assert marked == [(50, 60), (60, 90)], "the empty windows are one with the next that has anybody in it"
    assert {f.missing for f in feed.findings("shift") if f.missing} == {(why,)}
    assert [line["what"] for line in said] == [why]
    assert re.search(r'^loopwatch_records_missed_total{model="feed",topic="gaps-.*"} 200.0$', metrics, re.MULTILINE)


def test_a_topic_deleted_and_made_anew_is_told_and_read_from_its_beginning(feed: Feed) -> None:
    feed.cluster.produce(feed.topic, slates(0, 60))
    with feed.daemon() as daemon:
        daemon.wait("the first hour is read", lambda: feed.read() == 60 * A_MINUTE)
        feed.cluster.delete_topic(feed.topic)
        daemon.wait("it is told", lambda: "has no topic" in daemon.parts()["models"]["reason"])
        feed.cluster.create_topic(feed.topic)
        feed.cluster.produce(feed.topic, slates(60, 100))
        daemon.wait("the new topic is read", lambda: feed.read() == 40 * A_MINUTE, seconds=90)
        daemon.wait("it is told that it is over", lambda: len(feed.findings(INTAKE)) == 2)
        daemon.wait("it is well again", lambda: daemon.parts()["models"]["ok"])
        assert daemon.terminate() == 0
    begun, over = feed.findings(INTAKE)
    assert (
        begun.evidence.reason == f"records of {feed.topic}[0] are gone: the topic was emptied, or deleted and made anew"
    )
    assert over.evidence.standing is Standing.OK


def test_a_topic_made_anew_and_refilled_past_the_old_offset_while_the_daemon_was_down_is_told(feed: Feed) -> None:
    feed.cluster.produce(feed.topic, slates(0, 60))
    with feed.daemon() as daemon:
        daemon.wait("the first hour is read", lambda: feed.read() == 60 * A_MINUTE)
        assert daemon.terminate() == 0
    feed.cluster.delete_topic(feed.topic)
    feed.cluster.create_topic(feed.topic)
    feed.cluster.produce(feed.topic, slates(60, 140))
    with feed.daemon() as daemon:
        daemon.wait("the new topic is read", lambda: feed.read() == 80 * A_MINUTE)
        daemon.wait("it is told that it is over", lambda: len(feed.findings(INTAKE)) == 2)
        metrics = daemon.get("/metrics")[1]
        assert daemon.terminate() == 0
    begun, over = feed.findings(INTAKE)
    assert (
        begun.evidence.reason == f"records of {feed.topic}[0] are gone: the topic was emptied, or deleted and made anew"
    )
    assert over.evidence.standing is Standing.OK
    kept = rf'^loopwatch_records_decoded_total{{model="feed",stream="predictions"}} {140 * A_MINUTE}.0$'
    assert re.search(kept, metrics, re.MULTILINE), "none of the first records was passed over"

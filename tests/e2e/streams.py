"""The demo's stream with its planted harm, in files and in real topics, and what an undisturbed run finds in it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from monitor import app, demo
from monitor.alerting.alert import Alert, Notification
from monitor.clock import SystemClock
from monitor.demo import Story
from monitor.replay import as_line
from monitor.simulate import open_bandit
from monitor.store.via_memory import MemoryStore
from monitor.store.via_sql import SqlStore
from monitor.watch.finding import Finding

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

SEED = 2
IMPRESSIONS = 120_000
PLANT = open_bandit.Plant(after_days=6, for_days=4, keep=0.0)
PARTITIONS = {open_bandit.PREDICTIONS: 3, open_bandit.CLICKS: 2}
MODEL = "open-bandit"
OF_ARRIVALS = ("freshness.", "rejects.")
"""Watches on arrival time, which belong to each run alone."""
_SETTLED_MS = 2 * 3_600_000
"""More than lateness, a window, and the time that clicks may take."""
EXAMPLE = demo.config_path()


@dataclass(frozen=True)
class Topics:
    """A stream in Kafka: `prefix` is put before every topic. Windows up to `until` (event time, ms) are closed for sure.

    `records` is how many were produced, by stream of ours.
    """

    prefix: str
    until: int
    records: dict[str, int]


def told(folder: Path, stream: open_bandit.Stream) -> Story:
    """Replay a stream from files, in memory."""
    plan = demo.with_destinations(app.read_config(EXAMPLE).plans.models[0])
    files = demo.files_of(open_bandit.write(folder, stream), plan)
    clock = SystemClock()
    return demo.tell(
        plan,
        app.file_source(files, plan),
        MemoryStore(clock),
        clock,
        folder,
        on_message=lambda _: None,
        on_progress=lambda _: None,
    )


def produced(cluster: KafkaCluster, stream: open_bandit.Stream, replicas: int = 1) -> Topics:
    """Write a stream into topics of its own, spread over their partitions in order of time."""
    prefix = f"t{uuid.uuid4().hex[:8]}."
    lines = {
        open_bandit.PREDICTIONS: (open_bandit.predictions(stream), stream.served_at.tolist()),
        open_bandit.CLICKS: (open_bandit.clicks(stream), stream.clicked_at.tolist()),
    }
    last: dict[tuple[str, int], int] = {}
    for topic, (values, times) in lines.items():
        name = cluster.create_topic(prefix + topic, PARTITIONS[topic], replicas)
        split: dict[int, list[bytes | None]] = defaultdict(list)
        for i, (value, at) in enumerate(zip(values, times, strict=True)):
            partition = i % PARTITIONS[topic]
            split[partition].append(value)
            last[topic, partition] = at
        for partition, share in split.items():
            cluster.produce(name, share, partition=partition, linger_ms=50, batch_size=262_144)
    records = {"predictions": len(stream), "click": len(stream.clicked)}
    return Topics(prefix, min(last.values()) - _SETTLED_MS, records)


def write_config(
    folder: Path, cluster: KafkaCluster, topics: Topics, *, turn_records: int = 2000, lease: str = "6s", more: str = ""
) -> Path:
    """The shipped example with this cluster, a database and a webhook from the environment, and a lease that is over soon."""
    shipped = EXAMPLE.read_text()
    kafka = f'kafka:\n  topic_prefix: "{topics.prefix}"\n'
    brokers = f"[{', '.join(cluster.bootstrap)}]"
    text = shipped.replace("kafka:\n", kafka, 1).replace("${KAFKA_BROKERS:-localhost:9092}", brokers)
    ours = (
        "database: ${DATABASE_URL}\nslack: ${SLACK_URL}\nhttp: { port: 0 }\n"
        f"limits: {{ turn_records: {turn_records}, lease: {lease} }}\n"
        f"retention: {{ findings: 3650d, alerts: 3650d, audit: 3650d }}\n{more}"  # the stream is from 2019
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "loopwatch.yaml"
    path.write_text(f"{text}\n{ours}")
    return path


@dataclass(frozen=True)
class Replayed:
    """What a replay from files told, and the folder with its findings.jsonl."""

    folder: Path
    story: Story

    def findings(self, until: int) -> list[str]:
        """Its findings, comparable with those of a live run."""
        lines = (self.folder / "findings.jsonl").read_bytes().splitlines()
        return _comparable([msgspec.json.decode(line, type=Finding) for line in lines], until)


class Outcome:
    """What live runs left in a database, as far as it must be the same whatever happened to them."""

    def __init__(self, url: str) -> None:
        self.store = SqlStore(url, SystemClock())

    def judged_to(self) -> int:
        """End of the newest window of the watch on clicks, event time, ms."""
        return max((f.end for f in self.store.latest(MODEL) if f.watch == "clicks"), default=0)

    def findings(self, until: int, without: Collection[str] = ()) -> list[str]:
        """Findings up to a time, one line each, in one order."""
        found = self.store.findings(MODEL, limit=1_000_000)
        return _comparable([f for f in found if f.watch not in without], until)

    def alerts(self) -> list[Alert]:
        """Alerts about event time."""
        return [a for a in self.store.alerts(MODEL) if not a.watch.startswith(OF_ARRIVALS)]

    def messages(self) -> list[tuple[Notification, str]]:
        """Outbox rows with their state, in the order in which they were written."""
        return [(row.notification, state) for row, state in reversed(self.store.notifications())]

    def __enter__(self) -> Outcome:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def _comparable(findings: Sequence[Finding], until: int) -> list[str]:
    kept = [f for f in findings if not f.watch.startswith(OF_ARRIVALS) and f.end <= until]
    return sorted(as_line(f).decode() for f in kept)

"""`loopwatch simulate --kafka`: a world at a chosen rate into a real Kafka, read by a live daemon."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.simulate.closed_loop.events import DAY, TOPICS, events, lately
from monitor.simulate.closed_loop.shape import Mode, Shape
from tests.e2e.daemons import RunningDaemon, loopwatch
from tests.servers.webhook import Webhook, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.kafka import KafkaCluster

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "closed-loop.yaml"
PEOPLE, PERIODS, RATE = 150, 2, 400.0


@pytest.fixture
def receiver() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


def config(folder: Path, brokers: str, prefix: str, notify: str) -> Path:
    """The shipped config, with topics of its own."""
    text = EXAMPLE.read_text(encoding="utf-8").replace("kafka:\n", f"kafka:\n  topic_prefix: {prefix}\n", 1)
    path = folder / "loopwatch.yaml"
    path.write_text(
        f"http: {{ port: 0 }}\nnotify: {{ oncall: '{notify}' }}\n" + re.sub(r"brokers: .*", f"brokers: {brokers}", text)
    )
    return path


@pytest.mark.kafka
def test_a_live_daemon_reads_a_world_that_is_written_at_the_chosen_rate(
    kafka_cluster: KafkaCluster, receiver: Webhook, tmp_path: Path
) -> None:
    prefix = "rehearsed."
    for topic in TOPICS:
        kafka_cluster.create_topic(prefix + topic, partitions=2)
    path = config(tmp_path, ",".join(kafka_cluster.bootstrap), prefix, receiver.url("json"))
    with RunningDaemon(path, {}) as daemon:
        daemon.wait("every part is ready", daemon.ready)
        began = time.monotonic()
        size = ["--people", str(PEOPLE), "--periods", str(PERIODS), "--rate", str(RATE)]
        made = loopwatch("simulate", "--kafka", str(path), *size)
        took = time.monotonic() - began
        assert made.returncode == 0, made.stderr
        told = re.search(r"([\d,]+) events in ", made.stdout)
        assert told is not None
        sent = int(told[1].replace(",", ""))
        assert sent == sum(len(due) for _, due in events(1, Mode.CLOSED, Shape(people=PEOPLE, periods=PERIODS)))
        assert took >= (sent - 1) / RATE

        def read() -> int:
            found = re.findall(r"^loopwatch_records_read_total\{[^}]*\} (\d+)", daemon.get("/metrics")[1], re.MULTILINE)
            return int(sum(map(float, found)))

        daemon.wait("all of it is read", lambda: read() == sent)
        assert daemon.terminate() == 0


def test_the_days_of_a_rehearsal_lie_in_the_past() -> None:
    now = 1_790_000_000_000
    first = lately(now, PERIODS)
    stream = [e for _, due in events(1, Mode.FROZEN, Shape(people=100, periods=PERIODS), first) for e in due]
    assert first % DAY == 0
    assert now - DAY * (PERIODS + 2) < min(e.time for e in stream)
    assert max(e.time for e in stream) <= now


def test_a_broker_that_is_not_there_and_a_config_without_one_are_told_in_words(tmp_path: Path) -> None:
    away = loopwatch("simulate", "--kafka", str(config(tmp_path, "127.0.0.1:1", "x.", "json://127.0.0.1:1/")))
    assert away.returncode == 1
    assert "127.0.0.1:1" in away.stderr
    assert "Traceback" not in away.stderr

"""32: a slice, an item and a version named to break Slack, the page, the terminal, the log: shown as text everywhere."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from monitor.alerting.plot import Point, cohorts_over_time
from tests.e2e.daemons import RunningDaemon, loopwatch
from tests.scenarios.world import HOUR, START, written
from tests.servers.webhook import webhook

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

NAME = "<!channel> *x* <script>"
CONFIG = """
http: {{ port: 0 }}
kafka: {{ brokers: {brokers}, start: earliest, topic_prefix: "{prefix}" }}
rehearsal: 0s
slack: ${{SLACK_URL}}
model: feed
kind: recommender
window: 1h
predictions:
  topic: slates
  id: slate
  time: at
  unit: who
  version: build
  segments: [country]
  items: {{ each: shown, id: item, category: topic }}
outcomes: {{ click: {{ topic: clicks, time: at, match: {{ id: slate }}, within: 30m }} }}
cohorts: {{ field: arm, holdout: {{ share: 30% }} }}
metrics: {{ clicks: {{ of: click, page_if_worse_by: 10% }} }}
"""
HOURS, PEOPLE, FROM = 44, 900, 20


def world(folder: Path, *, hurt: bool) -> dict[str, Path]:
    """From hour 20 on the exposed of the group with the name click half as often. Files by topic."""
    rng = np.random.default_rng(32)
    slates: list[dict[str, object]] = []
    clicks: list[dict[str, object]] = []
    for hour in range(HOURS):
        named, held_out, luck = rng.random(PEOPLE) < 0.2, rng.random(PEOPLE) < 0.3, rng.random(PEOPLE)
        chance = np.where(named & ~held_out & hurt & (hour >= FROM), 0.12, 0.30)
        for n in range(PEOPLE):
            name, at = f"{hour}.{n}", START + hour * HOUR + n * (HOUR // PEOPLE)
            slates.append({
                "slate": name, "at": at, "who": f"u{name}", "arm": "holdout" if held_out[n] else "exposed", "build": NAME,
                "country": NAME if named[n] else "de", "shown": [{"item": NAME, "topic": NAME}, {"item": f"i{n % 50}"}],
            })  # fmt: skip
            if luck[n] < chance[n]:
                clicks.append({"slate": name, "at": at + 60_000})
    return {"slates": written(folder, "slates", slates), "clicks": written(folder, "clicks", clicks)}


def config(folder: Path, brokers: str = "127.0.0.1:9092", prefix: str = "") -> Path:
    path = folder / "loopwatch.yaml"
    path.write_text(CONFIG.format(brokers=brokers, prefix=prefix))
    return path


@dataclass(frozen=True)
class Shown:
    """What came out at every door."""

    received: list[str]
    terminal: str
    alerts: list[dict[str, object]]


def shown(folder: Path, *, hurt: bool) -> Shown:
    files = [f"{topic}={path}" for topic, path in world(folder, hurt=hurt).items()]
    with webhook() as server:
        env = {"SLACK_URL": server.url("slackhook", "/services/T0/B0/hidden")}
        done = loopwatch("replay", "--send", "-c", str(config(folder)), "-o", str(folder / "out"), *files, env=env)
        assert done.returncode == 0, done.stderr
        alerts = [json.loads(line) for line in (folder / "out" / "alerts.jsonl").read_text().splitlines()]
        return Shown([r.body.decode() for r in server.received], done.stdout, alerts)


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return shown(tmp_path_factory.mktemp("hurt"), hurt=True)


def test_the_alert_names_the_group_as_it_is(hurt: Shown) -> None:
    told = [a for a in hurt.alerts if a["watch"] == "clicks.by.country"]
    assert told
    assert all(NAME not in str(a["labels"]) for a in told)


def as_text(body: str) -> None:
    """A message for Slack that mentions nobody and formats nothing of the name."""
    assert "&lt;!channel&gt;" in body
    assert "<!" not in body
    assert "<script" not in body
    assert "*x*" not in re.sub(r"`[^`]*`", "", body)


def test_slack_and_the_terminal_show_the_name_and_do_not_obey_it(hurt: Shown) -> None:
    named = [body for body in hurt.received if "channel" in body]
    assert named
    for body in named:
        as_text(body)
    assert "<!channel>" in hurt.terminal
    assert "\x1b" not in hurt.terminal


def test_nothing_is_told_of_the_group_while_it_fares_like_the_others(tmp_path: Path) -> None:
    silent = shown(tmp_path, hurt=False)
    assert not [a for a in silent.alerts if a["watch"] == "clicks.by.country"]
    assert not silent.received


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's name
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.kafka
def test_page_log_status_and_metrics_of_a_daemon_show_it_as_text(kafka_cluster: KafkaCluster, tmp_path: Path) -> None:
    prefix = "hostile."
    for topic, path in world(tmp_path, hurt=True).items():
        kafka_cluster.create_topic(prefix + topic)
        kafka_cluster.produce(prefix + topic, path.read_bytes().splitlines())
    written_down = config(tmp_path, ",".join(kafka_cluster.bootstrap), prefix)
    with webhook() as server:
        env = {"SLACK_URL": server.url("slackhook", "/services/T0/B0/hidden")}
        with RunningDaemon(written_down, env) as daemon:
            daemon.wait("the group is told of", lambda: any(b"channel" in r.body for r in server.received), seconds=90)
            page, metrics = _Page(daemon.get("/")[1]), daemon.get("/metrics")[1]
            status = loopwatch("status", "--config", str(written_down), env=env)
            assert daemon.terminate() == 0
            log = daemon.log()
        as_text(next(r.body.decode() for r in server.received if b"channel" in r.body))
    assert "script" not in page.tags
    assert NAME in " ".join(page.text.split())
    assert "<!channel>" in " ".join(status.stdout.split())
    assert "\x1b" not in status.stdout
    assert "channel" not in metrics
    assert log
    assert all(isinstance(line, dict) for line in log)


def test_a_picture_with_the_name_in_it_is_drawn() -> None:
    points = [Point(START + i * HOUR, 0.1, 0.2) for i in range(4)]
    assert cohorts_over_time(points, title=NAME, unit=NAME).startswith(b"\x89PNG")

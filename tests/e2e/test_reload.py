"""A config with a fault is loaded by reload: the old one stays, and the fault is named. A good one takes effect, states kept."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from detectors import snapshot
from monitor import app
from monitor.store.protocols import Reference
from monitor.store.via_sql import upgrade
from tests.e2e import streams
from tests.faults.child import ForkedDaemon
from tests.faults.trial import Trial
from tests.servers.webhook import Webhook

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

pytestmark = pytest.mark.kafka

HINT = """
watch:
  slots-hint: { detector: { kind: river_hint, algorithm: ADWIN, calm_windows: 5 }, on: position }
"""


@pytest.fixture
def trial(
    kafka_cluster: KafkaCluster,
    topics: streams.Topics,
    replayed: streams.Replayed,
    receiver: Webhook,
    tmp_path: Path,
) -> Iterator[Trial]:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    upgrade(url)
    with closing(Trial(tmp_path, kafka_cluster, topics, replayed, url, receiver)) as made:
        yield made


def notes(daemon: ForkedDaemon) -> dict[str, str]:
    """What /readyz says beside the parts."""
    _, body = daemon.get("/readyz")
    return dict(json.loads(body)["notes"]) if body else {}


def reloads(daemon: ForkedDaemon) -> list[dict[str, object]]:
    return [line for line in daemon.log() if line["event"] == "config read again"]


def test_a_fault_stays_out_and_is_named_and_a_good_config_takes_effect_with_the_next_turn(trial: Trial) -> None:
    good = trial.config.read_text()
    with trial.daemon() as daemon:
        trial.in_the_middle(daemon, steps=2)
        trial.config.write_text(good.replace("page_if_worse_by: 10%", "page_if_worse_by: ten"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait("the fault is told", lambda: "config" in notes(daemon))
        said = notes(daemon)["config"]

        daemon.wait("windows are closed", lambda: trial.outcome.judged_to() > 0)
        before = trial.in_the_middle(daemon, steps=1)
        trial.config.write_text(good + HINT)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait("the new config is taken up", lambda: len(reloads(daemon)) == 2)
        daemon.wait("it goes on", lambda: trial.step() > before)
        assert "config" not in notes(daemon)
        trial.finish(daemon)
    line = 1 + good[: good.index("page_if_worse_by")].count("\n")
    assert said.startswith(f"{trial.config}:{line}: metrics.clicks.page_if_worse_by: ")
    assert [each["changed"] for each in reloads(daemon)] == [[], [streams.MODEL]]

    findings = trial.outcome.store.findings(streams.MODEL, limit=1_000_000)
    hints = [f for f in findings if f.watch == "slots-hint"]
    assert len(hints) > 10
    assert min(f.start for f in hints) > min(f.start for f in findings)
    verdict = trial.verdict(without=["slots-hint"])
    assert verdict.sound(), verdict


def test_a_reference_that_is_adopted_takes_effect_with_the_next_turn_for_its_watch_alone(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///elsewhere.db")
    monkeypatch.setenv("SLACK_URL", "json://localhost:1/")
    (plan,) = app.read_config(trial.config).plans.models
    watch = next(w for w in plan.watches if w.detector == "cohort_bounded")
    nothing = snapshot.pack_row(watch.test.start([watch.params]), 0)
    reference = Reference(
        model=plan.model,
        watch=watch.key,
        version="built",
        learned_as=watch.incarnation,
        state=nothing,
        start=0,
        end=1,
        records=1,
        failed="",
        built_at=1,
        built_by="somebody",
    )
    store = trial.outcome.store
    store.keep_reference(reference)
    with trial.daemon() as daemon:
        trial.in_the_middle(daemon, steps=2)
        assert store.adopt_reference(plan.model, watch.key, "built", "somebody", 2)
        daemon.wait("the reference is taken up", lambda: len(reloads(daemon)) == 1)
        trial.finish(daemon)
    assert reloads(daemon)[0]["changed"] == [plan.model]
    findings = [f for f in store.findings(plan.model, limit=1_000_000) if f.watch == watch.key]
    assert findings[0].incarnation != watch.incarnation  # the newest
    verdict, until = trial.verdict(), trial.topics.until
    assert (verdict.lost, verdict.doubled) == (0, 0)
    others = [line for line in trial.replayed.findings(until) if f'"watch":"{watch.key}"' not in line]
    assert trial.outcome.findings(until, without=[watch.key]) == others

"""A scenario: a config and files of events go in at the front door; alerts, messages and the status page come out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.evidence import Standing
from monitor import app, replay
from monitor.alerting.alert import Alert, Kind, Notification
from monitor.clock import ManualClock, SystemClock
from monitor.testing import Told, told
from monitor.watch.plan import ModelPlan
from monitor.web.overview import WatchRow

START = 1_704_067_200_000
"""2024-01-01T00:00:00Z, ms since the epoch."""
MINUTE = 60_000
HOUR = 60 * MINUTE

SHARED = """
rehearsal: 0s
kafka: { brokers: ["localhost:9092"] }
notify: { oncall: "json://localhost:1/", digest: "json://localhost:1/" }
teams: { default: { page: oncall, digest: digest } }
"""

Events = Iterable[Mapping[str, object]]


@dataclass(frozen=True)
class Ended:
    """How a replay ended: what was told, and the status page's rows by watch."""

    told: Told
    status: Mapping[str, WatchRow]

    def alerts(self, *watches: str) -> list[Alert]:
        """Alerts of these watches, or of all, oldest first."""
        return [a for a in self.told.alerts if not watches or a.watch in watches]

    def messages(self, alert: Alert) -> list[Notification]:
        """What was told of an alert, oldest first."""
        return [n for n in self.told.outbox if n.alert == alert.id]

    def message(self, alert: Alert, kind: Kind) -> Notification:
        """The message of a kind; it reads the same at every destination."""
        found = [n for n in self.messages(alert) if n.kind is kind]
        assert len({(n.title, n.text) for n in found}) == 1
        return found[0]

    def judged(self, watch: str) -> int:
        """Windows of a watch that could be judged and belonged to no learning."""
        return sum(
            f.watch == watch and f.evidence.standing is Standing.OK and f.evidence.mode != "learning"
            for f in self.told.findings
        )


def configured(folder: Path, model: str, shared: str = SHARED) -> ModelPlan:
    """The plan of a config with one model, written to `loopwatch.yaml`."""
    path = folder / "loopwatch.yaml"
    path.write_text(shared + model)
    plans = app.read_config(path).plans
    assert not plans.faults, [fault.sentence for fault in plans.faults]
    return plans.models[0]


def written(folder: Path, name: str, lines: Iterable[bytes] | Events) -> Path:
    """A file of JSON lines."""
    path = folder / f"{name}.jsonl"
    with path.open("wb") as file:
        for line in lines:
            file.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
    return path


def replayed(plan: ModelPlan, files: Mapping[str, Sequence[Path]]) -> Ended:
    """Replay files by topic, one partition a file."""
    clock = SystemClock()
    store = app.memory_store(clock)
    replay.run([plan], {plan.model: app.file_source(files, plan)}, store, clock)
    (section,) = app.overview(store, [plan], ManualClock()).models
    return Ended(told(store, plan.model), {row.watch: row for row in section.rows})

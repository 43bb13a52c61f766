"""What the composite says over lanes that close at one time, and to whom its parts are told where it is told to nobody."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from monitor.alerting.composite import DASHBOARD
from monitor.clock import ManualClock
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource, Record
from monitor.store.via_memory import MemoryStore
from monitor.testing import Run
from monitor.watch.plan import ModelPlan
from tests.scenarios.world import HOUR, MINUTE, START, configured

MODEL = """
model: feed
kind: recommender
window: 1h
predictions: { topic: slates, id: slate, time: at, unit: who, items: { each: shown, id: item } }
outcomes:
  click: { topic: clicks, time: at, match: { id: slate }, within: 30m }
  read: { topic: reads, time: at, match: { id: slate }, within: 30m }
  return: { topic: returns, time: at, match: { id: slate }, within: 30m }
cohorts: { field: arm, holdout: { share: 40% } }
metrics:
  clicks: { of: click, as: engagement }
  reads: { of: read, as: quality }
  returns: { of: return, as: quality }
"""


def plan(folder: Path, more: str = "") -> ModelPlan:
    return configured(folder, MODEL + more)


def contents() -> dict[TopicPartition, list[Record]]:
    slates: list[dict[str, object]] = [
        {"slate": f"s{n}", "at": START + n * MINUTE, "who": f"u{n % 50}", "arm": "holdout" if n % 5 < 2 else "exposed"}
        for n in range(6 * 60)
    ]
    shown: list[dict[str, object]] = [{**slate, "shown": [{"item": f"i{n % 7}"}]} for n, slate in enumerate(slates)]
    answers: list[dict[str, object]] = [{"slate": slate["slate"], "at": slate["at"]} for slate in slates[::3]]
    topics: dict[str, list[dict[str, object]]] = {
        "slates": shown,
        "clicks": answers,
        "reads": answers,
        "returns": answers,
    }
    return {
        TopicPartition(topic, 0): [
            Record(json.dumps(row).encode(), offset, START + 7 * HOUR) for offset, row in enumerate(rows)
        ]
        for topic, rows in topics.items()
    }


def test_what_is_due_at_one_time_is_one_finding_of_the_composite(tmp_path: Path) -> None:
    clock = ManualClock()
    run = Run(plan(tmp_path), MemorySource(contents()), MemoryStore(clock), clock)
    run.to_the_end()
    said = Counter((f.start, f.end) for step in run.steps for f in step.findings if f.watch == DASHBOARD)
    assert len(said) >= 3
    assert set(said.values()) == {1}


def test_a_watch_that_is_shown_and_never_sent_is_no_part(tmp_path: Path) -> None:
    board = plan(tmp_path, "watch: { divergence.reads: { severity: info } }\n").dashboard
    assert board is not None
    assert "divergence.reads" not in board.parts
    assert "divergence.returns" in board.parts

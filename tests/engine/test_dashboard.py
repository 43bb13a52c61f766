"""What the composite says over lanes that close at one time, and to whom its parts are told where it is told to nobody."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from detectors.evidence import Crossing, Evidence, Interval, Mode
from monitor.alerting.composite import DASHBOARD
from monitor.alerting.policy import decide
from monitor.clock import ManualClock
from monitor.engine.dashboard import Said, gather, keep
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource, Record
from monitor.memory import ModelMemory, keep_dashboard, load
from monitor.store.protocols import Image, Page
from monitor.store.via_memory import MemoryStore
from monitor.testing import Run
from monitor.watch.finding import Finding, Origin
from monitor.watch.plan import DashboardPlan, ModelPlan, WatchPlan
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


def test_a_composite_that_is_told_to_nobody_speaks_for_nobody(tmp_path: Path) -> None:
    for severity, spoken_for in (("info", frozenset[str]()), ("page", frozenset({"divergence.reads"}))):
        made = plan(tmp_path, f"watch: {{ green_dashboard: {{ severity: {severity} }} }}\n")
        assert made.dashboard is not None
        memory = load(made, Image())
        assert covered(memory, made.dashboard) == spoken_for


def test_findings_with_endless_intervals_are_taken_up_after_a_restart(tmp_path: Path) -> None:
    made = plan(tmp_path)
    part = next(w for w in made.watches if w.key == "divergence.reads")
    endless = Evidence(mode=Mode.WATCHING, interval=Interval(low=float("-inf"), high=0.1))
    memory = load(made, Image())
    memory.newest[part.key] = judged(part, endless).finding
    keep_dashboard(memory)
    again = load(made, Image(pages=[Page(room, key, data) for (room, key), data in memory.turn.pages.items()]))
    assert again.newest == memory.newest


def covered(memory: ModelMemory, board: DashboardPlan) -> frozenset[str]:
    """Whom the composite speaks for when one part opens under engagement that rises."""
    watches = {w.key: w for w in memory.plan.watches}
    read, part = watches["clicks.engagement"], watches["divergence.reads"]
    rises = {"exposed_change": 0.1, "exposed_low": 0.05, "exposed_high": 0.15}
    said = [
        judged(read, Evidence(mode=Mode.WATCHING, detail=rises)),
        judged(part, Evidence(mode=Mode.RECOVERING, crossing=Crossing.PAGE)),
    ]
    for each in said:
        if each.decision.alert is not None:
            keep(memory, each.decision.alert)
    gathered = gather(memory, board, said, START)
    assert gathered is not None
    assert gathered[0].decision.notify is not None
    return gathered[1]


def judged(watch: WatchPlan, evidence: Evidence) -> Said:
    finding = Finding(
        model="feed",
        watch=watch.key,
        detector=watch.detector,
        incarnation=watch.incarnation,
        start=START - HOUR,
        end=START,
        evidence=evidence,
        origin=Origin.MODEL_INDUCED,
    )
    return Said(watch, finding, None, decide(watch.policy, None, finding, START))

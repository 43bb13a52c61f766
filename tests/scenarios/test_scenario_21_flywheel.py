"""21: feedback volume grows for weeks and quality is flat from week 9 on: the flywheel has stalled; and one that still improves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.alerting.alert import Severity
from tests.scenarios.world import Ended, configured, replayed

WEEK = 7 * 86_400_000
START = 1_772_409_600_000
"""A Monday."""
WEEKS, FLAT_FROM = 18, 9

MODEL = """
model: feed
kind: recommender
window: 1d
retrained: weekly
predictions: { topic: slates, id: slate, time: at, unit: who, items: { each: shown, id: item } }
outcomes: { read: { topic: reads, time: at, match: { id: slate }, within: 1h } }
cohorts: { field: arm, holdout: { share: 50% } }
metrics: { reads: { of: read, as: quality } }
watch:
  flywheel: { severity: warn }
  holdout: false
  crossover: false
  attrition: false
  reads: false
  reads.returning: false
  concentration: false
  homogenisation: false
  freshness.predictions: false
  freshness.read: false
  freshness.holdout: false
  rejects.predictions: false
  rejects.read: false
"""


def ended(folder: Path, flat_from: int) -> Ended:
    """Weeks of 12 % more feedback each; the exposed read 4 points more often each week, up to `flat_from`."""
    rng = np.random.default_rng(21)
    slates: list[dict[str, Any]] = []
    reads: list[dict[str, Any]] = []
    for week in range(WEEKS):
        n = int(1_200 * 1.12**week)
        held, at = np.arange(n) % 2 == 1, np.sort(rng.integers(0, WEEK, n)) + START + week * WEEK
        chance = np.where(held, 0.95, 0.2 + 0.04 * min(week, flat_from))
        read, item = rng.random(n) < chance, rng.integers(0, 50, n)
        for row in range(n):
            slate, time = f"s{week}-{row}", int(at[row])
            who = f"p{week}-{row}"
            arm = "holdout" if held[row] else "exposed"
            slates.append({"slate": slate, "at": time, "who": who, "arm": arm, "shown": [{"item": f"i{item[row]}"}]})
            if read[row]:
                reads.append({"slate": slate, "at": time + 60_000})
    files = {}
    for topic, events in (("slates", slates), ("reads", reads)):
        path = folder / f"{topic}.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in sorted(events, key=lambda e: int(e["at"]))))
        files[topic] = [path]
    return replayed(configured(folder, MODEL), files)


@pytest.fixture(scope="module")
def stalled(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("stalled"), FLAT_FROM)


@pytest.fixture(scope="module")
def improving(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("improving"), WEEKS)


def test_a_stalled_flywheel_is_told_after_the_weeks_that_show_it_and_never_pages(stalled: Ended) -> None:
    (alert,) = stalled.alerts("flywheel")
    assert alert.severity is Severity.WARN
    assert START + (FLAT_FROM + 2) * WEEK <= alert.opened_at <= START + WEEKS * WEEK
    (message,) = {m.text for m in stalled.messages(alert)}
    assert "more feedback" in message
    assert alert.finding.evidence.interval is not None
    assert alert.finding.evidence.margin is not None
    assert alert.finding.evidence.interval.high < alert.finding.evidence.margin
    assert stalled.status["flywheel"].since is not None


def test_one_that_still_improves_is_silent(improving: Ended) -> None:
    assert not improving.alerts("flywheel")
    assert improving.judged("flywheel") >= WEEKS - 7

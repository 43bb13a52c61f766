"""What came of a prediction reaches the watches that judge by it: when it is known, and once a day and unit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.alerting.alert import Severity
from monitor.web.overview import State
from tests.scenarios.world import HOUR, MINUTE, START, Ended, configured, replayed, written

MODEL = """
model: card-fraud
kind: classifier
window: 1h
predictions: { topic: decisions, id: txn, time: at, unit: card, probability: p }
outcomes:
  fraud: { topic: disputes, time: opened, match: { id: txn }, within: 6h, otherwise: false }
watch:
  probability: false
  missing: false
  risk: { page_if_worse_by: 20% }
"""
LEVEL = """  frauds-of-all: { detector: { kind: numeric_shift }, on: frauds }
metrics: { frauds: { of: fraud, better: lower } }
"""
EVENTS = 110_000
BETWEEN_MS = 3_000
WORSE_FROM = 75_000
CARDS = 40_000


def events(worse_from: int) -> tuple[Iterator[bytes], Iterator[bytes]]:
    rng = np.random.default_rng(45)
    p = rng.beta(1, 4, EVENTS)
    card = rng.integers(0, CARDS, EVENTS)
    chance = np.where(np.arange(EVENTS) >= worse_from, np.minimum(1.8 * p, 1.0), p)
    fraud, delay = rng.random(EVENTS) < chance, rng.integers(MINUTE, 5 * HOUR, EVENTS)
    at = START + np.arange(EVENTS) * BETWEEN_MS
    decisions = (
        json.dumps({"txn": f"t{n}", "at": int(at[n]), "card": f"c{card[n]}", "p": round(float(p[n]), 4)}).encode()
        for n in range(EVENTS)
    )
    opened = at + delay
    order = np.argsort(np.where(fraud, opened, np.iinfo(np.int64).max), kind="stable")[: int(fraud.sum())]
    disputes = (json.dumps({"txn": f"t{n}", "opened": int(opened[n])}).encode() for n in order)
    return decisions, disputes


def ended(folder: Path, worse_from: int, model: str = MODEL) -> Ended:
    decisions, disputes = events(worse_from)
    files = {
        "decisions": [written(folder, "decisions", decisions)],
        "disputes": [written(folder, "disputes", disputes)],
    }
    return replayed(configured(folder, model), files)


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("worse"), WORSE_FROM, MODEL + LEVEL)


def test_fraud_that_came_true_more_often_than_told_pages_when_it_is_known(worse: Ended) -> None:
    began = START + WORSE_FROM * BETWEEN_MS
    for watch in ("risk", "calibration"):
        (alert,) = worse.alerts(watch)
        assert alert.severity in (Severity.PAGE, Severity.CRITICAL)
        assert alert.since is not None
        assert abs(alert.since - began) <= 2 * HOUR  # event time of the predictions, not of their labels
        assert worse.status[watch].state is State.FIRING
        assert alert.first.evidence.detail["label_coverage"] == 1.0  # silence is a label here
    (risk,) = worse.alerts("risk")
    assert risk.first.evidence.arms["now"] > 1.2 * risk.first.evidence.arms["reference"]


def test_a_shift_of_a_metric_is_seen_in_everybody_once_its_outcomes_are_known(worse: Ended) -> None:
    (alert,) = worse.alerts("frauds-of-all")
    assert alert.severity in (Severity.PAGE, Severity.CRITICAL)
    assert alert.since is not None
    assert abs(alert.since - (START + WORSE_FROM * BETWEEN_MS)) <= 2 * HOUR
    votes = {f.end: f.evidence.n for f in worse.told.findings if f.watch == "frauds-of-all"}
    risks = {f.end: f.evidence.n for f in worse.told.findings if f.watch == "risk"}
    first = min(votes)
    assert votes.keys() == risks.keys()
    assert votes[first]["reference"] < 1_200  # a vote a card and day


def test_what_to_expect_is_learned_from_what_matured_and_told_of_what_comes(worse: Ended) -> None:
    hint = [f for f in worse.told.findings if f.watch == "estimated_performance"]
    known = [f for f in hint if f.evidence.mode != "learning"]
    assert known
    (risk,) = worse.alerts("risk")
    assert max(f.end for f in known) > max(f.end for f in worse.told.findings if f.watch == "risk")
    assert known[-1].evidence.arms["now"] == pytest.approx(known[-1].evidence.arms["reference"], abs=0.02)
    assert worse.alerts("estimated_performance") == []  # more fraud at the same probability is what it cannot see
    assert risk.first.evidence.arms["now"] > risk.first.evidence.arms["reference"]


def test_a_card_votes_once_a_day(worse: Ended) -> None:
    """40,000 cards and 28,800 payments a day: in each window fewer votes than payments, and fewer late in the day."""
    votes = [
        f.evidence.n["reference"] for f in worse.told.findings if f.watch == "risk" and f.evidence.mode == "learning"
    ]
    day = np.diff(votes)[3:23]
    assert day[0] < 1_200
    assert day[-1] < 0.75 * day[0]


def test_where_only_what_came_true_has_a_label_nothing_is_claimed(tmp_path: Path) -> None:
    plan = configured(
        tmp_path, MODEL.replace(", otherwise: false", "").replace("  risk: { page_if_worse_by: 20% }\n", "")
    )
    assert {w.key for w in plan.watches} == {
        "freshness.predictions",
        "freshness.fraud",
        "rejects.predictions",
        "rejects.fraud",
    }
    why = "no outcome says what was true: map its value, or say what silence means with otherwise: false"
    assert {f"risk: {why}", f"calibration: {why}", f"estimated_performance: {why}"} <= set(plan.not_watched)

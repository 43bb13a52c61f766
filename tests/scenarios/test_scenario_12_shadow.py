"""12: a shadow that agrees, and is 30 % slower; and one that differs where nobody would look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.evidence import Verdict
from monitor.alerting.alert import Kind, Severity
from tests.scenarios.world import MINUTE, START, Ended, configured, replayed, written

MODEL = """
model: fraud
kind: classifier
predictions:
  topic: decisions
  unit: card
  role: role
  version: version
  request_id: request
  probability: p
  latency_ms: took
  features: { country: { path: country, type: category } }
outcomes: { dispute: { topic: disputes, match: { unit: card }, within: 10m } }
metrics: { disputes: { of: dispute, better: lower } }
experiments: { v58: { kind: shadow, slow: 800ms, differs_by: 0.05 } }
"""
REQUESTS, BETWEEN_MS = 12_000, 1_000
LOST = 60


def ended(folder: Path, *, slower: float, differs_in: str = "") -> Ended:
    """Every request is answered twice; 60 of the shadow's answers belong to requests that nobody sent live."""
    rng, decisions, disputes = np.random.default_rng(12), [], []
    for n in range(REQUESTS):
        at, p, took = START + n * BETWEEN_MS, float(rng.beta(1, 20)), float(rng.lognormal(5.9, 0.5))
        country = str(rng.choice(["DE", "FR", "NL"]))
        other = 1 - p if country == differs_in and rng.random() < 0.2 else abs(p - 0.001)
        row = {"card": f"c{n}", "request": f"r{n}", "country": country}
        decisions.append(row | {"id": f"l{n}", "time": at, "role": "champion", "version": "v57", "p": p, "took": took})
        answer = row | {
            "id": f"s{n}",
            "time": at + 50,
            "role": "shadow",
            "version": "v58",
            "p": other,
            "took": took * slower,
        }
        lost = {"request": f"x{n}"} if 6_000 <= n < 6_000 + 2 * LOST and n % 2 else {}
        decisions.append(answer | lost)
        if rng.random() < p:
            disputes.append({"card": f"c{n}", "time": at + 5 * MINUTE})
    files = {
        "decisions": [written(folder, "decisions", decisions)],
        "disputes": [written(folder, "disputes", disputes)],
    }
    return replayed(configured(folder, MODEL), files)


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("slower"), slower=1.3)


def test_the_verdict_is_hold_and_the_reason_is_latency(slower: Ended) -> None:
    (alert,) = [a for a in slower.alerts() if a.watch.startswith("v58.")]
    assert alert.watch == "v58.slow"
    assert (alert.severity, alert.first.evidence.verdict) == (Severity.WARN, Verdict.HOLD)
    arms = alert.first.evidence.arms
    assert arms["shadow"] > arms["live"] + 0.02
    told = slower.message(alert, Kind.FIRING)
    assert "v58.slow: hold" in told.title
    assert "live against shadow" in told.text
    assert "do not switch" in told.text


def test_answers_without_a_partner_are_counted(slower: Ended) -> None:
    last = [f for f in slower.told.findings if f.watch == "v58.disagreement"][-1].evidence
    assert last.detail["unmatched_shadow"] == LOST
    assert last.detail["unmatched_live"] == LOST
    assert last.n["pairs"] > 0.9 * REQUESTS


def test_where_they_disagree_is_named(tmp_path: Path) -> None:
    differing = ended(tmp_path, slower=1.0, differs_in="NL")
    (alert,) = differing.alerts("v58.disagreement")
    assert alert.first.evidence.verdict is Verdict.HOLD
    assert alert.first.evidence.detail["where"][0]["value"] == "NL"
    assert "most where features.country is NL" in differing.message(alert, Kind.FIRING).text


def test_a_shadow_that_is_alike_is_promoted_when_nothing_is_left_to_wait_for(tmp_path: Path) -> None:
    alike = ended(tmp_path, slower=1.0)
    (alert,) = [a for a in alike.alerts() if a.watch.startswith("v58.")]
    assert alert.first.evidence.verdict is Verdict.PROMOTE
    assert (
        "v58.disagreement promote, v58.slow promote" in alert.first.evidence.reason
        or "v58.slow promote" in alert.first.evidence.reason
    )


def test_shadow_answers_never_enter_an_outcome_or_another_watch(tmp_path: Path, slower: Ended) -> None:
    plain = ended(tmp_path, slower=1.0)
    for watch in ("probability", "latency_ms", "freshness.predictions"):
        one, other = ([f.evidence for f in run.told.findings if f.watch == watch] for run in (slower, plain))
        assert one == other
        assert one

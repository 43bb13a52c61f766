"""10: a canary at two per cent with three times the errors; and one that hardly anybody gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from detectors.evidence import Standing, Verdict
from monitor.alerting.alert import Kind, Phase, Severity
from monitor.watch.finding import Origin
from monitor.web.overview import State
from tests.scenarios.world import START, Ended, configured, replayed, written

MODEL = """
model: checkout
kind: classifier
predictions: { topic: decisions, unit: user, variant: release, probability: p, error_code: error, latency_ms: took }
experiments: { v57: { kind: canary, control: [v56], treatment: [v57], share: 2%, slow: 800ms } }
"""
UNITS, BETWEEN_MS = 60_000, 300


def decisions(units: int, errors: float) -> Iterator[dict[str, object]]:
    rng = np.random.default_rng(10)
    for n in range(units):
        canary = rng.random() < 0.02
        failed = rng.random() < (errors if canary else 0.02)
        event = {"id": n, "time": START + n * BETWEEN_MS, "user": f"u{n}", "release": "v57" if canary else "v56"}
        event |= {"error": "timeout"} if failed else {"p": 0.1, "took": float(rng.lognormal(5.5, 0.5))}
        yield event


def ended(folder: Path, units: int, errors: float) -> Ended:
    return replayed(configured(folder, MODEL), {"decisions": [written(folder, "decisions", decisions(units, errors))]})


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("failing"), UNITS, 0.06)


def test_the_verdict_is_rollback_and_it_wakes_somebody_once(failing: Ended) -> None:
    (alert,) = [a for a in failing.alerts() if a.first.evidence.verdict is Verdict.ROLLBACK]
    assert alert.watch == "v57.errors"
    assert (alert.severity, alert.phase, alert.first.origin) == (Severity.PAGE, Phase.FIRING, Origin.VERSION_CHANGE)
    assert alert.first.evidence.interval is not None
    assert alert.first.evidence.relative is not None
    assert alert.first.evidence.relative > 1
    assert [n.kind for n in failing.messages(alert)] == [Kind.FIRING]


def test_the_message_names_release_verdict_size_and_counts(failing: Ended) -> None:
    (alert,) = failing.alerts("v57.errors")
    told = failing.message(alert, Kind.FIRING)
    assert told.title.startswith("checkout: v57.errors: rollback, +")
    assert told.title.endswith(": page")
    for words in (
        "treatment",
        "control",
        "*Likely origin: the version.*",
        "at most 0.5 % chance",
        "valid at every look",
    ):
        assert words in told.text
    assert failing.status["v57.errors"].state is State.FIRING
    assert failing.status["v57.split"].state is State.OK


def test_with_tiny_n_it_holds_and_never_promotes(tmp_path: Path) -> None:
    for errors in (0.02, 0.0):
        twin = ended(tmp_path, 3_000, errors)
        said = [f.evidence for f in twin.told.findings if f.watch == "v57.errors"]
        assert {e.verdict for e in said} == {Verdict.HOLD}
        assert {e.standing for e in said} <= {Standing.INSUFFICIENT, Standing.STALE}
        assert "hold: no verdict yet with" in said[-1].reason
        assert twin.told.outbox == []

"""1: a feature's mean moves by one standard deviation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.alerting.alert import Kind, Phase, Severity
from monitor.web.overview import State
from tests.scenarios.world import HOUR, MINUTE, START, Ended, configured, replayed, written

MODEL = """
model: fraud
kind: classifier
predictions: { topic: decisions, id: txn, time: at, unit: card, probability: p, features: [age, amount] }
"""
EVENTS = 50_000
MOVES_AT_EVENT = 42_000
BETWEEN_MS = 720


def decisions(moves_at: int) -> Iterator[bytes]:
    rng = np.random.default_rng(1)
    age, amount, p = rng.normal(40, 12, EVENTS), rng.lognormal(3, 1, EVENTS), rng.beta(1, 30, EVENTS)
    age[moves_at:] += 12
    for n, row in enumerate(zip(age.tolist(), amount.tolist(), p.tolist(), strict=True)):
        at = START + n * BETWEEN_MS
        yield (
            f'{{"txn":"t{n}","at":{at},"card":"c{n}","age":{row[0]:.3f},"amount":{row[1]:.2f},"p":{row[2]:.5f}}}'.encode()
        )


def ended(folder: Path, moves_at: int) -> Ended:
    return replayed(configured(folder, MODEL), {"decisions": [written(folder, "decisions", decisions(moves_at))]})


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("moved"), MOVES_AT_EVENT)


def test_one_alert_names_the_feature_the_size_with_its_interval_and_since_when(moved: Ended) -> None:
    (alert,) = moved.alerts()
    began = START + MOVES_AT_EVENT * BETWEEN_MS
    assert (alert.watch, alert.severity, alert.phase) == ("features.age", Severity.WARN, Phase.FIRING)
    assert alert.since is not None
    assert abs(alert.since - began) <= 10 * MINUTE
    assert 0 <= alert.opened_at - began <= HOUR
    evidence = alert.first.evidence
    assert evidence.interval is not None
    assert evidence.interval.low < 0.38 < evidence.interval.high  # what one sd is in Kolmogorov-Smirnov distance
    told = moved.message(alert, Kind.FIRING)
    assert told.destination == "digest"
    assert "features.age" in told.title
    assert "95 % interval" in told.text
    assert "*Since:* about 01 Jan 2024 08:2" in told.text
    assert "not counted" not in told.text


def test_the_status_says_that_it_fires_and_that_the_other_columns_do_not(moved: Ended) -> None:
    assert moved.status["features.age"].state is State.FIRING
    assert moved.status["features.amount"].state is State.OK
    assert moved.status["probability"].state is State.OK


def test_nothing_is_told_of_fifty_thousand_stationary_events(tmp_path: Path) -> None:
    twin = ended(tmp_path, EVENTS)
    assert (twin.alerts(), twin.told.outbox) == ([], [])
    assert twin.judged("features.age") > 40
    assert {twin.status[w].state for w in ("features.age", "features.amount", "probability")} == {State.OK}

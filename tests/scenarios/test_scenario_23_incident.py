"""23: an incident of 10,000 bad events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.alerting.alert import Kind, Phase
from tests.scenarios.world import HOUR, START, Ended, configured, replayed, written

MODEL = """
model: ranker
kind: regressor
predictions: { topic: scores, id: id, time: at, unit: who, score: score }
"""
EVENTS = 70_000
BAD = range(40_000, 50_000)
BETWEEN_MS = 600


def scores(bad: frozenset[int]) -> Iterator[bytes]:
    rng = np.random.default_rng(23)
    for n, score in enumerate(rng.normal(0.0, 1.0, EVENTS).tolist()):
        given = 0.0 if n in bad else score
        yield f'{{"id":"p{n}","at":{START + n * BETWEEN_MS},"who":"u{n}","score":{given:.4f}}}'.encode()


def ended(folder: Path, bad: frozenset[int]) -> Ended:
    return replayed(configured(folder, MODEL), {"scores": [written(folder, "scores", scores(bad))]})


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("incident"), frozenset(BAD))


def test_it_is_one_alert_and_one_recovery_with_nothing_in_between(incident: Ended) -> None:
    (alert,) = incident.alerts()
    assert alert.phase is Phase.RESOLVED
    assert [n.kind for n in incident.told.outbox] == [Kind.FIRING, Kind.RESOLVED]
    began, over = (START + n * BETWEEN_MS for n in (BAD.start, BAD.stop))
    assert began <= alert.opened_at <= began + HOUR // 4
    assert alert.resolved_at is not None
    assert over < alert.resolved_at <= over + 2 * HOUR


def test_the_recovery_says_how_long_it_lasted(incident: Ended) -> None:
    (alert,) = incident.alerts()
    assert "*Lasted*" in incident.message(alert, Kind.RESOLVED).text


def test_one_bad_event_in_a_hundred_is_within_the_tolerance(tmp_path: Path) -> None:
    sparse = np.random.default_rng(7).choice(EVENTS, EVENTS // 100, replace=False)
    twin = ended(tmp_path, frozenset(sparse.tolist()))
    assert (twin.alerts(), twin.told.outbox) == ([], [])
    assert twin.judged("score") > 50

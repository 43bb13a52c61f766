"""4: both cohorts move the same way: the world's doing, and nothing is said of the loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.alerting.alert import Kind
from monitor.watch.finding import Origin
from monitor.web.overview import State
from tests.scenarios.feed import MOVED_AT, Side, ended
from tests.scenarios.world import HOUR, Ended

MOVED = Side(items=60, score=0.7, age=0.7)


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("drifted"), MOVED, MOVED)


@pytest.mark.parametrize("watch", ["score", "features.age"])
def test_what_moves_everybody_alike_is_external(drifted: Ended, watch: str) -> None:
    (alert,) = drifted.alerts(watch)
    assert alert.first.origin is Origin.EXTERNAL_DRIFT
    assert alert.since is not None
    assert abs(alert.since - MOVED_AT) <= 6 * HOUR
    text = drifted.message(alert, Kind.FIRING).text
    assert "*Likely origin: outside the model.* Exposed and held-out people moved alike" in text


def test_nothing_is_said_of_the_loop(drifted: Ended) -> None:
    assert drifted.alerts("concentration", "homogenisation") == []
    assert drifted.status["concentration"].state is State.OK


def test_a_holdout_that_moves_alone_is_an_anomaly_of_the_holdout(tmp_path: Path) -> None:
    told = ended(tmp_path, holdout=Side(score=1.0))
    (alert,) = told.alerts("score")
    assert alert.first.origin is Origin.HOLDOUT_ANOMALY


def test_nothing_is_told_while_nothing_shifts(tmp_path: Path) -> None:
    twin = ended(tmp_path)
    assert (twin.alerts(), twin.told.outbox) == ([], [])

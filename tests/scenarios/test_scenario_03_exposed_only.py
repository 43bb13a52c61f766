"""3: what exposed people are shown narrows, the holdout's does not: the model's doing. A gap that was always there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors import sides
from detectors.columns import Floats
from monitor.alerting.alert import Kind
from monitor.watch import origin
from monitor.watch.finding import Finding, Origin
from monitor.web.overview import State
from tests.scenarios.feed import MODEL, MOVED_AT, Side, ended
from tests.scenarios.world import HOUR, Ended

LOOP = ("concentration", "homogenisation")


@pytest.fixture(scope="module")
def narrowed(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("narrowed"), Side(items=60, score=0.7))


@pytest.mark.parametrize("watch", LOOP)
def test_narrowing_of_the_exposed_alone_is_told_as_the_models_doing(narrowed: Ended, watch: str) -> None:
    (alert,) = narrowed.alerts(watch)
    assert alert.first.origin is Origin.MODEL_INDUCED
    text = narrowed.message(alert, Kind.FIRING).text
    assert "*Likely origin: the model.* Only exposed people moved: exposed" in text
    assert "the gap between them changed by" in text
    assert "*Changed near then:* Versions, traffic, catalogue and config: no." in text
    assert narrowed.status[watch].state is State.FIRING


def test_a_score_that_moves_for_the_exposed_alone_while_no_version_does_is_a_silent_change(narrowed: Ended) -> None:
    (alert,) = narrowed.alerts("score")
    assert alert.first.origin is Origin.SILENT_CHANGE
    assert alert.since is not None
    assert abs(alert.since - MOVED_AT) <= 6 * HOUR
    assert "only exposed people moved, and no version changed: values up to" in alert.first.origin_reason


def test_the_same_with_a_version_is_blamed_on_it(tmp_path: Path) -> None:
    released = ended(tmp_path, Side(items=60, score=0.7), build="v2")
    (alert,) = released.alerts("score")
    assert alert.first.origin is Origin.VERSION_CHANGE
    text = released.message(alert, Kind.FIRING).text
    assert "*Changed near then:* version v1 last seen (" in text or "version v2 first seen (" in text
    assert [a.first.origin for a in released.alerts(*LOOP)] == [Origin.MODEL_INDUCED] * 2


def test_every_figure_of_the_origin_is_stored_and_follows_from_what_is_stored(narrowed: Ended) -> None:
    (alert,) = narrowed.alerts("score")
    stored = alert.first.evidence.detail["origin"]
    before, now = (_array(each) for each in stored["sums"])
    again = sides.moves(before, now, (stored["name"],), relative=stored["relative"])
    shown = origin.recomputed(alert.first.evidence.detail)
    assert (shown.exposed, shown.held_out) == (again.exposed, again.held_out)
    assert origin.told(shown) in alert.first.origin_reason
    assert _gap(alert.first) > 0.1


def test_a_gap_that_was_there_from_the_start_is_no_shift(tmp_path: Path) -> None:
    twin = ended(tmp_path, Side(items=60, score=0.7), always=True)
    assert (twin.alerts(), twin.told.outbox) == ([], [])
    assert all(twin.judged(watch) > 3 for watch in (*LOOP, "score"))


def test_without_a_holdout_the_same_is_only_associated(tmp_path: Path) -> None:
    alone = MODEL.partition("cohorts:")[0]
    told = ended(tmp_path, Side(items=60), Side(items=60), model=alone)
    (alert,) = told.alerts("concentration")
    assert alert.first.origin is Origin.ASSOCIATED
    assert "associated" in told.message(alert, Kind.FIRING).text


def _array(nested: list[list[list[float]]]) -> Floats:
    return np.array(nested)


def _gap(finding: Finding) -> float:
    moves = origin.recomputed(finding.evidence.detail)
    return abs(origin.difference(moves)[0])

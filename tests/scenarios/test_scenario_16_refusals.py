"""16: a language model refuses more often, or less often, than it used to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.alerting.alert import Kind, Severity
from monitor.web.overview import State
from tests.scenarios.world import HOUR, MINUTE, START, Ended, configured, replayed, written

MODEL = """
model: support
kind: generator
predictions: { topic: answers, id: id, time: at, unit: account, refused: refused }
"""
ANSWERS = 48_000
BETWEEN_MS = 750
CHANGES_AT = 40_000


def answers(before: float, after: float) -> Iterator[bytes]:
    chance = np.where(np.arange(ANSWERS) < CHANGES_AT, before, after)
    refused = np.random.default_rng(16).random(ANSWERS) < chance
    for n, no in enumerate(refused.tolist()):
        said = "true" if no else "false"
        yield f'{{"id":"a{n}","at":{START + n * BETWEEN_MS},"account":"u{n}","refused":{said}}}'.encode()


def ended(folder: Path, before: float, after: float) -> Ended:
    return replayed(configured(folder, MODEL), {"answers": [written(folder, "answers", answers(before, after))]})


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.06), (0.06, 0.01)])
def test_more_and_fewer_refusals_are_told_with_both_shares(tmp_path: Path, before: float, after: float) -> None:
    told = ended(tmp_path, before, after)
    (alert,) = told.alerts()
    began = START + CHANGES_AT * BETWEEN_MS
    assert (alert.watch, alert.severity) == ("refused", Severity.WARN)
    assert 0 <= alert.opened_at - began <= HOUR
    assert alert.since is not None
    assert abs(alert.since - began) <= 15 * MINUTE
    evidence = alert.first.evidence
    assert evidence.interval is not None
    yes = {"yes": 1, "no": -1}[evidence.detail["cell"]]
    assert evidence.interval.low < yes * (after - before) < evidence.interval.high
    message = told.message(alert, Kind.FIRING)
    assert message.destination == "digest"
    assert "the shares of refused have moved from their reference" in message.title
    assert "95 % interval" in message.text
    assert told.status["refused"].state is State.FIRING


def test_nothing_is_told_while_refusals_stay_at_two_percent(tmp_path: Path) -> None:
    twin = ended(tmp_path, 0.02, 0.02)
    assert (twin.alerts(), twin.told.outbox) == ([], [])
    assert twin.judged("refused") > 40
    assert {twin.status[watch].state for watch in ("refused", "missing")} == {State.OK}

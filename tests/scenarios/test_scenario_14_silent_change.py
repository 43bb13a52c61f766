"""14: answers become half as long and no version changed; and the same with a version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.alerting.alert import Kind
from monitor.watch.finding import Origin
from tests.scenarios.world import HOUR, START, Ended, configured, replayed, written

MODEL = """
model: support
kind: generator
predictions: { topic: answers, id: id, time: at, unit: account, version: build, output_length: length, features: [question] }
"""
ANSWERS, BETWEEN_MS, CHANGES_AT = 60_000, 1_500, 48_000


def answers(after: float, build: str, question: float) -> Iterator[bytes]:
    rng, late = np.random.default_rng(14), np.arange(ANSWERS) >= CHANGES_AT
    length = rng.lognormal(5.0, 0.5, ANSWERS) * np.where(late, after, 1.0)
    asked = rng.normal(40.0, 10.0, ANSWERS) + np.where(late, question, 0.0)
    for n, (long, words) in enumerate(zip(length.tolist(), asked.tolist(), strict=True)):
        yield (
            f'{{"id":"a{n}","at":{START + n * BETWEEN_MS},"account":"u{n}","length":{long:.0f},"question":{words:.1f},'
            f'"build":"{build if late[n] else "v1"}"}}'
        ).encode()


def ended(folder: Path, after: float, build: str = "v1", question: float = 0.0) -> Ended:
    events = answers(after, build, question)
    return replayed(configured(folder, MODEL), {"answers": [written(folder, "answers", events)]})


@pytest.mark.parametrize(
    ("build", "question", "meant", "says"),
    [
        ("v1", 0.0, Origin.SILENT_CHANGE, "What the model puts out changed and no version did"),
        ("v2", 0.0, Origin.VERSION_CHANGE, "It began when version v2 first seen"),
        ("v1", 20.0, Origin.UNKNOWN, "No version changed, but its inputs moved as well (features.question)"),
    ],
)
def test_answers_half_as_long_are_blamed_on_what_can_be_known(
    tmp_path: Path, build: str, question: float, meant: Origin, says: str
) -> None:
    told = ended(tmp_path, 0.5, build, question)
    (alert,) = told.alerts("output_length")
    assert 0 <= alert.opened_at - (START + CHANGES_AT * BETWEEN_MS) <= 2 * HOUR
    assert alert.first.origin is meant
    text = told.message(alert, Kind.FIRING).text
    assert says in text
    assert ("first seen (" in text) == (build == "v2")
    assert "no randomised holdout" in text


def test_nothing_is_told_while_answers_stay_as_long(tmp_path: Path) -> None:
    assert ended(tmp_path, 1.0).alerts() == []

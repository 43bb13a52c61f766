"""20: with a new version the task it was made for gains 12 points and its neighbour loses 15, though the mean is better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.alerting.alert import Kind
from tests.scenarios.world import HOUR, START, Ended, configured, replayed, written

MODEL = """
model: helper
kind: generator
window: 1h
predictions: { topic: answers, id: answer, time: at, unit: who, version: build, segments: { task: task_type } }
outcomes: { accepted: { topic: verdicts, time: at, match: { id: answer }, within: 30m } }
cohorts: { field: arm, holdout: { share: 30% } }
metrics: { acceptance: { of: accepted, page_if_worse_by: 10% } }
"""
HOURS, PEOPLE, FROM = 60, 1_500, 30
GAIN = {"summarise": 0.12, "translate": -0.15}


def ended(folder: Path, *, changes: bool) -> Ended:
    """Eight of ten requests are for the task that gains; the held out stay on the old version."""
    rng = np.random.default_rng(20)
    answers: list[dict[str, object]] = []
    verdicts: list[dict[str, object]] = []
    for hour in range(HOURS):
        new = changes and hour >= FROM
        for n in range(PEOPLE):
            held_out, task = rng.random() < 0.3, "summarise" if rng.random() < 0.8 else "translate"
            chance = 0.5 + (GAIN[task] if new and not held_out else 0.0)
            name, at = f"{hour}.{n}", START + hour * HOUR + n * (HOUR // PEOPLE)
            answers.append({
                "answer": name, "at": at, "who": f"u{name}", "arm": "holdout" if held_out else "exposed",
                "build": "v2" if new and not held_out else "v1", "task_type": task,
            })  # fmt: skip
            if rng.random() < chance:
                verdicts.append({"answer": name, "at": at + 60_000})
    files = {"answers": [written(folder, "answers", answers)], "verdicts": [written(folder, "verdicts", verdicts)]}
    return replayed(configured(folder, MODEL), files)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("released"), changes=True)


def test_the_neighbour_is_named_in_spite_of_the_better_mean_with_the_version_that_came_then(released: Ended) -> None:
    assert not released.alerts("acceptance")
    whole = [f for f in released.told.findings if f.watch == "acceptance"][-1].evidence
    assert whole.effect is not None
    assert whole.effect > 0
    (alert,) = released.alerts("acceptance.by.task")
    text = released.message(alert, Kind.FIRING).text
    assert "The group is translate." in text
    assert "version v2 first seen" in text


def test_without_a_new_version_no_task_is_accused(tmp_path_factory: pytest.TempPathFactory) -> None:
    same = ended(tmp_path_factory.mktemp("same"), changes=False)
    assert not same.alerts("acceptance", "acceptance.by.task")
    assert same.judged("acceptance.by.task") > 10

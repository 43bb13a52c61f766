"""9: a holdout of 200 units says what it could find, and by when; it is never called ok."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.evidence import Standing
from monitor.alerting.words import moment
from monitor.web.overview import State
from tests.scenarios.world import HOUR, START, Ended, configured, replayed, written

MODEL = """
model: feed
kind: recommender
window: 1h
predictions: { topic: slates, id: slate, time: at, unit: who }
outcomes: { read: { topic: reads, time: at, match: { id: slate }, within: 1h } }
cohorts: { field: arm, holdout: { share: %s } }
metrics: { reads: { of: read } }
"""
DAYS = 14


def ended(folder: Path, *, held: int, people: int) -> Ended:
    """Two weeks of new people, one prediction each; one in ten reads. The first `held` of a shuffle are held out."""
    rng = np.random.default_rng(9)
    at = np.sort(START + rng.integers(0, DAYS * 24 * HOUR, people))
    arm = np.where(rng.permutation(people) < held, "holdout", "exposed")
    slates = [
        {"slate": n, "at": int(t), "who": f"u{n}", "arm": str(a)} for n, (t, a) in enumerate(zip(at, arm, strict=True))
    ]
    reads = [{"slate": n, "at": int(at[n]) + 60_000} for n in np.flatnonzero(rng.random(people) < 0.1).tolist()]
    files = {"slates": [written(folder, "slates", slates)], "reads": [written(folder, "reads", reads)]}
    return replayed(configured(folder, MODEL % f"{held / people:.4f}"), files)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("small"), held=200, people=10_000)


def test_two_hundred_held_out_people_are_insufficient_and_never_ok(small: Ended) -> None:
    assert not small.alerts("reads")
    standings = {f.evidence.standing for f in small.told.findings if f.watch == "reads"}
    assert standings <= {Standing.INSUFFICIENT, Standing.STALE}
    assert small.status["reads"].state is State.INSUFFICIENT


def test_the_smallest_effect_and_the_day_are_told(small: Ended) -> None:
    last = [f for f in small.told.findings if f.watch == "reads"][-1]
    row, detail = small.status["reads"], last.evidence.detail
    assert 0.2 < detail["smallest_relative"] < 0.35
    assert detail["smallest_by"] == pytest.approx(last.end + 28 * 24 * HOUR, abs=1)
    assert f"a fall by {100 * detail['smallest_relative']:.2g} % or more would be found within 28 days" in row.reason
    assert row.reason.endswith(f"by {moment(int(detail['smallest_by']))}")


def test_a_holdout_of_thousands_is_judged(tmp_path: Path) -> None:
    enough = ended(tmp_path, held=4_000, people=10_000)
    assert enough.status["reads"].state is State.OK
    assert not enough.alerts("reads")

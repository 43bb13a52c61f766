"""9: a holdout of 200 units says what it could find, and by when; it is never called ok."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from detectors.evidence import Standing
from monitor.alerting.words import moment
from monitor.watch import reach
from monitor.watch.plan import ModelPlan
from monitor.watch.reach import Pace
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


@dataclass(frozen=True)
class Small:
    """What was planned, and how it ended."""

    plan: ModelPlan
    ended: Ended


def ended(folder: Path, *, held: int, people: int) -> Small:
    """Two weeks of new people, one prediction each; one in ten reads. The first `held` of a shuffle are held out."""
    rng = np.random.default_rng(9)
    at = np.sort(START + rng.integers(0, DAYS * 24 * HOUR, people))
    arm = np.where(rng.permutation(people) < held, "holdout", "exposed")
    slates = [
        {"slate": n, "at": int(t), "who": f"u{n}", "arm": str(a)} for n, (t, a) in enumerate(zip(at, arm, strict=True))
    ]
    reads = [{"slate": n, "at": int(at[n]) + 60_000} for n in np.flatnonzero(rng.random(people) < 0.1).tolist()]
    files = {"slates": [written(folder, "slates", slates)], "reads": [written(folder, "reads", reads)]}
    plan = configured(folder, MODEL % f"{held / people:.4f}")
    return Small(plan, replayed(plan, files))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return ended(tmp_path_factory.mktemp("small"), held=200, people=10_000)


def test_two_hundred_held_out_people_are_insufficient_and_never_ok(small: Small) -> None:
    assert not small.ended.alerts("reads")
    standings = {f.evidence.standing for f in small.ended.told.findings if f.watch == "reads"}
    assert standings <= {Standing.INSUFFICIENT, Standing.STALE}
    assert small.ended.status["reads"].state is State.INSUFFICIENT


def test_the_smallest_effect_and_the_day_are_told(small: Small) -> None:
    last = [f for f in small.ended.told.findings if f.watch == "reads"][-1]
    row, detail = small.ended.status["reads"], last.evidence.detail
    watch = next(w for w in small.plan.watches if w.key == "reads")
    foretold = reach.reach(watch, Pace(10_000 / DAYS, mean=0.1)).relative
    assert detail["smallest_relative"] == pytest.approx(foretold, rel=0.1)  # what was seen, to two digits
    assert detail["smallest_relative"] > 0.2
    assert detail["smallest_by"] == pytest.approx(last.end + 28 * 24 * HOUR, abs=1)
    assert f"a fall by {100 * detail['smallest_relative']:.2g} % or more would be found within 28 days" in row.reason
    assert row.reason.endswith(f"by {moment(int(detail['smallest_by']))}")


def test_a_holdout_of_thousands_is_judged(tmp_path: Path) -> None:
    enough = ended(tmp_path, held=4_000, people=10_000)
    assert enough.ended.status["reads"].state is State.OK
    assert not enough.ended.alerts("reads")

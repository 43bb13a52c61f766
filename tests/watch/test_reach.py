"""What each watch will find, in words, from traffic given or seen; and what watching costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from detectors.evidence import Evidence, Mode
from monitor import app
from monitor.watch import reach
from monitor.watch.cost import cost
from monitor.watch.finding import Finding
from monitor.watch.plan import DAY, ModelPlan, WatchPlan
from monitor.watch.reach import Pace, Traffic

CONFIG = """
kafka: { brokers: ["localhost:9092"] }
model: feed
kind: recommender
predictions: { topic: slates, id: slate, time: at, unit: who, score: s }
outcomes: { read: { topic: reads, time: at, match: { id: slate }, within: 1h } }
cohorts: { field: arm, holdout: { share: 2% } }
metrics: { reads: { of: read } }
"""


@pytest.fixture
def plan(tmp_path: Path) -> ModelPlan:
    (tmp_path / "loopwatch.yaml").write_text(CONFIG)
    return app.read_config(tmp_path / "loopwatch.yaml").plans.models[0]


def _watch(plan: ModelPlan, key: str) -> WatchPlan:
    return next(w for w in plan.watches if w.key == key)


def _finding(end: int, n: int, **changes: object) -> Finding:
    sums = {
        "since_start_exposed_n": 0.9 * n,
        "since_start_exposed_sum": 0.09 * n,
        "since_start_exposed_squares": 0.045 * n,
    }
    sums |= {
        "since_start_holdout_n": 0.1 * n,
        "since_start_holdout_sum": 0.01 * n,
        "since_start_holdout_squares": 0.005 * n,
    }
    evidence = Evidence(mode=Mode.WATCHING, n={"exposed": n - n // 10, "holdout": n // 10}, detail=sums)
    finding = Finding(
        model="feed",
        watch="reads",
        detector="cohort_bounded",
        incarnation="a",
        start=end - DAY,
        end=end,
        evidence=evidence,
    )
    return msgspec.structs.replace(finding, **changes)


def test_a_metric_names_who_sees_what_by_when(plan: ModelPlan) -> None:
    traffic = Traffic(500_000, 69_300, {"reads": 0.3})
    watch = _watch(plan, "reads")
    found = reach.reach(watch, traffic.pace(watch))
    sentence = reach.in_words(watch, traffic.pace(watch), found)
    assert found.relative is not None
    assert sentence.startswith(
        f"38,800 held-out people are enough to find a {100 * found.relative:.2g} % change in reads within 28 d"
    )
    assert "; in a group with 5 % of people a" in sentence
    assert "; less than that is hardly found, though page_if_worse_by is 2 %; in a group" in sentence


def test_a_group_sees_less_than_all_and_more_people_see_more(plan: ModelPlan) -> None:
    watch = _watch(plan, "reads")
    few, many = (reach.reach(watch, Pace(units, 0.3)).relative for units in (3_500.0, 70_000.0))
    assert few is not None
    assert many is not None
    assert 0.02 < many < few < 1


def test_votes_come_from_all_people_and_cohorts_from_new_ones(plan: ModelPlan) -> None:
    traffic = Traffic(500_000, 1_000, {})
    assert traffic.pace(_watch(plan, "score")).units == 500_000
    assert traffic.pace(_watch(plan, "holdout")).units == 1_000
    assert reach.reach(_watch(plan, "reads"), traffic.pace(_watch(plan, "reads"))).unknown


def test_the_pace_is_read_from_findings_whatever_restarts_lie_between() -> None:
    told = [_finding(DAY, 1_000), _finding(2 * DAY, 3_000), _finding(3 * DAY, 500), _finding(4 * DAY, 2_500)]
    told.append(_finding(5 * DAY, 9_000, incarnation="b"))
    pace = reach.seen(list(reversed(told)))
    assert pace is not None
    assert pace.units == pytest.approx(2_000)
    assert pace.mean == pytest.approx(0.1)
    assert pace.square == pytest.approx(0.05)
    assert reach.seen(told[:1]) is None


def test_a_share_is_bought_only_where_half_of_people_is_not_too_little() -> None:
    shares = [reach.share_that_buys(0.05, 0.3, new, window=300_000) for new in (1e3, 1e5, 1e7)]
    assert shares[0] is None
    assert 0.5 >= (shares[1] or 1) > (shares[2] or 1)


def test_the_cost_follows_traffic_and_windows(plan: ModelPlan) -> None:
    once = cost(plan, Traffic(1e6, 1e5), 1e7, 500)
    twice = cost(plan, Traffic(1e6, 1e5), 2e7, 500)
    coarse = cost(replace(plan, watches=plan.watches[:1]), Traffic(1e6, 1e5), 1e7, 500)
    assert twice.memory > once.memory
    assert twice.cores > once.cores
    assert twice.written > once.written
    assert coarse.cores < once.cores
    assert coarse.findings == 288
    assert once.transactions == 172_800

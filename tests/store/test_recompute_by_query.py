"""The figures of a cohort comparison, computed again by one SQL query from the stored sums, on both databases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from detectors.catalogue import DETECTORS
from detectors.detector import Tick
from detectors.recompute import figures, interval
from monitor.clock import ManualClock
from monitor.store.protocols import Step
from monitor.store.via_sql import SqlStore, upgrade
from monitor.store.via_sql.tables import findings
from monitor.watch.finding import Finding
from tests.laws.examples import EXAMPLES, HOUR
from tests.store.places import own_schema


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'loopwatch.db'}" if request.param == "sqlite" else own_schema(request)


def _told() -> list[Finding]:
    detector, example, rng = DETECTORS["cohort_bounded"], EXAMPLES["cohort_bounded"], np.random.default_rng(5)
    state, told = detector.start([example.params]), []
    for window in range(12):
        statistic = detector.fold(None, detector.empty(None), example.rows(rng, 400, window))
        tick = Tick.plain(window * HOUR, (window + 1) * HOUR, page=1e-6, warn=1e-6)
        state, (evidence,) = detector.close([example.params], state, [statistic], tick)
        told.append(
            Finding(
                model="feed",
                watch="reads",
                detector="cohort_bounded",
                incarnation="a",
                start=window * HOUR,
                end=(window + 1) * HOUR,
                evidence=evidence,
            )
        )
    return told


def test_effect_relative_and_units_follow_from_the_stored_sums_by_one_query(url: str) -> None:
    upgrade(url)
    store = SqlStore(url, ManualClock())
    lease = store.acquire("test", 60_000)
    assert lease is not None
    store.commit(Step(model="feed", number=1, findings=_told()), lease)
    detail = findings.c.finding["evidence"]["detail"]
    sums = {
        f"{arm}_{what}": detail[f"since_start_{arm}_{what}"].as_float()
        for arm in ("exposed", "holdout")
        for what in ("n", "sum")
    }
    exposed, holdout = sums["exposed_sum"] / sums["exposed_n"], sums["holdout_sum"] / sums["holdout_n"]
    query = sa.select(
        findings.c.window_end,
        findings.c.effect,
        (exposed - holdout).label("again"),
        ((exposed - holdout) / holdout).label("relative"),
        (sums["exposed_n"] + sums["holdout_n"]).label("units"),
    ).where(findings.c.model == "feed", findings.c.watch == "reads")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = {row.window_end: row for row in connection.execute(query)}
    engine.dispose()
    stored = store.findings("feed")
    store.close()
    assert len(rows) == len(stored) == 12
    for finding in stored:
        row, evidence = rows[finding.end], finding.evidence
        assert row.again == pytest.approx(row.effect)
        assert row.relative == pytest.approx(evidence.relative)
        assert row.units == sum(evidence.n.values())
        assert figures("cohort_bounded", evidence) == pytest.approx((evidence.effect, evidence.relative))
        if evidence.interval is not None:
            assert interval(evidence) == pytest.approx((evidence.interval.low, evidence.interval.high))
    assert any(f.evidence.interval is not None for f in stored)

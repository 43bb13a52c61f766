"""Somebody with a pen in the database: every row that was edited, taken out or slipped in is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.alerting.alert import Decided
from monitor.clock import ManualClock
from monitor.store.chain import Head
from monitor.store.protocols import Step
from monitor.store.verify import Report, verify
from monitor.store.via_sql import SqlStore
from tests.store.places import NOW, TTL, alert, finding, own_schema

FORGED = (
    "INSERT INTO findings (model, watch, detector, incarnation, window_start, window_end, step, mode, standing, crossing,"
    " origin, unit, reason, finding) SELECT model, watch, detector, incarnation, window_start + 7, window_end + 7, step,"
    " mode, standing, crossing, origin, unit, reason, finding FROM findings WHERE step = 3"
)
CUT_OFF = (
    "DELETE FROM audit WHERE position > 4",
    "DELETE FROM findings WHERE step > 4",
    "DELETE FROM alerts WHERE step > 4",
    "DELETE FROM audit_details WHERE position > 4",
    "UPDATE models SET step = 4, links = 4, head = (SELECT hash FROM audit WHERE position = 4)",
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store with six steps: a finding each, an alert in the second and the fifth."""
    made = f"sqlite:///{tmp_path / 'loopwatch.db'}" if request.param == "sqlite" else own_schema(request)
    SqlStore.upgrade(made)
    store = SqlStore(made, ManualClock(NOW))
    lease = store.acquire("daemon", TTL)
    assert lease is not None
    for number in range(1, 7):
        alerts = [alert(frozen=f"at {number}")] if number in (2, 5) else []
        store.commit(
            Step(
                model="feed",
                number=number,
                findings=[finding(start=60_000 * number, effect=-0.01 * number)],
                alerts=alerts,
                decisions=[Decided.of(each, 0, f"because {number}") for each in alerts],
            ),
            lease,
        )
    store.close()
    return made


def run(url: str, *statements: str) -> None:
    """`EDITED(column, 'old', 'new')` stands for the column's text with one word changed, in the column's type."""
    as_json = r"REPLACE(\1)" if url.startswith("sqlite") else r"CAST(REPLACE(CAST(\2 AS TEXT), \3) AS JSON)"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(re.sub(r"EDITED\(((\w+), ([^)]*))\)", as_json, statement))
    engine.dispose()


def verified(url: str, known: Head | None = None) -> Report:
    store = SqlStore(url, ManualClock(NOW))
    report = verify(store, "feed", known)
    store.close()
    return report


def test_an_untouched_store_is_whole(url: str) -> None:
    report = verified(url)
    assert (report.faults, report.links, report.findings, report.alerts, report.details) == ([], 6, 6, 1, 2)


def test_what_a_daemon_writes_during_the_check_is_no_fault(url: str) -> None:
    store, daemon = SqlStore(url, ManualClock(NOW)), SqlStore(url, ManualClock(NOW))
    lease = daemon.acquire("daemon", TTL)
    assert lease is not None
    shares: list[float] = []

    def meanwhile(share: float) -> None:
        shares.append(share)
        number = 6 + len(shares)
        if number > 9:
            return
        news = [finding(start=60_000 * number, effect=-0.01)]
        daemon.commit(Step(model="feed", number=number, findings=news, alerts=[alert(frozen=f"at {number}")]), lease)

    with store.frozen() as ledger:
        report = verify(ledger, "feed", on_progress=meanwhile)
    assert (report.faults, report.links, report.findings, report.alerts) == ([], 6, 6, 1)
    assert shares == [0.5, 1.0, 1.0]
    assert verified(url).links == 9
    store.close()
    daemon.close()


THIRD = "(watch reads, window 180000 to 240000)"


@pytest.mark.parametrize(
    ("statement", "sentences"),
    [
        (
            "UPDATE findings SET finding = EDITED(finding, '-0.03', '-0.01') WHERE step = 3",
            [f"feed: finding 3 {THIRD} was changed: its text is not the one that was recorded"],
        ),
        (
            "UPDATE findings SET effect = 0, standing = 'stale' WHERE step = 3",
            [f"feed: finding 3 {THIRD} was changed: standing, effect of the row do not say what its text says"],
        ),
        (
            "DELETE FROM findings WHERE step = 3",
            ["feed: finding of watch reads, window 180000 to 240000, of link 3 (step 3) is missing"],
        ),
        (
            FORGED,
            ["feed: finding 7 (watch reads, window 180007 to 240007) was added: link 3 of its step does not name it"],
        ),
        (
            "UPDATE findings SET step = 5 WHERE step = 3",
            [
                "feed: finding of watch reads, window 180000 to 240000, of link 3 (step 3) was changed: its row now names step 5",
                f"feed: finding 3 {THIRD} was added: link 5 of its step does not name it",
            ],
        ),
        (
            "UPDATE findings SET step = 99 WHERE step = 3",
            [
                "feed: finding of watch reads, window 180000 to 240000, of link 3 (step 3) was changed: its row now names step 99",
                f"feed: finding 3 {THIRD} was added: no link of step 99 names it",
            ],
        ),
        (
            "DELETE FROM audit WHERE position = 3",
            [
                "feed: link 3 is missing from the chain",
                f"feed: finding 3 {THIRD} was added: no link of step 3 names it",
            ],
        ),
        (
            "UPDATE audit SET at = at + 1 WHERE position = 3",
            ["feed: link 3 (step 3) was changed: its hash is not that of its contents"],
        ),
        (
            "UPDATE audit SET previous = hash WHERE position = 3",
            [
                "feed: link 3 does not follow link 2: one of them was changed",
                "feed: link 3 (step 3) was changed: its hash is not that of its contents",
            ],
        ),
        (
            "UPDATE audit SET entries = 'no JSON' WHERE position = 3",
            [
                "feed: link 3 (step 3) was changed: its hash is not that of its contents",
                f"feed: finding 3 {THIRD} was added: no link of step 3 names it",
            ],
        ),
        (
            "DELETE FROM audit WHERE position > 5",
            [
                "feed: link 6 is missing from the end of the chain",
                "feed: finding 6 (watch reads, window 360000 to 420000) was added: no link of step 6 names it",
            ],
        ),
        (
            "DELETE FROM audit WHERE position < 3",
            ["feed: links 1 to 2 are missing, and no later link says that they were forgotten"],
        ),
        (
            "UPDATE audit_details SET detail = REPLACE(detail, 'because', 'despite') WHERE position = 2",
            ["feed: the decision 7f3 of link 2 was changed"],
        ),
        ("DELETE FROM audit_details WHERE position = 2", ["feed: the decision 7f3 of link 2 is missing"]),
        (
            "INSERT INTO audit_details VALUES ('feed', 2, 0, '{}')",
            ["feed: detail 0 of link 2 was added: the link does not name it"],
        ),
        (
            "INSERT INTO audit_details VALUES ('feed', 3, 0, '{}')",
            ["feed: detail 0 of link 3 was added: the link does not name it"],
        ),
        (
            "UPDATE alerts SET alert = EDITED(alert, 'at 5', 'at 6')",
            ["feed: alert 7f3 was changed since the step that last wrote it"],
        ),
        (
            "UPDATE alerts SET severity = 'info'",
            ["feed: alert 7f3 was changed: severity of its row do not say what its text says"],
        ),
        ("DELETE FROM alerts", ["feed: alert 7f3 is missing"]),
    ],
)
def test_what_was_done_to_the_rows_is_named(url: str, statement: str, sentences: list[str]) -> None:
    run(url, statement)
    faults = verified(url).faults
    assert [fault for fault in faults if fault in sentences] == sentences
    if "position < 3" not in statement:
        assert faults == sentences


def test_a_tail_that_was_cut_off_cleanly_is_found_only_with_a_head_that_was_kept_elsewhere(url: str) -> None:
    kept = verified(url).head
    run(url, *CUT_OFF)
    run(url, "UPDATE alerts SET step = 2")
    without = [fault for fault in verified(url).faults if "alert" not in fault]
    assert without == []
    faults = verified(url, kept).faults
    assert "feed: links 5 to 6 are missing: a head kept elsewhere names the last of them" in faults


def test_a_chain_written_anew_is_found_with_a_head_that_was_kept_elsewhere(url: str) -> None:
    kept = Head(3, "0" * 63 + "1")
    assert verified(url, kept).faults == ["feed: link 3 is not the one whose hash was kept: the chain was written anew"]

"""A model that the config no longer has: its alerts are closed and told, and it can come back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.alerting.alert import Kind, Phase
from monitor.clock import ManualClock
from monitor.daemon import Daemon
from monitor.ingest.mapping import PREDICTIONS
from monitor.ingest.via_memory import MemorySource
from monitor.retiring import retired
from monitor.store.protocols import Store
from monitor.store.verify import verify
from monitor.store.via_memory import MemoryStore
from monitor.store.via_sql import SqlStore
from monitor.testing import Run
from tests.daemon.test_daemon import Told, Until
from tests.engine.shop import DISTURBED_FROM, MINUTE, START, shop_contents, shop_plan

CLOCK = ManualClock(1_704_100_000_000)


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The shop with an alert open, then retired by a daemon that runs no model."""
    opened: Store = MemoryStore(CLOCK)
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('retired') / 'state.db'}"
        SqlStore.upgrade(url)
        opened = SqlStore(url, CLOCK)
    run = Run(shop_plan(), MemorySource(shop_contents()), opened, CLOCK, 50)
    turns, lease = run.turns(), run.lease()
    while turns.memory.lanes.get(PREDICTIONS, 0) < START + (DISTURBED_FROM + 20) * MINUTE:
        turns.turn(lease)
    opened.release(lease)
    assert "scores" in {a.watch for a in opened.load("shop").alerts}
    gone = retired(opened, ["feed"])
    assert gone == ["shop"]
    assert not retired(opened, ["shop"])
    Daemon([], opened, CLOCK, Told(), "us", retiring=gone).run(Until(CLOCK, CLOCK.now() + 2_000))
    yield opened
    opened.close()


def test_its_alerts_are_closed_and_told_once_where_they_were_told(store: Store) -> None:
    assert not store.load("shop").alerts
    (closed,) = [a for a in store.alerts("shop") if a.watch == "scores"]
    assert (closed.phase, closed.frozen) == (Phase.RESOLVED, "the model was removed from the config")
    told = [row.notification for row, _ in store.notifications() if row.notification.alert == closed.id]
    closings = [m for m in told if m.kind is Kind.CLOSED]
    assert {m.destination for m in closings} == {m.destination for m in told}
    assert all("Closed: the model was removed from the config." in m.text for m in closings)
    assert not retired(store, [])


def test_the_audit_has_the_decision_and_is_whole(store: Store) -> None:
    assert verify(store, "shop").faults == []
    links = store.links("shop", limit=10_000)
    said = store.details("shop", links[-1].position, links[-1].position)
    assert any("the model was removed from the config" in text and "closed" in text for text in said.values())


def test_it_can_come_back_and_the_watches_that_were_closed_begin_afresh(store: Store) -> None:
    before = {(f.watch, f.end) for f in store.findings("shop", limit=100_000)}
    told = Run(shop_plan(), MemorySource(shop_contents()), store, CLOCK, 50).to_the_end()
    first: dict[str, str] = {}
    for found in sorted(told.findings, key=lambda f: f.end):
        if (found.watch, found.end) not in before:
            first.setdefault(found.watch, str(found.evidence.mode))
    assert first["scores"] == "learning"
    assert first["ages"] != "learning"

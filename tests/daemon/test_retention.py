"""Retention: one batch at a time, by whole days, only while the store is ours, and told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.alerting.alert import Delivery, Outcome
from monitor.clock import ManualClock
from monitor.events import Reject
from monitor.retention import EVERY_MS, Retention
from monitor.settings.retention import RetentionSettings
from monitor.store.protocols import Command, Kept, Lease, Step, StoreUnavailable
from monitor.store.verify import verify
from tests.store.places import NOW, Place, finding, notification, places

DAY = 86_400_000
TODAY = NOW - NOW % DAY


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    yield from places(request.param, tmp_path, request)


class Told:
    def __init__(self) -> None:
        self.parts: list[tuple[bool, str]] = []
        self.rows: dict[str, int] = {}

    def part(self, name: str, ok: bool, reason: str = "") -> None:
        assert name == "retention"
        self.parts.append((ok, reason))

    def forgotten(self, kind: str, rows: int) -> None:
        self.rows[kind] = self.rows.get(kind, 0) + rows


class Until:
    def __init__(self, clock: ManualClock, at: int) -> None:
        self.clock, self.at = clock, at

    def is_set(self) -> bool:
        return self.clock.now() >= self.at


def filled(place: Place) -> None:
    """Ten days of a step a day: a finding, a dead letter, a message that is given up, and a command that is taken."""
    lease = place.lease()
    for day in range(10):
        place.clock.time = TODAY - (10 - day) * DAY
        number = place.store.submit(Command(number=0, model="feed", verb="arm", asked_at=place.clock.now()))
        place.store.commit(
            Step(
                model="feed",
                number=day + 1,
                findings=[finding(start=place.clock.now())],
                rejects=[Reject(topic="t", partition=0, offset=day, timestamp=0, reason="bad")],
                outbox=[notification(f"feed/{day}", alert=f"a{day}")],
                commands=[number],
            ),
            lease,
        )
        (row,) = place.store.due(place.clock.now(), 9)
        place.store.begin(row.id, place.clock.now(), lease)
        refused = Delivery(outcome=Outcome.REFUSED, reason="no such channel")
        place.store.settle(row.id, refused, place.clock.now(), None, lease)
    place.clock.time = NOW


def left(place: Place) -> tuple[int, int, int]:
    status = place.store.status("feed")
    return status["findings"], status["rejects"], status["outbox"]["parked"]


def test_everything_old_goes_a_batch_a_minute_and_the_chain_stays_whole(place: Place) -> None:
    filled(place)
    told = Told()
    keep = dict.fromkeys(Kept, 3 * DAY)
    retention = Retention(place.store, place.clock, keep, lambda: place.held, told, batch=4)
    retention.run(Until(place.clock, NOW + EVERY_MS - 1))
    assert told.rows == {"findings": 4}
    retention.run(Until(place.clock, NOW + 20 * EVERY_MS))
    assert left(place) == (3, 3, 3)
    gone = {"findings": 7, "steps": 7, "dead_letters": 7, "outbox": 7, "audit": 7}
    assert {kind: told.rows[kind] for kind in gone} == gone
    assert told.rows.get("commands", 7) == 7
    assert told.parts[-1] == (True, "")
    assert verify(place.store, "feed").faults == []
    assert place.store.load("feed").number == 10


def test_the_next_day_the_next_day_goes_and_the_audit_tells_of_it_once(place: Place) -> None:
    filled(place)
    retention = Retention(place.store, place.clock, {Kept.FINDINGS: 3 * DAY}, lambda: place.held, Told())
    for _ in range(5):
        retention.run_once()
    place.clock.time += DAY
    for _ in range(5):
        retention.run_once()
    assert left(place)[0] == 2
    purges = [entry for link in place.store.links("feed") for entry in link.read() if entry.kind == "purge"]
    assert len(purges) == 2


def test_without_the_lease_nothing_is_forgotten(place: Place) -> None:
    filled(place)
    stale = place.held
    keep = dict.fromkeys(Kept, DAY)
    assert Retention(place.store, place.clock, keep, lambda: None, Told()).run_once() == 0
    place.clock.time += 10 * DAY
    place.lease("daemon-2")
    assert Retention(place.store, place.clock, keep, lambda: stale, Told()).run_once() == 0
    assert left(place) == (10, 10, 10)


def test_a_store_that_is_away_is_told_and_tried_again() -> None:
    class Away:
        calls = 0

        def purge(self, kind: Kept, before: int, lease: Lease, limit: int = 5_000) -> int:  # noqa: ARG002  # the protocol's
            self.calls += 1
            if self.calls == 1:
                raise StoreUnavailable("database: no connection")
            return 0

    told, clock = Told(), ManualClock(NOW)
    retention = Retention(Away(), clock, {Kept.STEPS: DAY}, lambda: Lease("us", 1, NOW), told)
    retention.run(Until(clock, NOW + 2 * EVERY_MS))
    assert told.parts == [(False, "database: no connection"), (True, "")]


def test_every_kind_has_a_default_in_the_config() -> None:
    assert set(RetentionSettings.model_fields) == set(Kept)

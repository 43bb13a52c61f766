"""The audit chain of every store: what a step adds to it, what retention takes, and that what is untouched is found whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.alerting.alert import Decided, Phase
from monitor.store.chain import Head
from monitor.store.protocols import Command, Kept, LeaseLost, OutOfStep, Step
from monitor.store.verify import verify
from monitor.watch.description import PlanDescription
from tests.store.places import NOW, TTL, Place, alert, finding, places

PLAN = PlanDescription(fingerprint="aa", plan={"watches": {"reads": {"window": 60_000}}})


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    yield from places(request.param, tmp_path, request)


def step(number: int, **changes: Any) -> Step:
    parts: dict[str, Any] = {"findings": [finding(start=60_000 * number)], "plan": PLAN}
    return Step(model="feed", number=number, **(parts | changes))


def history(place: Place, steps: int = 4) -> None:
    lease = place.lease()
    for number in range(1, steps + 1):
        place.store.commit(step(number), lease)
        place.clock.sleep(1_000)


def kinds(place: Place) -> list[list[str]]:
    return [[entry.kind for entry in link.read()] for link in place.store.links("feed")]


def test_every_step_with_something_to_say_adds_one_link(place: Place) -> None:
    lease = place.lease()
    number = place.store.submit(
        Command(number=0, model="feed", verb="rearm", target="reads", arguments={"why": "x"}, author="ana", asked_at=5)
    )
    opened = alert()
    why = Decided.of(opened, 60_000, "firing: the page bound was crossed", "firing")
    place.store.commit(step(1), lease)
    place.store.commit(step(2, findings=[]), lease)
    place.store.commit(step(3, alerts=[opened], decisions=[why], commands=[number]), lease)
    other = PlanDescription(fingerprint="bb", plan={"watches": {}})
    place.store.commit(step(4, findings=[], plan=other), lease)
    assert kinds(place) == [["finding", "config"], ["finding", "alert", "decision", "act"], ["config"]]
    links = place.store.links("feed")
    assert [(link.position, link.step, link.at) for link in links] == [(1, 1, NOW), (2, 3, NOW), (3, 4, NOW)]
    assert place.store.head("feed") == Head(3, links[-1].hash)
    details = [json.loads(text) for _, text in sorted(place.store.details("feed", 2, 3).items())]
    assert details[0]["reason"] == "firing: the page bound was crossed"
    act = {"number": number, "verb": "rearm", "target": "reads", "author": "ana", "asked_at": 5}
    assert details[1:] == [act | {"arguments": {"why": "x"}}, {"watches": {}}]
    assert (verify(place.store, "feed").faults, place.store.links("other")) == ([], [])


def test_a_link_can_be_computed_with_nothing_but_sha_256_and_json(place: Place) -> None:
    history(place, 2)
    previous = "0" * 64
    for link in place.store.links("feed"):
        text = json.dumps(
            [link.model, link.position, link.step, link.at, previous, link.entries],
            separators=(",", ":"),
            ensure_ascii=False,
        )
        assert hashlib.sha256(text.encode()).hexdigest() == link.hash
        previous = link.hash
    (row, *_) = place.store.recorded_findings("feed")
    assert hashlib.sha256(row.text.encode()).hexdigest() == place.store.links("feed")[0].read()[0].digest


def test_an_untouched_history_is_whole_and_counted(place: Place) -> None:
    history(place)
    report = verify(place.open(), "feed")
    assert report.faults == []
    assert (report.links, report.findings, report.details, report.uncovered) == (4, 4, 1, 0)
    assert report.head == place.store.head("feed")
    assert verify(place.store, "feed", report.head).faults == []


def test_a_commit_that_fails_leaves_the_chain_as_it_was(place: Place) -> None:
    history(place, 2)
    before = place.store.head("feed")
    with pytest.raises(OutOfStep):
        place.store.commit(step(9), place.held)
    place.clock.sleep(TTL * 2)
    stale = place.held
    place.lease("daemon-2")
    with pytest.raises(LeaseLost):
        place.store.commit(step(3), stale)
    assert place.store.head("feed") == before


def test_a_finding_told_twice_is_no_fault(place: Place) -> None:
    lease = place.lease()
    place.store.commit(step(1), lease)
    place.store.commit(step(2, findings=[finding(start=60_000, effect=9.0), finding(start=120_000)]), lease)
    assert verify(place.store, "feed").faults == []


def test_what_retention_forgot_is_said_by_the_chain_and_no_fault(place: Place) -> None:
    gone = alert("old", phase=Phase.RESOLVED, resolved_at=70_000)
    lease = place.lease()
    place.store.commit(step(1, alerts=[gone, alert()], decisions=[Decided.of(gone, 70_000, "over")]), lease)
    history_of_three = [step(2), step(3)]
    for each in history_of_three:
        place.store.commit(each, lease)
    assert place.store.purge(Kept.FINDINGS, 180_001, lease) == 2
    assert place.store.purge(Kept.ALERTS, 180_001, lease) == 1
    assert place.store.purge(Kept.FINDINGS, 180_001, lease) == 0
    assert [entries[-1] for entries in kinds(place)] == ["config", "finding", "finding", "purge", "purge"]
    report = verify(place.store, "feed")
    assert (report.faults, report.findings, report.alerts) == ([], 1, 1)
    place.store.commit(step(4), lease)
    assert verify(place.store, "feed").faults == []


def test_a_batch_forgets_no_more_than_it_may(place: Place) -> None:
    history(place, 5)
    assert [place.store.purge(Kept.FINDINGS, 10**9, place.held, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert sum("purge" in entries for entries in kinds(place)) == 1
    assert verify(place.store, "feed").faults == []


def test_old_links_go_with_a_link_that_says_so_and_the_rest_is_whole(place: Place) -> None:
    history(place, 6)
    known = verify(place.store, "feed").head
    assert place.store.purge(Kept.FINDINGS, 60_000 * 4, place.held) == 2
    assert [place.store.purge(Kept.AUDIT, NOW + 3_500, place.held, limit=3) for _ in range(3)] == [3, 1, 0]
    assert [link.position for link in place.store.links("feed")] == [5, 6, 7, 8, 9]
    report = verify(place.store, "feed", known)
    assert report.faults == []
    assert (report.findings, report.uncovered) == (2, 2)
    place.store.commit(step(7), place.held)
    assert verify(place.open(), "feed").faults == []


def test_the_newest_link_stays_however_old_it_is(place: Place) -> None:
    history(place, 3)
    assert place.store.purge(Kept.AUDIT, NOW * 2, place.held) == 2
    assert [link.position for link in place.store.links("feed")] == [3, 4]
    assert verify(place.store, "feed").faults == []


def test_retention_needs_the_lease(place: Place) -> None:
    history(place, 2)
    stale = place.held
    place.clock.sleep(TTL * 2)
    place.lease("daemon-2")
    for kind in Kept:
        with pytest.raises(LeaseLost):
            place.store.purge(kind, NOW * 2, stale)


def test_an_erasure_is_recorded_without_whom_it_was_about(place: Place) -> None:
    lease = place.lease()
    number = place.store.submit(
        Command(number=0, model="feed", verb="erase", arguments={"unit": 12345678901}, author="ana", asked_at=5)
    )
    assert place.store.commands("feed")[0].arguments == {"unit": 12345678901}
    place.store.commit(step(1, commands=[number]), lease)
    (act,) = [json.loads(t) for t in place.store.details("feed", 1, 1).values() if "erase" in t]
    assert act == {"number": number, "verb": "erase", "target": "", "author": "ana", "asked_at": 5}
    assert verify(place.store, "feed").faults == []

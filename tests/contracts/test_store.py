"""What every store keeps to: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.evidence import Interval
from monitor.alerting.alert import Delivery, Outcome, Phase
from monitor.events import Reject, TopicPartition
from monitor.store.protocols import (
    Chunk,
    Command,
    Image,
    Kept,
    LeaseLost,
    OutOfStep,
    Page,
    RowTaken,
    Step,
    StoreRefused,
)
from tests.store.places import NOW, TTL, Place, alert, finding, notification, places

CLICKS = TopicPartition("clicks.v2", 3)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    yield from places(request.param, tmp_path, request)


def reject(offset: int, reason: str = "time is missing") -> Reject:
    return Reject(topic="clicks.v2", partition=3, offset=offset, timestamp=NOW, reason=reason, field="time")


def full_step(number: int = 1, **changes: Any) -> Step:
    parts: dict[str, Any] = {
        "model": "feed",
        "number": number,
        "offsets": {CLICKS: 40 + number},
        "chunks": [Chunk("predictions", 0, number, b"rows")],
        "pages": [Page("units", "00", b"\x00\xff" * number)],
        "findings": [finding(start=60_000 * number)],
        "alerts": [alert()],
        "outbox": [notification(f"7f3/firing/{number}")],
        "rejects": [reject(number)],
        "observed": {"now": NOW, "idle": ["clicks.v2/3"]},
    }
    return Step(**(parts | changes))


def numbers_due(place: Place, now: int = NOW) -> list[str]:
    return [row.notification.key for row in place.store.due(now, 100)]


def test_a_model_without_state_has_an_empty_image(place: Place) -> None:
    assert place.store.load("feed") == Image()
    assert place.store.models() == []


def test_a_committed_step_is_found_after_a_restart(place: Place) -> None:
    place.store.commit(full_step(), place.lease())
    image = place.open().load("feed")
    assert image == Image(
        number=1,
        offsets={CLICKS: 41},
        chunks=[Chunk("predictions", 0, 1, b"rows")],
        pages=[Page("units", "00", b"\x00\xff")],
        alerts=[alert()],
        heard={"7f3": ["oncall"]},
    )


def test_an_image_says_who_heard_of_the_alerts_that_are_open(place: Place) -> None:
    lease = place.lease()
    told = [
        notification("a"),
        notification("b"),
        notification("c", destination="digest"),
        notification("d", alert="8a1"),
    ]
    alerts = [alert(), alert("8a1", Phase.RESOLVED), alert("9b2", Phase.PENDING)]
    place.store.commit(full_step(alerts=alerts, outbox=told), lease)
    assert place.store.load("feed").heard == {"7f3": ["digest", "oncall"]}


def test_a_later_step_overwrites_offsets_pages_and_alerts_and_adds_chunks(place: Place) -> None:
    lease = place.lease()
    place.store.commit(full_step(1), lease)
    place.store.commit(full_step(2, alerts=[alert(frozen="holdout broken")]), lease)
    image = place.store.load("feed")
    assert image.offsets == {CLICKS: 42}
    assert image.pages == [Page("units", "00", b"\x00\xff\x00\xff")]
    assert [chunk.sequence for chunk in image.chunks] == [1, 2]
    assert image.alerts == [alert(frozen="holdout broken")]


def test_chunks_come_back_by_sequence_and_pages_by_room_and_key(place: Place) -> None:
    chunks = [Chunk("b", 9, 2, b"2"), Chunk("a", 0, 10, b"10"), Chunk("b", 3, 1, b"1"), Chunk("a", 5, 2, b"2")]
    pages = [Page("units", "b", b"1"), Page("items", "z", b"2"), Page("units", "B", b"3")]
    place.store.commit(full_step(chunks=chunks, pages=pages), place.lease())
    image = place.store.load("feed")
    assert image.chunks == [chunks[2], chunks[3], chunks[0], chunks[1]]
    assert image.pages == [pages[1], pages[2], pages[0]]


def test_a_dropped_generation_goes_with_what_the_same_step_appended_to_it(place: Place) -> None:
    lease = place.lease()
    place.store.commit(
        full_step(1, chunks=[Chunk("p", 0, 1, b"a"), Chunk("p", 60, 2, b"b"), Chunk("q", 0, 1, b"c")]), lease
    )
    place.store.commit(
        full_step(2, chunks=[Chunk("p", 0, 3, b"d"), Chunk("p", 60, 4, b"e")], dropped=[("p", 0)]), lease
    )
    assert [chunk.data for chunk in place.store.load("feed").chunks] == [b"c", b"b", b"e"]


def test_a_page_without_data_is_dropped_and_the_last_of_two_pages_counts(place: Place) -> None:
    lease = place.lease()
    pages = [
        Page("units", "00", b"old"),
        Page("units", "00", b"new"),
        Page("units", "01", b""),
        Page("units", "02", b"x"),
    ]
    place.store.commit(full_step(1, pages=pages), lease)
    place.store.commit(full_step(2, pages=[Page("units", "02", None), Page("units", "never", None)]), lease)
    assert place.store.load("feed").pages == [Page("units", "00", b"new"), Page("units", "01", b"")]


def test_a_resolved_alert_leaves_the_image_but_not_the_list(place: Place) -> None:
    lease = place.lease()
    resolved = alert(phase=Phase.RESOLVED, resolved_at=180_000)
    place.store.commit(full_step(1, alerts=[alert(), alert("8a0", opened_at=1_000)]), lease)
    assert [each.id for each in place.store.load("feed").alerts] == ["8a0", "7f3"]
    place.store.commit(full_step(2, alerts=[resolved]), lease)
    assert [each.id for each in place.store.load("feed").alerts] == ["8a0"]
    assert place.store.alerts("feed")[0] == resolved
    assert place.store.alerts("other") == []
    assert len(place.store.alerts(limit=1)) == 1


def test_models_do_not_see_each_other(place: Place) -> None:
    lease = place.lease()
    place.store.commit(full_step(1), lease)
    place.store.commit(full_step(1, model="fraud", alerts=[], findings=[], outbox=[], pages=[]), lease)
    assert place.store.models() == ["feed", "fraud"]
    assert place.store.load("fraud").pages == []
    assert place.store.load("feed").pages == [Page("units", "00", b"\x00\xff")]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_step_that_does_not_follow_is_refused_and_changes_nothing(place: Place, number: int) -> None:
    lease = place.lease()
    place.store.commit(full_step(1), lease)
    before = place.store.load("feed"), place.store.status("feed")
    with pytest.raises(OutOfStep, match="last committed step 1"):
        place.store.commit(full_step(number), lease)
    assert (place.store.load("feed"), place.store.status("feed")) == before


def test_a_first_step_must_have_number_one_and_leaves_no_model_behind(place: Place) -> None:
    with pytest.raises(OutOfStep):
        place.store.commit(full_step(2), place.lease())
    assert place.store.models() == []


def test_a_commit_that_fails_in_the_middle_leaves_nothing(place: Place) -> None:
    lease = place.lease()
    number = place.store.submit(Command(number=0, model="feed", verb="rearm"))
    place.store.commit(full_step(1), lease)
    before = place.store.load("feed"), place.store.status("feed")
    bad = [Chunk("predictions", 0, 2, b"new"), Chunk("predictions", 0, 1, b"stored already")]
    with pytest.raises(StoreRefused):
        place.store.commit(full_step(2, chunks=bad, commands=[number]), lease)
    assert (place.store.load("feed"), place.store.status("feed")) == before
    assert len(place.store.commands("feed")) == 1
    place.store.commit(full_step(2), lease)


@pytest.mark.parametrize("name", ["a\0b", "half \ud83d"])
def test_a_name_that_no_database_can_hold_is_refused_in_words(place: Place, name: str) -> None:
    with pytest.raises(StoreRefused, match=r"page .* cannot be stored"):
        place.store.commit(full_step(pages=[Page("units", name, b"")]), place.lease())


def test_words_from_events_are_stored_whatever_they_hold(place: Place) -> None:
    nasty = "NUL \0, half \ud83d, smile \U0001f600, 'quote' \"; DROP TABLE pages"
    labelled = alert(frozen=nasty)
    labelled.labels["segment"] = nasty
    step = full_step(
        alerts=[labelled], rejects=[reject(1, nasty)], findings=[finding(reason=nasty)], observed={"why": nasty}
    )
    place.store.commit(step, place.lease())
    without_half = nasty.replace("\ud83d", "\ufffd")
    without_both = without_half.replace("\0", "\ufffd")
    assert place.store.rejects("feed")[0].reason == without_both
    stored = (
        place.store.load("feed").alerts[0].labels["segment"],
        place.store.latest("feed")[0].evidence.reason,
        place.store.status("feed")["observed"]["why"],
    )
    assert stored == (without_both,) * 3


def test_figures_that_are_not_finite_come_back_as_they_were(place: Place) -> None:
    detail = {"bound": -math.inf, "by arm": [1.0, math.inf], "numpy": np.float64(0.25), "array": np.arange(3)}
    said = finding(interval=Interval(low=-math.inf, high=0.5), arms={"holdout": math.nan}, detail=detail)
    place.store.commit(full_step(findings=[said]), place.lease())
    evidence = place.store.latest("feed")[0].evidence
    assert evidence.interval == Interval(low=-math.inf, high=0.5)
    assert math.isnan(evidence.arms["holdout"])
    assert evidence.detail == {"bound": -math.inf, "by arm": [1.0, math.inf], "numpy": 0.25, "array": [0, 1, 2]}


def test_a_finding_or_notification_written_twice_is_stored_once_as_first_written(place: Place) -> None:
    lease = place.lease()
    place.store.commit(full_step(1, findings=[finding(effect=1.0)], outbox=[notification("k")]), lease)
    place.store.commit(
        full_step(2, findings=[finding(effect=2.0), finding("clicks")], outbox=[notification("k")] * 2), lease
    )
    assert [each.evidence.effect for each in place.store.findings("feed", "reads")] == [1.0]
    assert len(place.store.findings("feed")) == 2
    assert len(place.store.notifications()) == 1


def test_findings_are_read_newest_first_by_watch_and_time(place: Place) -> None:
    lease = place.lease()
    place.store.commit(full_step(1, findings=[finding("b", 0), finding("a", 0), finding("b", 120_000)]), lease)
    place.store.commit(
        full_step(2, findings=[finding("b", 60_000), finding("c", 0, effect=None, interval=None)]), lease
    )
    ends = [(each.watch, each.end) for each in place.store.findings("feed")]
    assert ends == [("b", 180_000), ("b", 120_000), ("c", 60_000), ("a", 60_000), ("b", 60_000)]
    assert [each.end for each in place.store.findings("feed", "b", since=120_000)] == [180_000, 120_000]
    assert [each.end for each in place.store.findings("feed", limit=1)] == [180_000]
    assert [(each.watch, each.end) for each in place.store.latest("feed")] == [
        ("b", 180_000),
        ("c", 60_000),
        ("a", 60_000),
    ]
    assert place.store.latest("other") == []


def test_dead_letters_are_read_newest_first_with_their_bytes(place: Place) -> None:
    raw = Reject(topic="t", partition=0, offset=7, timestamp=1, reason="no JSON", raw=b"\x00{")
    place.store.commit(full_step(rejects=[reject(1), raw]), place.lease())
    assert place.store.rejects("feed") == [raw, reject(1)]
    assert place.store.rejects("feed", limit=1) == [raw]


def test_a_dead_letter_that_was_read_again_goes_and_comes_back_only_with_its_new_reason(place: Place) -> None:
    lease = place.lease()
    place.store.commit(full_step(1, rejects=[reject(1), reject(2), reject(3)]), lease)
    again = [("clicks.v2", 3, 1), ("clicks.v2", 3, 2), ("clicks.v2", 0, 3), ("other", 3, 3)]
    place.store.commit(full_step(2, rejects=[reject(2, "still no time")], requeued=again), lease)
    assert place.store.rejects("feed") == [reject(2, "still no time"), reject(3)]


def test_a_status_says_where_a_model_stands(place: Place) -> None:
    lease = place.lease()
    place.store.commit(full_step(1), lease)
    place.clock.sleep(500)
    place.store.commit(full_step(2), lease)
    assert place.store.status("feed") == {
        "model": "feed",
        "step": 2,
        "committed_at": NOW + 500,
        "offsets": {"clicks.v2": {3: 42}},
        "observed": {"now": NOW, "idle": ["clicks.v2/3"]},
        "findings": 2,
        "rejects": 2,
        "alerts": {"pending": 0, "firing": 1, "resolved": 0},
        "outbox": {"queued": 2, "in_flight": 0, "delivered": 0, "parked": 0},
        "audit": {"position": 2, "hash": place.store.head("feed").hash},
        "forgotten": {},
    }
    place.store.purge(Kept.FINDINGS, 130_000, lease)
    assert place.store.status("feed")["forgotten"] == {"findings": 130_000}
    nothing = place.store.status("other")
    assert (nothing["step"], nothing["committed_at"], nothing["observed"]) == (0, None, {})


def test_only_one_owner_holds_the_lease_until_it_expires(place: Place) -> None:
    first = place.lease("daemon-1")
    other = place.open()
    assert other.acquire("daemon-2", TTL) is None
    place.clock.sleep(TTL - 1)
    assert other.acquire("daemon-2", TTL) is None
    place.clock.sleep(1)
    second = other.acquire("daemon-2", TTL)
    assert second is not None
    assert second.fence > first.fence
    assert second.expires_at == NOW + 2 * TTL


def test_a_paused_owner_that_wakes_after_a_take_over_cannot_write(place: Place) -> None:
    first = place.lease("daemon-1")
    place.store.commit(full_step(1), first)
    place.clock.sleep(TTL)
    second = place.open().acquire("daemon-2", TTL)
    assert second is not None
    with pytest.raises(LeaseLost, match="'daemon-2' holds it under fence"):
        place.store.commit(full_step(2), first)
    with pytest.raises(LeaseLost):
        place.store.renew(first, TTL)
    place.store.release(first)
    assert place.store.load("feed").number == 1
    place.store.commit(full_step(2), second)


def test_a_restarted_owner_of_the_same_name_shuts_its_former_self_out(place: Place) -> None:
    former = place.lease("pod-0")
    place.lease("pod-0")
    with pytest.raises(LeaseLost):
        place.store.commit(full_step(1), former)


def test_an_expired_lease_that_nobody_took_still_writes_and_can_be_renewed(place: Place) -> None:
    lease = place.lease()
    place.clock.sleep(TTL * 2)
    place.store.commit(full_step(1), lease)
    renewed = place.store.renew(lease, TTL)
    assert (renewed.fence, renewed.expires_at) == (lease.fence, NOW + TTL * 3)
    assert place.store.acquire("daemon-2", TTL) is None


def test_a_lease_given_back_is_free_at_once_and_no_longer_writes(place: Place) -> None:
    lease = place.lease()
    place.store.release(lease)
    with pytest.raises(LeaseLost, match="given back"):
        place.store.commit(full_step(1), lease)
    second = place.store.acquire("daemon-2", TTL)
    assert second is not None
    assert second.fence > lease.fence


def test_commands_are_given_oldest_first_until_a_step_takes_them(place: Place) -> None:
    lease = place.lease()
    asked = Command(
        number=0, model="feed", verb="silence", target="reads", arguments={"until": 9}, author="ana", asked_at=3
    )
    first, second = place.store.submit(asked), place.store.submit(Command(number=0, model="feed", verb="rearm"))
    other = place.store.submit(Command(number=0, model="fraud", verb="rearm"))
    assert first < second < other
    waiting = place.store.commands("feed")
    assert [each.number for each in waiting] == [first, second]
    assert (waiting[0].target, waiting[0].arguments, waiting[0].author, waiting[0].asked_at) == (
        "reads",
        {"until": 9},
        "ana",
        3,
    )
    place.store.commit(full_step(1, commands=[first, other]), lease)
    assert [each.number for each in place.open().commands("feed")] == [second]
    assert [each.number for each in place.store.commands("fraud")] == [other]


def test_a_row_behind_an_unsettled_one_of_its_alert_and_destination_is_not_due(place: Place) -> None:
    outbox = [
        notification("a1", "a", "oncall"),
        notification("a2", "a", "oncall"),
        notification("a3", "a", "digest"),
        notification("b1", "b", "oncall"),
    ]
    place.store.commit(full_step(outbox=outbox), place.lease())
    assert numbers_due(place) == ["a1", "a3", "b1"]
    assert len(place.store.due(NOW, 2)) == 2
    first = place.store.due(NOW, 1)[0]
    place.store.begin(first.id, NOW, place.held)
    assert numbers_due(place) == ["a3", "b1"]
    place.store.settle(first.id, Delivery(outcome=Outcome.DELIVERED), NOW, None, place.held)
    assert numbers_due(place) == ["a2", "a3", "b1"]


def test_a_retry_waits_for_its_time_and_holds_later_rows_up(place: Place) -> None:
    place.store.commit(full_step(outbox=[notification("1"), notification("2")]), place.lease())
    row = place.store.due(NOW, 1)[0]
    assert (row.attempts, row.repeated) == (0, False)
    place.store.begin(row.id, NOW, place.held)
    place.store.settle(row.id, Delivery(outcome=Outcome.RETRY, reason="429"), NOW, NOW + 5_000, place.held)
    assert numbers_due(place, NOW + 4_999) == []
    assert numbers_due(place, NOW + 5_000) == ["1"]
    assert place.store.due(NOW + 5_000, 1)[0].attempts == 1


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.RETRY])
def test_a_parked_row_holds_nothing_up_and_can_be_requeued(place: Place, outcome: Outcome) -> None:
    place.store.commit(full_step(outbox=[notification("1"), notification("2")]), place.lease())
    row = place.store.due(NOW, 1)[0]
    place.store.begin(row.id, NOW, place.held)
    place.store.settle(row.id, Delivery(outcome=outcome, reason="channel_not_found"), NOW, None, place.held)
    assert numbers_due(place) == ["2"]
    assert [(each.notification.key, state) for each, state in place.store.notifications()] == [
        ("2", "queued"),
        ("1", "parked"),
    ]
    for number, (model, wanted, due) in enumerate(
        [("other", None, ["2"]), ("feed", row.id + 1, ["2"]), ("feed", row.id, ["1"])], 2
    ):
        asked = place.store.submit(
            Command(number=0, model=model, verb="resend", arguments={"row": wanted}, author="ana")
        )
        step = number if model == "feed" else 1
        place.store.commit(Step(model=model, number=step - (model == "feed"), commands=[asked]), place.held)
        assert numbers_due(place) == due, (model, wanted)


def test_a_row_is_begun_by_one_relay_only(place: Place) -> None:
    place.store.commit(full_step(outbox=[notification("1")]), place.lease())
    row = place.store.due(NOW, 1)[0]
    place.store.begin(row.id, NOW, place.held)
    with pytest.raises(RowTaken, match=f"outbox row {row.id} is not queued"):
        place.open().begin(row.id, NOW, place.held)
    with pytest.raises(RowTaken):
        place.store.begin(row.id + 1, NOW, place.held)


def test_a_row_in_flight_at_a_crash_is_due_again_and_marked_as_repeated(place: Place) -> None:
    place.store.commit(full_step(outbox=[notification("1", "a"), notification("2", "b")]), place.lease())
    place.store.begin(place.store.due(NOW, 1)[0].id, NOW, place.held)
    restarted = place.open()
    assert restarted.recover(NOW + 1, place.held) == 1
    assert [(row.notification.key, row.attempts, row.repeated) for row in restarted.due(NOW + 1, 9)] == [
        ("1", 1, True),
        ("2", 0, False),
    ]
    assert restarted.recover(NOW + 1, place.held) == 0


def test_whoever_lost_the_lease_can_neither_begin_nor_settle_nor_recover(place: Place) -> None:
    stale = place.lease("daemon-1")
    place.store.commit(full_step(outbox=[notification("1", "a"), notification("2", "b")]), stale)
    first, second = place.store.due(NOW, 2)
    place.store.begin(first.id, NOW, stale)
    place.clock.sleep(TTL)
    assert place.lease("daemon-2").fence > stale.fence
    with pytest.raises(LeaseLost, match="'daemon-2' holds it"):
        place.store.begin(second.id, NOW, stale)
    with pytest.raises(LeaseLost):
        place.store.settle(first.id, Delivery(outcome=Outcome.DELIVERED), NOW, None, stale)
    with pytest.raises(LeaseLost):
        place.store.recover(NOW, stale)
    assert sorted(state for _row, state in place.store.notifications()) == ["in_flight", "queued"]


def test_a_settled_row_stays_settled(place: Place) -> None:
    place.store.commit(full_step(outbox=[notification("1")]), place.lease())
    row = place.store.due(NOW, 1)[0]
    place.store.begin(row.id, NOW, place.held)
    place.store.settle(row.id, Delivery(outcome=Outcome.DELIVERED), NOW, None, place.held)
    place.store.settle(row.id, Delivery(outcome=Outcome.RETRY), NOW, NOW, place.held)
    assert numbers_due(place) == []
    assert [state for _row, state in place.store.notifications()] == ["delivered"]


def test_purging_forgets_what_is_old_and_leaves_the_image_alone(place: Place) -> None:
    lease = place.lease()
    gone = alert("old", phase=Phase.RESOLVED, resolved_at=70_000)
    messages = [notification("open", "7f3"), notification("closed", "old", "digest"), notification("unsent", "old")]
    place.store.commit(
        full_step(1, findings=[finding(), finding(start=NOW)], alerts=[alert(), gone], outbox=messages), lease
    )
    for row in place.store.due(NOW, 2):
        place.store.begin(row.id, NOW, place.held)
        place.store.settle(row.id, Delivery(outcome=Outcome.DELIVERED), NOW, None, place.held)
    place.clock.sleep(1_000)
    place.store.commit(full_step(2, findings=[], alerts=[], outbox=[]), lease)
    before = place.store.load("feed")
    assert place.store.purge(Kept.STEPS, NOW, lease) == 0
    assert {kind: place.store.purge(kind, NOW + 900, lease) for kind in Kept if kind is not Kept.AUDIT} == {
        Kept.FINDINGS: 1,
        Kept.STEPS: 1,
        Kept.DEAD_LETTERS: 1,
        Kept.ALERTS: 1,
        Kept.OUTBOX: 1,
        Kept.COMMANDS: 0,
    }
    assert place.store.purge(Kept.DEAD_LETTERS, NOW + 5_000, lease) == 1
    assert place.store.load("feed") == before
    assert [each.start for each in place.store.findings("feed")] == [NOW]
    assert sorted(row.notification.key for row, _state in place.store.notifications()) == ["open", "unsent"]
    place.store.commit(full_step(3), lease)


def test_closing_twice_does_no_harm(place: Place) -> None:
    place.store.close()
    place.store.close()

"""Rows are sent once, in order, and a failing destination holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from monitor.alerting.alert import Delivery, Kind, Notification, Notifier, Outcome
from monitor.alerting.via_apprise import AppriseNotifier
from monitor.alerting.via_recording import RecordingNotifier
from monitor.clock import ManualClock
from monitor.relay import Backoff, Relay
from monitor.store.protocols import Lease, LeaseLost, Queued, RowTaken, Step, StoreUnavailable
from monitor.store.via_memory import MemoryStore
from tests.alerting.examples import T0, notification
from tests.servers.webhook import Answer, webhook

DOWN = Delivery(outcome=Outcome.RETRY, reason="no connection")
REFUSED = Delivery(outcome=Outcome.REFUSED, reason="the receiver answered 404")


def slow_down(ms: int) -> Delivery:
    return Delivery(outcome=Outcome.RETRY, after_ms=ms, reason="the receiver answered 429")


def stored(clock: ManualClock, *rows: Notification) -> MemoryStore:
    store = MemoryStore(clock)
    lease = store.acquire("test", 60_000)
    assert isinstance(lease, Lease)
    store.commit(Step(model="feed-ranker", number=1, outbox=rows), lease)
    return store


def held(store: MemoryStore) -> Lease:
    lease = store.acquire("test", 60_000)
    assert lease is not None
    return lease


def relaying(
    store: MemoryStore, notifier: Notifier, clock: ManualClock, backoff: Backoff | None = None, batch: int = 100
) -> Relay:
    lease = held(store)
    return Relay(store, notifier, clock, lambda: lease, backoff, batch)


def states(store: MemoryStore) -> dict[str, str]:
    return {queued.notification.key: state for queued, state in store.notifications()}


class ByDestination:
    """Answers with what is scripted for the destination, else delivers; keeps the attempts."""

    def __init__(self, **failing: Delivery) -> None:
        self.failing = failing
        self.tried: list[Notification] = []

    def send(self, notification: Notification) -> Delivery:
        self.tried.append(notification)
        return self.failing.get(notification.destination, Delivery(outcome=Outcome.DELIVERED))


def drain(relay: Relay, clock: ManualClock, seconds: int) -> None:
    for _ in range(seconds):
        relay.run_once()
        clock.sleep(1_000)


def test_a_row_is_sent_once() -> None:
    clock, notifier = ManualClock(T0), RecordingNotifier()
    relay = relaying(stored(clock, notification()), notifier, clock)
    assert [relay.run_once(), relay.run_once()] == [1, 0]
    assert notifier.sent == [notification()]
    assert (relay.sent, relay.retried, relay.parked, relay.repeated) == (1, 0, 0, 0)


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.usefixtures("_no_proxy")
def test_slack_that_limits_then_fails_then_works_gets_everything_once_and_in_order() -> None:
    clock = ManualClock(T0)
    rows = [notification(kind=Kind.FIRING), notification(kind=Kind.ESCALATED), notification(kind=Kind.RESOLVED)]
    with webhook(Answer(429, {"Retry-After": "30"}), Answer(500), Answer(200)) as server:
        relay = relaying(stored(clock, *rows), AppriseNotifier({"feed-page": server.url("slackhook")}), clock)
        relay.run_once()
        clock.sleep(29_999)
        relay.run_once()
        assert len(server.received) == 1, "Retry-After was not waited for"
        drain(relay, clock, 10)
        texts = [request.json["text"] for request in server.received]
    keys = [text.rpartition("key ")[2] for text in texts]
    assert keys == ["1a2b3c4d-firing"] * 3 + ["1a2b3c4d-escalated", "1a2b3c4d-resolved"]
    assert (relay.sent, relay.retried, relay.parked, relay.failing) == (3, 2, 0, {})


def test_a_destination_that_fails_holds_up_no_other() -> None:
    clock = ManualClock(T0)
    rows = [notification("dead", f"aaaa{i:04}") for i in range(250)] + [notification("alive", "bbbb0000")]
    notifier = ByDestination(dead=DOWN)
    relay = relaying(stored(clock, *rows), notifier, clock, batch=100)
    for _ in range(3):
        relay.run_once()
    assert [each.destination for each in notifier.tried] == ["dead", "alive"]
    assert relay.failing == {"dead": "no connection"}


def test_one_row_that_always_fails_does_not_keep_its_destination_shut() -> None:
    clock = ManualClock(T0)

    class Poisoned(RecordingNotifier):
        def send(self, notification: Notification) -> Delivery:
            return DOWN if notification.alert == "badbad00" else super().send(notification)

    notifier = Poisoned()
    rows = [notification(alert="badbad00"), *[notification(alert=f"aaaa{i:04}") for i in range(5)]]
    relay = relaying(stored(clock, *rows), notifier, clock)
    drain(relay, clock, 60)
    assert len(notifier.sent) == 5


def test_a_refused_row_is_parked_and_holds_nothing_up() -> None:
    clock = ManualClock(T0)
    rows = [notification(kind=Kind.FIRING), notification(kind=Kind.RESOLVED)]
    store, notifier = stored(clock, *rows), RecordingNotifier([REFUSED])
    relay = relaying(store, notifier, clock)
    drain(relay, clock, 2)
    assert states(store) == {rows[0].key: "parked", rows[1].key: "delivered"}
    assert (relay.sent, relay.retried, relay.parked) == (1, 0, 1)


def test_a_row_that_fails_for_ever_is_parked_after_its_last_attempt() -> None:
    clock = ManualClock(T0)
    store, notifier = stored(clock, notification("dead")), ByDestination(dead=DOWN)
    relay = relaying(store, notifier, clock, Backoff(attempts=4))
    drain(relay, clock, 60)
    assert len(notifier.tried) == 4
    assert (relay.retried, relay.parked) == (3, 1)
    assert set(states(store).values()) == {"parked"}


def test_a_row_in_flight_at_a_crash_is_sent_again_under_its_key_and_counted() -> None:
    clock = ManualClock(T0)
    store, notifier = stored(clock, notification()), RecordingNotifier()
    (row,) = store.due(clock.now(), 10)
    lease = held(store)
    store.begin(row.id, clock.now(), lease)
    store.recover(clock.now(), lease)
    relay = relaying(store, notifier, clock)
    relay.run_once()
    assert [each.key for each in notifier.sent] == [notification().key]
    assert (relay.sent, relay.repeated) == (1, 1)


def test_a_row_that_another_relay_took_is_left_alone() -> None:
    class Taken(MemoryStore):
        def begin(self, row: int, now: int, lease: Lease) -> None:  # noqa: ARG002  # the protocol's signature
            raise RowTaken(f"outbox row {row}")

        def due(self, now: int, limit: int) -> Sequence[Queued]:  # noqa: ARG002  # the protocol's signature
            return [Queued(id=1, notification=notification(), attempts=0)]

    clock, notifier = ManualClock(T0), RecordingNotifier()
    assert relaying(Taken(clock), notifier, clock).run_once() == 0
    assert notifier.sent == []


def test_the_loop_waits_for_a_store_that_is_away_and_ends_when_told() -> None:
    stop = threading.Event()

    class Clock(ManualClock):
        def sleep(self, ms: int) -> None:
            super().sleep(ms)
            if self.time >= T0 + 5_000:
                stop.set()

    class Away(MemoryStore):
        def due(self, now: int, limit: int) -> Sequence[Queued]:
            if now < T0 + 2_000:
                raise StoreUnavailable("no connection")
            return super().due(now, limit)

    clock, notifier = Clock(T0), RecordingNotifier()
    store = Away(clock)
    lease = store.acquire("test", 60_000)
    assert lease is not None
    store.commit(Step(model="feed-ranker", number=1, outbox=[notification()]), lease)
    relaying(store, notifier, clock).run(stop)
    assert notifier.sent == [notification()]


def test_a_relay_without_the_lease_sends_nothing() -> None:
    clock, notifier = ManualClock(T0), RecordingNotifier()
    assert Relay(stored(clock, notification()), notifier, clock, lambda: None).run_once() == 0
    assert notifier.sent == []


def test_a_relay_that_slept_through_a_take_over_neither_sends_nor_settles() -> None:
    clock, stale = ManualClock(T0), RecordingNotifier()
    store = stored(clock, notification("a"), notification("b", "bbbb0002"))
    asleep = relaying(store, stale, clock)

    class WhileSending(RecordingNotifier):
        """The other daemon takes over while the first message is on its way."""

        def send(self, notification: Notification) -> Delivery:
            clock.sleep(60_000)
            successor = store.acquire("successor", 60_000)
            assert successor is not None
            store.recover(clock.now(), successor)
            return super().send(notification)

    asleep._notifier = paused = WhileSending()
    with pytest.raises(LeaseLost, match="'successor' holds it"):
        asleep.run_once()
    assert [n.destination for n in paused.sent] == ["a"]
    assert set(states(store).values()) == {"queued"}
    with pytest.raises(LeaseLost):
        asleep.run_once()
    assert len(paused.sent) == 1


def test_waits_double_up_to_a_ceiling_with_a_draw_that_repeats() -> None:
    backoff = Backoff(first_ms=1_000, longest_ms=60_000)
    waits = [backoff.wait_ms(7, attempt) or 0 for attempt in range(1, 40)]
    for attempt, wait in enumerate(waits, start=1):
        full = min(60_000, 1_000 * 2 ** (attempt - 1))
        assert full / 2 <= wait <= full
    assert waits == [backoff.wait_ms(7, attempt) for attempt in range(1, 40)]
    assert len({backoff.wait_ms(row, 10) for row in range(100)}) > 90


def test_a_wait_that_was_asked_for_is_kept_within_reason() -> None:
    backoff = Backoff(patience_ms=3_600_000)
    assert backoff.wait_ms(1, 1, asked_ms=30_000) == 30_000
    assert backoff.wait_ms(1, 1, asked_ms=10**12) == 3_600_000
    assert (backoff.wait_ms(1, 1, asked_ms=0) or 0) >= 500


def test_a_destination_asked_to_wait_is_left_alone_by_every_row() -> None:
    clock = ManualClock(T0)
    notifier = ByDestination(busy=slow_down(120_000))
    relay = relaying(stored(clock, notification("busy", "aaaa0001"), notification("busy", "aaaa0002")), notifier, clock)
    drain(relay, clock, 119)
    assert len(notifier.tried) == 1

"""The outbound heartbeat: it beats while all is well, and is silent otherwise."""

from __future__ import annotations

from functools import partial

import pytest

from monitor.alerting import via_http
from monitor.clock import ManualClock
from monitor.heartbeat import Heartbeat
from monitor.ingest.source import SourceUnavailable
from tests.daemon.test_daemon import Told, Until
from tests.servers.webhook import Answer, refusing_port, webhook

MINUTE = 60_000


class House:
    def __init__(self, *models: str) -> None:
        self.clock = ManualClock(1_000_000)
        self.told = Told()
        self.beats: list[int] = []
        self.heartbeat = Heartbeat(self.told, self.beat, self.clock, MINUTE, models)

    def beat(self) -> str:
        self.beats.append(self.clock.now() - 1_000_000)
        return ""

    def run(self, ms: int) -> None:
        self.heartbeat.run(Until(self.clock, self.clock.now() + ms))


def test_it_beats_once_in_its_time_after_a_good_turn_of_every_model() -> None:
    house = House("a", "b")
    for _ in range(3):
        house.heartbeat.model("a", None)
        house.heartbeat.model("b", None)
        house.run(MINUTE)
    assert [round(at / MINUTE) for at in house.beats] == [0, 1, 2]
    assert house.told.parts["heartbeat"] == (True, "")


def test_it_is_silent_while_one_model_fails() -> None:
    house = House("a", "b")
    house.heartbeat.model("a", None)
    house.heartbeat.model("b", SourceUnavailable("no broker"))
    house.run(10 * MINUTE)
    assert house.beats == []
    assert [name for name, _ in house.told.errors] == ["b"]


def test_it_is_silent_when_no_turn_ends_any_more() -> None:
    house = House("a")
    house.heartbeat.model("a", None)
    house.run(10 * MINUTE)
    assert len(house.beats) == 1


def test_a_daemon_that_lost_its_lease_does_not_beat_for_what_it_did_before() -> None:
    house = House("a")
    house.heartbeat.model("a", None)
    house.heartbeat.part("lease", False, "taken over")
    house.run(MINUTE)
    assert house.beats == []
    assert house.told.parts["lease"] == (False, "taken over")


def test_a_model_that_is_dropped_is_not_waited_for() -> None:
    house = House("a", "b")
    house.heartbeat.watch(["a"])
    house.heartbeat.model("a", None)
    house.run(MINUTE)
    assert len(house.beats) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(200), ""),
        (Answer(503), "the receiver answered 503"),
        (Answer(302, {"Location": "http://127.0.0.1:1/"}), "the receiver answered 302"),
    ],
)
def test_a_beat_is_one_get_and_tells_why_it_did_not_arrive(answer: Answer, said: str) -> None:
    with webhook(answer) as receiver:
        beat = partial(via_http.get, receiver.url("http", "/ping/s3cret"))
        clock, told = ManualClock(), Told()
        heartbeat = Heartbeat(told, beat, clock, MINUTE, ["a"])
        heartbeat.model("a", None)
        heartbeat.run(Until(clock, clock.now() + 1_000))
        assert [request.path for request in receiver.received] == ["/ping/s3cret"]
    assert told.parts["heartbeat"] == (not said, said)


def test_a_receiver_that_is_away_is_told_without_its_url() -> None:
    assert via_http.get(f"http://127.0.0.1:{refusing_port()}/s3cret") == "no connection"

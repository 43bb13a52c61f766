"""A person's id in dead letters: however it is written, the bytes go; whoever else is in them stays out of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.events import Reject
from monitor.store.erasure import ERASED, IN_FLIGHT, without
from monitor.store.protocols import Command, Step
from monitor.store.verify import verify
from tests.store.places import Place, places


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    yield from places(request.param, tmp_path, request)


def letter(offset: int, raw: bytes | None, reason: str = "time is missing") -> Reject:
    return Reject(topic="t", partition=0, offset=offset, timestamp=1, reason=reason, raw=raw)


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("anna@example.org", b'{"user": "anna@example.org", "at": '),
        ("zo\u00eb", b'{"user": "zo\\u00eb"}'),
        ("zo\u00eb", '{"user": "zo\u00eb"}'.encode()),
        ('a"b', b'{"user": "a\\"b"}'),
        ("anna@example.org", b"user=anna%40example.org&x=1"),
        ("4711", b"\x08\x00\x084711\xff\xfe"),
    ],
)
def test_an_id_is_found_in_bytes_however_it_is_written(text: str, raw: bytes) -> None:
    assert without(letter(1, raw), text).raw is None


def test_a_letter_that_does_not_hold_the_id_is_left_as_it_is() -> None:
    for each in (letter(1, b'{"user": "bob"}'), letter(2, None)):
        assert without(each, "anna") is each


def test_a_reason_that_quotes_the_id_goes_and_one_that_holds_it_by_chance_stays() -> None:
    assert without(letter(1, None, 'time is the text "anna"'), "anna").reason == ERASED
    assert without(letter(1, None, "an annal of 17 bytes"), "anna").reason == "an annal of 17 bytes"
    assert without(letter(1, None, "an annal of 17 bytes"), "7").reason == "an annal of 17 bytes"


def test_dead_letters_of_one_model_are_rid_of_a_person_and_counted(place: Place) -> None:
    lease = place.lease()
    letters = [letter(n, b'{"user": "%s"}' % (b"anna" if n % 3 == 0 else b"bob")) for n in range(2_500)]
    place.store.commit(Step(model="feed", number=1, rejects=letters), lease)
    place.store.commit(Step(model="fraud", number=1, rejects=letters[:3]), lease)
    assert place.store.redact("feed", "anna").changed == 834
    assert place.store.redact("feed", "anna").changed == 0
    kept = place.store.rejects("feed", limit=10_000)
    assert len(kept) == 2_500
    assert {each.raw for each in kept} == {None, b'{"user": "bob"}'}
    assert sum(each.raw is None for each in kept) == 834
    assert place.store.rejects("fraud")[-1].raw == b'{"user": "anna"}'


def test_what_came_between_the_search_and_the_turn_that_takes_the_erasure_is_rid_of_everything(place: Place) -> None:
    lease = place.lease()
    store = place.store
    place.store.commit(Step(model="fraud", number=1, rejects=[letter(1, b"anna")]), lease)
    assert store.redact("feed", "anna") == (0, -1)
    store.commit(Step(model="feed", number=1, rejects=[letter(n, b"bob") for n in range(3)]), lease)
    changed, through = store.redact("feed", "anna")
    assert changed == 0
    store.commit(Step(model="feed", number=2, rejects=[letter(7, b"anna", 'time is the text "anna"')]), lease)
    store.commit(Step(model="fraud", number=2, rejects=[letter(2, b"anna")]), lease)
    asked = store.submit(
        Command(number=0, model="feed", verb="erase", arguments={"unit": 5, "after": through}, author="ana")
    )
    store.commit(Step(model="feed", number=3, rejects=[letter(8, b"bob")], commands=[asked]), lease)
    found = {each.offset: (each.raw, each.reason) for each in store.rejects("feed")}
    assert found[7] == (None, IN_FLIGHT)
    assert {n for n, (raw, _) in found.items() if raw == b"bob"} == {0, 1, 2, 8}
    assert [each.raw for each in store.rejects("fraud")] == [b"anna", b"anna"]
    assert verify(store, "feed").faults == []

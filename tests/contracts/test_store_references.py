"""References in every store: kept once, adopted by a recorded act."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from monitor.store.protocols import Reference
from tests.store.places import NOW, Place, places

FIRST = Reference(
    model="feed",
    watch="score",
    version="a1",
    learned_as="i1",
    state=b"\x00learned\xff",
    start=1_000,
    end=9_000,
    records=400,
    failed="it crossed its bound",
    built_at=NOW,
    built_by="somebody",
)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    yield from places(request.param, tmp_path, request)


def test_a_reference_is_kept_once_and_found_after_a_restart(place: Place) -> None:
    later = msgspec.structs.replace(FIRST, version="b2", built_at=NOW + 5, failed="")
    place.store.keep_reference(FIRST)
    place.store.keep_reference(msgspec.structs.replace(FIRST, records=1))
    place.store.keep_reference(later)
    store = place.open()
    assert list(store.references("feed")) == [later, FIRST]
    assert store.references("other") == []


def test_adopting_leaves_a_command_with_author_and_time_for_the_audit(place: Place) -> None:
    place.store.keep_reference(FIRST)
    assert place.store.adopt_reference("feed", "score", "a1", "anna", NOW + 7)
    assert list(place.store.references("feed")) == [
        msgspec.structs.replace(FIRST, adopted_at=NOW + 7, adopted_by="anna")
    ]
    (command,) = place.store.commands("feed")
    assert (command.verb, command.target, command.author, command.asked_at) == ("adopt", "score", "anna", NOW + 7)
    assert command.arguments == {
        "version": "a1",
        "from": 1_000,
        "to": 9_000,
        "records": 400,
        "failed": "it crossed its bound",
    }


def test_a_reference_that_is_not_there_is_not_adopted(place: Place) -> None:
    assert not place.store.adopt_reference("feed", "score", "none", "anna", NOW)
    assert place.store.commands("feed") == []

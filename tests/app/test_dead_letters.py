"""`loopwatch dead-letters`: what is there, why, and once more."""

from __future__ import annotations

import json

import pytest

from monitor.app import open_store
from monitor.clock import SystemClock
from monitor.events import Reject
from monitor.store.protocols import Step
from tests.app.conftest import CommandLine

MODEL = "open-bandit"
EVIL = "<!channel> \x1b[31m\u202e[bold]x[/bold]\nforged: line"


def letter(offset: int, **more: object) -> Reject:
    given = {
        "topic": "predictions",
        "partition": 0,
        "offset": offset,
        "timestamp": 1_700_000_000_000,
        "reason": "no JSON",
    }
    return Reject(**(given | more))  # type: ignore[arg-type]  # as named


@pytest.fixture
def stored(loopwatch: CommandLine) -> CommandLine:
    store = open_store(loopwatch.database, SystemClock())
    lease = store.acquire("test", 60_000)
    assert lease is not None
    rejects = [letter(1), letter(2, field="time", reason=EVIL), letter(3, field="time", raw=b'{"a":\xff\x1b}')]
    store.commit(Step(model=MODEL, number=1, rejects=rejects), lease)
    store.release(lease)
    store.close()
    return loopwatch


def asked(loopwatch: CommandLine) -> list[list[object]]:
    store = open_store(loopwatch.database, SystemClock())
    places = [place for c in store.commands(MODEL) for place in c.arguments["places"]]
    store.close()
    return places


def test_they_are_listed_newest_first_and_nothing_in_them_is_obeyed(stored: CommandLine) -> None:
    done = stored("dead-letters", "list", "--model", MODEL)
    assert done.exit_code == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "predictions:0:" in line]
    assert [line.split()[0] for line in lines] == ["predictions:0:3", "predictions:0:2", "predictions:0:1"]
    assert "3 dead letter(s)" in done.stdout
    assert "[bold]x[/bold]" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    few = stored("dead-letters", "list", "--model", MODEL, "--limit", "1")
    assert "and 2 older" in few.stdout
    told = stored("dead-letters", "list", "--model", MODEL, "--json")
    assert [json.loads(line)["offset"] for line in told.stdout.splitlines()] == [3, 2, 1]


def test_one_is_shown_with_its_bytes_where_they_are_kept(stored: CommandLine) -> None:
    kept = stored("dead-letters", "show", "predictions:0:3", "--model", MODEL)
    assert r'{"a":\xff\x1b}' in kept.stdout
    other = stored("dead-letters", "show", "predictions:0:2", "--model", MODEL)
    assert "not kept; keep_raw: true" in other.stdout
    assert "\x1b" not in other.stdout
    absent = stored("dead-letters", "show", "predictions:0:9", "--model", MODEL)
    assert absent.exit_code == 2
    assert "no dead letter at predictions:0:9" in absent.stderr


@pytest.mark.parametrize(
    ("words", "offsets"),
    [(["predictions:0:2"], [2]), (["--field", "time"], [2, 3]), (["--all"], [1, 2, 3])],
)
def test_some_or_all_are_asked_for_once_more(stored: CommandLine, words: list[str], offsets: list[int]) -> None:
    done = stored("dead-letters", "requeue", *words, "--model", MODEL)
    assert done.exit_code == 0, done.stderr
    assert f"{len(offsets)} record(s) are read again" in done.stdout
    assert asked(stored) == [["predictions", 0, offset] for offset in offsets]


@pytest.mark.parametrize("words", [[], ["--all", "--field", "time"], ["predictions:0:2", "--all"]])
def test_which_must_be_said(stored: CommandLine, words: list[str]) -> None:
    done = stored("dead-letters", "requeue", *words, "--model", MODEL)
    assert done.exit_code == 2
    assert "say which" in done.stderr
    assert asked(stored) == []


def test_an_unknown_model_is_named(stored: CommandLine) -> None:
    assert "no model named 'absent'" in stored("dead-letters", "list", "--model", "absent").stderr

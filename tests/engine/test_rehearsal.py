"""What only rehearsed to page, and is still open when the rehearsal ends, is told as a page; once, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.alerting.alert import Kind, Notification
from monitor.clock import ManualClock
from monitor.ingest.mapping import PREDICTIONS
from monitor.ingest.via_memory import MemorySource
from monitor.store.protocols import Command
from monitor.store.via_memory import MemoryStore
from monitor.testing import Run, Told
from tests.engine.shop import START
from tests.engine.uneven import WINDOW, plan_of, tape

BROKEN, MENDED = [(5, 5)] * 20 + [(2, 8)] * 20, [(5, 5)] * 25


def run(folder: Path, rehearsal: str, windows: list[tuple[int, int]], armed_after: int | None = None) -> Told:
    """A tape in turns of 20 records; `arm` is asked for, twice, when so many windows are closed."""
    clock = ManualClock()
    store = MemoryStore(clock)
    made = Run(plan_of(folder, rehearsal=rehearsal), MemorySource(tape(windows)), store, clock, 20, 20)
    if armed_after is not None:
        turns, lease = made.turns(), made.lease()
        while turns.memory.lanes.get(PREDICTIONS, 0) < START + armed_after * WINDOW:
            turns.turn(lease)
        for _ in range(2):
            store.submit(Command(number=0, model="feed", verb="arm"))
        return made.to_the_end(turns)
    return made.to_the_end()


def of_holdout(told: Told) -> list[Notification]:
    own = {a.id for a in told.alerts if a.watch == "holdout"}
    return [n for n in told.outbox if n.alert in own]


def heard(told: Told) -> list[tuple[Kind, str]]:
    return [(n.kind, n.destination) for n in of_holdout(told) if n.severity == "page"]


def test_a_page_that_is_still_open_is_told_once_when_the_model_is_armed(tmp_path: Path) -> None:
    told = run(tmp_path, "14d", BROKEN, armed_after=38)
    assert heard(told) == [(Kind.ESCALATED, "digest"), (Kind.ARMED, "oncall")]
    rehearsed, page = (n for n in of_holdout(told) if n.severity == "page")
    assert (rehearsed.rehearsal, page.rehearsal) == (True, False)
    assert rehearsed.title.startswith("[rehearsal] would have paged: ")
    assert page.title.startswith("feed: the holdout is larger than planned")
    assert "Told now because the rehearsal is over: it opened before that, and is still open." in page.text
    assert "In rehearsal" not in page.text


def test_what_has_recovered_before_is_not_told_again(tmp_path: Path) -> None:
    told = run(tmp_path, "14d", BROKEN + MENDED, armed_after=62)
    assert [kind for kind, _ in heard(told)] == [Kind.ESCALATED, Kind.RESOLVED]


def test_a_rehearsal_that_is_over_is_not_begun_again_by_a_longer_one(tmp_path: Path) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    ending = Run(plan_of(tmp_path, rehearsal="40m"), MemorySource(tape(BROKEN)), store, clock, 20, 20)
    turns, lease = ending.turns(), ending.lease()
    while turns.memory.lanes.get(PREDICTIONS, 0) < START + 20 * WINDOW:
        turns.turn(lease)
    longer = Run(plan_of(tmp_path, rehearsal="14d"), MemorySource(tape(BROKEN)), store, clock, 20, 20)
    assert heard(longer.to_the_end()) == [(Kind.ESCALATED, "oncall")]


@pytest.mark.parametrize("rehearsal", ["190m", "0s"])
def test_a_rehearsal_that_ends_by_itself_tells_it_too_and_without_one_it_is_told_at_once(
    tmp_path: Path, rehearsal: str
) -> None:
    told = heard(run(tmp_path, rehearsal, BROKEN))
    first = [(Kind.ESCALATED, "digest"), (Kind.ARMED, "oncall")]
    assert told == (first if rehearsal != "0s" else [(Kind.ESCALATED, "oncall")])

"""One unit is forgotten: its hash is in no row any more, nobody else notices, and a restart sees the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from detectors import snapshot
from monitor.clock import ManualClock
from monitor.engine import Engine, Observed
from monitor.events import Reject
from monitor.ingest.identity import Identities
from monitor.ingest.mapping import PREDICTIONS
from monitor.ingest.via_memory import MemorySource
from monitor.join.pending import unpack_rows
from monitor.memory import load
from monitor.store.erasure import IN_FLIGHT
from monitor.store.protocols import Command, Image, Store
from monitor.store.verify import verify
from monitor.store.via_memory import MemoryStore
from monitor.testing import Contents, Run
from monitor.turns import ModelTurns
from tests.engine.canonical import rooms, same_as_loaded
from tests.engine.shop import MINUTE, START, shop_contents, shop_plan

PLAN = shop_plan()


def half_way(contents: Contents) -> Iterator[tuple[Store, ModelTurns, Run]]:
    clock = ManualClock()
    store = MemoryStore(clock)
    run = Run(PLAN, MemorySource(contents), store, clock, 20)
    turns, lease = run.turns(), run.lease()
    while turns.memory.lanes.get(PREDICTIONS, 0) < START + 100 * MINUTE:
        turns.turn(lease)
    yield store, turns, run


@pytest.fixture
def person() -> str:
    """Somebody who waits in the rows at half time, and is enrolled."""
    (found,) = [store.load("shop") for store, _, _ in half_way(shop_contents())]
    units = np.concatenate([unpack_rows(c.data).unit for c in found.chunks if c.stream == PREDICTIONS])
    hashes = {Identities(PLAN.hash_key).of(f"u{n}"): f"u{n}" for n in range(4_000)}
    return hashes[int(units[0])]


def erased(store: Store, turns: ModelTurns, run: Run, unit: int) -> None:
    store.submit(Command(number=0, model="shop", verb="erase", arguments={"unit": unit}, author="ana"))
    turns.on_step = same_as_loaded(store)
    turns.turn(run.lease())
    turns.on_step = None


def in_rows(image: Image) -> set[int]:
    """Every unit hash of the waiting rows."""
    return {unit for chunk in image.chunks for unit in unpack_rows(chunk.data).unit.tolist()}


def enrolled(image: Image) -> set[int]:
    """Every unit hash of the tables of units; marks that many units share are none."""
    runs = [page for page in image.pages if ".gone." not in page.key]
    tables = [page.data for page in runs if page.room.partition(".")[0] in ("units", "voters")]
    return {unit for data in tables if data is not None for unit in snapshot.unpack(data)["unit"].tolist()}


def test_a_unit_is_in_no_row_once_its_erasure_is_taken_and_all_others_stay(person: str) -> None:
    unit = Identities(PLAN.hash_key).of(person)
    for store, turns, run in half_way(shop_contents()):
        before = store.load("shop")
        assert unit in in_rows(before) & enrolled(before)
        erased(store, turns, run, unit)
        after = store.load("shop")
        assert unit not in in_rows(after) | enrolled(after)
        assert enrolled(before) - enrolled(after) == {unit}
        raw = unit.to_bytes(8, "little")
        stored = [chunk.data for chunk in after.chunks] + [page.data or b"" for page in after.pages]
        assert not any(raw in data for data in stored)
        assert rooms(load(PLAN, after)) == rooms(turns.memory)


def test_its_predictions_leave_the_ids_that_are_remembered_and_their_outcomes_the_waiting_rows(person: str) -> None:
    unit = Identities(PLAN.hash_key).of(person)
    for store, turns, run in half_way(shop_contents()):
        memory = turns.memory
        ids = set[int]()
        for slot in memory.pending.slots(PREDICTIONS):
            rows = memory.pending.rows(PREDICTIONS, slot)
            ids |= set(rows.hashes("id")[rows.unit == np.uint64(unit)].tolist())
        assert ids
        erased(store, turns, run, unit)
        image = store.load("shop")
        for page in image.pages:
            if page.room in ("ids", "drops") and page.data is not None:
                assert not ids & set(snapshot.unpack(page.data).tolist())
        for chunk in image.chunks:
            named = unpack_rows(chunk.data).fields.get("id")
            if named is not None:
                assert not ids & set(named.values.tolist())  # type: ignore[union-attr]


def test_the_audit_stays_whole_and_tells_of_the_act_but_not_of_whom(person: str) -> None:
    unit = Identities(PLAN.hash_key).of(person)
    for store, turns, run in half_way(shop_contents()):
        erased(store, turns, run, unit)
        assert verify(store, "shop").faults == []
        details = [
            text
            for link in store.links("shop")
            for text in store.details("shop", link.position, link.position).values()
        ]
        assert sum('"verb":"erase"' in text for text in details) == 1
        assert not any(str(unit) in text for text in details)


def test_somebody_unknown_changes_nothing_that_is_told() -> None:
    undisturbed = Run(PLAN, MemorySource(shop_contents()), MemoryStore(ManualClock()), ManualClock(), 20).to_the_end()
    for store, turns, run in half_way(shop_contents()):
        before = enrolled(store.load("shop"))
        erased(store, turns, run, 12345)
        assert before <= enrolled(store.load("shop"))
        assert run.to_the_end(turns).lines() == undisturbed.lines()


def test_the_run_goes_on_to_the_end_after_an_erasure(person: str) -> None:
    unit = Identities(PLAN.hash_key).of(person)
    for store, turns, run in half_way(shop_contents()):
        erased(store, turns, run, unit)
        told = run.to_the_end(turns)
        undisturbed = Run(
            PLAN, MemorySource(shop_contents()), MemoryStore(ManualClock()), ManualClock(), 20
        ).to_the_end()
        assert {a.watch for a in told.alerts} == {a.watch for a in undisturbed.alerts}


def test_dead_letters_of_the_turn_that_takes_an_erasure_hold_nothing() -> None:
    memory = load(PLAN, Image())
    reject = Reject(topic="t", partition=0, offset=1, timestamp=1, reason="time is the text 'u7'", raw=b"u7")
    memory.turn.reject([reject])
    asked = Command(number=1, model="shop", verb="erase", arguments={"unit": 5, "after": 0})
    step = Engine(PLAN).close(memory, [asked], Observed(now=0, sources=frozenset()))
    assert [(each.offset, each.raw, each.reason) for each in step.rejects] == [(1, None, IN_FLIGHT)]

"""A daemon that is told to end commits what its turns have begun with, though a turn may wait for more."""

from __future__ import annotations

import pytest

from monitor.clock import ManualClock
from monitor.daemon import Daemon
from monitor.engine import Engine
from monitor.ingest.via_memory import MemorySource, Record
from monitor.memory import load
from monitor.store.protocols import Lease, LeaseLost, Step, StoreError, StoreUnavailable
from monitor.store.via_memory import MemoryStore
from monitor.turns import ModelTurns
from tests.daemon.test_daemon import Told
from tests.engine.shop import START, event, shop_plan


class Failing(MemoryStore):
    """Commits nothing while `fault` is set."""

    fault: StoreError | None = None

    def commit(self, step: Step, lease: Lease) -> None:
        if self.fault is not None:
            raise self.fault
        super().commit(step, lease)


class House:
    """A daemon over one live partition, in which no time passes between its turns."""

    def __init__(self) -> None:
        clock, self.told = ManualClock(START), Told()
        self.store, self.source = Failing(clock), MemorySource({}, live=True)
        self.records = 0
        self.come(2)
        turns = ModelTurns(Engine(shop_plan()), self.source, self.store, clock)
        self.daemon = Daemon([turns], self.store, clock, self.told, "us")

    def come(self, count: int) -> None:
        for _ in range(count):
            at, where, body = event("slates", 0, START, slate=f"s{self.records}", who="u1", at=START, shown=[])
            self.source.append(where, [Record(body, self.records, at)])
            self.records += 1

    def run(self, *, fault: StoreError | None = None) -> None:
        """Two records are there and are committed; three more come, are read, and at once it is told to end."""
        house, asked = self, 0

        class ToldToEnd:
            def is_set(self) -> bool:
                nonlocal asked
                asked += 1
                if asked == 3:  # asked before every round, and before every turn
                    assert house.read() == 2
                    house.come(3)
                    house.store.fault = fault
                return asked == 5

        self.daemon.run(ToldToEnd())
        assert not any(self.source.behind().values())

    def read(self) -> int:
        """Records that were read, as the committed state counts them."""
        return load(shop_plan(), self.store.load("shop")).counters["predictions.read"]


def test_what_a_turn_has_begun_with_is_committed_at_the_end() -> None:
    house = House()
    house.run()
    assert house.read() == 5
    assert house.told.errors == []


@pytest.mark.parametrize("fault", [StoreUnavailable("no connection"), LeaseLost("taken over")])
def test_a_store_that_takes_nothing_at_the_end_keeps_nobody_and_loses_nothing(fault: StoreError) -> None:
    house = House()
    house.run(fault=fault)
    assert house.read() == 2
    assert house.daemon.lease is None
    house.store.fault = None
    house.daemon.run(_Rounds(2))
    assert house.read() == 5


class _Rounds:
    def __init__(self, rounds: int) -> None:
        self.left = 2 * rounds

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0

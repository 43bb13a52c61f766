"""The loop: the lease, isolation of models, rests after a failure, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import pytest

from monitor.clock import ManualClock
from monitor.daemon import LEASE_MS, Daemon
from monitor.ingest.source import SourceRefused, SourceUnavailable
from monitor.ingest.via_memory import MemorySource
from monitor.store.protocols import Lease, LeaseLost, OutOfStep, StateStore, StoreRefused, StoreUnavailable
from monitor.store.via_memory import MemoryStore
from monitor.turns import ModelTurns


class Turns:
    """Stands in for `ModelTurns`: `script` gives what each turn raises; then every turn goes well and takes 100 ms."""

    def __init__(self, model: str, clock: ManualClock, script: Sequence[Exception | None] = ()) -> None:
        self.model, self.clock = model, clock
        self.script = list(script)
        self.began: list[int] = []
        self.forgotten = self.finished = 0
        self.during: Callable[[], object] = int
        self.source = MemorySource({})

    def turn(self, _lease: Lease, _timeout_ms: int) -> None:
        self.began.append(self.clock.now())
        self.clock.sleep(100)
        self.during()
        if self.script and (error := self.script.pop(0)) is not None:
            raise error

    def finish(self, _lease: Lease) -> None:
        self.finished += 1

    def forget(self) -> None:
        self.forgotten += 1


class Told:
    def __init__(self) -> None:
        self.parts: dict[str, tuple[bool, str]] = {}
        self.errors: list[tuple[str, Exception]] = []

    def part(self, name: str, ok: bool, reason: str = "") -> None:
        self.parts[name] = ok, reason

    def model(self, name: str, error: Exception | None) -> None:
        if error is not None:
            self.errors.append((name, error))


class Until:
    """A stop signal that is set at a time of the clock."""

    def __init__(self, clock: ManualClock, at: int) -> None:
        self.clock, self.at = clock, at

    def is_set(self) -> bool:
        return self.clock.now() >= self.at


class Flaky(MemoryStore):
    """A store whose lease calls fail while `fault` is set."""

    fault: Exception | None = None

    def acquire(self, owner: str, ttl_ms: int) -> Lease | None:
        self._fail()
        return super().acquire(owner, ttl_ms)

    def renew(self, lease: Lease, ttl_ms: int) -> Lease:
        self._fail()
        return super().renew(lease, ttl_ms)

    def release(self, lease: Lease) -> None:
        self._fail()
        super().release(lease)

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


class House:
    def __init__(self, *scripts: Sequence[Exception | None], lease_ms: int = LEASE_MS) -> None:
        self.clock = ManualClock(1_000_000)
        self.store = Flaky(self.clock)
        self.told = Told()
        self.turns = [Turns(f"model-{i}", self.clock, script) for i, script in enumerate(scripts)]
        self.daemon = Daemon(
            cast("list[ModelTurns]", self.turns),
            cast("StateStore", self.store),
            self.clock,
            self.told,
            "us",
            lease_ms,
        )

    def run(self, ms: int) -> None:
        self.daemon.run(Until(self.clock, self.clock.now() + ms))


def test_every_model_gets_its_turn_again_and_again() -> None:
    house = House((), ())
    house.run(10_000)
    assert [len(t.began) for t in house.turns] == [50, 50]
    assert house.told.parts["lease"] == (True, "")
    assert house.told.parts["store"] == (True, "")


def test_the_lease_is_renewed_long_before_it_ends_and_given_back_at_the_end() -> None:
    house = House((), lease_ms=3_000)
    seen: list[bool] = []
    house.turns[0].during = lambda: seen.append(house.store.acquire("somebody", 3_000) is None)
    house.run(20_000)
    assert len(seen) == 200
    assert all(seen)
    assert house.daemon.lease is None
    assert house.store.acquire("somebody", 3_000) is not None


def test_a_second_daemon_gets_no_turn_until_the_first_ones_lease_ends() -> None:
    house = House((), lease_ms=3_000)
    house.store.acquire("another", 8_000)
    house.run(5_000)
    assert house.turns[0].began == []
    assert house.told.parts["lease"] == (False, "another daemon owns the store; standing by")
    house.run(5_000)
    assert house.turns[0].began[0] == 1_000_000 + 8_000
    assert house.told.parts["lease"] == (True, "")


def test_a_daemon_that_lost_its_lease_forgets_everything_and_stands_by() -> None:
    house = House((LeaseLost("taken over"),), ())

    def usurp() -> None:
        house.clock.time += LEASE_MS
        house.store.acquire("another", 10 * LEASE_MS)
        house.turns[0].during = int

    house.turns[0].during = usurp
    house.run(LEASE_MS + 5_000)
    assert [len(t.began) for t in house.turns] == [1, 0]
    assert [t.forgotten for t in house.turns] == [1, 1]
    assert house.daemon.lease is None
    assert not house.told.parts["lease"][0]


def test_a_lease_found_lost_when_it_is_renewed_is_told_too() -> None:
    house = House(())
    house.turns[0].during = lambda: setattr(house.store, "fault", LeaseLost("gone"))
    house.run(LEASE_MS)
    assert house.told.parts["lease"] == (False, "the lease was taken over by another daemon; standing by")


@pytest.mark.parametrize("fault", [StoreUnavailable("no connection"), StoreRefused("no right to write")])
def test_a_store_that_cannot_be_reached_is_waited_for(fault: Exception) -> None:
    house = House(())
    house.store.fault = fault
    house.run(5_000)
    assert house.turns[0].began == []
    assert house.told.parts["store"] == (False, str(fault))
    house.store.fault = None
    house.run(5_000)
    assert len(house.turns[0].began) == 50
    assert house.told.parts["store"] == (True, "")


def test_a_store_that_is_away_at_the_end_does_not_keep_the_daemon() -> None:
    house = House(())
    house.turns[0].during = lambda: setattr(house.store, "fault", StoreUnavailable("away"))
    house.run(1_000)
    assert house.daemon.lease is None


@pytest.mark.parametrize(
    ("error", "rest_ms"),
    [
        (StoreUnavailable("away"), 1_000),
        (OutOfStep("step 3 does not follow 1"), 1_000),
        (SourceUnavailable("no broker"), 1_000),
        (SourceRefused("no such topic"), 30_000),
        (ZeroDivisionError("a bug"), 30_000),
    ],
)
def test_a_failing_model_rests_and_the_others_never_notice(error: Exception, rest_ms: int) -> None:
    house = House((error,), ())
    house.run(60_000)
    broken, well = house.turns
    assert house.told.errors == [("model-0", error)]
    assert rest_ms <= broken.began[1] - broken.began[0] <= rest_ms + 400
    assert max(b - a for a, b in zip(well.began, well.began[1:], strict=False)) <= 200


def test_rests_double_up_to_half_a_minute_and_begin_small_again_after_a_good_turn() -> None:
    away = SourceUnavailable("no broker")
    house = House([away] * 8 + [None, away])
    house.run(250_000)
    rests = [b - a for a, b in zip(house.turns[0].began, house.turns[0].began[1:], strict=False)]
    assert [round(rest / 1_000) for rest in rests[:10]] == [1, 2, 4, 8, 16, 30, 30, 30, 0, 1]


def test_a_store_that_failed_in_a_turn_is_well_after_the_next_good_one() -> None:
    house = House((StoreUnavailable("away"),))
    house.run(150)
    assert house.told.parts["store"] == (False, "away")
    house.run(2_000)
    assert house.told.parts["store"] == (True, "")


def test_a_config_taken_up_before_the_last_one_was_loses_none_of_the_changes() -> None:
    house = House((), ())
    first, second = house.turns
    models, anew = [first.model, second.model], [Turns(t.model, house.clock) for t in house.turns]
    for turns in anew:
        house.daemon.take_up(models, {turns.model: cast("ModelTurns", turns)})
    house.run(1_000)
    assert [len(turns.began) for turns in anew] == [5, 5]
    assert not first.began + second.began


def test_a_source_that_cannot_be_closed_keeps_no_change_from_being_taken_up_whole() -> None:
    house = House((), ())
    first, second = house.turns

    def broken() -> None:
        raise OSError("the socket is gone")

    first.source.close = broken  # type: ignore[method-assign]
    anew = Turns("model-2", house.clock)
    house.daemon.take_up([second.model, anew.model], {anew.model: cast("ModelTurns", anew)})
    house.run(1_000)
    assert [len(turns.began) for turns in (first, second, anew)] == [0, 5, 5]

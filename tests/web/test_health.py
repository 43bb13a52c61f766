"""Health: not ready until every part says so."""

from __future__ import annotations

from monitor.clock import ManualClock
from monitor.web.health import Health, Part


def test_nothing_is_ready_before_it_was_told() -> None:
    health = Health(ManualClock(5))
    assert not health.ready()
    assert list(health.parts()) == ["source", "store", "lease", "models"]
    assert health.parts()["store"] == Part(False, "not started yet", 5)


def test_one_part_that_is_not_ok_is_enough_not_to_be_ready() -> None:
    health = Health(ManualClock())
    for part in health.parts():
        health.set(part, True)
    assert health.ready()
    health.set("store", False, "no connection")
    assert not health.ready()


def test_since_tells_when_ok_changed_not_when_it_was_last_told() -> None:
    clock = ManualClock(100)
    health = Health(clock, ["store"])
    clock.sleep(10)
    health.set("store", False, "no connection")
    assert health.parts()["store"] == Part(False, "no connection", 100)
    clock.sleep(10)
    health.set("store", True)
    clock.sleep(10)
    health.set("store", True, "8 ms a commit")
    assert health.parts()["store"] == Part(True, "8 ms a commit", 120)


def test_a_part_that_was_not_named_before_counts_too() -> None:
    health = Health(ManualClock(7), [])
    health.set("relay", False, "two rows parked")
    assert health.parts() == {"relay": Part(False, "two rows parked", 7)}
    assert not health.ready()

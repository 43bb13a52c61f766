"""Garbage at the very end of files is judged too, though no window closes after it."""

from __future__ import annotations

import functools

import pytest

from monitor.clock import ManualClock
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource
from monitor.store.via_memory import MemoryStore
from monitor.testing import Contents, Run, Told
from tests.engine.shop import ARRIVALS, MINUTE, START, contents, shop_events, shop_plan, with_watches

GARBAGE = 200
END = START + 60 * MINUTE
CLICKS = TopicPartition("clicks", 0)


def an_hour(garbage: int) -> Contents:
    """An hour of the shop, its clicks followed by garbage."""
    return contents([*shop_events(1), *((END, CLICKS, b"\xff") for _ in range(garbage))])


@functools.cache
def told(garbage: int, poll_size: int = 10_000, *, restart: bool = False) -> Told:
    plan = shop_plan()
    of_arrivals = with_watches(plan, (watch for watch in plan.watches if watch.key in ARRIVALS))
    clock = ManualClock()
    run = Run(of_arrivals, MemorySource(an_hour(garbage)), MemoryStore(clock), clock, poll_size, poll_size, restart)
    return run.to_the_end()


def test_garbage_behind_the_last_window_opens_an_alert_and_its_end_is_no_silence() -> None:
    (alert,) = told(GARBAGE).alerts
    assert alert.watch == "rejects.click"
    assert alert.opened_at >= END


def test_an_end_without_garbage_is_nothing_to_tell() -> None:
    assert not told(0).alerts


@pytest.mark.parametrize(("poll_size", "restart"), [(97, False), (400, True)])
def test_the_end_is_judged_once_however_it_is_read(poll_size: int, *, restart: bool) -> None:
    assert told(GARBAGE, poll_size, restart=restart).lines() == told(GARBAGE).lines()

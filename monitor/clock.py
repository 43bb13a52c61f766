"""Wall time as something handed in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Wall time in ms since the epoch, UTC. Read in adapters and the daemon's loop only."""

    def now(self) -> int:
        """The current time, ms."""

    def sleep(self, ms: int) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The current time, ms."""
        return time.time_ns() // 1_000_000

    def sleep(self, ms: int) -> None:
        """Wait."""
        time.sleep(ms / 1000)


class SteadyClock:
    """Wall time that a step of the machine's clock does not move at once. Safe to share between threads.

    It runs with the monotonic clock, and follows the wall clock as long as that drifts. When the wall clock steps by more than
    `slack_ms`, forward or back, it is believed only once it has kept to the new time for `patience_ms`: so an instant of wrong
    time wakes nobody, and a lasting correction counts from then on.

    wall       the machine's wall clock; also sleeps.
    monotonic  ms of a clock that only goes forward.
    """

    def __init__(
        self,
        wall: Clock,
        monotonic: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        *,
        slack_ms: int = 2_000,
        patience_ms: int = 60_000,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._slack, self._patience = slack_ms, patience_ms
        self._lock = threading.Lock()
        self._ahead = wall.now() - monotonic()
        self._claimed: tuple[int, int] | None = None

    def now(self) -> int:
        """The current time, ms."""
        with self._lock:
            run = self._monotonic()
            ahead = self._wall.now() - run
            if abs(ahead - self._ahead) <= self._slack:
                self._ahead, self._claimed = ahead, None
            elif self._claimed is None or abs(ahead - self._claimed[0]) > self._slack:
                self._claimed = ahead, run
            elif run - self._claimed[1] >= self._patience:
                self._ahead, self._claimed = ahead, None
            return run + self._ahead

    def doubted_ms(self) -> int:
        """How far the wall clock is off what is believed, ms; 0 while they agree."""
        claimed = self._claimed
        return 0 if claimed is None else claimed[0] - self._ahead

    def sleep(self, ms: int) -> None:
        """Wait."""
        self._wall.sleep(ms)


class ManualClock:
    """A clock that moves only when told: for tests and replay."""

    def __init__(self, now: int = 0) -> None:
        self.time = now

    def now(self) -> int:
        """The time it was set to, ms."""
        return self.time

    def sleep(self, ms: int) -> None:
        """Move on by `ms` at once."""
        self.time += ms

"""Wall time as something handed in."""

from __future__ import annotations

import time
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

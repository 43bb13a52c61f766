"""The outbound heartbeat: somebody outside hears regularly that all is well, and misses it when it is not.

A dead-man's switch: it beats only when every model has had a good turn since the last beat, under this daemon's lease. So it
falls silent when the daemon dies, hangs, waits for a server, stands by with nobody working, or fails in one model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from monitor.clock import Clock
from monitor.relay import Stop

_LOOK_MS = 500


class Told(Protocol):
    """Who hears how turns went, and whether the heartbeat arrives; see `monitor.daemon.Told`."""

    def part(self, name: str, ok: bool, reason: str = "") -> None:
        """A part of the daemon is well, or why it is not."""

    def model(self, name: str, error: Exception | None) -> None:
        """A model's turn went well, or why it did not."""


class Heartbeat:
    """Stands between the daemon and `told`, and notes which models had a good turn. `run` belongs to a thread of its own.

    beat    tells somebody outside; returns why it could not, or "". May block for some seconds; never raises.
    every   ms between two beats at least.
    """

    def __init__(self, told: Told, beat: Callable[[], str], clock: Clock, every: int, models: Iterable[str]) -> None:
        self._told, self._beat, self._clock, self._every = told, beat, clock, every
        self._lock = threading.Lock()
        self._models = frozenset(models)
        self._well: set[str] = set()

    def watch(self, models: Iterable[str]) -> None:
        """Another set of models, from now on."""
        with self._lock:
            self._models = frozenset(models)

    def part(self, name: str, ok: bool, reason: str = "") -> None:
        """Passed on; when the lease is lost, what went well before does not count."""
        if name == "lease" and not ok:
            with self._lock:
                self._well.clear()
        self._told.part(name, ok, reason)

    def model(self, name: str, error: Exception | None) -> None:
        """Passed on; a good turn counts towards the next beat."""
        if error is None:
            with self._lock:
                self._well.add(name)
        self._told.model(name, error)

    def run(self, stop: Stop) -> None:
        """Beat until told to stop."""
        last = self._clock.now() - self._every
        while not stop.is_set():
            now = self._clock.now()
            if not 0 <= now - last < self._every and self._all_well():
                last = now
                reason = self._beat()
                self._told.part("heartbeat", not reason, reason)
            self._clock.sleep(_LOOK_MS)

    def _all_well(self) -> bool:
        """Whether every model had a good turn since the last beat; a beat begins the count anew."""
        with self._lock:
            if not self._models or not self._models <= self._well:
                return False
            self._well.clear()
            return True

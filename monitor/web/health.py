"""Whether the daemon can do its work now, part by part, with a reason and since when."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.clock import Clock

PARTS = ("source", "store", "lease", "models")


@dataclass(frozen=True, slots=True)
class Part:
    """One part's state. `since` is wall time, ms: when `ok` last changed. `reason` is plain words, free of secrets."""

    ok: bool
    reason: str
    since: int


class Health:
    """Set by the daemon's threads, read by the web server's; thread-safe. A part that was never set is not ok."""

    def __init__(self, clock: Clock, parts: Iterable[str] = PARTS) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._notes: dict[str, str] = {}
        now = clock.now()
        self._parts = {name: Part(False, "not started yet", now) for name in parts}

    def set(self, part: str, ok: bool, reason: str = "") -> None:
        """Tell a part's state; a new reason alone does not move `since`. A part not named before is added."""
        with self._lock:
            before = self._parts.get(part)
            since = before.since if before and before.ok == ok else self._clock.now()
            self._parts[part] = Part(ok, reason, since)

    def note(self, about: str, line: str) -> None:
        """Something a person should see although the daemon does its work; "" takes it back."""
        with self._lock:
            if line:
                self._notes[about] = line
            else:
                self._notes.pop(about, None)

    def notes(self) -> dict[str, str]:
        """A copy, by what they are about."""
        with self._lock:
            return dict(sorted(self._notes.items()))

    def parts(self) -> dict[str, Part]:
        """A copy, in the order in which the parts were named."""
        with self._lock:
            return dict(self._parts)

    def ready(self) -> bool:
        """Every part is ok."""
        return all(part.ok for part in self.parts().values())

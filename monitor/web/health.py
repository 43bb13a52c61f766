"""Whether the daemon can do its work now, part by part, with a reason and since when."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.clock import Clock

PARTS = ("source", "store", "lease", "models")
SILENCE_MS = 300_000
"""A part in `Health.told_often` that was not told of for so long is not ok: whoever tells of it hangs."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part's state. `since` is wall time, ms: when `ok` last changed. `reason` is plain words, free of secrets."""

    ok: bool
    reason: str
    since: int


class Health:
    """Set by the daemon's threads, read by the web server's; thread-safe. A part that was never set is not ok.

    told_often  parts that are told of again and again while all is well.
    """

    told_often = frozenset({"models"})

    def __init__(self, clock: Clock, parts: Iterable[str] = PARTS) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._notes: dict[str, str] = {}
        self._heard: dict[str, int] = {}
        now = clock.now()
        self._parts = {name: Part(False, "not started yet", now) for name in parts}

    def set(self, part: str, ok: bool, reason: str = "") -> None:
        """Tell a part's state; a new reason alone does not move `since`. A part not named before is added."""
        with self._lock:
            before = self._parts.get(part)
            since = before.since if before and before.ok == ok else self._clock.now()
            self._parts[part] = Part(ok, reason, since)
            self._heard[part] = self._clock.now()

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
            return {name: self._now(name, part) for name, part in self._parts.items()}

    def _now(self, name: str, part: Part) -> Part:
        heard = self._heard.get(name)
        if name not in self.told_often or not part.ok or heard is None:
            return part
        silent = self._clock.now() - heard
        if silent <= SILENCE_MS:
            return part
        return Part(
            False, f"no turn has ended for {silent // 60_000} minutes: the daemon hangs, or is not scheduled", heard
        )

    def ready(self) -> bool:
        """Every part is ok."""
        return all(part.ok for part in self.parts().values())

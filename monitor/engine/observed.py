"""What a turn knows of the world outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitor.events import TopicPartition
from monitor.memory import Source


@dataclass(frozen=True, slots=True)
class Observed:
    """Facts about the world outside that a turn depends on; recorded with its step.

    now             wall time, ms.
    held            partitions that are not read on for now, because too many rows wait for the slowest one.
    received        wall time by which the turn's records are judged: none has come later, whatever its stamp says.
    sources         every stream and partition that is read now.
    idle            those that hold nothing back: caught up, and silent for a while.
    finished        nothing will ever come again: windows up to the last event are closed.
    arrivals_until  arrival time up to which everything has been read, ms; None if unknown. In a replay arrival time is event
                    time, late records have none, and this is ignored.
    """

    now: int
    sources: frozenset[Source]
    idle: frozenset[Source] = frozenset()
    finished: bool = False
    arrivals_until: int | None = None
    received: int | None = None
    held: frozenset[TopicPartition] = frozenset()

    def record(self) -> dict[str, Any]:
        """As stored with the step."""
        return {
            "now": self.now,
            "received": self.received,
            "held": sorted(self.held),
            "sources": sorted(self.sources),
            "idle": sorted(self.idle),
            "finished": self.finished,
            "arrivals_until": self.arrivals_until,
        }

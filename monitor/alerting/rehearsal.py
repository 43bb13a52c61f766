"""Rehearsal: a new model's pages go to the digest until it has been watched for a while, or somebody arms it."""

from __future__ import annotations

from dataclasses import dataclass

TWO_WEEKS_MS = 14 * 86_400_000


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Whether a model still rehearses, as of an event time.

    armed        somebody ended the rehearsal.
    first_event  event time of the model's first event, ms; None if there was none yet.
    duration_ms  how long a rehearsal lasts, ms of event time, >= 0.
    """

    armed: bool = False
    first_event: int | None = None
    duration_ms: int = TWO_WEEKS_MS

    def at(self, now: int) -> bool:
        """Whether `now` (event time, ms) still lies in the rehearsal.

        >>> Rehearsal(first_event=0, duration_ms=1_000).at(999), Rehearsal(armed=True).at(0)
        (True, False)
        """
        if self.armed or self.duration_ms == 0:
            return False
        return self.first_event is None or now < self.first_event + self.duration_ms

"""Records that a source should have given and cannot."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GapReason(StrEnum):
    """Why reading could not go on where it stopped."""

    RETENTION = "retention"
    """The records were deleted by age or size before they were read."""
    RESET = "reset"
    """The partition ends before the position: it was emptied, or its topic was deleted and created anew."""
    TRUNCATED = "truncated"
    """A broker without the newest records took over, and they are lost."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Reading of a partition was to go on at `expected` and went on at `found`, which is later, except after a reset or a truncation."""

    topic: str
    partition: int
    expected: int
    found: int
    reason: GapReason

    def __str__(self) -> str:
        place = f"{self.topic}[{self.partition}]"
        return f"{place}: expected offset {self.expected}, reading on at {self.found} ({self.reason.value})"

"""The conditions under which a promise is measured, and which of their combinations are run.

A fractional design: every level of every factor is met, and every pair of split and events; noises go round.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Noise(StrEnum):
    """Law of the values. Each has mean 0 and variance 1 before it is put on the detector's scale."""

    IID = "iid"
    T4 = "t4"
    SKEWED = "skewed"
    AUTOCORRELATED = "autocorrelated"
    SEASON = "season"


@dataclass(frozen=True, slots=True)
class Cell:
    """`held`: share of the holdout; `events` of a unit, correlated; `edge`: the effect is as bad as the null allows."""

    held: float
    events: int
    noise: Noise
    edge: bool = False

    def levels(self) -> tuple[str, ...]:
        """Names of the factor levels, for marginal means."""
        split = f"{100 * (1 - self.held):.0f}/{100 * self.held:.0f}"
        return split, _of_a_unit(self.events), "edge" if self.edge else str(self.noise)


def _of_a_unit(events: int) -> str:
    return f"{events} event{'s' * (events > 1)}"


SPLITS = (0.5, 0.05, 0.01)
EVENTS = (1, 10, 50)
LEVELS = (*(Cell(h, 1, Noise.IID).levels()[0] for h in SPLITS), *(_of_a_unit(m) for m in EVENTS), *Noise, "edge")

_PAIRS = tuple((held, events) for held in SPLITS for events in EVENTS)
_ROUND = (*Noise, *list(Noise)[1:])

COMPARING = (
    *(Cell(held, events, noise) for (held, events), noise in zip(_PAIRS, _ROUND, strict=True)),
    Cell(0.05, 1, Noise.IID, edge=True),
)
"""For detectors that compare exposed and held-out units."""

ALONE = (
    *(Cell(0.5, events, noise) for noise, events in zip(Noise, (1, 10, 50, 1, 10), strict=True)),
    Cell(0.5, 50, Noise.IID),
    Cell(0.5, 1, Noise.IID, edge=True),
)
"""For detectors that compare a stream with its own past."""

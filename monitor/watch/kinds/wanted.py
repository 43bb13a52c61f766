"""A watch as its model wants it, before it has a budget."""

from __future__ import annotations

from dataclasses import dataclass, field

from detectors.columns import Cohort
from detectors.detector import Params


@dataclass(frozen=True, slots=True)
class Wanted:
    """A watch before it has a budget: which detector, on what, over which window (ms), how loud, whose, in which experiment."""

    key: str
    detector: str
    params: Params
    on: str
    window: int
    severity: str
    metric: str = ""
    cohort: Cohort | None = None
    min_units: int = 0
    team: str = ""
    experiment: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a model gets, and what it cannot have: `missing` maps a watch to the reason."""

    watches: list[Wanted] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

"""How engagement goes, as a dashboard shows it: the newest sound reading of a metric, where it is not too old to say so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from detectors.evidence import Standing
from monitor.watch.finding import Finding

KEPT = 3
"""Windows after which a reading says nothing of the present any more."""


class Direction(StrEnum):
    """Where an engagement metric of the exposed goes, as far as its intervals tell.

    UP rises beyond chance. FLAT may have fallen by less than is tolerated: the interval's worse end is within that. DOWN has
    fallen by more than is tolerated. UNSETTLED: the interval is too wide to tell, which is no good news.
    """

    UP = "up"
    FLAT = "flat"
    DOWN = "down"
    UNSETTLED = "not settled"

    @property
    def is_green(self) -> bool:
        """Whether a dashboard would show it as well."""
        return self in (Direction.UP, Direction.FLAT)


@dataclass(frozen=True, slots=True)
class Read:
    """A reading of engagement: the metric's name, which way is good, and up to which fall it counts as flat, a share.

    window   of its watch, ms; lag: how long after its end, at least, a window is judged: outcomes mature.
    """

    watch: str
    metric: str
    better: str = "higher"
    tolerated: float = 0.02
    window: int = 86_400_000
    lag: int = 0


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """An engagement metric since its baseline, as shares: of the exposed, of the holdout (None without one), and how it goes.

    as_of   end of the window that it tells of, ms, where a later one should have been judged since and was not.
    """

    metric: str
    direction: Direction
    change: float
    low: float
    high: float
    holdout_change: float | None = None
    holdout_low: float | None = None
    holdout_high: float | None = None
    n: dict[str, int] = {}
    as_of: int | None = None


def trend(read: Read, finding: Finding | None, now: int) -> Trend | None:
    """What a reading tells at event time `now`, ms; None while it tells nothing, or nothing of late."""
    evidence = None if finding is None else finding.evidence
    if (
        finding is None
        or evidence is None
        or evidence.standing is not Standing.OK
        or "exposed_change" not in evidence.detail
    ):
        return None
    age = now - finding.end - read.lag
    if age > KEPT * read.window:
        return None
    told = evidence.detail
    low, high = float(told["exposed_low"]), float(told["exposed_high"])
    against = (evidence.interval.low, evidence.interval.high) if evidence.interval is not None else (low, high)
    return Trend(
        metric=read.metric,
        direction=_direction(read, (low, high), against),
        change=float(told["exposed_change"]),
        low=low,
        high=high,
        holdout_change=told.get("holdout_change"),
        holdout_low=told.get("holdout_low"),
        holdout_high=told.get("holdout_high"),
        n=dict(evidence.n),
        as_of=finding.end if age > read.window else None,
    )


def _direction(read: Read, own: tuple[float, float], against: tuple[float, float]) -> Direction:
    """By the intervals of the exposed's own change, and of their change against the holdout."""
    if read.better == "lower":
        own, against = (-own[1], -own[0]), (-against[1], -against[0])
    if own[1] < -read.tolerated or against[1] < -read.tolerated:
        return Direction.DOWN
    if own[0] > 0.0:
        return Direction.UP
    return Direction.FLAT if own[0] > -read.tolerated else Direction.UNSETTLED

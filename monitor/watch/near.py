"""What changed near a time: versions, traffic, exploration, the catalogue, the config; and what was looked at and did not.

It is read off a log of hours of event time, kept beside the watches. Descriptions with fixed limits, not tests: they say what a
person would look up first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.columns import Hashes
from monitor.watch.origin import Versions

HOUR = 3_600_000
DAY = 24 * HOUR
KEPT = 35 * DAY
"""How far back the log reaches, ms."""

VERSIONS_AN_HOUR = 200
ITEMS_A_DAY = 1 << 12
"""Mixed hashes kept of a day's items: a count of more is an estimate, within 1.6 %."""

_A_STEP = 0.10
_ENOUGH = 20
_ROUTINE = 0.10
_LOOKBACK = 28 * DAY
_RATIO = 1.25
_POINTS = 0.005
_BEFORE = 7 * DAY


@dataclass
class Hour:
    """What came in an hour of event time. Cohorts are (exposed, holdout, anybody else).

    predictions  by cohort; versions: by name and cohort; items, explored: items shown to the exposed, and those drawn at random.
    records      of predictions and outcomes, [usable, unusable].
    """

    predictions: list[int] = field(default_factory=lambda: [0, 0, 0])
    versions: dict[str, list[int]] = field(default_factory=dict)
    items: int = 0
    explored: int = 0
    records: list[int] = field(default_factory=lambda: [0, 0])


@dataclass
class Log:
    """Hours by their start, ms; mixed hashes of the items of each day, ascending; changes of the config: (time, what)."""

    hours: dict[int, Hour] = field(default_factory=dict)
    items: dict[int, Hashes] = field(default_factory=dict)
    config: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """A version's share of an hour's predictions, and of the hour before; `at`: when that hour began."""

    at: int
    version: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Near:
    """What changed near a time, `changed` (time, what), newest first; what did not; what could not be told.

    exposed, holdout   what became of versions; step: the largest one near, of the exposed.
    """

    changed: tuple[tuple[int, str], ...]
    unchanged: tuple[str, ...]
    unknown: tuple[str, ...]
    exposed: Versions
    holdout: Versions
    step: Step | None


def around(log: Log, since: int, now: int, window: int, first_seen: Mapping[str, int]) -> Near:
    """What changed near `since`, as known at `now` (both ms), for a watch with windows of `window` ms."""
    slack = tolerance(since, now, window)
    steps = [_steps(log, cohorts) for cohorts in ((0, 2), (1,))]
    exposed, holdout = (_judged(log, own, since, slack) for own in steps)
    close = [s for s in steps[0] if abs(s.at + HOUR // 2 - since) <= slack + HOUR // 2]
    changed = [(max(first_seen.get(s.version, s.at), s.at), in_words(s)) for s in close]
    changed += [(at, f"config {what}") for at, what in log.config if since - DAY <= at <= now]
    unchanged, unknown = [], []
    if exposed is Versions.UNKNOWN:
        unknown.append("versions")
    elif not close:
        unchanged.append("versions")
    for name, said in (
        ("traffic", _traffic(log, since, now)),
        ("exploration share", _exploration(log, since, now)),
        ("catalogue", _catalogue(log, since, now)),
    ):
        if said is None:
            unknown.append(name)
        elif said:
            changed.append((since, said))
        else:
            unchanged.append(name)
    if not any(at >= since - DAY for at, _ in log.config):
        unchanged.append("config")
    largest = max(close, key=lambda s: (abs(s.after - s.before), s.after), default=None)
    ordered = tuple(sorted(changed, key=lambda c: (-c[0], c[1])))
    return Near(ordered, tuple(unchanged), tuple(unknown), exposed, holdout, largest)


def tolerance(since: int, now: int, window: int) -> int:
    """How far from `since` a change may lie and still count as near it, ms: the later a shift is found, the less sure its start is."""
    return min(max(2 * window, (now - since) // 2), DAY)


def in_words(step: Step) -> str:
    """A step in the middle of a sentence."""
    if step.before == 0.0 or step.after == 0.0:
        return f"version {step.version} {'first seen' if step.before == 0.0 else 'last seen'}"
    return f"version {step.version} went from {step.before:.0%} to {step.after:.0%} of predictions".replace("%", " %")


def unusable(log: Log, since: int, now: int, at_most: float, at_least: int) -> str:
    """The worst hour from `since` on in which more records than allowed could not be used, in words; "" if there was none."""
    worst = (0.0, 0)
    for at in range(since - since % HOUR, now, HOUR):
        good, bad = log.hours[at].records if at in log.hours else (0, 0)
        if good + bad >= at_least and bad > at_most * (good + bad):
            worst = max(worst, (bad / (good + bad), good + bad))
    return f"{100 * worst[0]:.3g} % of {worst[1]:,} records of an hour could not be used" if worst[1] else ""


def _steps(log: Log, cohorts: Sequence[int]) -> list[Step]:
    """Where a version's share moved by more than a tenth from one hour with predictions to the next, oldest first."""
    steps: list[Step] = []
    before: dict[str, float] | None = None
    for at in sorted(log.hours):
        hour = log.hours[at]
        counts = {name: sum(n[c] for c in cohorts) for name, n in hour.versions.items()}
        total = sum(counts.values())
        if total < _ENOUGH:
            continue
        shares = {name: n / total for name, n in counts.items() if n}
        if before is not None:
            noise = 3.0 * math.sqrt(0.25 / total)
            for name in sorted(before.keys() | shares.keys()):
                old, new = before.get(name, 0.0), shares.get(name, 0.0)
                if abs(new - old) > max(_A_STEP, noise if old and new else 0.0):
                    steps.append(Step(at, name, old, new))
        before = shares
    return steps


def _judged(log: Log, steps: Sequence[Step], since: int, slack: int) -> Versions:
    """Whether versions changed near `since`, and whether that can mean anything."""
    if not any(hour.versions for hour in log.hours.values()):
        return Versions.UNKNOWN
    if not any(abs(s.at + HOUR // 2 - since) <= slack + HOUR // 2 for s in steps):
        return Versions.SAME
    oldest = max(min(log.hours), since - _LOOKBACK)
    covered, reached = 0, oldest
    for at in sorted({s.at for s in steps if oldest <= s.at and s.at + HOUR + slack < since}):
        low, high = max(at - slack, reached), min(at + HOUR + slack, since)
        covered, reached = covered + max(high - low, 0), max(reached, high)
    return Versions.ROUTINE if covered > _ROUTINE * (since - oldest) else Versions.CHANGED


def _hours(log: Log, low: int, high: int) -> list[tuple[int, Hour]]:
    return [(at, hour) for at, hour in log.hours.items() if low <= at and at + HOUR <= high]


def _traffic(log: Log, since: int, now: int) -> str | None:
    """Predictions an hour since then against the same hours of the day in the week before."""
    after = _hours(log, since, now)
    before: dict[int, list[int]] = {}
    for at, hour in _hours(log, since - _BEFORE, since):
        before.setdefault(at % DAY, []).append(sum(hour.predictions))
    pairs = [(sum(h.predictions), float(np.mean(before[at % DAY]))) for at, h in after if at % DAY in before]
    if not pairs:
        return None
    new, old = (float(np.mean([pair[i] for pair in pairs])) for i in (0, 1))
    return f"traffic {old:,.0f} to {new:,.0f} predictions an hour" if _apart(old, new) else ""


def _exploration(log: Log, since: int, now: int) -> str | None:
    shares = []
    for low, high in ((since - _BEFORE, since), (since, now)):
        hours = [hour for _, hour in _hours(log, low, high)]
        items = sum(hour.items for hour in hours)
        if not items:
            return None
        shares.append(sum(hour.explored for hour in hours) / items)
    old, new = shares
    if not any(hour.explored for hour in log.hours.values()):
        return None
    moved = _apart(old, new) and abs(new - old) > _POINTS
    return f"exploration share {100 * old:.2g} % to {100 * new:.2g} % of items" if moved else ""


def _catalogue(log: Log, since: int, now: int) -> str | None:
    """Different items of a day, over whole days."""
    sizes = []
    for low, high in ((since - _BEFORE, since), (since, now)):
        days = [distinct(kept) for day, kept in log.items.items() if low <= day and day + DAY <= high]
        if not days:
            return None
        sizes.append(float(np.mean(days)))
    old, new = sizes
    return f"catalogue {old:,.0f} to {new:,.0f} different items shown a day" if _apart(old, new) else ""


def distinct(kept: Hashes) -> int:
    """How many different items a day had, from the smallest of their mixed hashes."""
    if len(kept) < ITEMS_A_DAY:
        return len(kept)
    return round((ITEMS_A_DAY - 1) / (float(kept[-1]) / 2.0**64))


def _apart(old: float, new: float) -> bool:
    return max(old, new) > _RATIO * min(old, new)

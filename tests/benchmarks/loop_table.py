"""What the courses of `loop_modes` add up to: a table for people, and rows against the targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from detectors.evidence import Standing
from monitor.simulate.closed_loop.shape import Mode
from monitor.watch.finding import Origin
from tests.benchmarks.loop_modes import COMPOSITE, GATES, LEVEL, LONGER, SHAPE, Course
from tests.benchmarks.targets import Row

BY = 4
"""Period by which a closed loop must be told."""

HARM = "divergence"
_SILENT = (Mode.FROZEN, Mode.EXPLORATION_ONLY, Mode.FROZEN_EXTERNAL_DRIFT)
_NAIVE = ("z test", "fixed threshold", "ADWIN")


def markdown(courses: Sequence[Course]) -> str:
    """A row a mode: the median period in which each watch first told, and in how many worlds it did."""
    watches = [*dict.fromkeys(w for c in courses for w in c.family)]
    naive = [*dict.fromkeys(w for c in courses for w in c.naive)]
    head = ["mode", *watches, "holdout's gates", *naive, "items left"]
    lines = [
        f"Period in which each watch first told (median; in how many of the worlds): {SHAPE.people:,} people, {SHAPE.holdout:.0%} held "
        f"out; {SHAPE.periods} periods, or up to {max(LONGER.values())} where something happens in period {SHAPE.event_at}. "
        "Naive watches: of a fall.\n",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    for mode in Mode:
        own = [c for c in courses if c.mode == mode]
        if not own:
            continue
        cells = [_cell([c.first(w) for c in own]) for w in watches]
        cells.append(_cell([c.first(*GATES) for c in own]))
        cells += [_cell([c.naive.get(w) for c in own]) for w in naive]
        narrowed = float(np.median([c.narrowed for c in own]))
        lines.append(f"| {mode} | {' | '.join(cells)} | {100 * narrowed:.0f} % |")
    lines += ["", *_gains(courses)]
    return "\n".join(lines) + "\n"


def _cell(periods: Sequence[int | None]) -> str:
    told = [p for p in periods if p is not None]
    return f"{np.median(told):.0f} ({len(told)}/{len(periods)})" if told else "-"


def _gains(courses: Sequence[Course]) -> list[str]:
    """What `loop_gain` could say in each mode."""
    lines = []
    for mode in Mode:
        known = [c.gain for c in courses if c.mode == mode and c.gain is not None]
        if known:
            width = float(np.median([high - low for _, low, high in known]))
            lines.append(f"- {mode}: loop gain known in {len(known)} worlds, interval {width:.1f} wide at the median")
    return lines


def judged(courses: Sequence[Course], command: str) -> list[Row]:
    """Rows against the targets: shares of worlds."""

    def of(mode: Mode) -> list[Course]:
        return [c for c in courses if c.mode == mode]

    rows: list[Row] = []

    def row(name: str, held: Iterable[bool], target: float | None = 1.0) -> None:
        each = list(held)
        if not each:
            return
        share = sum(each) / len(each)
        error = 2 * float(np.sqrt(share * (1 - share) / len(each)))
        met = None if target is None else share >= target if target else share <= target
        rows.append(
            Row(
                name=f"loop: {name}",
                value=share,
                unit="of worlds",
                low=max(share - error, 0.0),
                high=min(share + error, 1.0),
                n=len(each),
                target=target,
                met=met,
                command=command,
            )
        )

    row(f"closed told by period {BY}", (_by(c.first(*c.family), BY) for c in of(Mode.CLOSED)))
    row(f"closed told by the composite by period {BY}", (_by(c.first(COMPOSITE), BY) for c in of(Mode.CLOSED)))
    row("a naive watch tells of a closed loop before we do", (_naive_first(c) for c in of(Mode.CLOSED)), 0.0)
    row("closed without drift of tastes told", (bool(c.of_family()) for c in of(Mode.CLOSED_NO_TASTE_DRIFT)))
    harmed = of(Mode.CLOSED_PLANTED_HARM)
    row("planted harm told as harm", (bool(_harms(c)) for c in harmed))
    row("planted harm told before there is any", (any(p < SHAPE.event_at for p in _harms(c)) for c in harmed), 0.0)
    row("a naive watch tells of planted harm", (any(c.naive[w] for w in _NAIVE) for c in harmed), None)
    for mode in _SILENT:
        row(f"{mode}: the family tells of something", (bool(c.of_family()) for c in of(mode)), 0.0)
        row(f"{mode}: a naive watch tells of a fall", (any(c.naive[w] for w in _NAIVE) for c in of(mode)), None)
    external = of(Mode.FROZEN_EXTERNAL_DRIFT)
    row("frozen under external drift: it is called external", (_called(c, Origin.EXTERNAL_DRIFT) for c in external))
    row(
        "frozen under external drift: by the first message already",
        (_called(c, Origin.EXTERNAL_DRIFT, at_once=True) for c in external),
        None,
    )
    row("propensity-weighted: the family tells", (bool(c.of_family()) for c in of(Mode.PROPENSITY_WEIGHTED)), None)
    row("a new version: the family tells", (bool(c.of_family()) for c in of(Mode.VERSION_CHANGE)), None)
    broken = of(Mode.BROKEN_ASSIGNMENT)
    row("broken holdout: every watch of the family blind", (_blind(c) for c in broken))
    row("broken holdout: the family tells of something", (bool(c.of_family()) for c in broken), 0.0)
    for mode in Mode:
        decided = [c.standings.get("loop_gain") == Standing.OK for c in of(mode)]
        row(f"{mode}: loop gain decided", decided, None)
    return rows


def _by(period: int | None, last: int) -> bool:
    return period is not None and period <= last


def _naive_first(c: Course) -> bool:
    ours = c.first(*c.family)
    theirs = [p for w in _NAIVE if (p := c.naive[w]) is not None]
    return bool(theirs) and (ours is None or min(theirs) < ours)


def _harms(c: Course) -> list[int]:
    """Periods in which harm was told."""
    return [a.period for a in c.alerts if a.detector == HARM]


def _called(c: Course, origin: Origin, *, at_once: bool = False) -> bool:
    """The watch on everybody's clicks told in or after the event's period; it was this origin, and no other was ever told."""
    alerts = [a for a in c.alerts if a.watch == LEVEL and a.period >= SHAPE.event_at]
    allowed = {str(origin)} if at_once else {str(origin), str(Origin.UNKNOWN)}
    return bool(alerts) and all(a.origin in allowed and a.settled == str(origin) for a in alerts)


def _blind(c: Course) -> bool:
    return bool(c.standings) and set(c.standings.values()) == {str(Standing.BLIND)}

"""Worlds of the closed loop through the real engine: in which period each watch of the family told, beside naive watches of clicks.

A world's events are the records that `loopwatch simulate` writes; the config is the shipped one for them. Naive watches see what a
dashboard of engagement sees: the click rate of the exposed, a period at a time, or every slate.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from river.drift import ADWIN

from detectors.columns import Bools
from detectors.detector import Family
from monitor import app
from monitor.alerting.alert import Alert, Phase
from monitor.events import TopicPartition
from monitor.ingest.via_memory import Record
from monitor.simulate.closed_loop.events import DAY, FIRST_DAY, Event, Truth, events
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.simulate.closed_loop.world import Period, periods
from monitor.testing import run_over

SHAPE = Shape(people=3_000, periods=10, holdout=0.2, event_at=9)
LONGER = {Mode.CLOSED_PLANTED_HARM: 18, Mode.FROZEN_EXTERNAL_DRIFT: 14, Mode.VERSION_CHANGE: 14}
"""Periods of worlds in which something happens: what compares with the time before learns for a week first."""

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "closed-loop.yaml"
COMPOSITE = "green_dashboard"
LEVEL = "click-level"
LEARNT = 12_000
"""Votes, one a person and day, behind the reference of that watch."""

GATES = ("holdout", "crossover", "leakage")
FALL = 0.9
_BEYOND = 1.96


class Opened(msgspec.Struct, frozen=True):
    """An alert: its watch and detector, the period in which it opened, its severity, and where it says that the shift comes from.

    origin    as its first message says; settled: as found last, with all the people that have come since.
    """

    watch: str
    detector: str
    period: int
    severity: str
    origin: str
    settled: str
    reason: str


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """One world's course, as it was told.

    alerts      in the order in which they opened.
    family      watches of the loop family that the config brought.
    standings   of the family's watches, their last one.
    naive       period in which a naive watch told a fall, by its name; and of ADWIN also any change, `adwin, any change`.
    harm        the first period in which the exposed truly came back less than the held-out; None if never.
    narrowed    effective items of the last period, as a share of the first's.
    gain        the last estimate of the loop's gain with its interval; None where there is none.
    """

    mode: str
    seed: int
    alerts: list[Opened]
    family: list[str]
    standings: dict[str, str]
    naive: dict[str, int | None]
    harm: int | None
    narrowed: float
    gain: tuple[float, float, float] | None

    def first(self, *watches: str, origin: str | None = None) -> int | None:
        """Period in which the first of these watches told, of that origin if one is given."""
        told = [a.period for a in self.alerts if a.watch in watches and origin in (None, a.origin)]
        return min(told, default=None)

    def of_family(self) -> list[Opened]:
        """Alerts of the loop family, the composite among them."""
        return [a for a in self.alerts if a.watch in self.family]


def course(mode: Mode, seed: int, shape: Shape | None = None) -> Course:
    """Run a world of `seed` and watch it."""
    shape = shape or msgspec.structs.replace(SHAPE, periods=LONGER.get(mode, SHAPE.periods))
    truths, contents = _recorded(events(seed, mode, shape))
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "loopwatch.yaml"
        config.write_text(f"notify: {{ oncall: 'json://localhost:1/' }}\n{_example(shape)}")
        plans = app.read_config(config).plans
    (plan,) = plans.models
    told = run_over(plan, contents)
    family = [w.key for w in plan.watches if w.test.family is Family.LOOP] + [COMPOSITE]
    last = {f.watch: f for f in told.findings if f.watch in family}
    settled = {f.watch: str(f.origin) for f in told.findings if f.origin_reason}
    gain = next(
        (f.evidence for f in reversed(told.findings) if f.detector == "loop_gain" and f.evidence.interval), None
    )
    interval = gain.interval if gain is not None else None
    return Course(
        mode=str(mode),
        seed=seed,
        alerts=[
            _opened(alert, settled.get(alert.watch, "")) for alert in told.alerts if alert.phase is not Phase.PENDING
        ],
        family=family,
        standings={watch: str(f.evidence.standing) for watch, f in last.items()},
        naive=naive(list(periods(seed, mode, shape))),
        harm=next((t.period for t in truths if t.return_exposed < t.return_holdout), None),
        narrowed=truths[-1].effective_items / truths[0].effective_items,
        gain=None if gain is None or interval is None else (gain.effect or 0.0, interval.low, interval.high),
    )


def _example(shape: Shape) -> str:
    """The shipped config with this world's holdout, and a watch on everybody's clicks: what tells of a change of the world."""
    text = EXAMPLE.read_text(encoding="utf-8").replace("share: 10%", f"share: {shape.holdout:.0%}")
    return (
        f"{text}\nwatch: {{ {LEVEL}: {{ detector: {{ kind: numeric_shift, learn_units: {LEARNT} }}, on: clicks }} }}\n"
    )


def naive(world: Sequence[Period]) -> dict[str, int | None]:
    """What a dashboard of clicks would tell, by watch: the first period of a fall of the exposed's click rate."""
    ours = [p.clicked[p.by_model & ~p.held_out] for p in world]
    first = ours[0]
    told: dict[str, int | None] = {
        "z test": next((p.number for p, c in zip(world, ours, strict=True) if _z(c, first) < -_BEYOND), None),
        "fixed threshold": next(
            (p.number for p, c in zip(world, ours, strict=True) if c.mean() < FALL * first.mean()), None
        ),
    }
    adwin: Any = ADWIN()  # type: ignore[no-untyped-call]  # ships no types
    sums, seen = 0.0, 0
    any_change = fall = None
    for period, clicked in zip(world, ours, strict=True):
        for x in clicked.mean(axis=1).tolist():
            before = sums / max(seen, 1)
            adwin.update(x)
            sums, seen = sums + x, seen + 1
            if adwin.drift_detected:
                any_change = any_change or period.number
                fall = fall or (period.number if adwin.estimation < before else None)
                sums, seen = adwin.total, int(adwin.width)
    return told | {"ADWIN": fall, "ADWIN, any change": any_change}


def _z(now: Bools, then: Bools) -> float:
    """Two-sample z of click rates, an event each, as dashboards do."""
    n, m = now.size, then.size
    pooled = (now.sum() + then.sum()) / (n + m)
    return float((now.mean() - then.mean()) / math.sqrt(max(pooled * (1 - pooled) * (1 / n + 1 / m), 1e-12)))


def _recorded(
    stream: Iterable[tuple[Truth, list[Event]]],
) -> tuple[list[Truth], Mapping[TopicPartition, list[Record]]]:
    truths: list[Truth] = []
    contents: dict[TopicPartition, list[Record]] = {}
    encoder = msgspec.json.Encoder()
    for truth, due in stream:
        truths.append(truth)
        for event in due:
            held = contents.setdefault(TopicPartition(event.topic, 0), [])
            held.append(Record(encoder.encode(event.value), len(held), event.time))
    return truths, contents


def _opened(alert: Alert, settled: str) -> Opened:
    first = alert.first
    return Opened(
        alert.watch,
        first.detector,
        math.ceil((alert.opened_at - FIRST_DAY) / DAY),
        str(alert.severity),
        str(first.origin),
        settled,
        first.evidence.reason,
    )

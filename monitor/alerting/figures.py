"""The figures of an alert's evidence as markup: its size with the interval, and what was counted in each arm.

Never without a size and an n: where the evidence has none, it is said and why. Foreign text passes through `words.escape`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping

from detectors.evidence import Crossing, Evidence, Interval
from monitor.alerting.alert import Alert
from monitor.alerting.compared import cohorts_of
from monitor.alerting.words import (
    DISTANCE,
    cell,
    decimals_for,
    difference,
    escape,
    is_share,
    number,
    one_line,
    percent,
)

_ARMS_SHOWN = 5
_WORSE = frozenset({Crossing.WARN, Crossing.PAGE, Crossing.CRITICAL})

_INTERVAL_KINDS = {
    "since_start": "valid at every look",
    "recent": "last windows only: descriptive",
    "fresh": "only data since the alert opened",
}


def direction(evidence: Evidence) -> float | None:
    """Positive where it rose, negative where it fell; None where no size is known."""
    return evidence.effect if evidence.effect is not None else evidence.relative


def is_known(amount: float | None) -> bool:
    """Whether a figure can be shown."""
    return amount is not None and math.isfinite(amount)


def headline(evidence: Evidence) -> str:
    """The size in a few characters, for a title; "" where none is known."""
    if evidence.relative is not None and math.isfinite(evidence.relative):
        return percent(evidence.relative, sign=True)
    if evidence.effect is not None and math.isfinite(evidence.effect):
        return difference(evidence.effect, evidence.unit)
    return ""


def size_of(evidence: Evidence) -> str:
    """The size with its interval and what is tolerated, as a sentence; or why there is none."""
    if not (is_known(evidence.effect) or is_known(evidence.relative)):
        return f"not computable because {why_missing(evidence, 'the evidence names no effect')}."
    size = f"*{headline(evidence)}*"
    if evidence.effect is not None and is_known(evidence.effect) and evidence.relative not in {None, evidence.effect}:
        size += f", that is {difference(evidence.effect, evidence.unit, _decimals(evidence.interval, evidence.unit))}"
    size += f" {_interval(evidence, evidence.interval)}." if evidence.interval else " (no interval)."
    if evidence.margin is not None:
        size += f" Tolerated: {difference(abs(evidence.margin), evidence.unit).lstrip('+')}."
    if evidence.crossing in _WORSE and evidence.interval and evidence.interval.low <= 0 <= evidence.interval.high:
        size += " That it is worse has crossed its bound; how much is not settled yet."
    return size


def _decimals(interval: Interval | None, unit: str) -> int | None:
    """Decimals that the width of the interval justifies, counted in the unit shown."""
    return None if interval is None else decimals_for((interval.high - interval.low) * (100 if is_share(unit) else 1))


def _interval(evidence: Evidence, interval: Interval) -> str:
    decimals = _decimals(interval, evidence.unit)
    scale = 100 if is_share(evidence.unit) else 1
    low, high = (
        number(scale * bound, decimals, sign=evidence.unit != DISTANCE) for bound in (interval.low, interval.high)
    )
    kind = _INTERVAL_KINDS.get(interval.kind) or escape(interval.kind, 40)
    asymptotic = "" if evidence.exact else ", for large n"
    return f"[{low} to {high}] ({number(100 * interval.level)} % interval, {kind}{asymptotic})"


def why_missing(evidence: Evidence, otherwise: str) -> str:
    """The evidence's own reason why a figure is absent, or `otherwise`."""
    return escape(evidence.reason, 200).rstrip(".") or otherwise


def counts(alert: Alert) -> list[str]:
    """The table of the arms; where no units were counted, also the sentence that says why."""
    evidence = alert.finding.evidence
    table = [_table(evidence, cohorts_of(alert.labels).names)] if evidence.n or evidence.arms else []
    if evidence.n:
        return table
    return [*table, f"*n:* not computable because {why_missing(evidence, 'the evidence counts no units')}."]


def _table(evidence: Evidence, names: Mapping[str, str]) -> str:
    """One row an arm, by its name in `names` or its own; at most 36 columns."""
    arms = list(dict.fromkeys([*evidence.arms, *evidence.n]))
    unit = "value" if is_share(evidence.unit) else one_line(evidence.unit, 12) or "value"
    shown = _decimals(evidence.interval, evidence.unit)
    if shown is not None:
        smallest = min((abs(v) for v in evidence.arms.values() if v), default=1.0) * (
            100 if is_share(evidence.unit) else 1
        )
        shown = max(shown, min(decimals_for(smallest), 6))
    rows = [("", unit if evidence.arms else "", "n")]
    for arm in arms[:_ARMS_SHOWN]:
        measured = cell(evidence.arms[arm], evidence.unit, 12, shown) if arm in evidence.arms else ""
        rows.append(
            (
                one_line(names.get(arm, arm), 11),
                measured,
                cell(evidence.n[arm], "", 11) if arm in evidence.n else "not counted",
            )
        )
    lines = [f"{name:<11} {measured:>12} {count:>11}" for name, measured, count in rows]
    if len(arms) > _ARMS_SHOWN:
        lines.append(f"and {len(arms) - _ARMS_SHOWN} more")
    text = "\n".join(lines).replace("`", "\u02cb")
    return f"```\n{html.escape(text, quote=False)}\n```"

"""What `freshness` says of one window, in numbers and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.freshness_state import LEARNING, MINUTE, MODES, PAGE, RECOVERING, FreshnessState, Window, bar
from detectors.math import season

if TYPE_CHECKING:
    from detectors.freshness import FreshnessParams


@dataclass(frozen=True)
class Told:
    """One close: the state before it, with the window's silence, and after it."""

    before: FreshnessState
    grown: FreshnessState
    after: FreshnessState
    window: Window
    phi: float
    tick: Tick


def tell(p: FreshnessParams, told: Told, i: int, crossing: Crossing) -> Evidence:
    """The evidence of watch `i`. Its unit is records a minute."""
    window, after = told.window, told.after
    records, minutes = int(window.records[i]), float(window.minutes[i])
    judged = after.mode[i] != LEARNING and bool(window.live[i]) and told.before.mode[i] != LEARNING
    known = judged and bool(window.known[i]) and window.likely[i] > 0
    now, expected = records / minutes, float(window.likely[i]) / minutes
    standing, reason = _standing(p, told, i, crossing)
    since = told.before.opened_since[i] if crossing is Crossing.RECOVERED else after.opened_since[i]
    return Evidence(
        mode=MODES[after.mode[i]],
        standing=standing,
        crossing=crossing,
        n={"records": records},
        arms={"now": now, "expected": expected} if known else {},
        effect=now - expected if known else None,
        relative=now / expected - 1.0 if known else None,
        unit="records/min",
        spend=float(told.tick.page[i]) if judged and told.before.level[i] < PAGE else 0.0,
        change_at=int(since) if since >= 0 else None,
        exact=False,
        reason=reason,
        detail={
            "expected_since_last_arrival": float(told.grown.expected[i]) if records == 0 else 0.0,
            "overdispersion": told.phi,
            "fires_at": told.phi * float(bar(told.tick.page[i : i + 1])[0]),
        },
    )


def _standing(p: FreshnessParams, told: Told, i: int, crossing: Crossing) -> tuple[Standing, str]:
    window, after = told.window, told.after
    if not window.live[i]:
        return Standing.BLIND, "a gate fails, so arrivals are not judged"
    if told.before.mode[i] == LEARNING:
        return Standing.INSUFFICIENT, (
            f"learning: {after.windows[i]:,} of {p.min_windows:,} windows, {after.records[i]:,} of {p.min_records:,} records"
        )
    if crossing is Crossing.RECOVERED:
        return Standing.OK, "records come again" if window.records[
            i
        ] else "closed by hand; the silence counts as normal"
    if after.mode[i] == RECOVERING:
        return Standing.OK, _while_open(p, told, i)
    if not window.known[i]:
        return Standing.INSUFFICIENT, (
            f"this hour of the day has been seen for less than {season.SEEN:g} minutes, so it is not known what to expect"
        )
    return Standing.OK, ""


def _while_open(p: FreshnessParams, told: Told, i: int) -> str:
    if told.window.records[i]:
        return (
            f"records come again, in {told.after.returned[i]} windows in a row; the alert ends after {p.recover_windows} "
            f"with at least {100 * p.recover_share:g} % of the expected records"
        )
    silent = (told.tick.end[i] - told.grown.silent_since[i]) / MINUTE
    return (
        f"no records for {silent:,.0f} minutes, in which at least {told.grown.expected[i]:,.0f} were expected; "
        "where none came there is nothing to put an interval around"
    )

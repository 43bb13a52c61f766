"""What is said of a window of `numeric_shift`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import engine
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.math.intervals import empirical_cdf_radius
from detectors.numeric_shift import distance
from detectors.numeric_shift.reading import MISSING, WIDTH
from detectors.numeric_shift.state import NumericShiftParams, NumericShiftState, unpacked
from detectors.views import LEVEL, Views


@dataclass(frozen=True)
class Shown(Views):
    """Histograms beside what the reference expects (W, 2 WIDTH).

    window   (W, WIDTH) this window alone; known (W,): whether the reference knows its part of the week.
    margin   (W,) tolerated distance; error (W,): the reference's; behind (W,): units behind it.
    earlier, earlier_windows   (W,) distance in the windows before `recent`, and their number; 0 if it did not come slowly.
    """

    window: Floats
    margin: Floats
    error: Floats
    behind: Floats
    known: Bools
    earlier: Floats
    earlier_windows: Ints


def report(
    ps: Sequence[NumericShiftParams], s: NumericShiftState, views: Shown, verdict: engine.Verdict, tick: Tick
) -> list[Evidence]:
    """One evidence a watch."""
    modes = engine.modes(s.bank)
    result = []
    for row, p in enumerate(ps):
        base = engine.evidence(verdict, tick, modes, row)
        if base.mode is Mode.LEARNING:
            result.append(_learning(p, s, base, row))
        else:
            result.append(_watching(p, s, views, base, row))
    return result


def _learning(p: NumericShiftParams, s: NumericShiftState, base: Evidence, row: int) -> Evidence:
    n, windows = int(s.reference[row, -1]), int(s.reference_windows[row])
    if s.cut[row]:
        reason = f"learning: {n:,} of {p.learn_units:,} units, {windows:,} of {p.learn_windows:,} windows"
        if p.learn_days:
            reason += f", for at least {p.learn_days:g} days"
    else:
        reason = f"learning where to cut: {len(unpacked(s.sample[row])):,} of {p.sample_units:,} units"
    blind = base.standing is not Standing.OK
    return msgspec.structs.replace(
        base,
        standing=base.standing if blind else Standing.INSUFFICIENT,
        reason=base.reason or reason,
        n={"now": 0, "reference": n},
        unit="KS",
    )


def _watching(p: NumericShiftParams, s: NumericShiftState, views: Shown, base: Evidence, row: int) -> Evidence:
    kind, both, alpha = views.told(base, row)
    now = both[:WIDTH]
    n = int(now[-1])
    cuts, reference = s.cuts[row], both[WIDTH:] if n else s.reference[row]
    before, after = distance.shares(np.stack([reference, now]))
    moved = np.abs(after - before) * distance.used(s.cuts[row : row + 1])[0]
    boundary = len(moved) - 1 - int(np.argmax(moved[::-1]))
    effect = float(moved[boundary]) if n else None
    both_sizes = 1.0 / (1.0 / max(n, 1) + 1.0 / max(float(views.behind[row]), 1.0))
    radius = float(empirical_cdf_radius(np.array([both_sizes]), alpha)[0])
    above = {"reference": 1.0 - float(before[boundary]), "now": 1.0 - float(after[boundary])}
    at = float(cuts[boundary]) if boundary < len(cuts) else None
    missing = {k: float(h[MISSING] / max(h[-1], 1.0)) for k, h in (("reference", reference), ("now", now))}
    standing, reason = base.standing, base.reason
    if standing is Standing.OK and views.window[row, -1] == 0:
        standing, reason = Standing.STALE, "no units voted in this window"
    elif standing is Standing.OK and not views.known[row]:
        standing, reason = Standing.INSUFFICIENT, "the reference was learned without this part of the week"
    if standing is Standing.OK and n:
        what = distance.in_words(cuts, boundary)
        reason = f"{above['now']:.1%} of values are {what}; {above['reference']:.1%} in the reference"
        slow = int(views.earlier_windows[row]) if base.crossing in (Crossing.WARN, Crossing.PAGE) else 0
        if slow:
            reason += f". It came slowly: {views.earlier[row]:.1%} apart already in the {slow:,} windows before"
    return msgspec.structs.replace(
        base,
        standing=standing,
        reason=reason,
        n={"now": n, "reference": int(s.reference[row, -1])},
        arms=above if n else {},
        effect=effect,
        unit="KS",
        interval=Interval(
            low=max(effect - radius, 0.0),
            high=min(effect + radius, 1.0),
            level=LEVEL,
            kind=kind,
            formula="empirical_cdf",
            inputs={"n": both_sizes, "alpha": alpha, "at_least": 0.0, "at_most": 1.0},
        )
        if effect is not None
        else None,
        margin=float(views.margin[row]),
        detail={
            "eps": p.eps,
            "reference_error": float(views.error[row]),
            "moves_on_its_own": float(s.quarters.restless[row]),
            "worst_cut": at,
            "missing_reference": missing["reference"],
            "missing_now": missing["now"],
        }
        | (distance.by_name(reference, now, cuts) if n else {}),
    )

"""What is said of a window of shares: the cell that moved most for its margin, how far, and between which bounds."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from detectors import engine
from detectors.columns import Floats
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.increments.shares import SIDES
from detectors.math.intervals import normal_mixture_radius
from detectors.shares.watch import Learning, ShareWatch, Shown, error_of_change, shares_of
from detectors.views import LEVEL

NameOf = Callable[[int, int], str]
"""The name of a cell: (row, cell) to words."""


def report(
    s: ShareWatch, views: Shown, verdict: engine.Verdict, margin: Floats, learning: Learning, tick: Tick, name: NameOf
) -> list[Evidence]:
    """One evidence a watch; `margin` (W, K) as it was tested."""
    modes = engine.modes(s.bank)
    result = []
    for row in range(len(margin)):
        base = engine.evidence(verdict, tick, modes, row)
        if base.mode is Mode.LEARNING:
            result.append(_learning(s, learning, base, row))
        else:
            result.append(_watching(s, views, base, margin, row, name))
    return result


def _learning(s: ShareWatch, learning: Learning, base: Evidence, row: int) -> Evidence:
    n, windows = int(s.reference[row, -1]), int(s.reference_windows[row])
    blind = base.standing is not Standing.OK
    return msgspec.structs.replace(
        base,
        standing=base.standing if blind else Standing.INSUFFICIENT,
        reason=base.reason
        or f"learning: {n:,} of {learning.units[row]:,.0f} units, {windows:,} of {learning.windows[row]:,.0f} windows",
        n={"now": 0, "reference": n},
        unit="share",
    )


def _watching(s: ShareWatch, views: Shown, base: Evidence, margin: Floats, row: int, name: NameOf) -> Evidence:
    kind, tally, alpha = views.told(base, row)
    n = int(tally[-1])
    before, after = (shares_of(t[None])[0] for t in (s.reference[row], tally))
    cell = _moved_most(s, base, before, after, margin[row], row)
    se, tau, each = (
        error_of_change(tally[None], s.reference[row][None])[:, cell],
        margin[row, cell],
        alpha / len(margin[row]),
    )
    half = float(normal_mixture_radius(se, tau, each)[0])
    effect = float(after[cell] - before[cell]) if n else None
    standing, reason = base.standing, base.reason
    if standing is Standing.OK and views.window[row, -1] == 0:
        standing, reason = Standing.STALE, "no units voted in this window"
    if standing is Standing.OK and n:
        reason = f"{name(row, cell)}: {after[cell]:.2%}, {before[cell]:.2%} in the reference"
    return msgspec.structs.replace(
        base,
        standing=standing,
        reason=reason,
        n={"now": n, "reference": int(s.reference[row, -1])},
        arms={"reference": float(before[cell]), "now": float(after[cell])} if n else {},
        effect=effect,
        relative=effect / float(before[cell]) if effect is not None and before[cell] > 0 else None,
        unit="share",
        interval=Interval(
            low=max(effect - half, -1.0),
            high=min(effect + half, 1.0),
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={
                "se": float(se[0]),
                "tau": float(tau),
                "alpha": each,
                "at_least": -1.0,
                "at_most": 1.0,
            },
        )
        if effect is not None and np.isfinite(half)
        else None,
        margin=float(margin[row, cell]),
        detail={
            "cell": name(row, cell),
            "interval_error": each,
            "allowed_low": max(float(views.low[row, cell]), 0.0),
            "allowed_high": min(float(views.high[row, cell]), 1.0),
        },
    )


def _moved_most(s: ShareWatch, base: Evidence, before: Floats, after: Floats, margin: Floats, row: int) -> int:
    """The cell that the open alert is about; else the one that moved most, measured in margins."""
    if base.mode is Mode.RECOVERING or base.crossing is Crossing.RECOVERED:
        return int(s.worst[row]) // SIDES
    return int(np.argmax(np.abs(after - before) / margin))

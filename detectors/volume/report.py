"""What `volume` says of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import engine
from detectors.columns import Bools
from detectors.detector import Tick
from detectors.evidence import Evidence, Interval, Mode, Standing
from detectors.math.intervals import normal_mixture_radius
from detectors.views import LEVEL, Views
from detectors.volume import rates
from detectors.volume.state import (
    CALIBRATION_DAYS,
    COUNT,
    DIFFERENCE,
    EXPECTED,
    WINDOWS,
    VolumeParams,
    VolumeState,
)

_MOST = 1e6
"""Largest end of an interval: a million times what is usual."""


@dataclass(frozen=True)
class Shown(Views):
    """Sums over windows (W, WIDTH). known   (W,): it is known what was to be expected of this window."""

    known: Bools


def report(
    ps: Sequence[VolumeParams], s: VolumeState, views: Shown, verdict: engine.Verdict, tick: Tick
) -> list[Evidence]:
    """One evidence a watch."""
    modes = engine.modes(s.bank)
    return [
        _learning(p, s, row, engine.evidence(verdict, tick, modes, row))
        if modes[row] is Mode.LEARNING
        else _watching(p, s, views, row, engine.evidence(verdict, tick, modes, row))
        for row, p in enumerate(ps)
    ]


def _learning(p: VolumeParams, s: VolumeState, row: int, base: Evidence) -> Evidence:
    windows = int(s.rates.seen[row].sum())
    reason = f"learning what is usual over {p.learn_days:g} d: {windows:,} windows so far"
    blind = base.standing is not Standing.OK
    return msgspec.structs.replace(
        base,
        exact=False,
        n={"now": 0, "expected": 0},
        standing=base.standing if blind else Standing.INSUFFICIENT,
        reason=base.reason or reason,
    )


def _watching(p: VolumeParams, s: VolumeState, views: Shown, row: int, base: Evidence) -> Evidence:
    kind, sums, alpha = views.told(base, row)
    windows, count, usual = sums[WINDOWS], sums[COUNT], sums[EXPECTED]
    effect = float(count / usual - 1.0) if usual > 0 else None
    se = s.s[row] * np.sqrt(s.kappa[row] * rates.unevenness(s.rates)[row] / max(windows, 1.0))
    half = float(normal_mixture_radius(np.array([se]), s.margin[row : row + 1], alpha)[0])
    log = float(np.log(max(count, 0.5) / usual)) if usual > 0 else 0.0
    standing, reason = base.standing, base.reason
    if standing is Standing.OK and not views.known[row]:
        standing, reason = Standing.INSUFFICIENT, "nothing is known yet of what is usual at this time of the week"
    elif standing is Standing.OK and effect is not None:
        reason = f"{count:,.0f} came in {windows:,.0f} windows; {usual:,.0f} were to be expected"
        if s.quiet[row]:
            reason += (
                f"; learned for {p.learn_days:g} d, so it warns and does not page: that takes {CALIBRATION_DAYS} d"
            )
    return msgspec.structs.replace(
        base,
        exact=False,
        standing=standing,
        reason=reason,
        n={"now": int(count), "expected": round(float(usual))},
        arms={"expected": float(usual / windows), "now": float(count / windows)} if windows else {},
        effect=effect,
        relative=effect,
        unit="share of what is usual",
        interval=Interval(
            low=float(np.expm1(log - half)),
            high=min(float(np.expm1(min(log + half, 50.0))), _MOST),
            level=LEVEL,
            kind=kind,
            formula="log_normal_mixture",
            inputs={
                "log": log,
                "se": float(se),
                "tau": float(s.margin[row]),
                "alpha": float(alpha),
                "at_most": _MOST,
            },
        )
        if effect is not None and np.isfinite(half)
        else None,
        margin=float(np.expm1(s.margin[row])),
        detail={
            "windows": float(windows),
            "mean_log_ratio": float(sums[DIFFERENCE] / max(windows, 1.0)),
            "s": float(s.s[row]),
            "kappa": float(s.kappa[row]),
        },
    )

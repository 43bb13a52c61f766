"""What `cohort_sticky` says of a window."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from detectors import engine
from detectors.cohort_sticky.moments import Contrast
from detectors.cohort_sticky.state import CohortStickyParams, CohortStickyState
from detectors.columns import Bools
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.math.intervals import normal_mixture_radius

LEVEL = 0.95
_SCALE = 4.0
"""Where the interval is tightest, in margins."""


def report(
    ps: Sequence[CohortStickyParams],
    s: CohortStickyState,
    seen: Contrast,
    enough: Bools,
    informative: Bools,
    verdict: engine.Verdict,
    tick: Tick,
) -> list[Evidence]:
    """One evidence a watch. `enough` (W,): held-out people; `informative` (W,): somebody came."""
    modes = engine.modes(s.bank)
    radius = normal_mixture_radius(seen.se, np.maximum(_SCALE * s.margin, 1e-12), 1.0 - LEVEL)
    told = []
    for i, p in enumerate(ps):
        base = engine.evidence(verdict, tick, modes, i)
        standing, reason = _standing(p, base, seen, i, bool(enough[i]), bool(informative[i]))
        known = bool(enough[i]) and base.mode is not Mode.LEARNING and bool(np.isfinite(radius[i]))
        effect, held = float(seen.effect[i]), float(seen.means[i, 1])
        told.append(
            msgspec.structs.replace(
                base,
                exact=False,
                standing=standing,
                reason=reason,
                n={"exposed": int(seen.units[i, 0]), "holdout": int(seen.units[i, 1])},
                arms={"exposed": float(seen.means[i, 0]), "holdout": held} if known else {},
                effect=effect if known else None,
                relative=effect / held if known and held else None,
                interval=Interval(
                    low=effect - float(radius[i]),
                    high=effect + float(radius[i]),
                    level=LEVEL,
                    formula="normal_mixture",
                    inputs={
                        "se": float(seen.se[i]),
                        "tau": max(_SCALE * float(s.margin[i]), 1e-12),
                        "alpha": 1.0 - LEVEL,
                    },
                )
                if known
                else None,
                unit="per prediction",
                margin=float(s.margin[i]) if base.mode is not Mode.LEARNING else None,
                detail={
                    "baseline": float(s.baseline[i]),
                    "unadjusted_effect": float(seen.plain[i]),
                    "adjustment": float(seen.plain[i]) - effect,
                    "theta": float(seen.theta[i]),
                    "standard_error": float(seen.se[i]) if np.isfinite(seen.se[i]) else None,
                    "page_if_worse_by": p.page_if_worse_by,
                    "better": p.better,
                },
            )
        )
    return told


def _standing(
    p: CohortStickyParams, base: Evidence, seen: Contrast, row: int, enough: bool, informative: bool
) -> tuple[Standing, str]:
    if base.standing is not Standing.OK:
        return base.standing, base.reason
    if base.mode is Mode.LEARNING:
        return Standing.INSUFFICIENT, f"learning for {p.learn_days:g} d what each person does"
    if not enough:
        held = int(seen.units[row, 1])
        return Standing.INSUFFICIENT, f"{held:,} of {p.min_holdout:,} held-out people have come back"
    if not informative and base.crossing is Crossing.NONE:
        return Standing.STALE, "nobody came in this window"
    return Standing.OK, ""

"""What `divergence` says of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from detectors import engine
from detectors.columns import Bools, Floats
from detectors.detector import Tick
from detectors.divergence.gaps import Gap, Gaps
from detectors.divergence.state import DivergenceParams, DivergenceState
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.math.intervals import decides_nothing, normal_mixture_radius

LEVEL = 0.95
_TIGHTEST = 4.0
"""Where intervals are tightest, in margins."""


def report(
    ps: Sequence[DivergenceParams],
    s: DivergenceState,
    seen: tuple[Gaps, Gaps],
    known: tuple[Bools, Bools],
    verdict: engine.Verdict,
    tick: Tick,
) -> list[Evidence]:
    """One evidence a watch. `seen`: quality and engagement; `known` (W,): enough held-out people, somebody came."""
    quality, engagement = seen
    enough, informative = known
    modes = engine.modes(s.bank)
    by_margin, by_scale = (np.maximum(_TIGHTEST * x, 1e-12) for x in (s.margin, s.scale))
    radii = [
        _radius(gap, tau)
        for gap, tau in ((quality.level, by_margin), (quality.change, by_margin), (engagement.level, by_scale))
    ]
    told = []
    for i, p in enumerate(ps):
        base = engine.evidence(verdict, tick, modes, i)
        level, change, lift = (float(radius[i]) for radius in radii)
        standing, reason = _standing(p, base, quality, engagement, i, (bool(enough[i]), bool(informative[i])))
        judged = bool(enough[i]) and base.mode is not Mode.LEARNING and bool(np.isfinite([level, change, lift]).all())
        detail = _detail(p, quality, engagement, i, (change, lift)) if judged else {}
        effect, held = float(quality.level.estimate[i]), float(quality.means[i, 1])
        if judged and standing is Standing.OK:
            blunt = _precision(base, quality.units[i], effect, level, float(s.margin[i]))
            standing, reason = blunt or (standing, reason)
        told.append(
            msgspec.structs.replace(
                base,
                exact=False,
                standing=standing,
                reason=_words(p, detail, base.crossing) if judged and base.crossing is not Crossing.NONE else reason,
                n={"exposed": int(quality.units[i, 0]), "holdout": int(quality.units[i, 1])},
                arms={"exposed": float(quality.means[i, 0]), "holdout": held} if judged else {},
                effect=effect if judged else None,
                relative=effect / held if judged and held else None,
                interval=Interval(
                    low=effect - level,
                    high=effect + level,
                    level=LEVEL,
                    formula="normal_mixture",
                    inputs={
                        "se": float(quality.level.se[i]),
                        "tau": float(by_margin[i]),
                        "alpha": 1.0 - LEVEL,
                    },
                )
                if judged
                else None,
                unit="per prediction",
                margin=float(s.margin[i]) if base.mode is not Mode.LEARNING else None,
                detail=detail,
            )
        )
    return told


def _radius(gap: Gap, tau: Floats) -> Floats:
    return normal_mixture_radius(gap.se, tau, 1.0 - LEVEL)


def _detail(
    p: DivergenceParams, quality: Gaps, engagement: Gaps, row: int, radii: tuple[float, float]
) -> dict[str, Any]:
    """Figures beside the quality gap; every interval [low, high] is valid at every look."""
    change, lift = float(quality.change.estimate[row]), float(engagement.level.estimate[row])
    by_change, by_lift = radii
    return {
        "engagement": p.engagement,
        "engagement_exposed": float(engagement.means[row, 0]),
        "engagement_holdout": float(engagement.means[row, 1]),
        "engagement_lift": lift,
        "engagement_lift_low": lift - by_lift,
        "engagement_lift_high": lift + by_lift,
        "engagement_lift_before": float(engagement.former[row, 0] - engagement.former[row, 1]),
        "quality_gap_before": float(quality.former[row, 0] - quality.former[row, 1]),
        "quality_change": change,
        "quality_change_low": change - by_change,
        "quality_change_high": change + by_change,
        "page_if_worse_by": p.page_if_worse_by,
        "better": p.better,
    }


def _words(p: DivergenceParams, detail: dict[str, Any], crossing: Crossing) -> str:
    if crossing is Crossing.RECOVERED:
        return f"no longer both: {p.engagement} above the holdout's and this below it"
    return (
        f"{p.engagement} of the exposed lie {detail['engagement_lift']:+.3g} from the holdout's "
        f"[{detail['engagement_lift_low']:+.3g}, {detail['engagement_lift_high']:+.3g}]; this gap was "
        f"{detail['quality_gap_before']:+.3g} before, and has changed by {detail['quality_change']:+.3g} "
        f"[{detail['quality_change_low']:+.3g}, {detail['quality_change_high']:+.3g}]"
    )


def _standing(
    p: DivergenceParams, base: Evidence, quality: Gaps, engagement: Gaps, row: int, known: tuple[bool, bool]
) -> tuple[Standing, str]:
    enough, informative = known
    if base.standing is not Standing.OK:
        return base.standing, base.reason
    if base.mode is Mode.LEARNING:
        return Standing.INSUFFICIENT, f"learning for {p.learn_days:g} d which gap between the cohorts was always there"
    if not enough:
        held = int(min(quality.units[row, 1], engagement.units[row, 1]))
        return Standing.INSUFFICIENT, f"{held:,} of {p.min_holdout:,} held-out people have come back"
    if not informative and base.crossing is Crossing.NONE:
        return Standing.STALE, "nobody came in this window"
    return Standing.OK, ""


def _precision(base: Evidence, n: Floats, effect: float, radius: float, margin: float) -> tuple[Standing, str] | None:
    """Too few people for any statement are no good news; None where something can be told, or is."""
    watching = base.mode is Mode.WATCHING and base.crossing is Crossing.NONE
    if not (watching and np.isfinite(radius) and decides_nothing(effect, radius, margin)):
        return None
    return (
        Standing.INSUFFICIENT,
        f"{int(n[1]):,} held-out and {int(n[0]):,} exposed people are too few for any statement so far: the gap is within "
        f"{effect - radius:+.2g} to {effect + radius:+.2g} per prediction, and {margin:.2g} would be tolerated",
    )

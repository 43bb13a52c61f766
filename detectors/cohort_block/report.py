"""What `cohort_block` says of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import engine
from detectors.cohort_block.state import (
    BLOCKS,
    CALIBRATION_DAYS,
    DIFFERENCE,
    MEAN0,
    MEAN1,
    UNITS0,
    UNITS1,
    CohortBlockParams,
    CohortBlockState,
)
from detectors.columns import Bools
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.math.intervals import normal_mixture_radius
from detectors.math.unit_sample import UnitSample
from detectors.snapshot import unpack_record
from detectors.views import LEVEL, Views

_NAMES = ("windows", "difference", "exposed_mean", "holdout_mean", "exposed_units", "holdout_units")
_FAILED = 2


@dataclass(frozen=True)
class Shown(Views):
    """Sums over windows (W, WIDTH). informative   (W,): the window had units of both cohorts."""

    informative: Bools


def report(
    ps: Sequence[CohortBlockParams], s: CohortBlockState, views: Shown, verdict: engine.Verdict, tick: Tick
) -> list[Evidence]:
    """One evidence a watch."""
    modes = engine.modes(s.bank)
    return [
        _learning(ps[i], s, i, engine.evidence(verdict, tick, modes, i))
        if modes[i] is Mode.LEARNING
        else _watching(ps[i], s, views, i, engine.evidence(verdict, tick, modes, i))
        for i in range(len(ps))
    ]


def _learning(p: CohortBlockParams, s: CohortBlockState, row: int, base: Evidence) -> Evidence:
    blocks, held = int(s.learned[row, BLOCKS]), int(s.learned[row, UNITS0])
    n = {"windows": blocks}
    if base.standing is not Standing.OK:
        return msgspec.structs.replace(base, exact=False, n=n)
    if np.isnan(s.high[row]):
        sample = len(unpack_record(UnitSample, s.sample[row])) if s.sample[row] else 0
        reason = f"learning where to cut off: {sample:,} of {p.sample_units:,} units with a value other than 0"
    else:
        enough = "enough" if held >= p.min_holdout else f"{held:,} of {p.min_holdout:,}"
        reason = f"learning the spread over {p.learn_days:g} d: {blocks:,} windows, {enough} held-out units"
    return msgspec.structs.replace(base, exact=False, standing=Standing.INSUFFICIENT, reason=reason, n=n)


def _watching(p: CohortBlockParams, s: CohortBlockState, views: Shown, row: int, base: Evidence) -> Evidence:
    kind, sums, alpha = views.told(base, row)
    by_kind = {"since_start": views.total[row], "recent": views.recent[row], "fresh": views.fresh[row]}
    blocks = sums[BLOCKS]
    known = blocks >= 1
    count = max(float(blocks), 1.0)
    effect = float(sums[DIFFERENCE] / count - s.centre[row]) if known else None
    learned = 1.0 / max(float(s.learned[row, BLOCKS]), 1.0) if p.against == "learned" else 0.0
    se, tau = np.array([s.s[row] * np.sqrt(s.kappa[row] * (1.0 / count + learned))]), np.array([s.margin[row]])
    radius = float(normal_mixture_radius(se, tau, alpha)[0])
    held = float(sums[MEAN0] / count)
    standing, reason = _standing(p, s, row, base, bool(views.informative[row]))
    return msgspec.structs.replace(
        base,
        exact=False,
        standing=standing,
        reason=reason,
        n={
            "exposed": round(float(sums[UNITS1] / count)),
            "holdout": round(float(sums[UNITS0] / count)),
            "windows": int(blocks),
        },
        arms={"exposed": float(sums[MEAN1] / count), "holdout": held} if known else {},
        effect=effect,
        relative=effect / abs(held) if effect is not None and held else None,
        interval=Interval(
            low=effect - radius,
            high=effect + radius,
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={"se": float(se[0]), "tau": float(tau[0]), "alpha": alpha},
        )
        if effect is not None and np.isfinite(radius)
        else None,
        unit="per unit and window" if p.per == "unit" else "per prediction",
        margin=float(s.margin[row]),
        detail={
            "learned_difference": float(s.centre[row]),
            "block_deviation": float(s.s[row]),
            "kappa": float(s.kappa[row]),
            "day_deviation": float(s.slow[row]),
            "cut_low": float(s.low[row]),
            "cut_high": float(s.high[row]),
            "baseline": float(s.baseline[row]),
            "page_if_worse_by": p.page_if_worse_by,
            "better": p.better,
            "against": p.against,
        }
        | {f"{name}_{k}": float(v) for name, view in by_kind.items() for k, v in zip(_NAMES, view, strict=True)},
    )


def _standing(
    p: CohortBlockParams, s: CohortBlockState, row: int, base: Evidence, informative: bool
) -> tuple[Standing, str]:
    if base.standing is not Standing.OK:
        return base.standing, base.reason
    if not informative and base.crossing is Crossing.NONE:
        return Standing.STALE, "no unit of one of the cohorts came in this window"
    if s.tried[row] == _FAILED:
        return Standing.OK, "it would have alarmed in its dry run, so it warns and does not page"
    if s.quiet[row]:
        return Standing.OK, f"learned for {p.learn_days:g} d; with fewer than {CALIBRATION_DAYS:g} d it does not page"
    return Standing.OK, ""

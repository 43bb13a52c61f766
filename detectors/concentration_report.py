"""What `concentration` says of one period, in numbers and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.exposures import ARMS, Spread
from detectors.math import bootstrap, distinct

LEVEL = 0.95
ASSOCIATED = "there is no holdout: compared with the own baseline, which shows an association only"


@dataclass(frozen=True)
class Period:
    """One closed period of one watch.

    contrast, compared   the exposed are measured against a holdout; there was a baseline to compare this period with.
    lacking              why it could not be judged; empty if it could.
    effect, changes      (log ratio, standard error): of the comparison, and of each arm since its baseline.
    margin               tolerated fall, a share.
    """

    mode: Mode
    crossing: Crossing
    contrast: bool
    compared: bool
    gated: bool
    lacking: str
    learned: int
    learn_periods: int
    effect: tuple[float, float]
    changes: list[tuple[float, float]]
    margin: float
    spend: float
    change_at: int | None
    spread: Spread
    figures: dict[str, float]


def tell(period: Period) -> Evidence:
    """The evidence of a period. Its unit is the share of the baseline: 0.6 means 40 % fewer effective items."""
    arms = ARMS if period.contrast else ARMS[:1]
    standing, reason = _standing(period)
    effect = float(np.expm1(period.effect[0])) if period.compared else None
    fresh = period.mode is Mode.RECOVERING and period.crossing is Crossing.NONE
    kind = "fresh" if fresh or period.crossing is Crossing.RECOVERED else "recent"
    return Evidence(
        mode=period.mode,
        standing=standing,
        crossing=period.crossing,
        n={name: int(period.spread.units[i]) for i, name in enumerate(arms)},
        arms={name: float(np.exp(period.changes[i][0])) for i, name in enumerate(arms)} if period.compared else {},
        effect=effect,
        relative=effect,
        unit="share",
        interval=Interval(
            low=_bounds(period.effect)[0],
            high=_bounds(period.effect)[1],
            level=LEVEL,
            kind=kind,
            formula="bootstrap",
            inputs={"log": float(period.effect[0]), "se": float(period.effect[1]), "alpha": 1.0 - LEVEL},
        )
        if period.compared
        else None,
        margin=period.margin if period.mode is not Mode.LEARNING else None,
        spend=period.spend,
        change_at=period.change_at,
        exact=False,
        reason=reason,
        detail=_detail(period, arms),
    )


def _bounds(measured: tuple[float, float]) -> tuple[float, float]:
    """Two-sided interval of a relative change, from its logarithm and standard error."""
    value, se = measured
    radius = float(bootstrap.quantile((1.0 - LEVEL) / 2.0)) * se
    return float(np.expm1(value - radius)), float(np.expm1(value + radius))


def _detail(period: Period, arms: tuple[str, ...]) -> dict[str, Any]:
    """Effective items and other descriptions of each arm, and each arm's own change since its baseline."""
    told: dict[str, Any] = {
        "learned_periods": period.learned,
        "folded_exposures": period.spread.folded,
        **period.figures,
    }
    told["units_estimated"] = bool((period.spread.units >= distinct.KEPT).any())
    for i, name in enumerate(arms):
        told[f"exposures_{name}"] = int(period.spread.exposures[i])
        if np.isfinite(period.spread.log_items[i]):
            told[f"effective_items_{name}"] = float(np.exp(period.spread.log_items[i]))
    if period.spread.folded:
        told["folded"] = (
            f"{period.spread.folded:,} exposures are of items beyond the cap: effective items come from 16,384 signed sums "
            "(relative error about 1 %), the other figures from a uniform sample of the items"
        )
    if period.compared:
        told["narrowed"] = []
        for i, name in enumerate(arms):
            low, high = _bounds(period.changes[i])
            told |= {f"{name}_change": float(np.expm1(period.changes[i][0])), f"{name}_low": low, f"{name}_high": high}
            if high < -period.margin:
                told["narrowed"].append(name)
    if not period.contrast:
        told["associated_only"] = ASSOCIATED
    return told


def _standing(period: Period) -> tuple[Standing, str]:
    if period.gated:
        return Standing.BLIND, "the holdout is not sound"
    if period.lacking:
        empty = period.spread.exposures.sum() == 0
        return (Standing.STALE if empty else Standing.INSUFFICIENT), period.lacking
    if not period.compared:
        return Standing.INSUFFICIENT, f"learning: {period.learned} of {period.learn_periods} periods for the baseline"
    return Standing.OK, _sentence(period) if period.crossing is not Crossing.NONE else ""


def _sentence(period: Period) -> str:
    exposed = _change(period.changes[0][0])
    if period.contrast:
        compared = f"exposed people see {exposed} effective items than at the baseline, held-out people {_change(period.changes[1][0])}"
    else:
        compared = f"people see {exposed} effective items than at the baseline ({ASSOCIATED})"
    if period.crossing is Crossing.RECOVERED:
        return f"exposure is no longer narrow: {compared}"
    return f"exposure narrows: {compared}"


def _change(log_ratio: float) -> str:
    change = float(np.expm1(log_ratio))
    return f"{abs(change):.0%} {'fewer' if change < 0 else 'more'}".replace("%", " %")

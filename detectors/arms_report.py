"""What a detector that compares two arms over periods says of one, in numbers and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.columns import Floats, Ints
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.math import bootstrap
from detectors.math.intervals import decides_nothing

ARMS = ("exposed", "holdout")
LEVEL = 0.95
ASSOCIATED = "there is no holdout: compared with the own baseline, which shows an association only"


@dataclass(frozen=True)
class Words:
    """How people are told of a figure.

    figure        its name in the detail; compared: what an arm does, around `{change}`; alarm, over: how a sentence begins.
    shown, nothing, few   what is counted as the exposures of `Reading`; that there are none; that they are too few for a figure.
    told_as       1 where people are told the figure itself, -1 where they are told its inverse, which rises.
    of_the_data   the figure describes the data and no effect on people, so it asks for no holdout.
    of_the_exposed   it is read as the exposed's own change, beside which the comparison stands: how sure that is decides.
    """

    figure: str
    compared: str
    alarm: str
    over: str
    told_as: int = 1
    of_the_data: bool = False
    of_the_exposed: bool = False
    shown: str = "items shown to"
    nothing: str = "no items were shown"
    few: str = "too few of them twice to tell how concentrated they are"


@dataclass(frozen=True)
class Period:
    """One closed period of one watch.

    contrast, compared   the exposed are measured against a holdout; there was a baseline to compare this period with.
    lacking              how it stands, and why it could not be judged if it could not.
    effect, changes      (log ratio, standard error): of the comparison, and of each arm since its baseline.
    margin               tolerated fall, or rise of the inverse, a share; log_margin: of the figure, a logarithm.
    units, exposures, logs, figures   see `detectors.arms.Reading`.
    """

    mode: Mode
    crossing: Crossing
    contrast: bool
    compared: bool
    gated: bool
    lacking: tuple[Standing, str]
    learned: int
    learn_periods: int
    effect: tuple[float, float]
    changes: list[tuple[float, float]]
    margin: float
    log_margin: float
    spend: float
    change_at: int | None
    units: Ints
    exposures: Ints
    logs: Floats
    figures: dict[str, Any]


def tell(period: Period, words: Words) -> Evidence:
    """The evidence of a period. Its unit is the share of the baseline: 0.6 means 40 % fewer effective items."""
    arms = ARMS if period.contrast else ARMS[:1]
    standing, reason = _standing(period, words)
    measured = (words.told_as * period.effect[0], period.effect[1])
    effect = float(np.expm1(measured[0])) if period.compared else None
    fresh = period.mode is Mode.RECOVERING and period.crossing is Crossing.NONE
    kind = "fresh" if fresh or period.crossing is Crossing.RECOVERED else "recent"
    return Evidence(
        mode=period.mode,
        standing=standing,
        crossing=period.crossing,
        n={name: int(period.units[i]) for i, name in enumerate(arms)},
        arms={name: float(np.exp(words.told_as * period.changes[i][0])) for i, name in enumerate(arms)}
        if period.compared
        else {},
        effect=effect,
        relative=effect,
        unit="share",
        interval=Interval(
            low=_bounds(measured)[0],
            high=_bounds(measured)[1],
            level=LEVEL,
            kind=kind,
            formula="bootstrap",
            inputs={"log": float(measured[0]), "se": float(measured[1]), "alpha": 1.0 - LEVEL},
        )
        if period.compared
        else None,
        margin=period.margin if period.mode is not Mode.LEARNING else None,
        spend=period.spend,
        change_at=period.change_at,
        exact=False,
        reason=reason,
        detail=_detail(period, arms, words),
    )


def _bounds(measured: tuple[float, float]) -> tuple[float, float]:
    """Two-sided interval of a relative change, from its logarithm and standard error."""
    value, se = measured
    radius = float(bootstrap.quantile((1.0 - LEVEL) / 2.0)) * se
    return float(np.expm1(value - radius)), float(np.expm1(value + radius))


def _detail(period: Period, arms: tuple[str, ...], words: Words) -> dict[str, Any]:
    """The figure and other descriptions of each arm, and each arm's own change since its baseline."""
    told: dict[str, Any] = {
        "learned_periods": period.learned,
        **period.figures,
    }
    for i, name in enumerate(arms):
        told[f"exposures_{name}"] = int(period.exposures[i])
        if np.isfinite(period.logs[i]):
            told[f"{words.figure}_{name}"] = float(np.exp(words.told_as * period.logs[i]))
    if period.compared:
        told["narrowed"], told["changes"] = [], {}
        for i, name in enumerate(arms):
            changed = (words.told_as * period.changes[i][0], period.changes[i][1])
            low, high = _bounds(changed)
            told["changes"][name] = list(changed)
            told |= {f"{name}_change": float(np.expm1(changed[0])), f"{name}_low": low, f"{name}_high": high}
            if high < -period.margin if words.told_as > 0 else low > period.margin:
                told["narrowed"].append(name)
    if not (period.contrast or words.of_the_data):
        told["associated_only"] = ASSOCIATED
    return told


def _standing(period: Period, words: Words) -> tuple[Standing, str]:
    if period.gated:
        return Standing.BLIND, "the holdout is not sound"
    if period.lacking[0] is not Standing.OK:
        return period.lacking
    if not period.compared:
        return Standing.INSUFFICIENT, f"learning: {period.learned} of {period.learn_periods} periods for the baseline"
    if period.crossing is not Crossing.NONE:
        return Standing.OK, _sentence(period, words)
    return _precision(period, words) if period.mode is Mode.WATCHING else (Standing.OK, "")


def _precision(period: Period, words: Words) -> tuple[Standing, str]:
    """Too few people for any statement are no good news."""
    effect, se = period.changes[0] if words.of_the_exposed else period.effect
    if not decides_nothing(effect, float(bootstrap.quantile((1.0 - LEVEL) / 2.0)) * se, period.log_margin):
        return Standing.OK, ""
    exposed, held_out = (
        f"{int(n):,} {who} units" for n, who in zip(period.units, ("exposed", "held-out"), strict=True)
    )
    low, high = _bounds((words.told_as * effect, se))
    tolerated = float(np.expm1(words.told_as * period.log_margin))
    both = period.contrast and not words.of_the_exposed
    text = (
        f"{f'{held_out} and {exposed}' if both else exposed} are too few for any statement on this period: the change "
        f"is within {low:+.0%} to {high:+.0%}, and {tolerated:+.0%} would be tolerated"
    )
    return Standing.INSUFFICIENT, text.replace("%", " %")


def _sentence(period: Period, words: Words) -> str:
    exposed, held_out = (words.compared.format(change=_change(words.told_as * log)) for log, _ in period.changes)
    contrast = f"exposed people {exposed}, held-out people {held_out}"
    beginning = words.over if period.crossing is Crossing.RECOVERED else words.alarm
    if words.of_the_data:
        return f"{beginning}: {exposed}"
    return f"{beginning}: {contrast if period.contrast else f'people {exposed} ({ASSOCIATED})'}"


def _change(log_ratio: float) -> str:
    change = float(np.expm1(log_ratio))
    return f"{abs(change):.0%} {'fewer' if change < 0 else 'more'}".replace("%", " %")

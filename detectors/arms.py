"""A figure of each arm over periods: its change since the baseline, among the exposed less that among the holdout.

The figure is a logarithm that falls as what people see gets narrower. With D_t the exposed's less the holdout's, the effect is
D_t minus its mean over the learning periods: a gap that was there from the start is silent, and so is whatever moves both
cohorts. Without a holdout the exposed are compared with their own baseline, which shows an association only.

Bounds are Student's with 19 degrees of freedom, from a Poisson bootstrap over units with the same unit weights in every period.
Asymptotic. What moves an arm from period to period without being sampling noise is covered by the margin alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import periods
from detectors.arms_report import Period, Words, tell
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Params, Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.math import bootstrap
from detectors.periods import LEARNING, PAGE, RECOVERING, WATCHING, PeriodState

_UNDECIDED, _CONTRAST, _ALONE = 0, 1, 2


class ArmsParams(Params):
    """What every detector of this kind is told."""

    learn_periods: Annotated[int, Field(ge=1, le=100, description="periods whose mean is the baseline")] = 3
    min_units: Annotated[int, Field(ge=20, description="units of each cohort before a period is judged")] = 200
    min_exposures: Annotated[
        int, Field(ge=2, description="items shown to each cohort before a period is judged; an item counts every time")
    ] = 1_000

    @property
    @abstractmethod
    def margin(self) -> float:
        """Tolerated change of what people are told, a share, more than 0."""

    @property
    def log_margin(self) -> float:
        """Tolerated change of the figure, a logarithm below 0."""
        return float(np.log1p(-self.margin))


@dataclass(frozen=True)
class Reading:
    """One period. Axes: (exposed, holdout).

    logs         (2,) the figure, NaN where it cannot be told; replicates (2, REPLICATES) of the bootstrap.
    units        (2,) distinct units; exposures (2,) items shown to them.
    detail       further figures for people, by name.
    refused      why the figure itself cannot be told, and how the period stands then; None if it can.
    """

    logs: Floats
    replicates: Floats
    units: Ints
    exposures: Ints
    detail: dict[str, Any]
    refused: tuple[Standing, str] | None = None


@dataclass(frozen=True)
class ArmsState(PeriodState):
    """W watches. Arms are (exposed, holdout).

    form         (W,): undecided, a contrast, or the exposed alone.
    learned      (W,) periods in the baseline; base (W, 2), base_replicates (W, 2, REPLICATES): sums of the figures.
    """

    form: npt.NDArray[np.int8]
    learned: Ints
    base: Floats
    base_replicates: Floats


def start(watches: int) -> ArmsState:
    """Learning."""
    return periods.start(
        ArmsState,
        watches,
        LEARNING,
        form=np.full(watches, _UNDECIDED, np.int8),
        learned=np.zeros(watches, np.int64),
        base=np.zeros((watches, 2)),
        base_replicates=np.zeros((watches, 2, bootstrap.REPLICATES)),
    )


def close(
    ps: Sequence[ArmsParams], s: ArmsState, readings: Sequence[Reading], tick: Tick, words: Words
) -> tuple[ArmsState, list[Evidence]]:
    """Advance by one period."""
    s, by_hand = periods.rearm(s, tick)
    lacking = [_lacking(p, reading, int(form), words) for p, reading, form in zip(ps, readings, s.form, strict=True)]
    judged = np.array([standing is Standing.OK for standing, _ in lacking]) & ~tick.gated
    logs = np.stack([reading.logs for reading in readings])
    replicates = np.stack([reading.replicates for reading in readings])

    s = _settle_form(s, readings, judged)
    learning = s.mode == LEARNING
    (effect, se), change = _compare(s, logs, replicates)
    margin = np.array([p.log_margin for p in ps])
    with np.errstate(invalid="ignore"):
        upper = effect[:, None] + bootstrap.quantile(periods.errors(tick)) * se[:, None]
        low = upper < np.stack([margin, margin, 3.0 * margin], axis=1)
        clear = effect - bootstrap.quantile(periods.RECOVERY_LEVEL) * se > margin
    after, crossed = periods.judge(s, low, clear, tick, judged & ~learning)
    after = _learn(ps, after, logs, replicates, judged & learning)
    level = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
    told = [
        tell(
            Period(
                mode=periods.MODES[after.mode[i]],
                crossing=Crossing(level[i]),
                contrast=bool(s.form[i] != _ALONE),
                compared=bool(judged[i] and not learning[i]),
                gated=bool(tick.gated[i]),
                lacking=lacking[i],
                learned=int(after.learned[i]),
                learn_periods=p.learn_periods,
                effect=(float(effect[i]), float(se[i])),
                changes=[(float(change[0][i, arm]), float(change[1][i, arm])) for arm in range(2)],
                margin=p.margin,
                log_margin=p.log_margin,
                spend=float(tick.page[i]) if judged[i] and not learning[i] and s.level[i] < PAGE else 0.0,
                change_at=int((s if level[i] == Crossing.RECOVERED else after).since[i]) or None,
                units=readings[i].units,
                exposures=readings[i].exposures,
                logs=readings[i].logs,
                figures=readings[i].detail,
            ),
            words,
        )
        for i, p in enumerate(ps)
    ]
    return after, told


def _lacking(p: ArmsParams, reading: Reading, form: int, words: Words) -> tuple[Standing, str]:
    """How a period stands, and what keeps it from being judged if anything does."""
    if reading.exposures.sum() == 0:
        return Standing.STALE, f"{words.nothing} in this period"
    if reading.refused is not None and reading.refused[0] is Standing.NOT_COMPUTABLE:
        return reading.refused
    needed = [0, 1]
    if reading.units[1] == 0:
        if form == _CONTRAST:
            return (
                Standing.INSUFFICIENT,
                "nobody of the holdout was shown anything in this period, so there is nothing to compare with",
            )
        needed = [0]
    for arm in needed:
        if too_few := _too_few(p, reading, arm, words):
            return Standing.INSUFFICIENT, too_few
    return reading.refused or (Standing.OK, "")


def _too_few(p: ArmsParams, reading: Reading, arm: int, words: Words) -> str:
    who = ("exposed", "held-out")[arm]
    if reading.units[arm] < p.min_units:
        return f"{reading.units[arm]:,} {who} units in this period; at least {p.min_units:,} are needed"
    if reading.exposures[arm] < p.min_exposures:
        return f"{reading.exposures[arm]:,} {words.shown} {who} units; at least {p.min_exposures:,} are needed"
    if not (np.isfinite(reading.logs[arm]) and np.isfinite(reading.replicates[arm]).all()):
        return f"{reading.exposures[arm]:,} {words.shown} {who} units, {words.few}"
    return ""


def _settle_form(s: ArmsState, readings: Sequence[Reading], judged: Bools) -> ArmsState:
    """The first judged period decides whether there is a holdout; one that comes later starts the baseline anew."""
    held = np.array([reading.units[1] > 0 for reading in readings])
    form = np.where(judged & (s.form == _UNDECIDED), np.where(held, _CONTRAST, _ALONE), s.form)
    joined = judged & held & (form == _ALONE) & (s.mode != RECOVERING)
    form = np.where(joined, _CONTRAST, form).astype(np.int8)
    return replace(
        s,
        form=form,
        mode=np.where(joined, np.int8(LEARNING), s.mode),
        learned=np.where(joined, 0, s.learned),
        base=np.where(joined[:, None], 0.0, s.base),
        base_replicates=np.where(joined[:, None, None], 0.0, s.base_replicates),
        below=np.where(joined[:, None], 0, s.below),
        since=np.where(joined, 0, s.since),
    )


def _compare(s: ArmsState, logs: Floats, replicates: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Effect and its standard error (W,), then each arm's own change and its standard error (W, 2): all logarithms."""
    periods = np.maximum(s.learned, 1)
    change = logs - s.base / periods[:, None]
    repeated = replicates - s.base_replicates / periods[:, None, None]
    alone = s.form == _ALONE
    effect = np.where(alone, change[:, 0], change[:, 0] - change[:, 1])
    effect_repeated = np.where(alone[:, None], repeated[:, 0], repeated[:, 0] - repeated[:, 1])
    return (effect, bootstrap.standard_error(effect_repeated)), (change, bootstrap.standard_error(repeated))


def _learn(ps: Sequence[ArmsParams], s: ArmsState, logs: Floats, replicates: Floats, rows: Bools) -> ArmsState:
    """Add a period to the baseline; a holdout that does not exist adds nothing."""
    known = np.isfinite(logs) & rows[:, None]
    learned = s.learned + rows
    done = rows & (learned >= np.array([p.learn_periods for p in ps]))
    return replace(
        s,
        learned=learned,
        base=s.base + np.where(known, logs, 0.0),
        base_replicates=s.base_replicates + np.where(known[:, :, None], replicates, 0.0),
        mode=np.where(done, np.int8(WATCHING), s.mode),
    )

"""C5: can the model's scores still be read as what would come of an item if the model did not choose it?

At equal scores the outcome rate of what the policy chose for exposed people is compared with that of what held-out people were
shown. A gap that grows says that the scores foretell what comes of an item where the model shows it, and not elsewhere: they
cannot be read as exposure-free probabilities. It does not say that the model feeds on itself: weighted training shows it too.

Null: since the learning periods the gap has grown by no more than `page_if_gap_grows_by`, or than `relative` of the held-out's
rate then, whichever is less. A gap that was there from the start, such as that of better places, is silent. A period is beyond
when the lower bound of the growth lies above the margin, by the rule of `detectors.periods`; bounds are Student's with 19 degrees
of freedom, from a Poisson bootstrap over units with the same unit weights in every period. Asymptotic.

What held-out people are shown must carry the score that the model would have given it.

Source: Perdomo, Zrnic, Mendler-Duenner and Hardt 2020, ICML (predictions that change what they foretell).

>>> import numpy as np
>>> from detectors.columns import Columns, Hash, Numeric, Ragged, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, day, detector, p = np.random.default_rng(11), 86_400_000, CalibrationGap(), CalibrationGapParams()
>>> state, told = detector.start([p]), []
>>> for period in range(6):
...     unit = np.arange(1, 2_001, dtype=np.uint64)
...     exposed = np.repeat(unit % 4 != 0, 10)
...     score = rng.random(20_000) ** np.where(exposed, 0.5, 1.0)          # the model chooses what it scores high
...     taken = 0.3 * score + 0.1 * (exposed & (period >= 3))              # from period 3 being chosen alone brings clicks
...     items = {"item": Hash(rng.integers(1, 99, 20_000).astype(np.uint64)), "score": Numeric(score),
...              "came": flag(rng.random(20_000) < taken)}
...     rows = Columns(np.full(2_000, period * day), unit, (unit % 4 == 0).astype(np.int8), np.zeros(2_000, np.int32),
...                    np.arange(2_000), {"items": Ragged(np.arange(2_001) * 10, items)})
...     a = detector.fold(p.max_rows, detector.empty(p.max_rows), rows)
...     state, (said,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=1e-3, warn=4e-3))
...     if said.crossing is not Crossing.NONE:
...         told.append((period, str(said.crossing), round(said.effect, 1), said.change_at // day))
>>> told
[(4, 'page', 0.1, 3)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from pydantic import Field

from detectors import periods
from detectors.calibration_gap import scored
from detectors.calibration_gap.scored import Gap, Scored
from detectors.columns import Bools, Columns, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Standing
from detectors.math import bootstrap
from detectors.math.intervals import decides_nothing
from detectors.periods import LEARNING, PAGE, WATCHING, PeriodState

LEVEL = 0.95
MEANS = "scores cannot be read as exposure-free probabilities"


class CalibrationGapParams(Params):
    """Parameters of `calibration_gap`."""

    page_if_gap_grows_by: Annotated[
        float,
        Field(gt=0, lt=1, description="tolerated growth of the gap between outcome rates at equal scores, a share"),
    ] = 0.05
    relative: Annotated[
        float,
        Field(gt=0, le=5, description="the same as a part of the held-out's rate; the smaller of both counts"),
    ] = 0.2
    learn_periods: Annotated[int, Field(ge=1, le=100, description="periods whose mean gap is the baseline")] = 1
    min_units: Annotated[int, Field(ge=20, description="units of each cohort before a period is judged")] = 200
    max_rows: Annotated[
        int,
        Field(ge=1_000, le=5_000_000, description="showings with a score kept of a cohort in a period, 32 bytes each"),
    ] = 200_000


@dataclass(frozen=True)
class CalibrationGapState(PeriodState):
    """W watches.

    learned   (W,) periods in the baseline; base (W, 2): sums of their gaps and of the held-out's rates.
    replicates   (W, REPLICATES): sums of the gaps' replicates.
    """

    learned: Ints
    base: Floats
    replicates: Floats


class CalibrationGap:
    """See the module's text."""

    name = "calibration_gap"
    family = Family.LOOP
    hint = False
    params = CalibrationGapParams
    statistic = Scored
    state = CalibrationGapState

    def needs(self, p: CalibrationGapParams) -> Needs:
        """`items`, a list with the fields `item`, `score` and `came`: whether it brought the outcome."""
        return Needs(Stream.OUTCOMES, ("items", "came"), contrast=True, gated=True)

    def start(self, ps: Sequence[CalibrationGapParams]) -> CalibrationGapState:
        """Learning."""
        w = len(ps)
        return periods.start(
            CalibrationGapState,
            w,
            LEARNING,
            learned=np.zeros(w, np.int64),
            base=np.zeros((w, 2)),
            replicates=np.zeros((w, bootstrap.REPLICATES)),
        )

    def prepare(self, p: CalibrationGapParams, s: CalibrationGapState, row: int) -> int:
        """The cap on showings."""
        return p.max_rows

    def empty(self, prep: int) -> Scored:
        """Nobody was shown anything."""
        return scored.empty()

    def fold(self, prep: int, a: Scored, rows: Columns) -> Scored:
        """Add what exposed and held-out units were shown."""
        return scored.merge(a, scored.of(rows, prep), prep)

    def merge(self, prep: int, a: Scored, b: Scored) -> Scored:
        """Both samples as one."""
        return scored.merge(a, b, prep)

    def size(self, a: Scored) -> int:
        """Sampled units of the smaller cohort."""
        return int(scored.units(a).min())

    def close(
        self, ps: Sequence[CalibrationGapParams], s: CalibrationGapState, stats: Sequence[Scored], tick: Tick
    ) -> tuple[CalibrationGapState, list[Evidence]]:
        """Advance by one period."""
        s, by_hand = periods.rearm(s, tick)
        gaps = [scored.gap(a) for a in stats]
        lacking = [_lacking(p, a, gap) for p, a, gap in zip(ps, stats, gaps, strict=True)]
        judged = np.array([standing is Standing.OK for standing, _ in lacking]) & ~tick.gated
        learning = s.mode == LEARNING
        apart = np.stack([gap.rates[0] - gap.rates[1] for gap in gaps])
        effect, se = _growth(s, apart)
        margin = _margins(ps, s)
        with np.errstate(invalid="ignore"):
            lower = effect[:, None] - bootstrap.quantile(periods.errors(tick)) * se[:, None]
            beyond = lower > margin[:, None] * np.array([1.0, 1.0, 3.0])
            clear = effect + bootstrap.quantile(periods.RECOVERY_LEVEL) * se < margin
        after, crossed = periods.judge(s, beyond, clear, tick, judged & ~learning)
        after = _learn(ps, after, gaps, apart, judged & learning)
        level = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
        told = []
        for i, p in enumerate(ps):
            standing = (Standing.BLIND, "the holdout is not sound") if tick.gated[i] else lacking[i]
            if standing[0] is Standing.OK and learning[i]:
                standing = (
                    Standing.INSUFFICIENT,
                    f"learning: {after.learned[i]} of {p.learn_periods} periods for the baseline",
                )
            compared = bool(judged[i] and not learning[i])
            if compared and after.mode[i] == WATCHING and level[i] == Crossing.NONE:
                standing = _precise(gaps[i], float(effect[i]), float(se[i]), float(margin[i])) or standing
            base = Evidence(
                mode=periods.MODES[after.mode[i]],
                standing=standing[0],
                crossing=Crossing(level[i]),
                n={"exposed": int(gaps[i].units[0]), "holdout": int(gaps[i].units[1])},
                unit="share",
                margin=float(margin[i]) if not learning[i] else None,
                spend=float(tick.page[i]) if compared and s.level[i] < PAGE else 0.0,
                change_at=int((s if level[i] == Crossing.RECOVERED else after).since[i]) or None,
                exact=False,
                reason=standing[1],
            )
            learned_gap = float(s.base[i, 0] / max(s.learned[i], 1))
            told.append(_compared(base, gaps[i], (float(effect[i]), float(se[i])), learned_gap) if compared else base)
        return after, told


def _lacking(p: CalibrationGapParams, a: Scored, gap: Gap) -> tuple[Standing, str]:
    """How a period stands, and what keeps it from being judged if anything does."""
    if not a.shown[:, 0].any():
        return Standing.STALE, "no items were shown in this period"
    for arm, who in enumerate(("exposed", "held-out")):
        if a.shown[arm, 0] and not a.shown[arm, 1]:
            return (
                Standing.NOT_COMPUTABLE,
                f"no item shown to {who} people carries a score: log the score that the model gives to whatever is shown",
            )
    few = scored.units(a)
    for arm, who in enumerate(("exposed", "held-out")):
        if few[arm] < p.min_units:
            return (
                Standing.INSUFFICIENT,
                f"{few[arm]:,} {who} units in this period; at least {p.min_units:,} are needed",
            )
    if not np.isfinite(gap.rates).all():
        return (
            Standing.INSUFFICIENT,
            f"at no score were {scored.FEWEST} units of each cohort shown anything, so nothing can be compared",
        )
    return Standing.OK, ""


def _precise(gap: Gap, effect: float, se: float, margin: float) -> tuple[Standing, str] | None:
    """Too few people for any statement are no good news; None where something can be told."""
    radius = float(bootstrap.quantile((1.0 - LEVEL) / 2.0)) * se
    if not decides_nothing(effect, radius, margin):
        return None
    return (
        Standing.INSUFFICIENT,
        f"{gap.units[1]:,} held-out and {gap.units[0]:,} exposed units are too few for any statement on this period: the gap has "
        f"changed by {100 * (effect - radius):+.2g} to {100 * (effect + radius):+.2g} points, and {100 * margin:.2g} would be tolerated",
    )


def _growth(s: CalibrationGapState, apart: Floats) -> tuple[Floats, Floats]:
    """Growth of the gap since the baseline and its standard error, each (W,)."""
    learned = np.maximum(s.learned, 1)
    grown = apart[:, 1:] - s.replicates / learned[:, None]
    return apart[:, 0] - s.base[:, 0] / learned, bootstrap.standard_error(grown)


def _margins(ps: Sequence[CalibrationGapParams], s: CalibrationGapState) -> Floats:
    rate = s.base[:, 1] / np.maximum(s.learned, 1)
    absolute, relative = (np.array([getattr(p, name) for p in ps]) for name in ("page_if_gap_grows_by", "relative"))
    margin: Floats = np.minimum(absolute, relative * rate)
    return margin


def _learn(
    ps: Sequence[CalibrationGapParams], s: CalibrationGapState, gaps: Sequence[Gap], apart: Floats, rows: Bools
) -> CalibrationGapState:
    rate = np.array([gap.rates[1, 0] for gap in gaps])
    learned = s.learned + rows
    done = rows & (learned >= np.array([p.learn_periods for p in ps]))
    return replace(
        s,
        learned=learned,
        base=s.base + np.where(rows[:, None], np.stack([apart[:, 0], rate], axis=1), 0.0),
        replicates=s.replicates + np.where(rows[:, None], apart[:, 1:], 0.0),
        mode=np.where(done, np.int8(WATCHING), s.mode),
    )


def _compared(base: Evidence, gap: Gap, growth: tuple[float, float], learned_gap: float) -> Evidence:
    """What is told of a period that was compared with the baseline."""
    effect, se = growth
    exposed, holdout = (float(rate) for rate in gap.rates[:, 0])
    radius = float(bootstrap.quantile((1.0 - LEVEL) / 2.0)) * se
    reason = base.reason
    if base.crossing is not Crossing.NONE:
        word = f"it is over that {MEANS}" if base.crossing is Crossing.RECOVERED else MEANS
        reason = (
            f"{word}: at equal scores {exposed:.2%} of what exposed people are shown brings the outcome, {holdout:.2%} of what "
            f"held-out people are shown; at the baseline the gap was {learned_gap:+.2%}"
        )
    return msgspec.structs.replace(
        base,
        arms={"exposed": exposed, "holdout": holdout},
        effect=effect,
        relative=effect / holdout if holdout else None,
        interval=Interval(
            low=effect - radius,
            high=effect + radius,
            level=LEVEL,
            kind="recent",
            formula="student",
            inputs={"se": se, "alpha": 1.0 - LEVEL},
        ),
        reason=reason,
        detail={
            "learned_difference": learned_gap,
            "score_bins": gap.bins,
            "held_out_compared": gap.compared,
        },
    )

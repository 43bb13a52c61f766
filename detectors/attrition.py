"""B8: do the exposed and the held-out still come alike? Who stays away is in no comparison, so those who come may be no fair sample.

A period is a window of the watch, a day by default. Of every unit enrolled before the period it is asked whether it came in it:
zeros count, for they are what this is about. Each period is judged alone, at an error equal to what it may spend, by the rule of
`detectors.periods`: that the same people are compared again tomorrow costs nothing, as errors of periods add.

Null: the shares of the two cohorts that come differ by at most `apart_by`, a share of the mean of both. The tolerance is wide on
purpose. A model that drives a few people away does harm that outcomes show; where very many stay away, no outcome of those who
come can be trusted. Large n: a difference of two shares of independent units, with one variance for both cohorts.

Source: Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, 3rd edition, section 3.1 (two shares).

>>> import numpy as np
>>> from detectors.columns import Columns, flag
>>> from detectors.detector import Tick
>>> rng, day, detector, p = np.random.default_rng(3), 86_400_000, Attrition(), AttritionParams()
>>> state, told = detector.start([p]), []
>>> for period in range(8):
...     cohort = (np.arange(10_000) % 10 == 0).astype(np.int8)
...     stays = rng.random(10_000) < np.where((cohort == 0) & (period >= 4), 0.3, 0.5)     # from day 4 the exposed stay away
...     here = np.flatnonzero(stays | (period == 0))
...     rows = Columns(np.full(len(here), period * day), here.astype(np.uint64) + np.uint64(1), cohort[here],
...                    np.zeros(len(here), np.int32), np.arange(len(here)),
...                    {"counted": flag(np.ones(len(here), bool)), "first": flag(np.full(len(here), period == 0))})
...     a = detector.fold(None, detector.empty(None), rows)
...     state, (e,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=1e-3, warn=4e-3))
...     if e.crossing is not e.crossing.NONE:
...         told.append((period, str(e.crossing), round(e.relative, 2), e.change_at // day))
>>> told
[(5, 'page', -0.39, 4), (6, 'critical', -0.36, 4)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from detectors import periods
from detectors.columns import Cohort, Columns, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Standing
from detectors.periods import PAGE, RECOVERING, WATCHING, PeriodState

LEVEL = 0.95
_NEW, _BACK = 0, 1


class AttritionParams(Params):
    """Parameters of `attrition`."""

    apart_by: Annotated[
        float,
        Field(gt=0, lt=1, description="tolerated difference of the shares that come, as a share of the mean of both"),
    ] = 0.1
    min_holdout: Annotated[int, Field(ge=20, description="held-out units enrolled before a period is judged")] = 200


@dataclass(frozen=True)
class Comings:
    """One period: `units` (2, 2) of [exposed, holdout]: enrolled in it, and enrolled before it who came."""

    units: Ints


@dataclass(frozen=True)
class AttritionState(PeriodState):
    """W watches. enrolled (W, 2): units of [exposed, holdout] enrolled so far."""

    enrolled: Ints


class Attrition:
    """See the module's text."""

    name = "attrition"
    family = Family.INTEGRITY
    hint = False
    params = AttritionParams
    statistic = Comings
    state = AttritionState

    def needs(self, p: AttritionParams) -> Needs:
        """`first`: the unit's enrolment row; `counted`: the row by which a unit is counted once a day."""
        return Needs(Stream.PREDICTIONS, ("first", "counted"), contrast=True)

    def start(self, ps: Sequence[AttritionParams]) -> AttritionState:
        """Watching at once: the null is no habit to be learned."""
        w = len(ps)
        return periods.start(
            AttritionState,
            w,
            WATCHING,
            enrolled=np.zeros((w, 2), np.int64),
        )

    def prepare(self, p: AttritionParams, s: AttritionState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Comings:
        """Nobody came."""
        return Comings(np.zeros((2, 2), np.int64))

    def fold(self, prep: None, a: Comings, rows: Columns) -> Comings:
        """Add who was enrolled, and who came back."""
        counts = rows.take(rows.flags("counted") & (rows.unit != 0) & (rows.cohort <= Cohort.HOLDOUT))
        new = counts.flags("first")
        added = [np.bincount(counts.cohort[which], minlength=2) for which in (new, ~new)]
        return Comings(a.units + np.array(added, np.int64))

    def merge(self, prep: None, a: Comings, b: Comings) -> Comings:
        """Counts add."""
        return Comings(a.units + b.units)

    def size(self, a: Comings) -> int:
        """Units that came: an absent cohort is evidence here, no lack of it."""
        return int(a.units.sum())

    def close(
        self, ps: Sequence[AttritionParams], s: AttritionState, stats: Sequence[Comings], tick: Tick
    ) -> tuple[AttritionState, list[Evidence]]:
        """Advance by one period."""
        s, by_hand = periods.rearm(s, tick)
        counts = np.array([a.units for a in stats])
        before, back = s.enrolled, np.minimum(counts[:, _BACK], s.enrolled)
        lacking = [_lacking(p, n, a) for p, n, a in zip(ps, before, counts, strict=True)]
        live = np.array([standing is Standing.OK for standing, _ in lacking]) & ~tick.gated
        share, apart, se, mean = _apart(before, back)
        margin = np.array([p.apart_by for p in ps]) * mean
        within = -ndtri(periods.errors(tick) / 2.0)
        beyond = np.abs(apart)[:, None] - within * se[:, None] > np.stack([margin, margin, 3.0 * margin], axis=1)
        clear = np.abs(apart) - ndtri(periods.RECOVERY_LEVEL) * se < margin
        after, crossed = periods.judge(s, beyond, clear, tick, live)
        level = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
        grown = np.where(tick.gated[:, None], before, before + counts[:, _NEW])
        after = replace(after, enrolled=grown)
        told = []
        for i in range(len(ps)):
            crossing = Crossing(level[i])
            told.append(
                _tell(
                    crossing,
                    (before[i], share[i], float(se[i]), float(margin[i])),
                    lacking[i] if not tick.gated[i] else (Standing.BLIND, "this gate's own data is not sound"),
                    spend=float(tick.page[i]) if live[i] and s.level[i] < PAGE else 0.0,
                    since=int((s if crossing is Crossing.RECOVERED else after).since[i]) or None,
                    mode=int(after.mode[i]),
                )
            )
        return after, told


def _lacking(p: AttritionParams, enrolled: Ints, counts: Ints) -> tuple[Standing, str]:
    if not counts.sum():
        return Standing.STALE, "nobody came in this period"
    if enrolled[1] < p.min_holdout or not enrolled[0]:
        return (
            Standing.INSUFFICIENT,
            f"{enrolled[1]:,} held-out people were enrolled before this period; at least {p.min_holdout:,} are needed",
        )
    return Standing.OK, ""


def _apart(enrolled: Ints, back: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Shares (W, 2) that came, their difference, its standard error, and the mean of both, (W,) each."""
    n = np.maximum(enrolled, 1).astype(np.float64)
    share: Floats = back / n
    # one unit of either answer is added, so that nothing that never happened seems certain
    pooled = (back.sum(axis=1) + 1.0) / (n.sum(axis=1) + 2.0)
    se: Floats = np.sqrt(pooled * (1.0 - pooled) * (1.0 / n).sum(axis=1))
    return share, share[:, 0] - share[:, 1], se, back.sum(axis=1) / n.sum(axis=1)


def _tell(
    crossing: Crossing,
    measured: tuple[Ints, Floats, float, float],
    lacking: tuple[Standing, str],
    *,
    spend: float,
    since: int | None,
    mode: int,
) -> Evidence:
    enrolled, share, se, margin = measured
    standing, reason = lacking
    known = standing is Standing.OK
    apart = float(share[0] - share[1])
    radius = float(-ndtri((1.0 - LEVEL) / 2.0)) * se
    if crossing is not Crossing.NONE:
        word = "come alike again" if crossing is Crossing.RECOVERED else "no longer come alike"
        reason = f"exposed and held-out people {word}: {share[0]:.2%} and {share[1]:.2%} of those enrolled before came"
    return Evidence(
        mode=periods.MODES[mode],
        standing=standing,
        crossing=crossing,
        n={"exposed": int(enrolled[0]), "holdout": int(enrolled[1])},
        arms={"exposed": float(share[0]), "holdout": float(share[1])} if known else {},
        effect=apart if known else None,
        relative=apart / float(share[1]) if known and share[1] else None,
        unit="share of enrolled units",
        interval=Interval(
            low=apart - radius,
            high=apart + radius,
            level=LEVEL,
            kind="fresh" if mode == RECOVERING and crossing is Crossing.NONE else "recent",
            formula="normal",
            inputs={"se": se, "alpha": 1.0 - LEVEL},
        )
        if known
        else None,
        margin=margin if known else None,
        spend=spend,
        change_at=since,
        exact=False,
        reason=reason,
    )

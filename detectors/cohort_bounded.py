"""B1: is the exposed cohort worse off than the holdout, in a value per unit between 0 and 1?

A unit votes once: with the value of its first prediction (of its randomisation), zeros included, whatever it does later. So
events of one person never count as independent, and the evidence is exact: it rests on the assignment coin alone.

Null: the effect is no worse than the margin, `page_if_worse_by` times the mean that the learning period saw (frozen).

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, CohortBounded()
>>> p = CohortBoundedParams(holdout_share=0.5, learn_units=2_000)
>>> state, told = detector.start([p]), []
>>> for window in range(40):
...     cohort = (rng.random(1_000) < 0.5).astype(np.int8)                # 0 exposed, 1 holdout: a fair coin
...     chance = np.where((cohort == 0) & (window >= 20), 0.06, 0.10)     # from window 20 the exposed lose 4 points
...     rows = Columns(np.full(1_000, window * hour), np.arange(1_000, dtype=np.uint64), cohort, np.zeros(1_000, np.int32),
...                    np.arange(1_000), {"value": Numeric((rng.random(1_000) < chance) * 1.0), "first": flag(np.ones(1_000, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].effect < -0.02))
>>> told
[(26, 'warn', True), (27, 'page', True), (28, 'critical', True)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
import numpy as np
from pydantic import Field

from detectors import cohort_reach, engine, two_arms
from detectors.columns import Floats, Ints
from detectors.detector import Family, Params, Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.increments import ipw
from detectors.math import dyadic
from detectors.math.intervals import normal_mixture_radius
from detectors.two_arms import N0, N1, S0, S1, Tally

LEVEL = 0.95
_NAMES = ("exposed_n", "exposed_sum", "exposed_squares", "holdout_n", "holdout_sum", "holdout_squares")


class CohortBoundedParams(Params):
    """Parameters of `cohort_bounded`."""

    holdout_share: Annotated[float, Field(gt=0, lt=1, description="planned share of the holdout among both cohorts")]
    better: Annotated[Literal["higher", "lower"], Field(description="whether a higher value is better or worse")] = (
        "higher"
    )
    page_if_worse_by: Annotated[
        float, Field(gt=0, lt=10, description="tolerated harm, as a share of the mean seen while learning")
    ] = 0.02
    learn_units: Annotated[int, Field(ge=100, description="units, both cohorts together, before watching begins")] = (
        5_000
    )
    learn_events: Annotated[
        float, Field(ge=0, description="sum of values before watching begins, so that a rare outcome has a mean")
    ] = 20.0
    min_holdout: Annotated[int, Field(ge=1, description="held-out units before anything is judged")] = 50
    must_find: Annotated[
        float,
        Field(
            gt=0,
            description="harm, as a share of the mean, that would have been found by now had it been there; until then the "
            "watch is insufficient, never ok",
        ),
    ] = 0.5


@dataclass(frozen=True)
class CohortBoundedState:
    """W watches. Sums are (n, sum, sum of squares) of the exposed, then of the holdout.

    total    (W, 6) since learning began; fresh (W, 6) since the open alert began; spans: the last windows.
    began    (W,) event time at which `total` began, ms; -1 before the first unit.
    margin   (W,) absolute, fixed when learning ends; tau (W,) where intervals are tightest; baseline (W,) the learned mean.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    total: Floats
    fresh: Floats
    began: Ints
    baseline: Floats
    margin: Floats
    tau: Floats


class CohortBounded(two_arms.ByUnit):
    """See the module's text."""

    name = "cohort_bounded"
    family = Family.COHORT
    hint = False
    params = CohortBoundedParams
    state = CohortBoundedState

    def start(self, ps: Sequence[CohortBoundedParams]) -> CohortBoundedState:
        """Learning."""
        w = len(ps)
        zeros = np.zeros(w)
        return CohortBoundedState(
            engine.start(w, ipw.BETS),
            dyadic.start(w, 6),
            np.zeros((w, 6)),
            np.zeros((w, 6)),
            np.full(w, -1, np.int64),
            zeros,
            zeros.copy(),
            zeros.copy(),
        )

    def close(
        self, ps: Sequence[CohortBoundedParams], s: CohortBoundedState, stats: Sequence[Tally], tick: Tick
    ) -> tuple[CohortBoundedState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        w = len(ps)
        entries = two_arms.entries(stats)
        window = two_arms.sums(entries, w)
        share = 1.0 - np.array([p.holdout_share for p in ps])
        good = np.array([1.0 if p.better == "higher" else -1.0 for p in ps])
        live = ~tick.gated

        before = s.total
        pooled_n, pooled_s = before[:, N1] + before[:, N0], before[:, S1] + before[:, S0]
        centre = pooled_s / np.maximum(pooled_n, 1.0)
        informative = (window[:, N1] + window[:, N0]) > 0
        since = np.where(s.began >= 0, tick.start - s.began, 0)
        coming = np.where(since > 0, pooled_n * cohort_reach.HORIZON / np.maximum(since, 1), 0.0)
        increments = engine.Increments(
            null=ipw.log_increments(entries, w, share, centre, s.margin, good, coming),
            critical=ipw.log_increments(entries, w, share, centre, 3.0 * s.margin, good, coming),
            worse=ipw.log_increments_worse(entries, w, share, centre, s.margin, good, coming),
        )
        open_ = s.bank.mode == engine.RECOVERING
        fresh = np.where((open_ & live)[:, None], s.fresh + window, s.fresh)
        weights = np.full(ipw.BETS, -np.log(ipw.BETS))
        bank, verdict = engine.advance(s.bank, increments, weights, tick, informative, np.ones(w, np.bool_))

        total = np.where(live[:, None], before + window, before)
        total = np.where(verdict.restarted[:, None] & live[:, None], window, total)
        kept = np.where(verdict.restarted, -1, s.began)
        began = np.where(live & informative & (kept < 0), tick.start, kept)
        spans = dyadic.push(s.spans, window, live & informative & (bank.mode != engine.LEARNING))
        after = replace(
            s,
            bank=bank,
            spans=dyadic.clear(spans, verdict.ended),
            total=total,
            began=began,
            fresh=np.where((verdict.opened | verdict.ended)[:, None], 0.0, fresh),
        )
        after = self._finish_learning(ps, after, tick)
        units = window[:, N1] + window[:, N0]
        return after, _report(ps, replace(after, spans=spans, fresh=fresh), verdict, tick, units)

    def _finish_learning(
        self, ps: Sequence[CohortBoundedParams], s: CohortBoundedState, tick: Tick
    ) -> CohortBoundedState:
        n, total = s.total[:, N1] + s.total[:, N0], s.total[:, S1] + s.total[:, S0]
        ready = (
            (s.bank.mode == engine.LEARNING)
            & (n >= np.array([p.learn_units for p in ps]))
            & (total >= np.array([p.learn_events for p in ps]))
            & (s.total[:, N0] >= np.array([p.min_holdout for p in ps]))
            & (s.total[:, N1] >= 1)
            & ~tick.gated
        )
        baseline = np.where(ready, total / np.maximum(n, 1.0), s.baseline)
        margin = np.where(ready, baseline * np.array([p.page_if_worse_by for p in ps]), s.margin)
        tau = np.where(ready, np.maximum(margin, two_arms.standard_error(s.total)), s.tau)
        return replace(s, bank=engine.begin(s.bank, ready, tick.end), baseline=baseline, margin=margin, tau=tau)


def _radius(sums: Floats, tau: Floats, alpha: Floats | float) -> Floats:
    return normal_mixture_radius(two_arms.standard_error(sums), tau, alpha)


def _report(
    ps: Sequence[CohortBoundedParams], s: CohortBoundedState, verdict: engine.Verdict, tick: Tick, units: Floats
) -> list[Evidence]:
    """`s` still holds what an alert that ended in this window was resolved by."""
    alpha = 1.0 - LEVEL
    recent, _, offered = dyadic.at_least(s.spans, verdict.lasted)
    modes = engine.modes(s.bank)
    views = {
        "since_start": (s.total, _radius(s.total, s.tau, alpha)),
        "recent": (recent, _radius(recent, s.tau, alpha / offered)),
        "fresh": (s.fresh, _radius(s.fresh, s.tau, alpha)),
    }
    return [
        _evidence(
            ps[i],
            {kind: (sums[i], float(radius[i])) for kind, (sums, radius) in views.items()},
            baseline=float(s.baseline[i]),
            margin=float(s.margin[i]),
            tau=float(s.tau[i]),
            offered=int(offered[i]),
            base=_stale(engine.evidence(verdict, tick, modes, i), units[i]),
            pace=cohort_reach.Pace.seen(s.total[i], int(s.began[i]), tick, i),
            watched=float(min(s.bank.windows[i] * (tick.end[i] - tick.start[i]), tick.end[i] - s.began[i])),
        )
        for i in range(len(ps))
    ]


def _stale(base: Evidence, units: float) -> Evidence:
    """A window that brought nobody new is no verdict, and is not shown as one."""
    if units or base.mode is Mode.LEARNING or base.standing is not Standing.OK or base.crossing is not Crossing.NONE:
        return base
    return msgspec.structs.replace(base, standing=Standing.STALE, reason="no new unit came in this window")


def _evidence(
    p: CohortBoundedParams,
    views: dict[str, tuple[Floats, float]],
    *,
    baseline: float,
    margin: float,
    tau: float,
    offered: int,
    base: Evidence,
    pace: cohort_reach.Pace,
    watched: float,
) -> Evidence:
    kind = "since_start"
    if base.crossing is not Crossing.NONE:
        kind = "recent"
    elif base.mode is Mode.RECOVERING:
        kind = "fresh"
    if views[kind][0][N0] < 1 or views[kind][0][N1] < 1:
        kind = "since_start"
    sums, radius = views[kind]
    n1, n0 = int(sums[N1]), int(sums[N0])
    m1, m0 = float(sums[S1]) / max(n1, 1), float(sums[S0]) / max(n0, 1)
    known = n1 > 0 and n0 > 0
    effect = m1 - m0 if known else None
    interval = (
        Interval(
            low=effect - radius,
            high=effect + radius,
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={
                "se": float(two_arms.standard_error(sums[None])[0]),
                "tau": tau,
                "alpha": (1.0 - LEVEL) / (offered if kind == "recent" else 1),
            },
        )
        if effect is not None and np.isfinite(radius)
        else None
    )
    standing, reason, foretold = _standing(p, base, views["since_start"][0], pace, watched)
    return msgspec.structs.replace(
        base,
        standing=standing,
        reason=reason,
        n={"exposed": n1, "holdout": n0},
        arms={"exposed": m1, "holdout": m0} if known else {},
        effect=effect,
        relative=effect / m0 if effect is not None and m0 > 0 else None,
        interval=interval,
        unit="per unit",
        margin=margin if base.mode is not Mode.LEARNING else None,
        detail={"baseline": baseline, "page_if_worse_by": p.page_if_worse_by, "better": p.better}
        | {f"{k}_{name}": float(v) for k, (view, _) in views.items() for name, v in zip(_NAMES, view, strict=True)}
        | foretold,
    )


def _standing(
    p: CohortBoundedParams, base: Evidence, total: Floats, pace: cohort_reach.Pace, watched: float
) -> tuple[Standing, str, dict[str, float]]:
    """The standing, its reason, and where there is too little to judge, the smallest harm that would be found and by when."""
    if base.standing is not Standing.OK:
        return base.standing, base.reason, {}
    if base.mode is Mode.LEARNING:
        n, seen, held = int(total[N1] + total[N0]), float(total[S1] + total[S0]), int(total[N0])
        lacking = (p.learn_units - n, (p.learn_events - seen) / pace.mean if pace.mean else 0.0, p.min_holdout - held)
        missing = max(*lacking[:2], lacking[2] / p.holdout_share, 0.0)
        words, foretold = cohort_reach.told(_plan(p), pace, missing)
        reason = (
            f"learning: {n:,} of {p.learn_units:,} units, {held:,} of {p.min_holdout:,} held out, "
            f"sum of values {seen:,.0f} of {p.learn_events:,.0f}"
        )
        return Standing.INSUFFICIENT, f"{reason}; {words}" if words else reason, foretold
    if base.mode is Mode.WATCHING and base.crossing is Crossing.NONE:
        early = cohort_reach.too_early(_plan(p), pace, p.must_find, watched)
        if early:
            words, foretold = cohort_reach.told(_plan(p), pace, 0.0)
            return Standing.INSUFFICIENT, f"{int(total[N0]):,} held-out units so far: {early}; {words}", foretold
    return Standing.OK, "", {}


def _plan(p: CohortBoundedParams) -> cohort_reach.Plan:
    return cohort_reach.Plan(p.holdout_share, p.page_if_worse_by, p.better)

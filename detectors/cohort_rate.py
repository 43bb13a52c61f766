"""B3: does it happen to more of the exposed than of the holdout, measured by the ratio of both rates? Errors, timeouts, complaints.

How often it happens to anybody need not be known, and may change from minute to minute: of the units that it happened to, the
exposed ones are a binomial share, which only the ratio of the two rates moves. So there is nothing to learn, an outage that hits
everybody cancels, and rare events tell as much as their number allows.

A unit votes once, with its enrolment: whether its value is above 0 (a category: whether there is one). Many events of one unit
come in clumps, and are counted as one.

Null: the exposed rate is at most 1 + `page_if_worse_by` times the holdout's (at least 1 / (1 + it), where higher is better).
Exact: it rests on the assignment coin alone; of what is frequent it errs on the safe side. Critical: three times the tolerance.

Source: I6 (`increments.rates`; Lindon and Malek 2022, NeurIPS) in the engine of `detectors.engine`.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector, told = np.random.default_rng(7), 3_600_000, CohortRate(), []
>>> p = CohortRateParams(holdout_share=0.2)
>>> state = detector.start([p])
>>> for window in range(40):
...     cohort = (rng.random(3_000) < 0.2).astype(np.int8)
...     usual = 0.004 * (10.0 if 5 <= window < 8 else 1.0)                     # for three hours everybody has ten times as many
...     failed = rng.random(3_000) < usual * np.where((cohort == 0) & (window >= 20), 2.5, 1.0)
...     rows = Columns(np.full(3_000, window * hour), np.arange(1, 3_001, dtype=np.uint64), cohort, np.zeros(3_000, np.int32),
...                    np.arange(3_000), {"value": Numeric(failed * 1.0), "first": flag(np.ones(3_000, bool))})
...     a = detector.fold(None, detector.empty(None), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, (evidence,) = detector.close([p], state, [a], tick)
...     if evidence.crossing is Crossing.PAGE:
...         told.append((window, round(evidence.relative, 1)))
>>> told
[(28, 1.5)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
import numpy as np
from pydantic import Field

from detectors import engine, views
from detectors.columns import Bools, Category, Cohort, Columns, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Standing
from detectors.increments import rates
from detectors.math import dyadic
from detectors.math.intervals import rate_difference_interval
from detectors.views import LEVEL, Views

_CRITICAL = 3.0
_LOG_WEIGHTS = np.full(rates.BETS, -np.log(rates.BETS))
_N1, _HIT1, _N0, _HIT0 = range(4)
_NAMES = ("exposed_n", "exposed_hit", "holdout_n", "holdout_hit")


class CohortRateParams(Params):
    """Parameters of `cohort_rate`."""

    holdout_share: Annotated[float, Field(gt=0, lt=1, description="planned share of the holdout among both cohorts")]
    better: Annotated[Literal["higher", "lower"], Field(description="whether it is good or bad when it happens")] = (
        "lower"
    )
    page_if_worse_by: Annotated[
        float, Field(gt=0, lt=10, description="tolerated harm, as a part of the holdout's rate")
    ] = 0.1


@dataclass(frozen=True)
class Happened:
    """Enrolled units: `units` (4,) exposed, those it happened to, held out, those it happened to."""

    units: Ints


@dataclass(frozen=True)
class CohortRateState:
    """W watches; sums as in `Happened`, (W, 4): `total` since the start, `fresh` since the open alert began."""

    bank: engine.Bank
    spans: dyadic.Spans
    total: Floats
    fresh: Floats


class CohortRate:
    """See the module's text."""

    name = "cohort_rate"
    family = Family.COHORT
    hint = False
    params = CohortRateParams
    statistic = Happened
    state = CohortRateState

    def needs(self, p: CohortRateParams) -> Needs:
        """`value`, above 0 where it happened (missing is left out), and `first`: the unit's enrolment row."""
        return Needs(Stream.OUTCOMES, ("value", "first"), contrast=True, gated=True)

    def start(self, ps: Sequence[CohortRateParams]) -> CohortRateState:
        """Watching from the first window: there is nothing to learn."""
        w = len(ps)
        return CohortRateState(engine.start(w, rates.BETS), dyadic.start(w, 4), np.zeros((w, 4)), np.zeros((w, 4)))

    def prepare(self, p: CohortRateParams, s: CohortRateState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Happened:
        """No units."""
        return Happened(np.zeros(4, np.int64))

    def fold(self, prep: None, a: Happened, rows: Columns) -> Happened:
        """Add enrolment rows of both cohorts that have a value."""
        known, happened = _happened(rows)
        counted = rows.flags("first") & (rows.unit != 0) & known
        arms = [counted & (rows.cohort == arm) for arm in (Cohort.EXPOSED, Cohort.HOLDOUT)]
        counts = [np.count_nonzero(x) for arm in arms for x in (arm, arm & happened)]
        return Happened(a.units + np.array(counts, np.int64))

    def merge(self, prep: None, a: Happened, b: Happened) -> Happened:
        """Counts add."""
        return Happened(a.units + b.units)

    def size(self, a: Happened) -> int:
        """Units of the smaller cohort."""
        return int(min(a.units[_N1], a.units[_N0]))

    def close(
        self, ps: Sequence[CohortRateParams], s: CohortRateState, stats: Sequence[Happened], tick: Tick
    ) -> tuple[CohortRateState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        window = np.array([a.units for a in stats], np.float64)
        started = replace(s, bank=engine.begin(s.bank, s.bank.mode == engine.LEARNING, tick.start))
        live, informative = ~tick.gated, window[:, _HIT1] + window[:, _HIT0] > 0
        bank, verdict = engine.advance(
            started.bank, _increments(ps, window), _LOG_WEIGHTS, tick, informative, np.ones(len(ps), np.bool_)
        )
        spans = dyadic.push(s.spans, window, live & informative)
        seen = views.of(started, spans, window, live, verdict)
        after = replace(started, bank=bank, **views.kept(seen, spans, verdict))
        return after, _report(ps, bank, seen, window, verdict, tick)


def tolerance(p: CohortRateParams, times: float = 1.0) -> float:
    """The tolerated difference of the logarithms of both rates."""
    return float(np.log1p(times * p.page_if_worse_by))


def _happened(rows: Columns) -> tuple[Bools, Bools]:
    """Which rows say anything, and to which of them it happened. Of a category nothing is missing: it is there, or not."""
    column = rows.fields["value"]
    if isinstance(column, Category):
        return np.ones(len(rows), np.bool_), column.codes >= 0
    value = rows.numbers("value")
    return ~np.isnan(value), value > 0


def _increments(ps: Sequence[CohortRateParams], window: Floats) -> engine.Increments:
    share = np.array([1.0 - p.holdout_share for p in ps])
    side = np.array([1.0 if p.better == "lower" else -1.0 for p in ps])
    usual, critical = (np.array([tolerance(p, times) for p in ps]) for times in (1.0, _CRITICAL))
    exposed, hit = window[:, _HIT1], window[:, _HIT1] + window[:, _HIT0]
    return engine.Increments(
        null=rates.log_increments(exposed, hit, share, usual, side),
        critical=rates.log_increments(exposed, hit, share, critical, side),
        worse=rates.log_increments_worse(exposed, hit, share, usual, side),
    )


def _report(
    ps: Sequence[CohortRateParams],
    bank: engine.Bank,
    seen: Views,
    window: Floats,
    verdict: engine.Verdict,
    tick: Tick,
) -> list[Evidence]:
    modes, shown = engine.modes(bank), list[_Shown]()
    for row in range(len(ps)):
        base = engine.evidence(verdict, tick, modes, row)
        kind, sums, alpha = seen.told(base, row)
        named = {"since_start": seen.total[row], "fresh": seen.fresh[row], kind: sums}
        quiet = base.standing is Standing.OK and base.crossing is Crossing.NONE
        if quiet and not window[row, [_N1, _N0]].any():
            base = msgspec.structs.replace(base, standing=Standing.STALE, reason="no new unit came in this window")
        shown.append(_Shown(base, named, kind, alpha))
    inputs = [_inputs(p, each) for p, each in zip(ps, shown, strict=True)]
    low, high = rate_difference_interval(*np.array([list(each.values()) for each in inputs]).T)
    return [
        _evidence(p, each, of, ends)
        for p, each, of, ends in zip(ps, shown, inputs, zip(low.tolist(), high.tolist(), strict=True), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is told of a watch: sums by view, and the `kind` of view that the interval is of, at `alpha`."""

    base: Evidence
    views: dict[str, Floats]
    kind: str
    alpha: float


def _inputs(p: CohortRateParams, shown: _Shown) -> dict[str, float]:
    """What `rate_difference_interval` takes, in order."""
    n1, hit1, n0, hit0 = shown.views[shown.kind].tolist()
    test = {"yes": hit1, "n": hit1 + hit0, "share": 1.0 - p.holdout_share, "tau": tolerance(p), "alpha": shown.alpha}
    return test | {"first": n1, "second": n0}


def _evidence(p: CohortRateParams, shown: _Shown, inputs: dict[str, float], ends: tuple[float, float]) -> Evidence:
    base, views, (low, high) = shown.base, shown.views, ends
    n1, hit1, n0, hit0 = views[shown.kind].tolist()
    known = n1 > 0 and n0 > 0
    rate1, rate0 = hit1 / max(n1, 1.0), hit0 / max(n0, 1.0)
    return msgspec.structs.replace(
        base,
        n={"exposed": int(n1), "holdout": int(n0)},
        arms={"exposed": rate1, "holdout": rate0} if known else {},
        effect=rate1 - rate0 if known else None,
        relative=rate1 / rate0 - 1.0 if known and rate0 > 0 else None,
        interval=Interval(
            low=low,
            high=high,
            level=LEVEL,
            kind=shown.kind,
            formula="rate_difference",
            inputs=inputs,
        )
        if known and hit1 + hit0 > 0
        else None,
        unit="share of units",
        margin=p.page_if_worse_by * rate0 if known else None,
        detail={"page_if_worse_by": p.page_if_worse_by, "better": p.better}
        | {f"{name}_{what}": v for name, sums in views.items() for what, v in zip(_NAMES, sums.tolist(), strict=True)},
    )

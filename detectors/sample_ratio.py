"""B5: do the cohorts have the planned sizes? The gate before every comparison of cohorts.

Every unit counts once in the life of its randomisation, in the cohort it was first seen in. Eight bets, on log odds that are
off by up to 20 % in either direction, run in one engine that restarts with every change (it finds a break after months of
health). A ninth, a mixture over all shares, begins with a stake of its own (it finds a plan that was wrong from the first day).

Null: each new unit is held out with a chance whose log odds are within `tolerance` of the planned ones. So the size of the
data never makes an alarm of a trifle.

>>> import numpy as np
>>> from detectors.columns import Columns, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, detector, p = np.random.default_rng(3), SampleRatio(), SampleRatioParams(holdout_share=0.05)
>>> state, told = detector.start([p]), []
>>> for window in range(30):
...     share = 0.05 if window < 10 else 0.03                             # from window 10 part of the holdout is lost
...     cohort = (rng.random(2_000) < share).astype(np.int8)
...     rows = Columns(np.full(2_000, window), np.arange(1, 2_001, dtype=np.uint64), cohort, np.zeros(2_000, np.int32),
...                    np.arange(2_000), {"first": flag(np.ones(2_000, bool))})
...     a = detector.fold(None, detector.empty(None), rows)
...     state, evidence = detector.close([p], state, [a], Tick.plain(window, window + 1, page=1e-5, warn=4e-5))
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing)))
>>> told, round(evidence[0].arms["holdout"], 3)
([(12, 'page')], 0.03)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from pydantic import Field
from scipy.special import logit

from detectors import engine
from detectors.columns import Cohort, Columns, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.increments import bernoulli, multinomial
from detectors.math import dyadic
from detectors.math.intervals import share_interval
from detectors.power import Outlook, Reach, delay, smallest, walk_of

LEVEL = 0.95
START_LEVEL = 0.001
"""Chance ever to alarm on a sound plan through the opening stake; on top of the spend."""

NOBODY = "no unit of either cohort has been counted: is the unit mapped, and are the arms spelled as in the events?"

_SHIFTS = np.array([-0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2])
_BETS = len(_SHIFTS) + 1
_LOG_WEIGHTS = np.full(_BETS, -np.log(_BETS))
_EDGES = np.array([-1.0, 1.0])
_SMALLEST_REPAIR = 0.05
_BACK = np.linspace(0.75, -0.5, _BETS)


class SampleRatioParams(Params):
    """Parameters of `sample_ratio`."""

    holdout_share: Annotated[float, Field(gt=0, lt=1, description="planned share of the holdout among both cohorts")]
    tolerance: Annotated[
        float,
        Field(
            ge=0, lt=1, description="deviation of the log odds that is nobody's concern; .01 is about 1 % of the share"
        ),
    ] = 0.01
    expected_shift: Annotated[
        float, Field(gt=0, lt=5, description="deviation of the log odds at which the interval is tightest")
    ] = 0.1


@dataclass(frozen=True)
class Counts:
    """First-seen units: [exposed, holdout]."""

    units: Ints


@dataclass(frozen=True)
class SampleRatioState:
    """W watches. `total`, `fresh` (W, 2) first-seen units since the start and since the alert opened.

    broken (W,): deviation of the log odds at the alarm, signed; 0 if none is open.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    total: Floats
    fresh: Floats
    broken: Floats


class SampleRatio:
    """See the module's text."""

    name = "sample_ratio"
    family = Family.INTEGRITY
    hint = False
    params = SampleRatioParams
    statistic = Counts
    state = SampleRatioState

    def needs(self, p: SampleRatioParams) -> Needs:
        """`first`: the unit's enrolment row."""
        return Needs(Stream.PREDICTIONS, ("first",), contrast=True)

    def start(self, ps: Sequence[SampleRatioParams]) -> SampleRatioState:
        """Watching from the first window: there is nothing to learn. The mixture starts with its stake."""
        w = len(ps)
        bank = engine.start(w, _BETS)
        stake = np.full((w, _BETS), -np.inf)
        stake[:, -1] = np.log(START_LEVEL) - _LOG_WEIGHTS[-1]
        bank = replace(bank, page=stake, warn=stake.copy())
        return SampleRatioState(bank, dyadic.start(w, 2), np.zeros((w, 2)), np.zeros((w, 2)), np.zeros(w))

    def prepare(self, p: SampleRatioParams, s: SampleRatioState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Counts:
        """No units."""
        return Counts(np.zeros(2, np.int64))

    def fold(self, prep: None, a: Counts, rows: Columns) -> Counts:
        """Add enrolment rows of exposed and held-out units."""
        cohort = rows.cohort[rows.flags("first") & (rows.unit != 0) & (rows.cohort <= Cohort.HOLDOUT)]
        return Counts(a.units + np.bincount(cohort, minlength=2).astype(np.int64))

    def merge(self, prep: None, a: Counts, b: Counts) -> Counts:
        """Counts add."""
        return Counts(a.units + b.units)

    def size(self, a: Counts) -> int:
        """First-seen units of both cohorts: an empty cohort is evidence here, no lack of it."""
        return int(a.units.sum())

    def close(
        self, ps: Sequence[SampleRatioParams], s: SampleRatioState, stats: Sequence[Counts], tick: Tick
    ) -> tuple[SampleRatioState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        share = np.array([p.holdout_share for p in ps])
        window = np.array([a.units for a in stats], np.float64)
        started = replace(s, bank=engine.begin(s.bank, s.bank.mode == engine.LEARNING, tick.start))
        open_ = started.bank.mode == engine.RECOVERING
        live = ~tick.gated
        fresh = np.where((open_ & live)[:, None], s.fresh + window, s.fresh)
        repaired = np.maximum(np.abs(s.broken) / 2.0, _SMALLEST_REPAIR)
        informative = window.sum(axis=1) > 0
        increments = _increments(ps, window, s, share, repaired)
        bank, verdict = engine.advance(
            started.bank, increments, _LOG_WEIGHTS, tick, informative, np.ones(len(ps), np.bool_)
        )
        total = np.where(live[:, None], s.total + window, s.total)
        spans = dyadic.push(s.spans, window, live & informative)
        seen = replace(started, bank=bank, spans=spans, total=total, fresh=fresh)
        deviation = _log_odds(_recent(seen, verdict)[0], share)
        ended = verdict.closed | verdict.restarted
        after = replace(
            seen,
            spans=dyadic.clear(spans, ended),
            total=np.where(ended[:, None], 0.0, total),
            fresh=np.where((verdict.opened | ended)[:, None], 0.0, fresh),
            broken=np.where(verdict.opened, deviation, np.where(verdict.closed, 0.0, s.broken)),
        )
        return after, _report(ps, seen, verdict, tick)


def reach(p: SampleRatioParams, outlook: Outlook) -> Reach:
    """The smallest loss of held-out units found in time, after months of health: the opening stake is left out."""
    if outlook.units <= 0:
        return Reach(unknown="no new unit is counted")
    lost = smallest(lambda part: _loss_delay(part, p, outlook), outlook.windows, 0.0, 0.999)
    units = outlook.units * outlook.windows
    return Reach(
        effect=lost * p.holdout_share,
        relative=lost,
        unit="share of units",
        counted=(("exposed", units * (1.0 - p.holdout_share)), ("holdout", units * p.holdout_share)),
    )


def _loss_delay(part: float, p: SampleRatioParams, outlook: Outlook) -> float:
    """Windows until it is found that a part of the holdout is lost."""
    edge = p.tolerance * np.sign(_SHIFTS)
    plan = np.full(len(_SHIFTS), p.holdout_share)
    null, bet = bernoulli.tilted(plan, edge), bernoulli.tilted(plan, edge + _SHIFTS)
    increments = bernoulli.log_increments(np.array([[1.0], [0.0]]), np.ones((2, 1)), null, bet)
    seen = p.holdout_share * (1.0 - part) / (1.0 - p.holdout_share * part)
    walk = walk_of(increments, np.array([seen, 1.0 - seen]), np.array([p.holdout_share, 1.0 - p.holdout_share]))
    return delay(walk.over(outlook.units), _LOG_WEIGHTS[: len(_SHIFTS)], outlook)


def _increments(
    ps: Sequence[SampleRatioParams], window: Floats, s: SampleRatioState, share: Floats, repaired: Floats
) -> engine.Increments:
    """Bets on the share of the holdout, away from the tolerated plan; and back towards it from the break that was seen."""
    n, held = window.sum(axis=1)[:, None], window[:, 1][:, None]
    plan, tolerance = share[:, None], np.array([p.tolerance for p in ps])[:, None]
    edge = tolerance * np.sign(_SHIFTS)
    away = bernoulli.log_increments(held, n, bernoulli.tilted(plan, edge), bernoulli.tilted(plan, edge + _SHIFTS))
    side = np.where(s.broken < 0, -1.0, 1.0)
    still = bernoulli.tilted(plan, (side * repaired)[:, None])
    back = bernoulli.tilted(plan, (side * repaired)[:, None] * _BACK[None, :])
    return engine.Increments(
        null=np.concatenate([away, _from_start(s.total, window, bernoulli.tilted(plan, tolerance * _EDGES))], axis=1),
        critical=np.full((len(share), _BETS), -np.inf),  # a gate is open or shut: there is no worse
        worse=bernoulli.log_increments(held, n, still, back),
    )


def _from_start(total: Floats, window: Floats, edges: Floats) -> Floats:
    """What the window adds to the mixture's evidence against shares within `edges` (W, 2) since the start, shape (W, 1)."""
    before, after = (
        multinomial.log_value_outside(counts[:, 1], counts.sum(axis=1), edges[:, 0], edges[:, 1])
        for counts in (total, total + window)
    )
    return (after - before)[:, None]


def _log_odds(counts: Floats, share: Floats) -> Floats:
    """Deviation of the holdout's log odds from plan; one unit, split as planned, is added so that it is finite."""
    smoothed = (counts[:, 1] + share) / (counts.sum(axis=1) + 1.0)
    result: Floats = logit(smoothed) - logit(share)
    return result


def _interval(
    counts: Floats, share: Floats, ps: Sequence[SampleRatioParams], alpha: Floats | float
) -> tuple[Floats, Floats]:
    tau = np.array([p.expected_shift for p in ps])
    return share_interval(counts[:, 1], counts.sum(axis=1), share, tau, alpha)


def _recent(s: SampleRatioState, verdict: engine.Verdict) -> tuple[Floats, Ints]:
    sums, _, offered = dyadic.at_least(
        s.spans, np.maximum(np.where(verdict.closed, verdict.calm_windows, verdict.change_windows), 1)
    )
    return sums, offered


def _report(
    ps: Sequence[SampleRatioParams], s: SampleRatioState, verdict: engine.Verdict, tick: Tick
) -> list[Evidence]:
    share = np.array([p.holdout_share for p in ps])
    recent, offered = _recent(s, verdict)
    views = {
        "since_start": (s.total, *_interval(s.total, share, ps, 1.0 - LEVEL)),
        "recent": (recent, *_interval(recent, share, ps, (1.0 - LEVEL) / offered)),
        "fresh": (s.fresh, *_interval(s.fresh, share, ps, 1.0 - LEVEL)),
    }
    modes = engine.modes(s.bank)
    return [
        _evidence(
            ps[i],
            {kind: (sums[i], float(low[i]), float(high[i])) for kind, (sums, low, high) in views.items()},
            int(offered[i]),
            engine.evidence(verdict, tick, modes, i),
        )
        for i in range(len(ps))
    ]


def _evidence(
    p: SampleRatioParams, views: dict[str, tuple[Floats, float, float]], offered: int, base: Evidence
) -> Evidence:
    kind = "since_start"
    if base.crossing is not Crossing.NONE:
        kind = "recent"
    elif base.mode is Mode.RECOVERING:
        kind = "fresh"
    if views[kind][0].sum() < 1:
        kind = "since_start"
    counts, low, high = views[kind]
    exposed, held = int(counts[0]), int(counts[1])
    n = exposed + held
    interval = None
    if n:
        interval = Interval(
            low=low - p.holdout_share,
            high=high - p.holdout_share,
            level=LEVEL,
            kind=kind,
            formula="share",
            inputs={
                "yes": float(held),
                "n": float(n),
                "planned": p.holdout_share,
                "tau": p.expected_shift,
                "alpha": (1.0 - LEVEL) / (offered if kind == "recent" else 1),
            },
        )
    seen = held / n if n else None
    if n == 0 and base.standing is Standing.OK:
        base = msgspec.structs.replace(base, standing=Standing.INSUFFICIENT, reason=NOBODY)
    return msgspec.structs.replace(
        base,
        n={"exposed": exposed, "holdout": held},
        arms={"planned": p.holdout_share, "holdout": seen} if seen is not None else {"planned": p.holdout_share},
        effect=seen - p.holdout_share if seen is not None else None,
        relative=seen / p.holdout_share - 1.0 if seen is not None else None,
        interval=interval,
        unit="share of units",
        margin=p.tolerance * p.holdout_share * (1.0 - p.holdout_share),
        detail={"log_odds_deviation": float(_log_odds(counts[None], np.array([p.holdout_share]))[0])} if n else {},
    )

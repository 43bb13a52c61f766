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

import msgspec
import numpy as np

from detectors import engine, split
from detectors.columns import Cohort, Columns, Floats, Ints
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence, Standing
from detectors.increments import bernoulli
from detectors.math import dyadic
from detectors.power import Outlook, Reach, delay, smallest, walk_of

NOBODY = "no unit of either cohort has been counted: is the unit mapped, and are the arms spelled as in the events?"

_LOG_WEIGHTS = np.full(split.BETS, -np.log(split.BETS))


class SampleRatioParams(split.SplitParams):
    """Parameters of `sample_ratio`."""


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
        bank = engine.start(w, split.BETS)
        stake = np.full((w, split.BETS), -np.inf)
        stake[:, -1] = split.OPENING
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
        informative = window.sum(axis=1) > 0
        null = split.away(window, s.total, share, np.array([p.tolerance for p in ps]))
        bets = split.increments(null, split.back(window, share, s.broken))
        bank, verdict = engine.advance(started.bank, bets, _LOG_WEIGHTS, tick, informative, np.ones(len(ps), np.bool_))
        total = np.where(live[:, None], s.total + window, s.total)
        spans = dyadic.push(s.spans, window, live & informative)
        seen = replace(started, bank=bank, spans=spans, total=total, fresh=fresh)
        deviation = split.log_odds(_recent(seen, verdict)[0], share)
        after = replace(
            seen,
            spans=dyadic.clear(spans, verdict.ended),
            total=np.where(verdict.ended[:, None], 0.0, total),
            fresh=np.where((verdict.opened | verdict.ended)[:, None], 0.0, fresh),
            broken=np.where(verdict.opened, deviation, np.where(verdict.closed, 0.0, s.broken)),
        )
        return after, _report(ps, seen, verdict, tick)


def reach(p: SampleRatioParams, outlook: Outlook) -> Reach:
    """The smallest loss of held-out units found in time, after months of health: the opening stake is left out."""
    if outlook.units <= 0:
        return Reach(unknown="no new unit is counted")
    lost = smallest(
        lambda part: loss_delay(part, p, outlook, _LOG_WEIGHTS[: len(split.SHIFTS)]), outlook.windows, 0.0, 0.999
    )
    units = outlook.units * outlook.windows
    return Reach(
        effect=lost * p.holdout_share,
        relative=lost,
        unit="share of units",
        counted=(("exposed", units * (1.0 - p.holdout_share)), ("holdout", units * p.holdout_share)),
    )


def loss_delay(part: float, p: split.SplitParams, outlook: Outlook, log_weights: Floats) -> float:
    """Windows until it is found that a part of the holdout is lost; `log_weights` of the bets on shifts."""
    edge = p.tolerance * np.sign(split.SHIFTS)
    plan = np.full(len(split.SHIFTS), p.holdout_share)
    null, bet = bernoulli.tilted(plan, edge), bernoulli.tilted(plan, edge + split.SHIFTS)
    increments = bernoulli.log_increments(np.array([[1.0], [0.0]]), np.ones((2, 1)), null, bet)
    seen = p.holdout_share * (1.0 - part) / (1.0 - p.holdout_share * part)
    walk = walk_of(increments, np.array([seen, 1.0 - seen]), np.array([p.holdout_share, 1.0 - p.holdout_share]))
    return delay(walk.over(outlook.units), log_weights, outlook)


def _recent(s: SampleRatioState, verdict: engine.Verdict) -> tuple[Floats, Ints]:
    sums, _, offered = dyadic.at_least(s.spans, verdict.lasted)
    return sums, offered


def _report(
    ps: Sequence[SampleRatioParams], s: SampleRatioState, verdict: engine.Verdict, tick: Tick
) -> list[Evidence]:
    recent, offered = _recent(s, verdict)
    modes, views = engine.modes(s.bank), {"since_start": s.total, "recent": recent, "fresh": s.fresh}
    bases, kinds = [], []
    for row in range(len(ps)):
        base = engine.evidence(verdict, tick, modes, row)
        kind = split.view_of(base)
        kinds.append(kind if views[kind][row].sum() >= 1 else "since_start")
        if views[kinds[row]][row].sum() < 1 and base.standing is Standing.OK:
            base = msgspec.structs.replace(base, standing=Standing.INSUFFICIENT, reason=NOBODY)
        bases.append(base)
    counts = np.array([views[kind][row] for row, kind in enumerate(kinds)])
    looks = np.where(np.array(kinds) == "recent", offered, 1)
    return split.filled(ps, counts, kinds, (1.0 - split.LEVEL) / looks, bases)

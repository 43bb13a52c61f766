"""D4: two rankers share one list (team draft). Which of them do people prefer?

A session that was won, by more outcomes on one team's items than on the other's, is credit for that team; ties say nothing.
A unit votes once, with the mean of its decided sessions in the window of its enrolment: one user with 500 clicks has one vote.
Null: units are won by either team alike. Two one-sided bets in one-shot mode, each at half of alpha: a normal mixture of
stakes, tightest where the winner leads by `expected_lead`. Exact: only the draft's coin and the independence of units are used.

The draft itself is checked: if one team stands first more often than chance allows, nothing is judged.

Source: Radlinski, Kurup and Joachims 2008, CIKM (team draft); Waudby-Smith and Ramdas 2024, JRSS-B (betting).

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, detector, p, told = np.random.default_rng(5), Interleaving(), InterleavingParams(), []
>>> state = detector.start([p])
>>> for window in range(40):
...     credit = np.where(rng.random(50) < 0.6, 1.0, -1.0)                # treatment wins 60 % of the sessions
...     top = np.where(rng.random(50) < 0.5, 1.0, -1.0)                   # the draft is fair
...     rows = Columns(np.full(50, window), np.arange(50, dtype=np.uint64) + 1, np.zeros(50, np.int8), np.zeros(50, np.int32),
...                    np.arange(50), {"credit": Numeric(credit), "top": Numeric(top), "entering": flag(np.ones(50, bool))})
...     a = detector.fold(None, detector.empty(None), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(window, window + 1, page=0.0, warn=0.0))
...     if evidence.crossing is Crossing.WARN:
...         told.append((window, str(evidence.verdict), evidence.n["units"]))
>>> told
[(3, 'treatment is better', 200)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from pydantic import Field
from scipy.special import ndtri

from detectors import three_way
from detectors.columns import Columns, Floats, Hashes, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Evidence, Interval, Standing, Verdict
from detectors.increments import bernoulli, multinomial
from detectors.math import bootstrap, keyed
from detectors.math.intervals import normal_mixture_radius

DAY = 86_400_000
DRAFT_LEVEL = 0.001
"""Chance ever to doubt a fair draft."""

_BETS = 24
STAKES = ndtri(0.5 + (np.arange(_BETS) + 0.5) / (2 * _BETS))
_FAIR = bernoulli.tilted(np.full(2, 0.5), np.array([-0.01, 0.01]))
_VERDICTS = (Verdict.HOLD, Verdict.CONTROL, Verdict.TREATMENT, Verdict.INCONCLUSIVE)
_UNITS, _WINS, _SQUARES, _TOPS, _FIRST = range(5)


class InterleavingParams(Params):
    """Parameters of `interleaving`."""

    expected_lead: Annotated[
        float, Field(gt=0, le=0.1, description="lead over one half of the sessions at which bets are tightest")
    ] = 0.05
    alpha: Annotated[float, Field(gt=0, lt=0.5, description="chance ever to see a preference where there is none")] = (
        0.05
    )
    at_most: Annotated[int, Field(ge=1, description="ms of event time after which it ends without a verdict")] = (
        14 * DAY
    )


@dataclass(frozen=True)
class Ballots:
    """By unit (keys ascending, mixed hashes): sessions won by treatment, by control; slates headed by treatment, by either. (n, 4)."""

    keys: Hashes
    counts: Ints


@dataclass(frozen=True)
class InterleavingState:
    """W tests. `total` (W, 5): deciding units, sum and sum of squares of their votes in [0, 1]; slates headed by treatment
    (as the draft's check counts them), and by either.
    """

    tests: three_way.ThreeWay
    total: Floats


class Interleaving:
    """See the module's text."""

    name = "interleaving"
    family = Family.DEPLOYMENT
    hint = False
    params = InterleavingParams
    statistic = Ballots
    state = InterleavingState

    def needs(self, p: InterleavingParams) -> Needs:
        """`credit` and `top`: sign of the team that won the session, and that heads the list (+1 treatment, -1 control, 0
        neither); `entering`: a row of the window in which its unit was enrolled.
        """
        return Needs(Stream.OUTCOMES, ("credit", "top", "entering"))

    def start(self, ps: Sequence[InterleavingParams]) -> InterleavingState:
        """No evidence."""
        return InterleavingState(three_way.start(len(ps), _BETS), np.zeros((len(ps), 5)))

    def prepare(self, p: InterleavingParams, s: InterleavingState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Ballots:
        """Nobody."""
        return Ballots(np.zeros(0, np.uint64), np.zeros((0, 4), np.int64))

    def fold(self, prep: None, a: Ballots, rows: Columns) -> Ballots:
        """Add sessions of units that are being enrolled."""
        credit, top = rows.numbers("credit"), rows.numbers("top")
        counted = rows.flags("entering") & (rows.unit != 0)
        ballots = np.stack([credit > 0, credit < 0, top > 0, (top > 0) | (top < 0)], axis=1)[counted].astype(np.int64)
        sums = keyed.add(keyed.KeyedSums(a.keys, a.counts), bootstrap.mix(rows.unit[counted]), ballots)
        return Ballots(sums.keys, sums.sums)

    def merge(self, prep: None, a: Ballots, b: Ballots) -> Ballots:
        """Counts add."""
        sums = keyed.merge(keyed.KeyedSums(a.keys, a.counts), keyed.KeyedSums(b.keys, b.counts))
        return Ballots(sums.keys, sums.sums)

    def size(self, a: Ballots) -> int:
        """Units that decided."""
        return int((a.counts[:, :2].sum(axis=1) > 0).sum())

    def close(
        self, ps: Sequence[InterleavingParams], s: InterleavingState, stats: Sequence[Ballots], tick: Tick
    ) -> tuple[InterleavingState, list[Evidence]]:
        """Advance; see `detectors.three_way`."""
        votes = [_votes(a) for a in stats]
        window = np.array([_sums(a, vote) for a, vote in zip(stats, votes, strict=True)])
        stakes = np.array([np.minimum(4.0 * p.expected_lead * STAKES, 1.8) for p in ps])
        sound, harm = (
            np.array(
                [
                    np.log1p(np.outer(sign * (v - 0.5), stake)).sum(axis=0)
                    for v, stake in zip(votes, stakes, strict=True)
                ]
            )
            for sign in (1.0, -1.0)
        )
        informative = window[:, _FIRST] + window[:, _UNITS] > 0
        again = three_way.restarts(s.tests, tick)
        before = np.where(again[:, None], 0.0, s.total)
        total = np.where((informative & ~tick.gated)[:, None], before + window, before)
        fair = multinomial.log_value_outside(total[:, _TOPS], total[:, _FIRST], _FAIR[0], _FAIR[1]) < -np.log(
            DRAFT_LEVEL
        )
        alpha = np.array([p.alpha for p in ps])
        tests, step = three_way.advance(
            s.tests,
            np.where(fair[:, None], harm, 0.0),
            np.where(fair[:, None], sound, 0.0),
            tick,
            informative=informative & fair,
            level=alpha / 2.0,
            at_most=np.array([p.at_most for p in ps]),
            harm_lasts=False,
        )
        told = [
            _evidence(
                ps[i],
                total[i],
                _base(ps[i], tests, step, tick, i, informative=bool(informative[i])),
                fair=bool(fair[i]),
            )
            for i in range(len(ps))
        ]
        return replace(s, tests=tests, total=total), told


def _votes(a: Ballots) -> Floats:
    """Share of its decided sessions that treatment won, of every unit that decided any."""
    decided = a.counts[:, 0] + a.counts[:, 1]
    votes: Floats = a.counts[decided > 0, 0] / decided[decided > 0]
    return votes


def _sums(a: Ballots, votes: Floats) -> Floats:
    return np.array([len(votes), votes.sum(), (votes**2).sum(), a.counts[:, 2].sum(), a.counts[:, 3].sum()])


def _base(
    p: InterleavingParams, tests: three_way.ThreeWay, step: three_way.Step, tick: Tick, row: int, *, informative: bool
) -> Evidence:
    base = three_way.evidence(tests, step, tick, row, level=p.alpha, informative=informative, verdicts=_VERDICTS)
    both = np.logaddexp(step.log_harm[row], step.log_sound[row]) - np.log(2.0)
    return msgspec.structs.replace(base, log10_e=None if base.log10_e is None else float(both / np.log(10)))


def _evidence(p: InterleavingParams, total: Floats, base: Evidence, *, fair: bool) -> Evidence:
    units = int(total[_UNITS])
    won = float(total[_WINS] / units) if units else 0.0
    spread = max(float(total[_SQUARES]) - units * won**2, 0.0) / max(units - 1, 1)
    se = np.array([np.sqrt(spread / max(units, 1))])
    radius = float(normal_mixture_radius(se, np.array([p.expected_lead]), p.alpha)[0])
    headed = float(total[_TOPS] / total[_FIRST]) if total[_FIRST] else None
    filled = msgspec.structs.replace(
        base,
        n={"units": units},
        arms={"treatment": won, "control": 1.0 - won} if units else {},
        effect=won - 0.5 if units else None,
        interval=Interval(
            low=won - 0.5 - radius,
            high=won - 0.5 + radius,
            level=1.0 - p.alpha,
            formula="normal_mixture",
            inputs={"se": float(se[0]), "tau": p.expected_lead, "alpha": p.alpha},
        )
        if units and np.isfinite(radius)
        else None,
        unit="share of units",
        detail=base.detail | ({"headed_by_treatment": headed} if headed is not None else {}),
    )
    if not fair and base.standing is not Standing.BLIND:
        why = f"the draft is not fair: treatment heads {headed:.1%} of {int(total[_FIRST]):,} lists"
        return msgspec.structs.replace(filled, standing=Standing.BLIND, reason=why)
    return three_way.said(filled, _reason(p, filled))


def _reason(p: InterleavingParams, e: Evidence) -> str:
    units = e.n["units"]
    if e.verdict in (Verdict.TREATMENT, Verdict.CONTROL):
        return f"{e.verdict}: it wins {max(e.arms.values()):.1%} of {units:,} units that decided"
    if e.verdict is Verdict.INCONCLUSIVE:
        return f"inconclusive after {p.at_most / DAY:g} d with {units:,} units that decided"
    return f"hold: no verdict yet with {units:,} units that decided"

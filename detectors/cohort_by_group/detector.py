"""B1 by group: is any group of people worse off with the model than held out, though the whole may be better?

Groups are the values of a category that a person has: a country, a platform. The 15 largest that hold enough people when
learning ends are watched by themselves, everybody else together as `other groups`. A unit votes once, as in `cohort_bounded`.

Null: in every group the exposed are worse than the held out by at most `page_if_worse_by`, as a share of the group's own mean.
One engine bets on all groups; the average of their bets is valid against the intersection, whatever they have in common, so
sixteen groups cost one watch's budget. The group whose bets speak loudest is named. Groups that are too small to judge are
named, too: nothing is said of them; where more than fifteen are large enough, it is told that the others have no place. An
alert ends when the group that it names has recovered, by a test, and no group has been beyond the margin, with its whole
interval, in the last quarter of the time since then.

Source: I3 with a relative margin (`increments.ratio`) in the engine of `detectors.engine`.

>>> import numpy as np
>>> from detectors.columns import Category, Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, CohortByGroup()
>>> p = CohortByGroupParams(holdout_share=0.5, by="segments.country", learn_units=4_000)
>>> state, told = detector.start([p]), []
>>> for window in range(40):
...     country, cohort = rng.integers(0, 4, 1_000).astype(np.int32), (rng.random(1_000) < 0.5).astype(np.int8)
...     hurt = (country == 3) & (window >= 20)                             # from window 20 one of four loses 15 points
...     chance = np.where(cohort == 0, np.where(hurt, 0.15, 0.36), 0.30)   # while the others are better off than held out
...     rows = Columns(np.full(1_000, window * hour), np.arange(1, 1_001, dtype=np.uint64), cohort, np.zeros(1_000, np.int32),
...                    np.arange(1_000), {"value": Numeric((rng.random(1_000) < chance) * 1.0), "first": flag(np.ones(1_000, bool)),
...                                       "segments.country": Category(country, ("at", "be", "ch", "dk"))})
...     a = detector.fold(p.by, detector.empty(p.by), rows)
...     state, evidence = detector.close([p], state, [a], Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4))
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].detail["group"]))
>>> [(what, group) for _, what, group in told]
[('page', 'dk'), ('critical', 'dk')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors import engine
from detectors.cohort_by_group import report, state, tallies
from detectors.cohort_by_group.state import CohortByGroupParams, CohortByGroupState
from detectors.cohort_by_group.tallies import GROUPS, ByGroup
from detectors.columns import Bools, Columns, Floats, Ints
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence
from detectors.increments import ratio
from detectors.math import dyadic
from detectors.two_arms import N0, N1, S0, S1

_LATELY = 4


class CohortByGroup:
    """See the module's text."""

    name = "cohort_by_group"
    fingerprint_extra = "groups without a place are known"
    family = Family.COHORT
    hint = False
    params = CohortByGroupParams
    statistic = ByGroup
    state = CohortByGroupState

    def needs(self, p: CohortByGroupParams) -> Needs:
        """`value` in [0, 1] (others are clipped, missing is left out), the group, and `first`: the unit's enrolment row."""
        return Needs(Stream.OUTCOMES, ("value", "first", p.by), contrast=True, gated=True)

    def start(self, ps: Sequence[CohortByGroupParams]) -> CohortByGroupState:
        """Learning, without groups."""
        return state.start(len(ps))

    def prepare(self, p: CohortByGroupParams, s: CohortByGroupState, row: int) -> str:
        """The column of the group."""
        return p.by

    def empty(self, prep: str) -> ByGroup:
        """No units."""
        return tallies.nobody()

    def fold(self, prep: str, a: ByGroup, rows: Columns) -> ByGroup:
        """Add enrolment rows of exposed and held-out units that have a value and a group."""
        return tallies.add(a, rows, prep)

    def merge(self, prep: str, a: ByGroup, b: ByGroup) -> ByGroup:
        """Counts add."""
        return tallies.together(a, b)

    def size(self, a: ByGroup) -> int:
        """Units of the smaller cohort."""
        return min(tallies.units(a))

    def close(
        self, ps: Sequence[CohortByGroupParams], s: CohortByGroupState, stats: Sequence[ByGroup], tick: Tick
    ) -> tuple[CohortByGroupState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        live, known = ~tick.gated, [state.groups(cell) for cell in s.groups]
        window = np.stack(
            [np.zeros((GROUPS, 6)) if g is None else tallies.sums_of(a, g) for a, g in zip(stats, known, strict=True)]
        )
        informative = window[:, :, [N1, N0]].sum(axis=(1, 2)) > 0
        bank, verdict = engine.advance(
            s.bank,
            _increments(ps, window, s),
            np.full(GROUPS * ratio.BETS, -np.log(GROUPS * ratio.BETS)),
            tick,
            informative,
            ~_still_worse(ps, s),
        )
        counts = (live & informative & (s.bank.mode != engine.LEARNING))[:, None, None]
        again = (verdict.restarted & live)[:, None, None]
        total = np.where(again, window, np.where(counts, s.total + window, s.total))
        open_ = (s.bank.mode == engine.RECOVERING)[:, None, None]
        fresh = np.where(counts & open_, s.fresh + window, s.fresh)
        spans = dyadic.push(s.spans, window.reshape(len(ps), -1), counts[:, 0, 0])
        seen = replace(
            s,
            bank=bank,
            total=total,
            fresh=fresh,
            spans=spans,
            accused=np.where(verdict.opened, _loudest(bank), s.accused),
        )
        folded = [0 if g is None else tallies.units_of(a, g.crowded) for a, g in zip(stats, known, strict=True)]
        told = report.tell(ps, seen, known, folded, verdict, tick, informative)
        after = replace(
            seen,
            spans=dyadic.clear(spans, verdict.ended),
            fresh=np.where((verdict.opened | verdict.ended)[:, None, None], 0.0, fresh),
            accused=np.where(verdict.ended & ~verdict.opened, -1, seen.accused),
        )
        return _learn(ps, after, stats, tick), told


def _increments(ps: Sequence[CohortByGroupParams], window: Floats, s: CohortByGroupState) -> engine.Increments:
    """Bets on every group, (W, GROUPS x BETS); those on recovery are of the accused group alone, many times over."""
    w = len(ps)
    each = w * GROUPS
    entries, flat = tallies.entries(window), s.total.reshape(each, 6)
    pooled = flat[:, N1] + flat[:, N0]
    centre = (flat[:, S1] + flat[:, S0]) / np.maximum(pooled, 1.0)
    higher = np.repeat([p.better == "higher" for p in ps], GROUPS)
    side = np.where(higher, -1.0, 1.0)
    share = np.repeat([1.0 - p.holdout_share for p in ps], GROUPS)
    margin = np.repeat([p.page_if_worse_by for p in ps], GROUPS)

    def bets(margins: Floats, sides: Floats) -> Floats:
        factor = np.maximum(1.0 + side * margins, 1e-3)
        none = np.zeros(each)
        return ratio.log_increments(
            entries, each, share=share, centre=centre, ratio=factor, allowance=none, side=sides
        ).reshape(w, GROUPS, ratio.BETS)

    accused = bets(margin, -side)[np.arange(w), np.maximum(s.accused, 0)]
    return engine.Increments(
        null=bets(margin, side).reshape(w, -1),
        critical=bets(3.0 * margin, side).reshape(w, -1),
        worse=np.tile(accused, (1, GROUPS)),
    )


def _still_worse(ps: Sequence[CohortByGroupParams], s: CohortByGroupState) -> Bools:
    """Whether some group lies beyond the margin, with its whole interval, lately, (W,).

    Lately is the last quarter of the windows since recovery most likely began: where another group recovers later than the one
    that is accused, its harm then does not weigh on for as long as it lasted, many times over.
    """
    row, best = np.arange(len(ps)), np.argmax(s.bank.recovery, axis=1)
    lasted = s.bank.windows + 1 - s.bank.calm_window[row, best]
    recent, _, offered = dyadic.at_least(s.spans, np.maximum(lasted // _LATELY, 1))
    alpha = (1.0 - report.LEVEL) / GROUPS / offered
    by_group = recent.reshape(len(ps), GROUPS, 6)
    worse: Bools = np.array([report.beyond(p, by_group[i], float(alpha[i])).any() for i, p in enumerate(ps)], np.bool_)
    return worse


def _loudest(bank: engine.Bank) -> Ints:
    """The group with the largest evidence, (W,)."""
    spoken = np.logaddexp(bank.warn, bank.page).reshape(len(bank.warn), GROUPS, ratio.BETS)
    loudest: Ints = np.argmax(np.logaddexp.reduce(spoken, axis=2), axis=1)
    return loudest


def _learn(
    ps: Sequence[CohortByGroupParams], s: CohortByGroupState, stats: Sequence[ByGroup], tick: Tick
) -> CohortByGroupState:
    """Windows gather until there are enough units; then the groups are known, and watching begins."""
    kept, chosen = s.gathered.copy(), s.groups.copy()
    ready: Bools = np.zeros(len(ps), np.bool_)
    for row, p in enumerate(ps):
        if s.bank.mode[row] != engine.LEARNING or tick.gated[row]:
            continue
        both = tallies.together(state.gathered(kept[row]), stats[row])
        exposed, held_out = tallies.units(both)
        ready[row] = exposed + held_out >= p.learn_units and min(exposed, held_out) >= p.min_holdout
        kept[row] = b"" if ready[row] else state.packed(both)
        chosen[row] = state.packed(tallies.choose(both, p.min_holdout)) if ready[row] else b""
    return replace(s, bank=engine.begin(s.bank, ready, tick.end), gathered=kept, groups=chosen)

"""B5 by group: are the cohorts of their planned sizes in every group of people, though they may be in the whole?

A holdout that is lost in one country or one version of an app hardly moves the holdout of all. Groups are the values of a category
that a person has. One that brings `min_units` new units in a window gets one of 50 places of its own; everybody else is watched together
as `other groups`. Where all places are taken, a new group gets that of one which has not brought so many in any window for 14 days:
old versions of an app make room for new ones. Such a place begins anew, with no units, no evidence and the spend of the windows to
come: evidence that is thrown away costs power, never the promise. A unit counts once, as in `sample_ratio`, in the group it was
first seen in.

Null: in every group each new unit is held out with a chance whose log odds are within `tolerance` of the planned ones. One engine
bets on all groups; the average of their bets is valid against the intersection, so 51 groups cost one watch's budget. The group
whose bets speak loudest is named, and beside it all whose whole interval lies off the plan. An alert ends when the group that it
names is repaired, by a test, and no other has been off the plan, with its whole interval, in the last quarter of the time since then.
That group keeps its place; if nobody of it comes any more, only a person can end the alert (`rearm`),
and its reason says so.

Source: I5 (`detectors.split`) in the engine of `detectors.engine`.

>>> import numpy as np
>>> from detectors.columns import Category, Columns, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, detector = np.random.default_rng(3), SampleRatioByGroup()
>>> p = SampleRatioByGroupParams(holdout_share=0.05, by="segments.platform")
>>> state, told = detector.start([p]), []
>>> for window in range(30):
...     platform = rng.integers(0, 4, 4_000).astype(np.int32)
...     share = np.where((platform == 2) & (window >= 10), 0.02, 0.05)      # from window 10 one platform loses most of its holdout
...     cohort = (rng.random(4_000) < share).astype(np.int8)
...     rows = Columns(np.full(4_000, window), np.arange(1, 4_001, dtype=np.uint64), cohort, np.zeros(4_000, np.int32),
...                    np.arange(4_000), {"first": flag(np.ones(4_000, bool)),
...                                       "segments.platform": Category(platform, ("web", "ios", "tv", "android"))})
...     a = detector.fold(p.by, detector.empty(p.by), rows)
...     state, (said,) = detector.close([p], state, [a], Tick.plain(window, window + 1, page=1e-5, warn=4e-5))
...     if said.crossing is not Crossing.NONE:
...         told.append((window, str(said.crossing), said.detail["group"], said.detail["broken"]))
>>> told, round(said.arms["holdout"], 3)
([(12, 'warn', 'tv', ['tv']), (13, 'page', 'tv', ['tv'])], 0.019)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from detectors import engine, split
from detectors.columns import Bools, Columns, Floats, Ints
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.math import dyadic
from detectors.math.intervals import share_interval
from detectors.sample_ratio_by_group import state
from detectors.sample_ratio_by_group.state import (
    GROUPS,
    PLACES,
    Placed,
    Places,
    SampleRatioByGroupParams,
    SampleRatioByGroupState,
    Split,
)

GONE = "; it has brought fewer than {units:,} new units a window for {days:,} days: if it is gone, re-arm this watch"
FULL = f"groups that are large enough to be watched by themselves are watched together: all {PLACES} places are taken"
NOBODY = "no unit with a group has been counted in either cohort"

_LOG_WEIGHTS = np.full(GROUPS * split.BETS, -np.log(GROUPS * split.BETS))
_LATELY = 4


class SampleRatioByGroup:
    """See the module's text."""

    name = "sample_ratio_by_group"
    fingerprint_extra = "places are given on"
    family = Family.INTEGRITY
    hint = False
    params = SampleRatioByGroupParams
    statistic = Split
    state = SampleRatioByGroupState

    def needs(self, p: SampleRatioByGroupParams) -> Needs:
        """The group, and `first`: the unit's enrolment row."""
        return Needs(Stream.PREDICTIONS, ("first", p.by), contrast=True)

    def start(self, ps: Sequence[SampleRatioByGroupParams]) -> SampleRatioByGroupState:
        """Watching from the first window: there is nothing to learn."""
        return state.start(len(ps))

    def prepare(self, p: SampleRatioByGroupParams, s: SampleRatioByGroupState, row: int) -> str:
        """The column of the group."""
        return p.by

    def empty(self, prep: str) -> Split:
        """No units."""
        return state.nobody()

    def fold(self, prep: str, a: Split, rows: Columns) -> Split:
        """Add enrolment rows of exposed and held-out units that have a group."""
        return state.together(a, state.of(rows, prep))

    def merge(self, prep: str, a: Split, b: Split) -> Split:
        """Counts add."""
        return state.together(a, b)

    def size(self, a: Split) -> int:
        """New units of both cohorts: an empty cohort is evidence here, no lack of it."""
        return int(a.units.sum())

    def close(
        self, ps: Sequence[SampleRatioByGroupParams], s: SampleRatioByGroupState, stats: Sequence[Split], tick: Tick
    ) -> tuple[SampleRatioByGroupState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        w, live = len(ps), ~tick.gated
        placed = [
            state.placed(s, row, a, p.min_units, int(tick.end[row])) if on else state.as_it_was(s, row)
            for row, (p, a, on) in enumerate(zip(ps, stats, live, strict=True))
        ]
        s = state.with_places(s, placed, tick.start)
        window = np.stack([state.counts(a, each.places) for a, each in zip(stats, placed, strict=True)])
        started = engine.begin(s.bank, s.bank.mode == engine.LEARNING, tick.start)
        informative = window.sum(axis=(1, 2)) > 0
        bank, verdict = engine.advance(
            started, _increments(ps, window, s), _LOG_WEIGHTS, tick, informative, ~_others_off(ps, s)
        )
        counted = live & informative
        total = np.where(live[:, None, None], s.total + window, s.total)
        open_ = (started.mode == engine.RECOVERING) & live
        seen = replace(
            s,
            bank=bank,
            total=total,
            fresh=np.where(open_[:, None, None], s.fresh + window, s.fresh),
            spans=dyadic.push(s.spans, window.reshape(w, -1), counted),
            accused=np.where(verdict.opened, _loudest(bank), s.accused),
        )
        recent, offered = _recent(seen, verdict)
        told = _tell(ps, seen, placed, recent, offered, verdict, tick)
        gone = verdict.ended & ~verdict.opened
        deviation = split.log_odds(
            recent[np.arange(w), np.maximum(seen.accused, 0)], np.array([p.holdout_share for p in ps])
        )
        return replace(
            seen,
            spans=dyadic.clear(seen.spans, verdict.ended),
            total=np.where(verdict.ended[:, None, None], 0.0, total),
            fresh=np.where((verdict.opened | verdict.ended)[:, None, None], 0.0, seen.fresh),
            accused=np.where(gone, -1, seen.accused),
            broken=np.where(verdict.opened, deviation, np.where(gone, 0.0, s.broken)),
        ), told


def _increments(
    ps: Sequence[SampleRatioByGroupParams], window: Floats, s: SampleRatioByGroupState
) -> engine.Increments:
    """Bets on every group, (W, GROUPS x BETS); those on the repair are of the accused group alone, many times over."""
    w = len(ps)
    share, tolerance = np.array([p.holdout_share for p in ps]), np.array([p.tolerance for p in ps])
    flat, before = window.reshape(-1, 2), s.total.reshape(-1, 2)
    came = flat.sum(axis=1) > 0
    null = np.zeros((len(flat), split.BETS))
    null[came] = split.away(
        flat[came], before[came], np.repeat(share, GROUPS)[came], np.repeat(tolerance, GROUPS)[came]
    )
    accused = window[np.arange(w), np.maximum(s.accused, 0)]
    return split.increments(null.reshape(w, -1), np.tile(split.back(accused, share, s.broken), (1, GROUPS)))


def _others_off(ps: Sequence[SampleRatioByGroupParams], s: SampleRatioByGroupState) -> Bools:
    """Whether another group than the accused lies off the plan with its whole interval, lately, (W,).

    Lately is the last quarter of the windows since the repair most likely began.
    """
    row, best = np.arange(len(ps)), np.argmax(s.bank.recovery, axis=1)
    lasted = s.bank.windows + 1 - s.bank.calm_window[row, best]
    recent, _, offered = dyadic.at_least(s.spans, np.maximum(lasted // _LATELY, 1))
    by_group = recent.reshape(len(ps), GROUPS, 2)
    result = np.zeros(len(ps), np.bool_)
    for i in np.flatnonzero(s.bank.mode == engine.RECOVERING).tolist():
        off = _off(ps[i], by_group[i], (1.0 - split.LEVEL) / GROUPS / int(offered[i]))
        off[s.accused[i]] = False
        result[i] = off.any()
    return result


def _off(p: SampleRatioByGroupParams, counts: Floats, alpha: float) -> Bools:
    """Groups whose interval, each missing with a chance of `alpha`, lies outside the tolerated shares, (GROUPS,)."""
    came = counts.sum(axis=1) > 0
    share, tau = (np.full(int(came.sum()), x) for x in (p.holdout_share, p.expected_shift))
    low, high = share_interval(counts[came, 1], counts[came].sum(axis=1), share, tau, alpha)
    margin = p.tolerance * p.holdout_share * (1.0 - p.holdout_share)
    result = np.zeros(len(counts), np.bool_)
    result[came] = (low > p.holdout_share + margin) | (high < p.holdout_share - margin)
    return result


def _loudest(bank: engine.Bank) -> Ints:
    """The group with the largest evidence, (W,)."""
    spoken = np.logaddexp(bank.warn, bank.page).reshape(len(bank.warn), GROUPS, split.BETS)
    loudest: Ints = np.argmax(np.logaddexp.reduce(spoken, axis=2), axis=1)
    return loudest


def _recent(s: SampleRatioByGroupState, verdict: engine.Verdict) -> tuple[Floats, Ints]:
    sums, _, offered = dyadic.at_least(s.spans, verdict.lasted)
    return sums.reshape(-1, GROUPS, 2), offered


def _tell(
    ps: Sequence[SampleRatioByGroupParams],
    s: SampleRatioByGroupState,
    placed: Sequence[Placed],
    recent: Floats,
    offered: Ints,
    verdict: engine.Verdict,
    tick: Tick,
) -> list[Evidence]:
    modes, loudest = engine.modes(s.bank), _loudest(s.bank)
    views = {"since_start": s.total, "recent": recent, "fresh": s.fresh}
    bases, kinds = [], []
    places = np.where(s.accused >= 0, s.accused, loudest)
    for row in range(len(ps)):
        base = engine.evidence(verdict, tick, modes, row)
        kind = split.view_of(base)
        kinds.append(kind if views[kind][row, places[row]].sum() >= 1 else "since_start")
        if s.total[row].sum() < 1 and base.standing is Standing.OK:
            base = msgspec.structs.replace(base, standing=Standing.INSUFFICIENT, reason=NOBODY)
        bases.append(base)
    shown = np.array([views[kind][row] for row, kind in enumerate(kinds)])
    alpha = (1.0 - split.LEVEL) / np.where(np.array(kinds) == "recent", offered, 1)
    of_one = np.where(np.array(kinds) == "fresh", alpha, alpha / GROUPS)
    told = []
    filled = split.filled(ps, shown[np.arange(len(ps)), places], kinds, of_one, bases)
    for row, (p, evidence) in enumerate(zip(ps, filled, strict=True)):
        open_ = evidence.crossing is not Crossing.NONE or evidence.mode is Mode.RECOVERING
        off = _off(p, shown[row], float(alpha[row]) / GROUPS) if open_ else np.zeros(GROUPS, np.bool_)
        small = state.small_for_days(s, row, int(tick.end[row]))
        hint = GONE.format(units=p.min_units, days=small) if small and open_ else ""
        named = _named(evidence, placed[row].places, int(places[row]), shown[row], off, hint)
        told.append(msgspec.structs.replace(named, detail=named.detail | _folded(placed[row].folded)))
    return told


def _folded(units: int) -> dict[str, Any]:
    return {"folded_exposures": units} | ({"folded": FULL} if units else {})


def _named(evidence: Evidence, known: Places, place: int, view: Floats, off: Bools, hint: str) -> Evidence:
    group = state.name_of(known, place)
    broken = [state.name_of(known, at) for at in np.flatnonzero(off).tolist()]
    groups = {
        state.name_of(known, at): {"exposed": int(units[0]), "holdout": int(units[1])}
        for at, units in enumerate(view)
        if units.sum() > 0
    }
    reason = evidence.reason
    if evidence.crossing is not Crossing.NONE or evidence.mode is Mode.RECOVERING:
        others = ", ".join(name for name in broken if name != group)
        reason = f"the group is {group}{f'; off plan as well: {others}' if others else ''}{hint}"
    detail = evidence.detail | {"group": group, "broken": broken, "groups": groups}
    return msgspec.structs.replace(evidence, reason=reason, detail=detail)

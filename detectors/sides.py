"""One figure in two cohorts over time: what it was at the baseline, what it has been since, and how far each cohort has moved.

`exposed` and `held_out` are the changes of each cohort's own mean since the baseline; their difference is the change of the gap
between them (a difference in differences): a gap that was there at the baseline is in it no more, and neither is what moves
everybody. Sums are kept by random groups of units, so errors hold for people who come back (`math.groups`).

The baseline is frozen once. After it, time is kept in spans whose lengths double with their age, at most two of a length, so that
memory grows with the logarithm of time; a span in which the change began belongs to neither side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.columns import Cohort, Columns, Floats
from detectors.judged import Judged
from detectors.math import groups

ENOUGH = 200
"""Votes of each cohort before a baseline is complete."""

FEWEST = 50
"""Votes of each cohort since a change began, before the cohorts are compared."""

_SAME_LENGTH = 2
_LONGEST = 4_096


@dataclass(frozen=True)
class Span:
    """Sums over [start, end) of event time, ms: (2, GROUPS, K + 1) of the exposed and the held out, votes last; `slots` long."""

    start: int
    end: int
    slots: int
    sums: Floats


@dataclass(frozen=True)
class Sides:
    """See the module's text. `names` of the K cells; `spans` oldest first; `relative`: changes are told as logarithms of ratios.

    learned    the watch was learning while the baseline was taken; settled: the baseline is frozen.
    """

    names: tuple[str, ...]
    relative: bool
    baseline: Span
    learned: bool = False
    settled: bool = False
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Move:
    """The change of one cohort: `before` and `now` its means, `change` with its standard error `se`, `n` votes now."""

    before: float
    now: float
    change: float
    se: float
    n: int


@dataclass(frozen=True)
class Moves:
    """How far two cohorts moved in one figure, `name`; they share no units. `relative`: changes are logarithms of ratios."""

    exposed: Move
    held_out: Move
    name: str = ""
    relative: bool = False


def sums_of(rows: Columns, judged: Judged) -> Floats:
    """What rows of one slot add, (2, GROUPS, K + 1): a unit's rows share one vote; rows without a unit have none."""
    told = ((rows.cohort == Cohort.EXPOSED) | (rows.cohort == Cohort.HOLDOUT)) & (rows.unit != 0)
    if judged.voting and "voting" in rows.fields:
        told &= rows.flags("voting")
    told &= np.isfinite(judged.values[:, 0])
    values, units, cohort = judged.values[told], rows.unit[told], rows.cohort[told].astype(np.intp)
    place, size = cohort * groups.GROUPS + groups.of_units(units), 2 * groups.GROUPS
    if judged.counted:
        columns: list[Floats] = [np.bincount(place, minlength=size).astype(np.float64), np.ones(size)]
    else:
        _, owner, rows_of = np.unique(
            units * np.uint64(2) + cohort.astype(np.uint64), return_inverse=True, return_counts=True
        )
        vote = 1.0 / rows_of[owner]
        columns = [np.bincount(place, each, size).astype(np.float64) for each in (*(vote[:, None] * values).T, vote)]
    return np.stack(columns, axis=1).reshape(2, groups.GROUPS, -1)


def start(judged: Judged, at: int) -> Sides:
    """Nothing known at `at`, ms."""
    nothing = np.zeros((2, groups.GROUPS, len(judged.names) + 1))
    return Sides(judged.names, judged.counted, Span(at, at, 0, nothing))


def add(s: Sides, begin: int, end: int, sums: Floats, *, learning: bool, at_least: int) -> Sides:
    """With one more slot [begin, end).

    The baseline takes slots in as long as the watch is `learning`, then until each cohort has `ENOUGH` votes; of a watch that
    never learns, until it is `at_least` ms long as well. Then it is frozen.
    """
    base, learned = s.baseline, s.learned or learning
    enough = votes(base.sums, relative=s.relative).min() >= ENOUGH and (learned or base.end - base.start >= at_least)
    if not s.settled and (learning or not enough):
        return replace(s, baseline=Span(base.start, end, base.slots + 1, base.sums + sums), learned=learned)
    return replace(s, settled=True, spans=_merged((*s.spans, Span(begin, end, 1, sums))))


def _merged(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """At most two spans of a length; where there is a third, the older two become one."""
    kept, length = list(spans), 1
    while length <= _LONGEST:
        same = [i for i, span in enumerate(kept) if span.slots == length]
        if len(same) <= _SAME_LENGTH:
            break
        a, b = kept[same[0]], kept[same[1]]
        kept[same[0] : same[1] + 1] = [Span(a.start, b.end, 2 * length, a.sums + b.sums)]
        length *= 2
    while kept and kept[0].slots > _LONGEST:
        kept.pop(0)
    return tuple(kept)


def votes(sums: Floats, *, relative: bool) -> Floats:
    """Votes of each cohort, (2,); of what is counted, the rows."""
    counted: Floats = sums[..., 0 if relative else -1].sum(axis=-1)
    return counted


def since(s: Sides, at: int) -> tuple[Floats, Floats] | str:
    """Sums at the baseline and since `at`, ms; or in words why they cannot be told."""
    if not s.settled:
        return "there is no baseline yet to compare the cohorts with"
    if at < s.baseline.end:
        return "it began while the baseline was being learned"
    later = [span.sums for span in s.spans if span.start >= at] or [span.sums for span in s.spans[-1:]]
    now = np.sum(later, axis=0)
    if not later or (fewest := int(votes(now, relative=s.relative).min())) < FEWEST:
        few = 0 if not later else fewest
        return f"one cohort has {few:,} votes since then; {FEWEST:,} are needed to compare the cohorts"
    return s.baseline.sums, now


def moves(before: Floats, now: Floats, names: tuple[str, ...], *, relative: bool) -> Moves:
    """How far each cohort moved, from sums (2, GROUPS, K + 1), in the cell that moved most for its error among everybody.

    Which cell that is says hardly anything of how the cohorts differ, so its figures are judged as those of a cell named before.
    A mean within (0, 1) is given no smaller an error than a share of that size has: few votes can agree by chance.
    """
    change, error = _change(before, now, relative=relative)
    pooled, its_error = _change(before.sum(axis=0), now.sum(axis=0), relative=relative)
    with np.errstate(invalid="ignore", divide="ignore"):
        k = int(np.argmax(np.nan_to_num(np.abs(pooled) / its_error)))
    old, new, n = groups.means(before), groups.means(now), votes(now, relative=relative)
    exposed, held_out = (
        Move(float(old[c, k]), float(new[c, k]), float(change[c, k]), float(error[c, k]), int(n[c])) for c in (0, 1)
    )
    return Moves(exposed, held_out, names[k], relative)


def _change(before: Floats, now: Floats, *, relative: bool) -> tuple[Floats, Floats]:
    """Changes of means and their standard errors, (..., K), from sums (..., GROUPS, K + 1)."""
    old, new = groups.means(before), groups.means(now)
    old_without, new_without = groups.without_each(before), groups.without_each(now)
    if relative:
        with np.errstate(invalid="ignore", divide="ignore"):
            replicates = np.log(new_without) - np.log(old_without)
            return np.log(new) - np.log(old), groups.standard_error(replicates)
    count = 1.0 / before[..., -1].sum(axis=-1) + 1.0 / now[..., -1].sum(axis=-1)
    least = np.sqrt(np.maximum(old * (1.0 - old), 0.0) * count[..., None])
    return new - old, np.fmax(groups.standard_error(new_without - old_without), least)

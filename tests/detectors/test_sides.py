"""The two cohorts of a figure: what is summed, how time is kept, and how often the sector that is named is the true one."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import sides
from detectors.columns import Columns, Floats, Numeric, flag
from detectors.judged import Judged
from detectors.math import groups
from detectors.sides import ENOUGH, Sides
from monitor.watch.origin import Sector, gap_changed, sector

HOUR = 3_600_000


def rows_of(units: Floats, cohort: Floats, value: Floats) -> Columns:
    n = len(units)
    return Columns(
        np.zeros(n, np.int64),
        units.astype(np.uint64),
        cohort.astype(np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"value": Numeric(value), "voting": flag(np.ones(n, np.bool_))},
    )


def judged(value: Floats, *, counted: bool = False) -> Judged:
    return Judged(("",), value[:, None], counted=counted)


def world(rng: np.random.Generator, exposed: float, held_out: float, gap: float = 0.0) -> Sides:
    """3,000 exposed and 600 held-out people who come back with a level of their own: 12 slots of a baseline, then 8."""
    units = np.arange(1, 3_601, dtype=np.float64) + float(rng.integers(1, 2**40))
    cohort = (np.arange(3_600) >= 3_000).astype(np.float64)
    level = rng.beta(2.0, 3.0, 3_600)
    known: Sides | None = None
    for slot in range(20):
        here = rng.random(3_600) < 0.3
        moved = (slot >= 12) * np.where(cohort == 0, exposed, held_out) + gap * (cohort == 0)
        value = (rng.random(3_600) < np.clip(level + moved, 0.0, 1.0)).astype(np.float64)
        rows, what = rows_of(units[here], cohort[here], value[here]), judged(value[here])
        known = sides.start(what, 0) if known is None else known
        at = slot * HOUR
        known = sides.add(known, at, at + HOUR, sides.sums_of(rows, what), learning=slot < 12, at_least=0)
    assert known is not None
    return known


def moves_of(known: Sides) -> sides.Moves:
    sums = sides.since(known, 12 * HOUR)
    assert not isinstance(sums, str)
    return sides.moves(*sums, known.names, relative=known.relative)


RUNS = 200


@pytest.mark.parametrize(
    ("exposed", "held_out", "true"),
    [
        (-0.15, 0.0, Sector.EXPOSED),
        (-0.15, -0.15, Sector.BOTH),
        (0.0, -0.15, Sector.HOLDOUT),
        (0.0, 0.0, Sector.UNDECIDED),
    ],
)
def test_in_known_worlds_the_true_sector_is_named_and_hardly_ever_another(
    exposed: float, held_out: float, true: Sector
) -> None:
    """A false sector has a level of .025 in its direction, two of them .05. A gap of a tenth was there before."""
    rng = np.random.default_rng(31)
    named = [sector(moves_of(world(rng, exposed, held_out, gap=-0.1))) for _ in range(RUNS)]
    wrong = sum(s not in (true, Sector.UNDECIDED) for s in named) / RUNS
    assert wrong <= 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5
    assert named.count(true) / RUNS >= 0.8


@pytest.mark.parametrize("held_out", [0.5, 0.1])
def test_choosing_among_twenty_categories_by_what_everybody_did_leaves_the_levels_nearly_as_they_are(
    held_out: float,
) -> None:
    """Both moved alike, and only the exposed did: how often the other is said."""
    rng = np.random.default_rng(47)
    named: dict[float, list[Sector]] = {0.0: [], 0.2: []}
    for run in range(2 * RUNS):
        also = (0.0, 0.2)[run % 2]
        before, now = np.zeros((2, groups.GROUPS, 21)), np.zeros((2, groups.GROUPS, 21))
        for sums, much in ((before, 5), (now, 1)):
            for cohort, share in enumerate((1.0 - held_out, held_out)):
                p = np.full(20, 0.05)
                p[0] += 0.0 if sums is before else (0.2, also)[cohort]
                votes = rng.multinomial(round(2_000 * much * share / groups.GROUPS), p / p.sum(), groups.GROUPS)
                sums[cohort] = np.column_stack([votes, votes.sum(axis=1)])
        named[also].append(sector(sides.moves(before, now, tuple("abcdefghijklmnopqrst"), relative=False)))
    for also, true in ((0.0, Sector.EXPOSED), (0.2, Sector.BOTH)):
        wrong = sum(s not in (true, Sector.UNDECIDED) for s in named[also]) / RUNS
        assert wrong <= 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5
        assert named[also].count(true) / RUNS >= 0.8


def test_the_interval_of_the_change_of_the_gap_covers_it_although_people_come_back() -> None:
    rng = np.random.default_rng(41)
    missed = sum(gap_changed(moves_of(world(rng, -0.1, -0.1, gap=-0.1))) for _ in range(RUNS)) / RUNS
    assert missed <= 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5


@pytest.mark.parametrize("held_out", [0.5, 0.05, 0.01])
def test_after_a_false_alarm_of_a_watch_without_cohorts_an_origin_is_named_in_few_cases(held_out: float) -> None:
    """Nothing but noise, and of 20,000 worlds the two hundred whose pooled figure went furthest: what a false alarm chooses."""
    rng, runs = np.random.default_rng(43), 20_000
    n = np.array([1.0 - held_out, held_out])[:, None] * 40_000.0 / groups.GROUPS
    votes = np.broadcast_to(n, (runs, 2, groups.GROUPS)).astype(np.int64)
    before, now = (np.stack([rng.binomial(votes, 0.3), votes], axis=-1).astype(np.float64) for _ in range(2))
    pooled = [sums.sum(axis=(1, 2)) for sums in (before, now)]
    far = np.argsort(-np.abs(pooled[1][:, 0] / pooled[1][:, 1] - pooled[0][:, 0] / pooled[0][:, 1]))[:200]
    named = [sector(sides.moves(before[i], now[i], ("",), relative=False)) for i in far]
    wrong = sum(s is not Sector.UNDECIDED for s in named) / len(far)
    allowed = {0.5: 0.3, 0.05: 0.05, 0.01: 0.05}[held_out]
    assert wrong <= allowed + 3 * (allowed * (1 - allowed) / len(far)) ** 0.5


def test_a_unit_has_one_vote_a_slot_however_many_rows_and_none_without_an_id_or_a_cohort() -> None:
    units = np.array([5.0, 5.0, 5.0, 9.0, 0.0, 7.0])
    cohort = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 3.0])
    value = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    sums = sides.sums_of(rows_of(units, cohort, value), judged(value))
    assert sums.sum(axis=1) == pytest.approx(np.array([[2 / 3, 1.0], [1.0, 1.0]]))


def test_a_row_that_says_nothing_takes_no_part_of_its_units_vote() -> None:
    value = np.array([1.0, np.nan])
    sums = sides.sums_of(rows_of(np.array([5.0, 5.0]), np.zeros(2), value), judged(value))
    assert sums.sum(axis=1)[0] == pytest.approx([1.0, 1.0])


def test_what_is_counted_is_a_rate_a_slot_and_its_change_is_relative() -> None:
    rng, known = np.random.default_rng(5), None
    for slot in range(20):
        twice = np.where(rng.random(4_000) < (0.6 if slot >= 12 else 0.3), 1.0, 0.0) > 0
        units = np.arange(1.0, 4_001.0)[twice]
        cohort = (units > 2_000).astype(np.float64)
        rows, what = rows_of(units, cohort, np.ones(len(units))), judged(np.ones(len(units)), counted=True)
        known = sides.start(what, 0) if known is None else known
        sums = sides.sums_of(rows, what)
        known = sides.add(known, slot * HOUR, (slot + 1) * HOUR, sums, learning=slot < 12, at_least=0)
    assert known is not None
    moves = moves_of(known)
    assert np.exp(moves.exposed.change) == pytest.approx(2.0, rel=0.05)
    assert sector(moves) is Sector.BOTH


def test_time_is_kept_in_spans_that_double_and_join_without_a_hole() -> None:
    nothing = judged(np.zeros(1))
    sums = np.full((2, groups.GROUPS, 2), 100.0)
    known = sides.start(nothing, 0)
    for slot in range(1_000):
        known = sides.add(known, slot, slot + 1, sums, learning=slot < 10, at_least=0)
    assert known.baseline.end == 10
    assert len(known.spans) <= 2 * 10
    assert (known.spans[0].start, known.spans[-1].end) == (10, 1_000)
    assert all(a.end == b.start for a, b in zip(known.spans, known.spans[1:], strict=False))
    assert sum(span.sums[0, 0, 1] for span in known.spans) == 990 * 100.0


@pytest.mark.parametrize(
    ("votes", "at", "why"),
    [
        (ENOUGH, 5, "it began while the baseline was being learned"),
        (1, 12, "there is no baseline yet to compare the cohorts with"),
    ],
)
def test_what_cannot_be_compared_is_said(votes: int, at: int, why: str) -> None:
    sums = np.zeros((2, groups.GROUPS, 2))
    sums[:, :, 1] = votes / groups.GROUPS
    known = sides.start(judged(np.zeros(1)), 0)
    for slot in range(20):
        known = sides.add(known, slot, slot + 1, sums, learning=slot < 10, at_least=0)
    assert sides.since(known, at) == why


def test_a_watch_that_never_learns_has_a_baseline_of_some_length() -> None:
    sums = np.full((2, groups.GROUPS, 2), 100.0)
    known = sides.start(judged(np.zeros(1)), 0)
    for slot in range(30):
        known = sides.add(known, slot, slot + 1, sums, learning=False, at_least=24)
    assert (known.settled, known.baseline.end) == (True, 24)

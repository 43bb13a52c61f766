"""C8: it takes all three claims to alarm, each at the full level, as rates with their Monte Carlo error; and its figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from detectors.cohort_sticky.moments import GRID, HAD, HAS
from detectors.columns import Bools, Columns, Floats, Numeric, flag
from detectors.detector import Tick
from detectors.divergence import Divergence, DivergenceParams, gaps
from detectors.divergence.state import Changes
from detectors.evidence import Crossing, Evidence, Standing

DETECTOR = Divergence()
DAY = 86_400_000
PEOPLE, LEARN, WINDOWS, RUNS, SPENT = 1_000, 7, 22, 100, 0.05
PARAMS = DivergenceParams(engagement="clicks", page_if_worse_by=0.05, min_holdout=100)


@dataclass(frozen=True)
class Course:
    """Chances of (quality, engagement) per visit: of the held out, and of the exposed before and after day `LEARN`."""

    holdout: tuple[float, float] = (0.5, 0.4)
    before: tuple[float, float] = (0.5, 0.4)
    after: tuple[float, float] = (0.5, 0.4)


def rows(came: Bools, cohort: Bools, had: Floats, has: Floats, *, beside: bool) -> Columns:
    who = np.flatnonzero(came)
    zeros = np.zeros(len(who), np.int64)
    fields = {name: Numeric(x[who, i]) for names, x in ((HAD, had), (HAS, has)) for i, name in enumerate(names)}
    return Columns(
        zeros,
        (who + 1).astype(np.uint64),
        cohort[who].astype(np.int8),
        zeros.astype(np.int32),
        zeros,
        fields | {"beside": flag(np.full(len(who), beside))},
    )


def told(course: Course, seed: int, runs: int = RUNS) -> list[list[Evidence]]:
    """Evidence (T, W) of worlds whose people have levels of their own (sd .1 of a chance); a fifth is held out."""
    rng = np.random.default_rng(seed)
    held = rng.random((runs, PEOPLE)) < 0.2
    own = np.clip(rng.normal(0.0, 0.1, (2, runs, PEOPLE)), -0.25, 0.25)
    sums = np.zeros((2, runs, PEOPLE, 4))
    state, heard = DETECTOR.start([PARAMS] * runs), []
    for day in range(WINDOWS):
        came, column = rng.random((runs, PEOPLE)) < 0.6, 2 if day < LEARN else 0
        stats: list[Changes] = [DETECTOR.empty(None)] * runs
        exposed = course.before if day < LEARN else course.after
        for which, beside in enumerate((False, True)):
            chance = np.where(held, course.holdout[which], exposed[which]) + own[which]
            before = sums[which].copy()
            sums[which, ..., column] += came
            sums[which, ..., column + 1] += GRID * (came & (rng.random((runs, PEOPLE)) < chance))
            stats = [
                DETECTOR.fold(None, a, rows(came[r], held[r], before[r], sums[which, r], beside=beside))
                for r, a in enumerate(stats)
            ]
        tick = Tick.plain(day * DAY, (day + 1) * DAY, page=SPENT / (WINDOWS - LEARN), warn=0.0, watches=runs)
        state, evidence = DETECTOR.close([PARAMS] * runs, state, stats, tick)
        heard.append(evidence)
    return heard


def paged(heard: list[list[Evidence]]) -> float:
    return float(np.mean([any(row[i].crossing is Crossing.PAGE for row in heard) for i in range(len(heard[0]))]))


NULLS = {
    "nothing is raised, and quality collapses": Course(after=(0.35, 0.4)),
    "the gap was always there": Course(before=(0.35, 0.6), after=(0.35, 0.6)),
    "quality falls by the margin, no more": Course(after=(0.475, 0.6)),
    "quality falls back to the holdout's": Course(before=(0.65, 0.4), after=(0.5, 0.6)),
}


@pytest.mark.parametrize("name", NULLS)
def test_one_claim_that_fails_keeps_false_pages_within_the_spend(name: str) -> None:
    rate = paged(told(NULLS[name], 11))
    assert rate <= SPENT + 3 * np.sqrt(SPENT * (1 - SPENT) / RUNS)


def test_engagement_up_and_quality_down_pages_and_says_both_sizes_with_intervals_that_hold() -> None:
    runs = 40
    heard = told(Course(after=(0.33, 0.6)), 12, runs)
    assert paged(heard) >= 0.95
    missed = np.zeros((3, runs))
    for row in heard:
        for i, e in enumerate(row):
            if e.interval is None:
                continue
            ends = (
                (e.interval.low, e.interval.high),
                *(
                    (e.detail[f"{name}_low"], e.detail[f"{name}_high"])
                    for name in ("quality_change", "engagement_lift")
                ),
            )
            for which, ((low, high), truth) in enumerate(zip(ends, (-0.17, -0.17, 0.2), strict=True)):
                missed[which, i] += not low <= truth <= high
    assert ((missed > 0).mean(axis=1) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)).all()
    page = next(e for row in heard for e in row if e.crossing is Crossing.PAGE)
    assert page.change_at is not None
    assert page.change_at >= (LEARN - 1) * DAY
    assert page.reason.startswith("clicks of the exposed lie +0.")


def test_it_ends_when_one_of_the_claims_has_ended() -> None:
    """Engagement falls back for good: quality is still down, and what is said is no longer true."""
    rng = np.random.default_rng(3)
    held, own = rng.random(2_000) < 0.3, np.clip(rng.normal(0.0, 0.1, 2_000), -0.25, 0.25)
    sums, state, heard = np.zeros((2, 2_000, 4)), DETECTOR.start([PARAMS]), []
    for day in range(60):
        came, column, a = rng.random(2_000) < 0.6, 2 if day < LEARN else 0, DETECTOR.empty(None)
        raised = 0.4 if day < LEARN else 0.6 if day < 17 else 0.1
        for which, exposed in enumerate((0.5 if day < LEARN else 0.35, raised)):
            chance, before = np.where(held, (0.5, 0.4)[which], exposed) + own, sums[which].copy()
            sums[which, :, column] += came
            sums[which, :, column + 1] += GRID * (came & (rng.random(2_000) < chance))
            a = DETECTOR.fold(None, a, rows(came, held, before, sums[which], beside=which == 1))
        state, (e,) = DETECTOR.close([PARAMS], state, [a], Tick.plain(day * DAY, (day + 1) * DAY, page=1e-3, warn=0.0))
        heard.append(e)
    crossed = [str(e.crossing) for e in heard if e.crossing is not Crossing.NONE]
    assert crossed[0] == "page"
    assert crossed[-1] == "recovered"
    assert heard[-1].effect is not None
    assert heard[-1].effect < -0.1


def test_the_gaps_are_those_of_the_published_formula() -> None:
    """Ratios, their difference of differences, and errors clustered by person, written out over people."""
    rng = np.random.default_rng(5)
    held, n, pre_n = rng.random(500) < 0.3, rng.integers(0, 9, 500), rng.integers(0, 9, 500)
    k, pre_k = rng.binomial(n, 0.3), rng.binomial(pre_n, 0.4)
    has = np.stack([n, k * GRID, pre_n, pre_k * GRID], axis=1).astype(np.float64)
    everybody = rows(np.ones(500, np.bool_), held, np.zeros((500, 4)), has, beside=False)
    a = DETECTOR.fold(None, DETECTOR.empty(None), everybody)
    got = gaps.of(
        DETECTOR.close([PARAMS], DETECTOR.start([PARAMS]), [a], Tick.plain(0, DAY, page=0, warn=0))[0].total[:, 0]
    )
    parts, level, change = [], [], []
    for arm in (~held, held):
        now, then = k[arm].sum() / n[arm].sum(), pre_k[arm].sum() / pre_n[arm].sum()
        parts.append((now, then))
        level.append((k[arm] - now * n[arm]) / n[arm].sum())
        change.append(level[-1] - (pre_k[arm] - then * pre_n[arm]) / pre_n[arm].sum())
    assert got.level.estimate[0] == pytest.approx(parts[0][0] - parts[1][0])
    assert got.change.estimate[0] == pytest.approx(parts[0][0] - parts[1][0] - parts[0][1] + parts[1][1])
    for gap, written in ((got.level, level), (got.change, change)):
        own = np.sqrt(sum(float((part**2).sum()) for part in written))
        assert own - 1e-12 <= gap.se[0] <= 1.1 * own


def test_too_few_held_out_people_are_told_and_never_ok() -> None:
    heard = told(Course(), 13, 2)
    strict = PARAMS.model_copy(update={"min_holdout": 5_000})
    (few, other) = heard[-1]
    assert few.interval is not None
    assert few.margin is not None
    assert few.interval.low < -few.margin < 0.0 < few.margin < few.interval.high
    assert {few.standing, other.standing} == {Standing.INSUFFICIENT}
    assert (
        f"{few.n['holdout']:,} held-out and {few.n['exposed']:,} exposed people are too few for any statement"
        in few.reason
    )
    a = DETECTOR.empty(None)
    state = DETECTOR.start([strict])
    sums = np.zeros((PEOPLE, 4))
    held = np.arange(PEOPLE) % 5 == 0
    for day in range(LEARN + 1):
        before = sums.copy()
        column = 2 if day < LEARN else 0
        sums[:, column] += 1
        sums[:, column + 1] += GRID * (np.arange(PEOPLE) % 2)
        a = DETECTOR.empty(None)
        for beside in (False, True):
            a = DETECTOR.fold(None, a, rows(np.ones(PEOPLE, np.bool_), held, before, sums, beside=beside))
        state, (e,) = DETECTOR.close([strict], state, [a], Tick.plain(day * DAY, (day + 1) * DAY, page=1e-3, warn=0.0))
    assert (e.standing, e.reason) == (Standing.INSUFFICIENT, "200 of 5,000 held-out people have come back")

"""Every delay that a reach rests on, against the median that the detector itself takes, seeded; ten windows or more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from detectors import engine, three_way
from detectors.ab_test import AbTest, AbTestParams
from detectors.calibration import Calibration, CalibrationParams
from detectors.canary import Canary, CanaryParams
from detectors.category_shift import CategoryShiftParams
from detectors.category_shift.reading import CELLS, MISSING, OTHER, UNSEEN
from detectors.cohort_by_group import CohortByGroup, CohortByGroupParams, state
from detectors.cohort_by_group.tallies import ByGroup, Groups
from detectors.cohort_quantile import CohortQuantile, CohortQuantileParams
from detectors.cohort_quantile.detector import Beyond
from detectors.cohort_sticky.state import SCALES
from detectors.columns import Floats
from detectors.contamination import Contamination, ContaminationParams, Marked
from detectors.detector import Tick
from detectors.embedding_shift import EmbeddingShiftParams
from detectors.embedding_shift.lens import CHANNELS, PROJECTIONS
from detectors.embedding_shift.reading import CELLS as BOUNDARIES
from detectors.evidence import Crossing
from detectors.increments import block, mixture
from detectors.interleaving import Ballots, Interleaving, InterleavingParams
from detectors.labelled.reading import BINS, BITS
from detectors.labelled.reading import Reading as LabelledReading
from detectors.math import fixed
from detectors.math.unit_sample import nobody
from detectors.missing_rate import MissingRateParams
from detectors.named import nameless
from detectors.numeric_shift.reading import BINS as CUT_BINS
from detectors.power import Outlook
from detectors.reaches import blocks, cohorts, embedding, experiments, labelled, shares
from detectors.risk import Risk, RiskParams
from detectors.shadow import ShadowParams
from detectors.shadow.detector import BETS as SHADOW_BETS
from detectors.shadow.detector import bets as shadow_bets
from detectors.share_over import Over, ShareOver, ShareOverParams
from detectors.shares import watch
from detectors.two_arms import Tally

HOUR = 3_600_000
SPEND = 1e-4
ONE = int(fixed.to_fixed(np.array([1.0]))[0])
TOLD_WITHIN = 0.2
"""How far the median that is told may be from the measured one: 15 % and three Monte Carlo errors of 80 watches."""

Close = Callable[[bool, Tick], Sequence[Crossing]]


def _median(close: Close, watches: int, healthy: int = 60) -> float:
    """Windows from the change to the first alarm, over watches that were silent until then."""
    found, silent = np.full(watches, np.inf), np.ones(watches, np.bool_)
    for window in range(healthy + 600):
        changed = window >= healthy
        tick = Tick.plain(window * HOUR, (window + 1) * HOUR, page=SPEND, warn=0.0, watches=watches)
        rows = np.flatnonzero([c in (Crossing.PAGE, Crossing.WARN) for c in close(changed, tick)])
        if changed:
            found[rows] = np.minimum(found[rows], window - healthy + 1)
        else:
            silent[rows] = False
        if np.isfinite(found[silent]).mean() > 0.6:
            break
    return float(np.median(found[silent]))


def _detector(detector: Any, p: Any, started: Any, draw: Callable[[bool], list[Any]]) -> Close:
    watches, held = len(draw(False)), [started]

    def close(changed: bool, tick: Tick) -> list[Crossing]:
        held[0], evidence = detector.close([p] * watches, held[0], draw(changed), tick)
        return [e.crossing for e in evidence]

    return close


def _outlook(units: float, within: float, **given: Any) -> Outlook:
    return Outlook(units=units, window=HOUR, within=round(within * HOUR), spend=SPEND, chance=0.5, **given)


def _begun(bank: engine.Bank) -> engine.Bank:
    return engine.begin(bank, np.ones(len(bank.mode), np.bool_), np.zeros(len(bank.mode), np.int64))


def _of_shares(
    before: Floats, learned: float, margin: Floats, used: Floats, draw: Callable[[bool], Floats], watches: int
) -> Close:
    started = watch.start(watches, len(before))
    reference = np.tile(np.append(before, 1.0) * learned, (watches, 1))
    held = [replace(started, reference=reference, bank=_begun(started.bank))]
    none = watch.Learning(np.zeros(watches), np.zeros(watches))

    def close(changed: bool, tick: Tick) -> list[Crossing]:
        every = (np.tile(margin, (watches, 1)), np.tile(used > 0, (watches, 1)))
        held[0], verdict, _ = watch.close(held[0], draw(changed), *every, none, tick)
        return verdict.crossing

    return close


def test_a_category_that_grows() -> None:
    rng, watches, units, rise = np.random.default_rng(501), 80, 70, 0.1
    p_before, cells = np.zeros(CELLS), [*range(10)]
    p_before[cells] = 0.1
    p_after = p_before * (1 - rise / 0.9)
    p_after[0] = 0.1 + rise
    margin, used = np.maximum(0.02, 0.25 * p_before), np.zeros(CELLS)
    used[[*cells, OTHER, UNSEEN, MISSING]] = 1
    margin[UNSEEN] = 0.005

    def draw(changed: bool) -> Floats:
        votes = rng.multinomial(units, p_after if changed else p_before, watches)
        return np.column_stack([votes, np.full(watches, units)]).astype(np.float64)

    params = CategoryShiftParams(learn_units=40_000)
    median = _median(_of_shares(p_before, 40_000, margin, used, draw, watches), watches)
    told = shares.category_shift(params, _outlook(units, median)).effect
    assert median >= 10
    assert told == pytest.approx(rise, rel=0.1)


def test_a_field_that_goes_missing() -> None:
    rng, watches, units, lost = np.random.default_rng(502), 80, 40, 0.06
    before, fields = np.full(6, 0.001), 6

    def draw(changed: bool) -> Floats:
        votes = rng.binomial(units, before, (watches, fields))
        votes[:, 0] = rng.binomial(units, lost if changed else 0.001, watches)
        return np.column_stack([votes, np.full(watches, units)]).astype(np.float64)

    params = MissingRateParams(fields=tuple("abcdef"), learn_units=40_000)
    median = _median(_of_shares(before, 40_000, np.full(6, 0.02), np.ones(6), draw, watches), watches)
    told = shares.missing_rate(params, _outlook(units, median)).effect
    assert median >= 10
    assert told == pytest.approx(lost, rel=0.1)


def test_values_over_a_limit() -> None:
    rng, watches, units = np.random.default_rng(503), 80, 100
    p = ShareOverParams(limit=1.0, at_most=0.05)
    found = shares.share_over(p, _outlook(units, 25.0))
    ids = np.arange(units, dtype=np.uint64)

    def draw(changed: bool) -> list[Over]:
        over = rng.random((watches, units)) < 0.025 + found.effect * changed
        return [Over(ids, np.stack([np.ones(units), row], axis=1).astype(np.int64)) for row in over]

    assert _median(_detector(ShareOver(), p, ShareOver().start([p] * watches), draw), watches) == pytest.approx(
        25, rel=TOLD_WITHIN
    )


def test_people_mixed_up() -> None:
    rng, watches, units = np.random.default_rng(504), 80, 200
    p = ContaminationParams()
    found = shares.contamination(p, _outlook(units, 25.0))
    ids = np.arange(units, dtype=np.uint64)

    def draw(changed: bool) -> list[Marked]:
        marked = rng.random((watches, units)) < p.at_most / 4 + found.effect * changed
        return [Marked(ids, np.stack([np.ones(units), row], axis=1).astype(np.int64)) for row in marked]

    started = Contamination().start([p] * watches)
    assert _median(_detector(Contamination(), p, started, draw), watches) == pytest.approx(25, rel=TOLD_WITHIN)


def test_vectors_that_shift() -> None:
    rng, watches, units, step = np.random.default_rng(505), 16, 35, 0.25
    p = EmbeddingShiftParams(learn_units=40_000)
    cuts = ndtri(np.arange(1, CUT_BINS) / CUT_BINS)
    before = np.tile(np.append(np.arange(1, CUT_BINS) / CUT_BINS, 1.0), CHANNELS)
    moves = np.append(step * ndtri((np.arange(PROJECTIONS) + 0.5) / PROJECTIONS), [0.0, 0.0])
    chances = {
        changed: np.diff(
            np.column_stack([np.zeros(CHANNELS), ndtr(cuts - changed * moves[:, None]), np.ones(CHANNELS)]), axis=1
        )
        for changed in (False, True)
    }

    def draw(changed: bool) -> Floats:
        votes = np.cumsum(rng.multinomial(units, chances[changed], (watches, CHANNELS)), axis=2)
        return np.column_stack([votes.reshape(watches, -1), np.full(watches, units)]).astype(np.float64)

    close = _of_shares(before, 40_000, np.full(BOUNDARIES, p.eps), np.ones(BOUNDARIES), draw, watches)
    median = _median(close, watches, healthy=15)
    assert median >= 10
    assert embedding.step_delay(step, p, _outlook(units, median)) == pytest.approx(median, rel=TOLD_WITHIN)


@pytest.mark.parametrize(("goes_on", "kappa"), [(0.0, 1.0), (0.2, 1.5)])
def test_a_number_a_window(goes_on: float, kappa: float) -> None:
    """Normal windows, of which a fifth goes on into the next: their sum varies one and a half times as much."""
    rng, watches, margin = np.random.default_rng(506), 100, 0.5
    outlook = _outlook(1, 60.0)
    beyond = float(blocks.beyond_margin(kappa, margin, outlook, 1))
    held, last = [_begun(engine.start(watches, block.BETS))], [rng.normal(size=watches)]
    nothing, known = np.full((watches, block.BETS), -np.inf), np.ones(watches, np.bool_)

    def close(changed: bool, tick: Tick) -> list[Crossing]:
        last[0] = goes_on * last[0] + np.sqrt(1 - goes_on**2) * rng.normal(size=watches)
        z = last[0] - margin + (margin + beyond) * changed
        against = block.log_increments(z, np.full(watches, kappa))
        given = engine.Increments(against, nothing, nothing)
        held[0], verdict = engine.advance(held[0], given, np.full(block.BETS, -np.log(block.BETS)), tick, known, known)
        return verdict.crossing

    assert _median(close, watches) == pytest.approx(60, rel=TOLD_WITHIN)


def test_a_group_that_is_worse_off() -> None:
    rng, watches, units, harm = np.random.default_rng(507), 60, 2_500, 0.4
    p = CohortByGroupParams(holdout_share=0.2, by="country")
    started = CohortByGroup().start([p] * watches)
    ids = np.array([11, 22], np.uint64)
    groups = state.packed(Groups(ids, np.array(["a", "b"], object), np.array([], object), np.zeros(0, np.uint64)))
    cells = np.full(watches, b"", object)
    cells[:] = groups
    started = replace(started, groups=cells, bank=_begun(started.bank))

    def draw(changed: bool) -> list[ByGroup]:
        n = np.stack([rng.binomial(size, 0.8, watches) for size in (units // 10, units - units // 10)], axis=1)
        all_n = np.array([units // 10, units - units // 10])
        rate = np.array([0.3 * (1 - harm * changed), 0.3])
        yes1, yes0 = rng.binomial(n, rate), rng.binomial(all_n - n, 0.3)
        sums = np.stack([n, yes1 * ONE, yes1 * ONE, all_n - n, yes0 * ONE, yes0 * ONE], axis=2)
        return [ByGroup(ids, row, nameless()) for row in sums]

    median = _median(_detector(CohortByGroup(), p, started, draw), watches)
    assert median >= 10
    told = cohorts.group_delay(harm, 0.1, p, _outlook(units, median, mean=0.3))
    assert told == pytest.approx(median, rel=TOLD_WITHIN)


def test_a_tail_that_grows() -> None:
    rng, watches, units = np.random.default_rng(508), 120, 1_000
    p = CohortQuantileParams(holdout_share=0.5)
    part = cohorts.cohort_quantile(p, _outlook(units, 30.0)).effect
    levels = np.array([0.5, 0.45, 0.04, 0.01])
    moved = (1 - part) * levels + part * np.array([0, 0, 0, 1])
    started = CohortQuantile().start([p] * watches)
    cuts, usual = np.tile([1.0, 2.0, 3.0], (watches, 1)), np.tile([0.5, 0.05, 0.01], (watches, 1))
    started = replace(started, cuts=cuts, usual=usual, bank=_begun(started.bank))

    def draw(changed: bool) -> list[Beyond]:
        n = rng.binomial(units, 0.5, watches)
        counts = []
        for arm, chance in ((n, moved if changed else levels), (units - n, levels)):
            drawn = rng.multinomial(arm, chance)
            beyond = drawn[:, :0:-1].cumsum(axis=1)[:, ::-1]
            counts.append(np.column_stack([arm, beyond]))
        sample = nobody()
        return [
            Beyond(row, sample.keys, sample.ties, sample.values, np.zeros(1, np.int64))
            for row in np.concatenate(counts, axis=1)
        ]

    assert _median(_detector(CohortQuantile(), p, started, draw), watches) == pytest.approx(30, rel=TOLD_WITHIN)


def test_people_who_come_back_show_the_harm_that_was_told() -> None:
    rng, error, margin = np.random.default_rng(509), 0.01, 0.02
    outlook = replace(_outlook(1, 1.0), chance=0.8)
    beyond = cohorts.shown_beyond(error, margin, outlook)
    estimates = beyond + error * rng.normal(size=4_000)
    log_e = mixture.log_evidence(estimates, np.full(4_000, error), np.tile(margin * SCALES, (4_000, 1)))
    found = np.logaddexp.reduce(log_e, axis=1) - np.log(len(SCALES)) + np.log(SPEND) >= 0
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def _labelled(watches: int, owners: int, bins: np.ndarray[Any, Any], loss: Floats, gap: Floats) -> list[Any]:
    keys = np.arange(1, owners + 1, dtype=np.uint64) << np.uint64(BITS)
    seen = np.zeros((BINS, 2), np.int64)
    told = []
    for row in range(watches):
        sums = np.zeros((owners, 4), np.int64)
        sums[:, 0], sums[:, 1], sums[:, 2] = 1, ONE // 5, (gap[row] * ONE).astype(np.int64)
        sums[:, 3] = (loss[row] * ONE).astype(np.int64)
        told.append(LabelledReading(keys | bins.astype(np.uint64), sums, seen, nobody()))
    return told


def test_a_loss_that_rises() -> None:
    rng, watches, units = np.random.default_rng(510), 60, 100
    p = RiskParams(learn_units=40_000)
    outlook = _outlook(units, 25.0, mean=0.1, square=0.04)
    rise = labelled.risk(p, outlook).relative
    assert rise is not None
    started = Risk().start([p] * watches)
    reference = np.tile([40_000, 4_000.0, 1_600.0], (watches, 1))
    started = replace(started, reference=reference, bank=_begun(started.bank))

    def draw(changed: bool) -> list[Any]:
        loss = np.where(rng.random((watches, units)) < 0.25 * (1 + rise * changed), 0.4, 0.0)
        return _labelled(watches, units, np.zeros(units, np.int64), loss, loss)

    assert _median(_detector(Risk(), p, started, draw), watches) == pytest.approx(25, rel=TOLD_WITHIN)


def test_a_score_bin_that_is_off() -> None:
    rng, watches, units = np.random.default_rng(511), 30, 400
    p = CalibrationParams(learn_units=100_000)
    outlook = _outlook(units, 20.0, mean=0.2)
    gap = labelled.calibration(p, outlook).effect
    started = Calibration().start([p] * watches)
    by_bin = [10_000, 0.0, 10_000 * 0.16, 2_000, 2_000]
    known = replace(
        started.labels,
        cuts=np.tile(np.linspace(0.1999, 0.2, BINS + 1)[1:-1], (watches, 1)),
        known=np.ones(watches, np.bool_),
    )
    reference = np.tile(np.tile(by_bin, BINS), (watches, 1))
    started = replace(started, reference=reference, labels=known, bank=_begun(started.bank))
    place = np.arange(units) % BINS

    def draw(changed: bool) -> list[Any]:
        y = rng.random((watches, units)) < 0.2 + gap * changed * (place == 4)
        return _labelled(watches, units, place, y * 1.0, y * 1.0)

    assert _median(_detector(Calibration(), p, started, draw), watches) == pytest.approx(20, rel=TOLD_WITHIN)


def _two_arms(rng: np.random.Generator, units: int, treated: float, rates: tuple[float, float]) -> Tally:
    n = rng.binomial(units, treated)
    yes1, yes0 = rng.binomial(n, rates[0]), rng.binomial(units - n, rates[1])
    keys = np.array([0, 1, ONE << 1, ONE << 1 | 1], np.uint64)
    counts = np.array([units - n - yes0, n - yes1, yes0, yes1])
    return Tally(keys[counts > 0], counts[counts > 0].astype(np.int64)[:, None])


def test_a_release_that_is_harmful() -> None:
    rng, watches, units = np.random.default_rng(512), 120, 1_000
    p = CanaryParams(treatment_share=0.1)
    harm = experiments.canary(p, _outlook(units, 25.0, mean=0.05)).relative
    assert harm is not None

    def draw(_: bool) -> list[Tally]:
        return [_two_arms(rng, units, 0.1, (0.05 * (1 + harm), 0.05)) for _ in range(watches)]

    close = _detector(Canary(), p, Canary().start([p] * watches), draw)
    assert _median(close, watches, healthy=0) == pytest.approx(25, rel=TOLD_WITHIN)


def test_a_difference_between_arms() -> None:
    rng, watches, units = np.random.default_rng(513), 120, 1_000
    p = AbTestParams()
    effect = experiments.ab_test(p, _outlook(units, 25.0, mean=0.2)).effect

    def draw(_: bool) -> list[Tally]:
        return [_two_arms(rng, units, 0.5, (0.2 + effect, 0.2)) for _ in range(watches)]

    close = _detector(AbTest(), p, AbTest().start([p] * watches), draw)
    assert _median(close, watches, healthy=0) == pytest.approx(25, rel=TOLD_WITHIN)


def test_a_preference() -> None:
    rng, watches, units = np.random.default_rng(514), 120, 100
    p = InterleavingParams()
    lead = experiments.interleaving(p, _outlook(units, 25.0)).effect
    ids = np.arange(1, units + 1, dtype=np.uint64)

    def draw(_: bool) -> list[Ballots]:
        won = rng.random((watches, units)) < 0.5 + lead
        return [Ballots(ids, np.stack([row, ~row, 0 * row, 0 * row], axis=1).astype(np.int64)) for row in won]

    close = _detector(Interleaving(), p, Interleaving().start([p] * watches), draw)
    assert _median(close, watches, healthy=0) == pytest.approx(25, rel=TOLD_WITHIN)


def test_a_shadow_that_disagrees() -> None:
    rng, watches, units = np.random.default_rng(515), 120, 100
    p = ShadowParams()
    share = experiments.shadow(p, _outlook(units, 25.0)).effect
    held = [three_way.start(watches, SHADOW_BETS)]
    known = np.ones(watches, np.bool_)

    def close(_: bool, tick: Tick) -> list[Crossing]:
        differs = (rng.random((watches, units)) < share) * 1.0
        harm, sound = (np.array(x) for x in zip(*(shadow_bets(p, row) for row in differs), strict=True))
        held[0], step = three_way.advance(
            held[0],
            harm,
            sound,
            tick,
            informative=known,
            level=np.full(watches, p.alpha),
            at_most=np.full(watches, 1 << 60),
            harm_lasts=False,
        )
        return step.crossing

    assert _median(close, watches, healthy=0) == pytest.approx(25, rel=TOLD_WITHIN)

"""B2: is the exposed cohort worse off than the holdout in a value without bounds: a count, an amount, a ratio?

Every window gives one number, exposed minus holdout: each unit's mean over its predictions, averaged (or a ratio of totals).
Values are cut off at the learned 99th percentile of the nonzero ones, the same for both cohorts, so that a few large amounts
decide nothing. Weeks of learning tell how much that number varies, from window to window, and from day to day; then every
window bets on a fall beyond the margin (`detectors.increments.block`). The promise is calibrated: it holds while the variance
is what it was.

Cohorts of the same people differ by chance, and go on differing. So harm is a change of the difference that was there while
learning; or, `against: holdout`, any difference beyond four standard deviations of what chance makes of so many units.

The second half of learning is a dry run of what the first half taught. A watch that would have alarmed there, or that has
learned for less than 28 days, warns and does not page.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, CohortBlock()
>>> p = CohortBlockParams(sample_units=100, min_holdout=500)
>>> state, told = detector.start([p]), []
>>> for window in range(29 * 24):
...     cohort = (rng.random(200) < 0.3).astype(np.int8)
...     spent = rng.lognormal(2.0, 1.0, 200) * (rng.random(200) < 0.5)         # half of them buy, a few of them a lot
...     spent *= np.where((cohort == 0) & (window >= 28 * 24 + 2), 0.4, 1.0)   # after 28 days the exposed buy less
...     rows = Columns(np.full(200, window * hour), rng.integers(1, 5_000, 200).astype(np.uint64), cohort,
...                    np.zeros(200, np.int32), np.arange(200), {"value": Numeric(spent), "first": flag(np.ones(200, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window - 28 * 24, str(evidence[0].crossing), evidence[0].effect < -2))
>>> told
[(14, 'warn', True), (16, 'page', True), (18, 'critical', True)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors import engine, views
from detectors.cohort_block import report, window
from detectors.cohort_block.state import (
    BLOCKS,
    CALIBRATION_DAYS,
    DAY,
    DIFFERENCE,
    MEAN0,
    MEAN1,
    MIN_BLOCKS,
    UNITS0,
    UNITS1,
    CohortBlockParams,
    CohortBlockState,
    start,
)
from detectors.cohort_block.window import Ruler, Window
from detectors.columns import Bools, Columns, Floats
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence
from detectors.increments import block
from detectors.math import dyadic, scales, unit_sample
from detectors.math.unit_sample import UnitSample
from detectors.snapshot import pack_record, unpack_record

CHANCE = 4.0
"""Standard deviations of a chance difference between cohorts that the margin covers: at 3 a quarter of 200 watches alarms."""

_ERROR = 3.0
"""Standard errors of the learned difference that the margin covers."""

_LOG_WEIGHTS = np.full(block.BETS, -np.log(block.BETS))
_NOT_YET, _RUNNING, _FAILED = 0, 1, 2


class CohortBlock:
    """See the module's text."""

    name = "cohort_block"
    family = Family.COHORT
    hint = False
    params = CohortBlockParams
    statistic = Window
    state = CohortBlockState

    def needs(self, p: CohortBlockParams) -> Needs:
        """`value`, any number (missing and infinite ones are left out), and `first`: the unit's enrolment row."""
        return Needs(Stream.OUTCOMES, ("value", "first"), contrast=True, gated=True)

    def start(self, ps: Sequence[CohortBlockParams]) -> CohortBlockState:
        """Learning, without a cut."""
        return start(len(ps))

    def prepare(self, p: CohortBlockParams, s: CohortBlockState, row: int) -> Ruler:
        """Where values are cut off, once it is known."""
        return Ruler(float(s.low[row]), float(s.high[row]), p.sample_units)

    def empty(self, prep: Ruler) -> Window:
        """No rows."""
        return window.nothing()

    def fold(self, prep: Ruler, a: Window, rows: Columns) -> Window:
        """Add rows of exposed and held-out units."""
        return window.fold(prep, a, rows)

    def merge(self, prep: Ruler, a: Window, b: Window) -> Window:
        """Sums add; of two samples the smallest keys stay."""
        return window.merge(prep, a, b)

    def size(self, a: Window) -> int:
        """Units of the smaller cohort."""
        return min(window.units(a))

    def close(
        self, ps: Sequence[CohortBlockParams], s: CohortBlockState, stats: Sequence[Window], tick: Tick
    ) -> tuple[CohortBlockState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        w, live = len(ps), ~tick.gated
        learning = s.bank.mode == engine.LEARNING
        sums, spread = window.blocks(stats, s.low, s.high, [p.per == "unit" for p in ps])
        informative = ~np.isnan(sums[:, BLOCKS])
        sums = np.where(informative[:, None], sums, 0.0)
        good = np.array([1.0 if p.better == "higher" else -1.0 for p in ps])
        change = good * (sums[:, DIFFERENCE] - s.centre)
        increments = engine.Increments(
            null=_against(-change, s.margin, s.s, s.kappa),
            critical=_against(-change, 3.0 * s.margin, s.s, s.kappa),
            worse=_against(change, -s.margin, s.s, s.kappa),
        )
        allowed = replace(tick, page=np.where(s.quiet, 0.0, tick.page))
        watched = live & informative & ~learning
        spans = dyadic.push(s.spans, sums, watched)
        bank, verdict = engine.advance(s.bank, increments, _LOG_WEIGHTS, allowed, informative, np.ones(w, np.bool_))
        seen = views.of(s, spans, sums, watched, verdict)
        after = replace(s, bank=bank, **views.kept(seen, spans, verdict))
        after = _learn(ps, after, stats, (sums, spread), live & learning, tick)
        shown = report.Shown(seen.total, seen.recent, seen.offered, seen.fresh, informative)
        return after, report.report(ps, after, shown, verdict, allowed)


def _against(harm: Floats, margin: Floats, s: Floats, kappa: Floats) -> Floats:
    """Against "the harm is at most `margin`", (W, BETS)."""
    return block.log_increments(block.standardised(harm, margin, s), kappa)


def _learn(
    ps: Sequence[CohortBlockParams],
    s: CohortBlockState,
    stats: Sequence[Window],
    seen: tuple[Floats, Floats],
    learning: Bools,
    tick: Tick,
) -> CohortBlockState:
    """First the cut is learned, then the blocks' variance; the second half of the blocks is the dry run of the first."""
    sums, spread = seen
    active = learning & (sums[:, BLOCKS] > 0)
    began = np.where(active & (s.began < 0), tick.start, s.began)
    gathered = replace(
        _learn_cut(ps, s, stats, learning & np.isnan(s.high)),
        began=began,
        seen=scales.push(s.seen, sums[:, DIFFERENCE], tick.start // DAY, active),
        learned=np.where(active[:, None], s.learned + sums, s.learned),
        spread=np.where(active, s.spread + spread, s.spread),
        first=np.where(active[:, None], s.first + np.array([a.first for a in stats]), s.first),
    )
    tried = _dry_run(ps, gathered, sums, active, tick)
    return _begin(ps, tried, active, tick)


def _learn_cut(
    ps: Sequence[CohortBlockParams], s: CohortBlockState, stats: Sequence[Window], learning: Bools
) -> CohortBlockState:
    sample, sampled, low, high = s.sample.copy(), s.sampled.copy(), s.low.copy(), s.high.copy()
    for row, p in enumerate(ps):
        if not learning[row] or not len(stats[row].sampled):
            continue
        sampled[row] += 1
        before = unpack_record(UnitSample, sample[row]) if sample[row] else unit_sample.nobody()
        mine = unit_sample.rekeyed(window.sample_of(stats[row]), int(sampled[row]))
        both = unit_sample.merge(before, mine, p.sample_units)
        full = len(both) >= p.sample_units
        sample[row] = b"" if full else pack_record(both)
        if full:
            ends = np.quantile(both.values, [1.0 - p.cap_quantile, p.cap_quantile])
            low[row], high[row] = min(float(ends[0]), 0.0), max(float(ends[1]), 0.0)
    return replace(s, sample=sample, sampled=sampled, low=low, high=high)


def _elapsed(s: CohortBlockState, tick: Tick) -> Floats:
    """Days since the first block, (W,); 0 before it."""
    return np.where(s.began < 0, 0.0, (tick.end - s.began) / DAY)


def _dry_run(
    ps: Sequence[CohortBlockParams], s: CohortBlockState, sums: Floats, active: Bools, tick: Tick
) -> CohortBlockState:
    running = active & (s.tried == _RUNNING)
    good = np.array([1.0 if p.better == "higher" else -1.0 for p in ps])
    centre, deviation, kappa, margin = s.rule.T
    harm = -good * (sums[:, DIFFERENCE] - centre)
    with np.errstate(divide="ignore"):
        spend = np.log(np.where(tick.page > 0, tick.page, tick.warn))
    moved = np.logaddexp(s.trial, spend[:, None]) + _against(harm, margin, deviation, kappa)
    trial = np.where(running[:, None], moved, s.trial)
    failed = running & (np.logaddexp.reduce(trial + _LOG_WEIGHTS, axis=1) >= 0)
    half = np.array([p.learn_days for p in ps]) / 2.0
    begins = active & (s.tried == _NOT_YET) & (_elapsed(s, tick) >= half)
    learned, margin, _ = _calibrated(ps, s)
    rule = np.stack([learned.mean, learned.s, learned.kappa, margin], axis=1)
    return replace(
        s,
        trial=trial,
        tried=np.where(failed, _FAILED, np.where(begins, _RUNNING, s.tried)),
        rule=np.where(begins[:, None], rule, s.rule),
    )


def _calibrated(ps: Sequence[CohortBlockParams], s: CohortBlockState) -> tuple[block.Calibration, Floats, Floats]:
    """What the blocks so far teach; `mean` is where the null lies. The margin (W,) and the mean of both cohorts (W,)."""
    w = len(ps)
    own = np.array([p.against == "learned" for p in ps])
    learned = block.of_scales(s.seen, np.zeros(w), own_mean=own)
    count = np.maximum(s.learned[:, BLOCKS], 1.0)
    units = s.learned[:, UNITS1] + s.learned[:, UNITS0]
    weight = s.learned[:, UNITS1] / np.maximum(units, 1.0)
    baseline = np.abs(weight * s.learned[:, MEAN1] + (1.0 - weight) * s.learned[:, MEAN0]) / count
    deviation = np.sqrt(s.spread / count)
    first = np.maximum(s.first, 1.0)
    by_chance = CHANCE * deviation * np.sqrt((1.0 / first).sum(axis=1))
    by_error = _ERROR * learned.s * np.sqrt(learned.kappa / count)
    wanted = np.array([p.page_if_worse_by for p in ps]) * baseline
    margin = np.maximum.reduce([wanted, learned.smallest_margin(), np.where(own, by_error, by_chance)])
    return replace(learned, mean=np.where(own, learned.mean, 0.0)), margin, baseline


def _begin(ps: Sequence[CohortBlockParams], s: CohortBlockState, active: Bools, tick: Tick) -> CohortBlockState:
    days = np.array([p.learn_days for p in ps])
    ready = (
        active
        & (_elapsed(s, tick) >= days)
        & (s.learned[:, BLOCKS] >= MIN_BLOCKS)
        & (s.learned[:, UNITS0] >= np.array([p.min_holdout for p in ps]))
    )
    learned, margin, baseline = _calibrated(ps, s)
    return replace(
        s,
        bank=engine.begin(s.bank, ready, tick.end),
        centre=np.where(ready, learned.mean, s.centre),
        s=np.where(ready, learned.s, s.s),
        kappa=np.where(ready, learned.kappa, s.kappa),
        slow=np.where(ready, learned.slow, s.slow),
        margin=np.where(ready, margin, s.margin),
        baseline=np.where(ready, baseline, s.baseline),
        quiet=np.where(ready, (days < CALIBRATION_DAYS) | (s.tried == _FAILED), s.quiet),
    )

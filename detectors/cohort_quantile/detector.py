"""B4: do more of the exposed than of the holdout lie beyond the usual median, 95th or 99th percentile of a value?

The cuts are learned from both cohorts together and then frozen. A unit votes once, with the value of its first prediction (of
its randomisation): beyond each cut, or not. That is a share, bounded whatever the value's tails, so the evidence is exact: it
rests on the assignment coin alone.

Null: at every cut, the share of the exposed beyond it exceeds the holdout's (or, where higher is better, falls short of it) by
no more than `page_if_worse_by` of the share that was beyond it while learning. The three tests are averaged, which needs no
correction. An alert ends when the share beyond the cut that was worst is back, by a test, and at no cut the exposed have been
beyond the margin, with the whole interval, in the last quarter of the time since then.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, CohortQuantile()
>>> p = CohortQuantileParams(holdout_share=0.5, learn_units=2_000)
>>> state, told = detector.start([p]), []
>>> for window in range(30):
...     cohort = (rng.random(1_000) < 0.5).astype(np.int8)
...     slow = (cohort == 0) & (window >= 15) & (rng.random(1_000) < 0.05)     # one exposed answer in twenty takes long
...     value = rng.lognormal(3.0, 0.5, 1_000) * np.where(slow, 5.0, 1.0)
...     rows = Columns(np.full(1_000, window * hour), np.arange(1, 1_001, dtype=np.uint64), cohort, np.zeros(1_000, np.int32),
...                    np.arange(1_000), {"value": Numeric(value), "first": flag(np.ones(1_000, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].unit))
>>> told[0]
(16, 'page', 'share beyond q99')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detectors import engine, views
from detectors.cohort_quantile import report
from detectors.cohort_quantile.state import (
    BETS,
    CUTS,
    QUANTILES,
    WIDTH,
    CohortQuantileParams,
    CohortQuantileState,
    margins,
    moved_most,
    signs,
    unpacked,
)
from detectors.columns import Bools, Cohort, Columns, Floats, Ints
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence
from detectors.increments import ipw
from detectors.math import dyadic, unit_sample
from detectors.math.unit_sample import UnitSample
from detectors.snapshot import pack_record

_LATELY = 4
_LOG_WEIGHTS = np.full(BETS, -np.log(BETS))


@dataclass(frozen=True)
class Beyond:
    """First-seen units: a sample of values while the cuts are unknown, then `counts` (WIDTH,); `held` units while learning."""

    counts: Ints
    keys: npt.NDArray[np.uint64]
    ties: npt.NDArray[np.uint64]
    values: Floats
    held: Ints


@dataclass(frozen=True)
class Ruler:
    """The frozen cuts (3,), None while learning, and the sample's size."""

    cuts: Floats | None
    capacity: int


class CohortQuantile:
    """See the module's text."""

    name = "cohort_quantile"
    family = Family.COHORT
    hint = False
    params = CohortQuantileParams
    statistic = Beyond
    state = CohortQuantileState

    def needs(self, p: CohortQuantileParams) -> Needs:
        """`value`, any number (missing is left out), and `first`: the unit's enrolment row."""
        return Needs(Stream.OUTCOMES, ("value", "first"), contrast=True, gated=True)

    def start(self, ps: Sequence[CohortQuantileParams]) -> CohortQuantileState:
        """Learning, without cuts."""
        w = len(ps)
        return CohortQuantileState(
            bank=engine.start(w, BETS),
            spans=dyadic.start(w, WIDTH),
            sample=np.full(w, b"", object),
            windows=np.zeros(w, np.int64),
            held=np.zeros(w, np.int64),
            cuts=np.full((w, CUTS), np.nan),
            usual=np.zeros((w, CUTS)),
            total=np.zeros((w, WIDTH)),
            fresh=np.zeros((w, WIDTH)),
            worst=np.zeros(w, np.int64),
        )

    def prepare(self, p: CohortQuantileParams, s: CohortQuantileState, row: int) -> Ruler:
        """The cuts, once they are known."""
        known = not np.isnan(s.cuts[row]).any()
        return Ruler(s.cuts[row] if known else None, p.learn_units)

    def empty(self, prep: Ruler) -> Beyond:
        """No units."""
        return _beyond(np.zeros(WIDTH, np.int64), unit_sample.nobody(), 0)

    def fold(self, prep: Ruler, a: Beyond, rows: Columns) -> Beyond:
        """Add enrolment rows of exposed and held-out units that have a value."""
        value = rows.numbers("value")
        mine = rows.take(rows.flags("first") & (rows.cohort <= Cohort.HOLDOUT) & (rows.unit != 0) & np.isfinite(value))
        if prep.cuts is None:
            sample = unit_sample.of_rows(mine, mine.numbers("value"), prep.capacity)
            held = int((mine.cohort == Cohort.HOLDOUT).sum())
            return self.merge(prep, a, _beyond(np.zeros(WIDTH, np.int64), sample, held))
        beyond = mine.numbers("value")[:, None] > prep.cuts
        votes = np.concatenate([np.ones((len(mine), 1), np.int64), beyond], axis=1)
        exposed = (mine.cohort == Cohort.EXPOSED)[:, None]
        counts = np.concatenate([(votes * exposed).sum(axis=0), (votes * ~exposed).sum(axis=0)]).astype(np.int64)
        return replace(a, counts=a.counts + counts)

    def merge(self, prep: Ruler, a: Beyond, b: Beyond) -> Beyond:
        """Counts add; of two samples the smallest keys stay."""
        sample = unit_sample.merge(_sample(a), _sample(b), prep.capacity)
        return _beyond(a.counts + b.counts, sample, int(a.held[0] + b.held[0]))

    def size(self, a: Beyond) -> int:
        """Units of the smaller cohort; of both together while the cuts are being learned."""
        return max(int(min(a.counts[0], a.counts[1 + CUTS])), len(a.keys))

    def close(
        self, ps: Sequence[CohortQuantileParams], s: CohortQuantileState, stats: Sequence[Beyond], tick: Tick
    ) -> tuple[CohortQuantileState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        w, live = len(ps), ~tick.gated
        watching = s.bank.mode != engine.LEARNING
        window = np.array([a.counts for a in stats], np.float64) * watching[:, None]
        informative = (window[:, 0] + window[:, 1 + CUTS]) > 0
        spans = dyadic.push(s.spans, window, live & informative)
        increments = _increments(ps, s, window)
        bank, verdict = engine.advance(s.bank, increments, _LOG_WEIGHTS, tick, informative, ~_still_worse(ps, s))
        seen = views.of(s, spans, window, live, verdict)
        after = replace(
            s,
            bank=bank,
            worst=np.where(verdict.opened, moved_most(seen.recent, signs(ps)), s.worst),
            **views.kept(seen, spans, verdict),
        )
        after = _learn(ps, after, stats, live & ~watching, tick)
        once = np.ones(w)
        by_kind = {
            "since_start": (seen.total, once),
            "recent": (seen.recent, seen.offered),
            "fresh": (seen.fresh, once),
        }
        modes = engine.modes(after.bank)
        return after, [
            report.evidence(
                ps[i],
                after,
                i,
                {kind: (sums[i], float(looks[i])) for kind, (sums, looks) in by_kind.items()},
                report.stale(engine.evidence(verdict, tick, modes, i), bool(informative[i])),
            )
            for i in range(w)
        ]


def _beyond(counts: Ints, sample: UnitSample, held: int) -> Beyond:
    return Beyond(counts, sample.keys, sample.ties, sample.values, np.array([held]))


def _sample(a: Beyond) -> UnitSample:
    return UnitSample(a.keys, a.ties, a.values)


def _increments(ps: Sequence[CohortQuantileParams], s: CohortQuantileState, window: Floats) -> engine.Increments:
    """Per cut the increments of a bounded value: 1 beyond the cut, else 0. Cut j owns the bets j BETS to (j + 1) BETS."""
    w = len(ps)
    share = np.repeat([1.0 - p.holdout_share for p in ps], CUTS)
    usual, margin = s.usual.ravel(), margins(ps, s).ravel()
    exposed, held = window[:, : 1 + CUTS], window[:, 1 + CUTS :]
    groups = np.stack([exposed[:, 1:], exposed[:, :1] - exposed[:, 1:], held[:, 1:], held[:, :1] - held[:, 1:]], axis=2)
    entries = ipw.Entries(
        watch=np.repeat(np.arange(w * CUTS), 4),
        value=np.tile([1.0, 0.0, 1.0, 0.0], w * CUTS),
        exposed=np.tile([True, True, False, False], w * CUTS),
        count=groups.ravel(),
    )
    good = np.repeat(signs(ps), CUTS)

    def against(tolerance: Floats) -> Floats:
        return ipw.log_increments(entries, w * CUTS, share, usual, tolerance, good).reshape(w, BETS)

    still = ipw.log_increments_worse(entries, w * CUTS, share, usual, margin, good).reshape(w, CUTS, ipw.BETS)
    return engine.Increments(
        null=against(margin),
        critical=against(3.0 * margin),
        worse=np.tile(still[np.arange(w), s.worst], (1, CUTS)),
    )


def _still_worse(ps: Sequence[CohortQuantileParams], s: CohortQuantileState) -> Bools:
    """Whether at some cut the exposed lie beyond the margin, with the whole interval, lately, (W,).

    The test of recovery is of the cut that was worst. Lately is the last quarter of the windows since recovery most likely began.
    """
    row, best = np.arange(len(ps)), np.argmax(s.bank.recovery, axis=1)
    lasted = s.bank.windows + 1 - s.bank.calm_window[row, best]
    recent, _, offered = dyadic.at_least(s.spans, np.maximum(lasted // _LATELY, 1))
    allowed = margins(ps, s)
    worse: Bools = np.array(
        [report.beyond(p, recent[i], allowed[i], float(offered[i])) for i, p in enumerate(ps)], np.bool_
    )
    return worse


def _learn(
    ps: Sequence[CohortQuantileParams],
    s: CohortQuantileState,
    stats: Sequence[Beyond],
    learning: Bools,
    tick: Tick,
) -> CohortQuantileState:
    """The sample fills; when it is full and the holdout large enough, it gives the cuts and watching begins."""
    sample, windows, held = s.sample.copy(), s.windows.copy(), s.held.copy()
    cuts, usual = s.cuts.copy(), s.usual.copy()
    ready = np.zeros(len(ps), np.bool_)
    for row, p in enumerate(ps):
        if not learning[row] or not len(stats[row].keys):
            continue
        windows[row] += 1
        held[row] += stats[row].held[0]
        mine = unit_sample.rekeyed(_sample(stats[row]), int(windows[row]))
        gathered = unit_sample.merge(unpacked(sample[row]), mine, p.learn_units)
        ready[row] = len(gathered) >= p.learn_units and held[row] >= p.min_holdout
        if ready[row]:
            cuts[row] = np.quantile(gathered.values, QUANTILES)
            usual[row] = (gathered.values[:, None] > cuts[row]).mean(axis=0)
        sample[row] = b"" if ready[row] else pack_record(gathered)
    bank = engine.begin(s.bank, ready, tick.end)
    return replace(s, bank=bank, sample=sample, windows=windows, held=held, cuts=cuts, usual=usual)

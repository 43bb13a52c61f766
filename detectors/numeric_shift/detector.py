"""A1: has the distribution of a number moved away from its reference by more than a tolerated distance?

A unit votes once a day, in its first window (`voting`), with the average of its rows, so rows of one unit never count as
independent. First the cuts are taken from a sample of units, then the reference shares at the cuts are measured by the same
votes; both are frozen, and a new reference is a new watch.

A reference that was learned for two weeks or longer is kept by quarter of the day and weekend. While it is learned, every
quarter of a day is compared with the ones before: where the values moved on their own, the margin is at least twice that.

Null: at no cut does the share of votes at or below it differ from the reference by more than `eps` plus the reference's own
error. Exact for votes that are independent given the past; no shape of distribution is assumed. A shift inside the margin does
not alarm, however much data there is. A missing value counts as larger than every number, so a rise of missing values is a
shift too. Units that return every day carry their own level: choose `eps` at least four times the spread between units divided
by the root of their number. An alert ends when its worst cut is back, by a test, and the whole band around the latest
windows lies inside the margin.

Source: bets after Waudby-Smith and Ramdas 2024, JRSS-B; tolerance after Podkopaev and Ramdas 2022, ICLR; detectors after Shin,
Ramdas and Rinaldo 2024, NEJSDS; the band after Howard and Ramdas 2022, Bernoulli 28(3).

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, NumericShift()
>>> p = NumericShiftParams(sample_units=1_000, learn_units=5_000, learn_windows=5)
>>> state, told = detector.start([p]), []
>>> for window in range(20):
...     value = rng.normal(0.35 if window >= 12 else 0.0, 1.0, 1_000)      # .35 sd is a distance of .14
...     rows = Columns(np.full(1_000, window * hour), rng.integers(1, 2**63, 1_000).astype(np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000), {"value": Numeric(value), "voting": flag(np.ones(1_000, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].effect > 0.05))
>>> told
[(12, 'warn', True), (13, 'page', True)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors import engine, views
from detectors.by_reading import ByReading
from detectors.columns import Bools, Floats
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence
from detectors.increments import shares
from detectors.math import dyadic, unit_sample
from detectors.math.intervals import empirical_cdf_radius
from detectors.numeric_shift import bets, distance, reading, report, season
from detectors.numeric_shift.reading import WIDTH, Reading, Ruler
from detectors.numeric_shift.state import (
    DAY,
    PARTS,
    NumericShiftParams,
    NumericShiftState,
    packed,
    reference_error,
    start,
    unpacked,
)

_BEFORE = 2


class NumericShift(ByReading[Ruler, Reading]):
    """See the module's text."""

    name = "numeric_shift"
    family = Family.SHIFT
    hint = False
    params = NumericShiftParams
    statistic = Reading
    reader = reading
    state = NumericShiftState

    def needs(self, p: NumericShiftParams) -> Needs:
        """`value`, any number (missing and infinite ones are watched as missing); `voting`: the unit's first window of the day."""
        return Needs(Stream.PREDICTIONS, ("value", "voting"))

    def start(self, ps: Sequence[NumericShiftParams]) -> NumericShiftState:
        """Learning, without cuts."""
        return start(len(ps))

    def prepare(self, p: NumericShiftParams, s: NumericShiftState, row: int) -> Ruler:
        """The cuts, once they are known."""
        cuts = s.cuts[row][~np.isnan(s.cuts[row])] if s.cut[row] else None
        return Ruler(cuts, p.sample_units)

    def close(
        self, ps: Sequence[NumericShiftParams], s: NumericShiftState, stats: Sequence[Reading], tick: Tick
    ) -> tuple[NumericShiftState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        live = ~tick.gated
        window = np.where(s.cut[:, None], reading.histograms(stats, s.cuts), 0.0)
        watching = s.bank.mode != engine.LEARNING
        eps = season.margin(ps, s.quarters.restless)
        expected = season.reference_at(ps, s.reference, s.parts, tick.start)
        used, reference = distance.used(s.cuts), distance.shares(expected)
        error = reference_error(expected, np.where(season.seasonal(ps), float(PARTS), 1.0))
        informative = (window[:, -1] > 0) & (expected[:, -1] > 0)
        tested = bets.bounds(reference, eps + error, used)
        yes, n = distance.shares(window) * window[:, -1:], window[:, -1]
        increments = engine.Increments(
            null=shares.against(tested, yes, n),
            critical=shares.against(bets.bounds(reference, 3.0 * eps + error, used), yes, n),
            worse=shares.against_still_there(tested, s.worst, yes, n),
        )
        both = np.where(informative[:, None], season.beside(window, expected), 0.0)
        spans = dyadic.push(s.spans, both, live & informative & watching)
        weights = shares.log_weights(tested.kept)
        clear = _clear(s, spans, weights, used) < eps + error
        bank, verdict = engine.advance(s.bank, increments, weights, tick, informative, clear)
        seen = views.of(s, spans, both, live & watching, verdict)
        recent, (_, length, _) = seen.recent, dyadic.at_least(spans, verdict.lasted)
        longer, longest, _ = dyadic.at_least(spans, _BEFORE * length)
        after = replace(
            s,
            bank=bank,
            **views.kept(seen, spans, verdict),
            worst=np.where(
                verdict.opened,
                shares.worst(distance.shares(recent[:, WIDTH:]), distance.shares(recent[:, :WIDTH]), tested.kept),
                s.worst,
            ),
        )
        shown = report.Shown(
            total=seen.total,
            recent=recent,
            offered=seen.offered,
            fresh=seen.fresh,
            window=window,
            margin=eps,
            error=error,
            behind=expected[:, -1],
            known=expected[:, -1] > 0,
            earlier=distance.apart(longer - recent, used),
            earlier_windows=np.where(distance.slowly(longer - recent, recent, used), longest - length, 0),
        )
        after = _learn(ps, after, stats, window, expected, live & ~watching, tick)
        return after, report.report(ps, after, shown, verdict, tick)


def _clear(s: NumericShiftState, spans: dyadic.Spans, log_weights: Floats, used: Bools) -> Floats:
    """Upper end of the band around the distance over the windows since recovery most likely began, (W,)."""
    row, best = np.arange(len(used)), np.argmax(s.bank.recovery + log_weights, axis=1)
    calm, _, offered = dyadic.at_least(spans, np.maximum(s.bank.windows + 1 - s.bank.calm_window[row, best], 1))
    return distance.apart(calm, used) + empirical_cdf_radius(calm[:, WIDTH - 1], (1.0 - views.LEVEL) / offered)


def _learn(
    ps: Sequence[NumericShiftParams],
    s: NumericShiftState,
    stats: Sequence[Reading],
    window: Floats,
    expected: Floats,
    learning: Bools,
    tick: Tick,
) -> NumericShiftState:
    """First the sample fills and gives the cuts, then the reference fills at the cuts, then watching begins."""
    reference = np.where(learning[:, None], s.reference + window, s.reference)
    parts = s.parts.copy()
    parts[np.arange(len(ps)), season.part_of(tick.start)] += np.where(learning[:, None], window, 0.0)
    quarters = season.learn(s.quarters, window, expected, s.cuts, tick.start, learning)
    covered = np.where(quarters.since >= 0, tick.end - quarters.since, 0) / DAY
    windows = s.reference_windows + (learning & (window[:, -1] > 0))
    ready = (
        learning
        & (reference[:, -1] >= np.array([p.learn_units for p in ps]))
        & (windows >= np.array([p.learn_windows for p in ps]))
        & (covered >= np.array([p.learn_days for p in ps]))
    )
    sample, sampled, cuts, cut = s.sample.copy(), s.sampled.copy(), s.cuts.copy(), s.cut.copy()
    for row, p in enumerate(ps):
        if not learning[row] or s.cut[row] or not len(stats[row].sample):
            continue
        mine = unit_sample.rekeyed(stats[row].sample, int(sampled[row]) + 1)
        gathered = unit_sample.merge(unpacked(sample[row]), mine, p.sample_units)
        sampled[row] += 1
        cut[row] = len(gathered) >= p.sample_units
        cuts[row] = reading.cuts_of(gathered.values) if cut[row] else np.nan
        sample[row] = b"" if cut[row] else packed(gathered)
    return replace(
        s,
        bank=engine.begin(s.bank, ready, tick.end),
        sample=sample,
        sampled=sampled,
        cuts=cuts,
        cut=cut,
        reference=reference,
        reference_windows=windows,
        parts=parts,
        quarters=quarters,
    )

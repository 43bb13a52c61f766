"""A4: does what is predicted still come true as often as it says, at every height of the prediction?

In ten score bins the gap between what came true and what was predicted is compared with the gap there was in the reference. A
prediction is judged once, when its attribution window has passed; a unit votes once a day, in each bin that it was predicted in.

Null: in every bin the mean gap lies within the reference's gap, its error (at level .001 over all bins), and a margin:
`page_if_worse_by` of what the bin predicts, at least `at_least`. Both directions are bet on, and averaged. Exact for votes that
are independent given the past. A model that was never calibrated does not alarm for that.

Where labels are missing more often in one bin than in another the watch is blind, as `detectors.risk` is.

Source: Podkopaev and Ramdas 2022, ICLR; bets after Waudby-Smith and Ramdas 2024, JRSS-B.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, Calibration()
>>> p = CalibrationParams(sample_units=1_000, learn_units=8_000, learn_windows=5)
>>> state, told = detector.start([p]), []
>>> for window in range(30):
...     chance = rng.beta(1, 2, 1_000)
...     high = chance > 0.6                                               # from window 15 the surest come true less often
...     truth = (rng.random(1_000) < np.where(high & (window >= 15), chance - 0.35, chance)) * 1.0
...     rows = Columns(np.full(1_000, window * hour), rng.integers(1, 2**63, 1_000).astype(np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000),
...                    {"probability": Numeric(chance), "value": Numeric(truth), "voting": flag(np.ones(1_000, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].effect < -0.2))
>>> told
[(18, 'page', True)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from detectors import engine, views
from detectors.by_reading import ByReading
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Evidence
from detectors.labelled import gaps, learning, losses, reading
from detectors.labelled.gap_report import Shown, report
from detectors.labelled.learning import Labels
from detectors.labelled.reading import Reading, Ruler
from detectors.math import dyadic

_CRITICAL = 3.0


class CalibrationParams(Params):
    """Parameters of `calibration`."""

    page_if_worse_by: Annotated[
        float,
        Field(gt=0, le=1, description="tolerated change of the gap in a score bin, as a part of what the bin predicts"),
    ] = 0.1
    at_least: Annotated[
        float,
        Field(gt=0, le=0.5, description="tolerated change of the gap in every bin, a share; the larger of both counts"),
    ] = 0.01
    sample_units: Annotated[
        int, Field(ge=100, le=20_000, description="units, one vote each, from which the score bins are taken")
    ] = 2_000
    learn_units: Annotated[
        int, Field(ge=100, description="units, one vote each a window and bin, behind the reference")
    ] = 40_000
    learn_windows: Annotated[int, Field(ge=1, description="windows with labels behind the reference")] = 24
    min_units: Annotated[
        int, Field(ge=1, description="labelled units a window needs; a smaller one is merged with the next")
    ] = 100


@dataclass(frozen=True)
class CalibrationState:
    """W watches; sums by bin, see `detectors.labelled.gaps`, each (W, BINS x 5).

    reference, reference_windows (W,)   what the learning windows saw; frozen when watching begins.
    total, fresh                        since watching began or evidence was thrown away; since the open alert began.
    worst                               (W,) the pair (bin x 2 + side) that was worst when the open alert began.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    labels: Labels
    reference: Floats
    reference_windows: Ints
    total: Floats
    fresh: Floats
    worst: Ints


class Calibration(ByReading[Ruler, Reading]):
    """See the module's text."""

    name = "calibration"
    family = Family.SHIFT
    hint = False
    params = CalibrationParams
    statistic = Reading
    reader = reading
    state = CalibrationState

    def needs(self, p: CalibrationParams) -> Needs:
        """`value`, what came of it, 0 to 1 (missing: unknown); `probability`; `voting`: the unit's first window of the day."""
        return Needs(Stream.OUTCOMES, ("value", "probability", "voting"))

    def start(self, ps: Sequence[CalibrationParams]) -> CalibrationState:
        """Learning, without bins."""
        w = len(ps)
        sums = np.zeros((w, gaps.WIDTH))
        return CalibrationState(
            bank=engine.start(w, gaps.BETS),
            spans=dyadic.start(w, gaps.WIDTH),
            labels=learning.start(w),
            reference=sums,
            reference_windows=np.zeros(w, np.int64),
            total=sums.copy(),
            fresh=sums.copy(),
            worst=np.zeros(w, np.int64),
        )

    def prepare(self, p: CalibrationParams, s: CalibrationState, row: int) -> Ruler:
        """The score bins, once they are known."""
        return Ruler(learning.cuts(s.labels, row), p.sample_units, "probability", losses.named("brier", 1.0))

    def close(
        self, ps: Sequence[CalibrationParams], s: CalibrationState, stats: Sequence[Reading], tick: Tick
    ) -> tuple[CalibrationState, list[Evidence]]:
        """Advance; see `detectors.engine`. Whether labels are biased is judged by the windows before this one."""
        live, blind = ~tick.gated, learning.biased(s.labels)
        votes, edge = reading.by_unit_and_bin(stats), gaps.edges(s.labels)
        window = gaps.of(votes, len(ps))
        came = gaps.moments(window).n.sum(axis=1)
        watching = s.bank.mode != engine.LEARNING
        reference, margin = gaps.moments(s.reference), _margins(ps, s.reference)
        tested = gaps.bounds(s.reference, edge, margin)
        weights = gaps.log_weights(tested.kept)
        increments = engine.Increments(
            null=gaps.against(votes, edge, tested),
            critical=gaps.against(votes, edge, gaps.bounds(s.reference, edge, _CRITICAL * margin)),
            worse=gaps.against_still_there(votes, edge, tested, s.worst),
        )
        judged = live & ~blind
        spans = dyadic.push(s.spans, window, judged & (came > 0) & watching)
        tick = replace(tick, gated=tick.gated | blind)
        bank, verdict = engine.advance(
            s.bank, increments, weights, tick, came > 0, _inside(s, spans, weights, margin, tested)
        )
        seen = views.of(s, spans, window, judged & watching, verdict)
        worst = gaps.worst(gaps.moments(seen.recent).mean - reference.mean, margin, tested.kept)
        after = replace(
            s,
            bank=bank,
            labels=learning.count(s.labels, stats, live),
            **views.kept(seen, spans, verdict),
            worst=np.where(verdict.opened, worst, s.worst),
        )
        after = _learn(ps, after, stats, window, judged & ~watching, tick)
        shown = Shown(
            seen.total,
            seen.recent,
            seen.offered,
            seen.fresh,
            reference=after.reference,
            came=came,
            margin=_margins(ps, after.reference),
            worst=after.worst,
            blind=blind,
        )
        progress = [_progress(p, after, row) for row, p in enumerate(ps)]
        return after, report(after.bank, after.labels, shown, verdict, tick, progress)


def _margins(ps: Sequence[CalibrationParams], reference: Floats) -> Floats:
    """Tolerated change of each bin's gap, (W, BINS)."""
    part, least = (np.array([getattr(p, name) for p in ps])[:, None] for name in ("page_if_worse_by", "at_least"))
    margin: Floats = np.maximum(part * gaps.moments(reference).predicted, least)
    return margin


def _inside(
    s: CalibrationState, spans: dyadic.Spans, log_weights: Floats, margin: Floats, tested: gaps.Bounds
) -> Bools:
    """Whether every gap that is bet on lies, with its interval, in its bounds since recovery most likely began, (W,)."""
    row, best = np.arange(len(margin)), np.argmax(s.bank.recovery + log_weights, axis=1)
    calm, _, offered = dyadic.at_least(spans, np.maximum(s.bank.windows + 1 - s.bank.calm_window[row, best], 1))
    return gaps.inside(calm, gaps.radius(calm, margin, (1.0 - views.LEVEL) / offered), tested)


def _learn(
    ps: Sequence[CalibrationParams],
    s: CalibrationState,
    stats: Sequence[Reading],
    window: Floats,
    rows: Bools,
    tick: Tick,
) -> CalibrationState:
    """First the sample gives the bins, then the reference fills, then watching begins."""
    reference = np.where(rows[:, None], s.reference + window, s.reference)
    windows = s.reference_windows + (rows & window.any(axis=1))
    ready = (
        rows
        & (gaps.moments(reference).n.sum(axis=1) >= np.array([p.learn_units for p in ps]))
        & (windows >= np.array([p.learn_windows for p in ps]))
    )
    return replace(
        s,
        bank=engine.begin(s.bank, ready, tick.end),
        labels=learning.gather(s.labels, stats, [p.sample_units for p in ps], rows),
        reference=reference,
        reference_windows=windows,
    )


def _progress(p: CalibrationParams, s: CalibrationState, row: int) -> str:
    if not s.labels.known[row]:
        return f"learning the score bins: {learning.sampled_units(s.labels, row):,} of {p.sample_units:,} units"
    n, windows = gaps.moments(s.reference[row : row + 1]).n.sum(), int(s.reference_windows[row])
    return f"learning: {n:,.0f} of {p.learn_units:,} labelled units, {windows:,} of {p.learn_windows:,} windows"

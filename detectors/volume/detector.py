"""A5: do as many predictions come as in the same quarter hour of the same weekday in the last four weeks?

The logarithm of what came over what was expected is a number a window. The first half of learning says what is usual, the second
how much a window scatters around it, from window to window and from day to day; then every window bets on a change beyond the
margin, either way (`detectors.increments.block`). The promise is calibrated: it holds while the variance is what it was. What
is usual goes on being learned, but not while an alert is open: growth over months is no shift, and an outage is no new habit.

Null: the mean of that logarithm lies within log(1 + `change_by`) of 0, or three deviations of what whole days are off, if that is
more. A window in which nothing came is data. A watch that has learned for less than 28 days warns and does not page.

Source: `detectors.increments.block`.

>>> import numpy as np
>>> from detectors.columns import Columns
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, quarter, detector, told = np.random.default_rng(7), 900_000, Volume(), []
>>> p = VolumeParams(learn_days=6)                                        # from 28 on it pages, too
>>> state = detector.start([p])
>>> for window in range(8 * 96):
...     usual = 200 + 150 * np.sin(2 * np.pi * window / 96)                     # a day has its hours
...     n = rng.poisson(usual * (0.4 if window >= 7 * 96 else 1.0))            # after 7 days 60 % are lost
...     state, evidence = detector.close([p], state, [Count(n)], Tick.plain(
...         window * quarter, (window + 1) * quarter, page=1e-5, warn=4e-5))
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window - 7 * 96, str(evidence[0].crossing), evidence[0].effect < -0.5))
>>> told
[(9, 'warn', True)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors import engine, views
from detectors.columns import Bools, Columns, Floats
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence
from detectors.increments import block
from detectors.math import dyadic, scales
from detectors.volume import rates, report
from detectors.volume.state import (
    BETS,
    CALIBRATION_DAYS,
    DAY,
    DIFFERENCE,
    VolumeParams,
    VolumeState,
    start,
)

_CRITICAL = 3.0
_LOG_WEIGHTS = np.full(BETS, -np.log(BETS))
_NEVER_MERGED = 1 << 60
_FEWEST = 4


@dataclass(frozen=True)
class Count:
    """Rows of one window."""

    rows: int


class Volume:
    """See the module's text."""

    name = "volume"
    family = Family.SHIFT
    hint = False
    params = VolumeParams
    statistic = Count
    state = VolumeState

    def needs(self, p: VolumeParams) -> Needs:
        """Rows; nothing of what is in them."""
        return Needs(Stream.PREDICTIONS, by_unit=False)

    def start(self, ps: Sequence[VolumeParams]) -> VolumeState:
        """Learning."""
        return start(len(ps))

    def prepare(self, p: VolumeParams, s: VolumeState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Count:
        """No rows."""
        return Count(0)

    def fold(self, prep: None, a: Count, rows: Columns) -> Count:
        """Count the rows."""
        return Count(a.rows + len(rows))

    def merge(self, prep: None, a: Count, b: Count) -> Count:
        """Counts add."""
        return Count(a.rows + b.rows)

    def size(self, a: Count) -> int:
        """Large whatever came: silence is data, so a window is never merged with the next."""
        return _NEVER_MERGED

    def close(
        self, ps: Sequence[VolumeParams], s: VolumeState, stats: Sequence[Count], tick: Tick
    ) -> tuple[VolumeState, list[Evidence]]:
        """Advance; see `detectors.engine`. The first window may have begun before the events did, and is passed over."""
        live = ~tick.gated
        first = live & (s.began < 0)
        count = np.array([float(a.rows) for a in stats])
        usual = rates.expected(s.rates, tick.start)
        known = ~np.isnan(usual) & ~first
        usual = np.where(known, usual, 0.0)
        change = np.where(known, np.log((count + 1.0) / (usual + 1.0)), 0.0)
        sums = np.stack([np.ones_like(count), change, count, usual], axis=1) * known[:, None]
        increments = engine.Increments(
            null=_beyond(change, s.margin, s),
            critical=_beyond(change, _CRITICAL * s.margin, s),
            worse=_still_beyond(change, s),
        )
        allowed = replace(tick, page=np.where(s.quiet, 0.0, tick.page))
        learning = s.bank.mode == engine.LEARNING
        watched = live & known & ~learning
        spans = dyadic.push(s.spans, sums, watched)
        certain = np.ones(len(ps), np.bool_)
        bank, verdict = engine.advance(s.bank, increments, _LOG_WEIGHTS, allowed, known, certain)
        seen = views.of(s, spans, sums, watched, verdict)
        after = replace(
            s,
            bank=bank,
            rates=rates.learn(s.rates, tick.start, count, live & ~first & (bank.mode != engine.RECOVERING)),
            began=np.where(first, tick.start, s.began),
            side=np.where(verdict.opened, np.where(seen.recent[:, DIFFERENCE] < 0, -1.0, 1.0), s.side),
            **views.kept(seen, spans, verdict),
        )
        after = _learn(ps, after, change, live & known & learning, tick)
        shown = report.Shown(seen.total, seen.recent, seen.offered, seen.fresh, known)
        return after, report.report(ps, after, shown, verdict, allowed)


def _beyond(change: Floats, margin: Floats, s: VolumeState) -> Floats:
    """Against "the change lies between -margin and margin", (W, BETS)."""
    above = block.standardised(change, margin, s.s)
    below = block.standardised(change, -margin, s.s)
    return block.log_increments_both(above, below, s.kappa)


def _still_beyond(change: Floats, s: VolumeState) -> Floats:
    """Against "the change is still beyond the margin, on the side of the open alert", (W, BETS)."""
    inside = block.log_increments(block.standardised(-s.side * change, -s.margin, s.s), s.kappa)
    return np.concatenate([inside, inside], axis=1)


def _learn(ps: Sequence[VolumeParams], s: VolumeState, change: Floats, rows: Bools, tick: Tick) -> VolumeState:
    """In the second half of learning the changes are gathered; at its end they give deviation, kappa and margin."""
    days = np.array([p.learn_days for p in ps])
    elapsed = np.where(s.began < 0, 0.0, (tick.end - s.began) / DAY)
    active = rows & (elapsed > days / 2.0)
    seen = scales.push(s.seen, change, tick.start // DAY, active)
    learned = s.learned + active
    ready = active & (elapsed >= days) & (learned >= _FEWEST)
    taught = block.of_scales(seen, np.zeros(len(ps)))
    margin = np.maximum(np.log1p([p.change_by for p in ps]), taught.smallest_margin())
    return replace(
        s,
        bank=engine.begin(s.bank, ready, tick.end),
        seen=seen,
        learned=learned,
        s=np.where(ready, taught.s, s.s),
        kappa=np.where(ready, taught.kappa, s.kappa),
        margin=np.where(ready, margin, s.margin),
        quiet=np.where(ready, days < CALIBRATION_DAYS, s.quiet),
    )

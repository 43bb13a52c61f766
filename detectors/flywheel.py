"""C9: does more feedback still make the model better? An insight, which never pages.

Period by period (a retraining) the quality of the exposed less that of the held-out is set against the decimal logarithm of all
labels so far, over the last `versions` periods, by weighted least squares. The flywheel has stalled when the upper bound of the
slope lies below `least_gain` times the mean of quality, in two periods in a row: ten times the labels would not buy that much.

A model that is as good as it can get stalls as well, and healthy slopes are small beside their errors: in simulated loops no slope
told a closed loop from an open one. So nothing is promised. Errors of periods come from a Poisson bootstrap over units.

Source: Draper and Smith 1998, Applied Regression Analysis, 3rd edition, section 9.2 (weighted least squares).

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric
>>> from detectors.detector import Tick
>>> rng, week, detector, p = np.random.default_rng(3), 7 * 86_400_000, Flywheel(), FlywheelParams()
>>> state, told = detector.start([p]), []
>>> for period in range(16):
...     n = int(2_000 * 1.12**period)                                        # feedback grows by 12 % a week
...     cohort, better = (rng.random(n) < 0.5).astype(np.int8), min(0.5 + 0.05 * period, 0.9)     # quality no longer, from week 8
...     value = rng.random(n) < np.where(cohort == 0, better, 0.4)
...     rows = Columns(np.full(n, period * week), np.arange(1, n + 1, dtype=np.uint64), cohort, np.zeros(n, np.int32),
...                    np.arange(n), {"value": Numeric(value * 1.0)})
...     a = detector.fold(None, detector.empty(None), rows)
...     state, (e,) = detector.close([p], state, [a], Tick.plain(period * week, (period + 1) * week, page=0.0, warn=0.0))
...     if e.crossing is not e.crossing.NONE:
...         told.append((period, str(e.crossing)))
>>> told
[(13, 'warn')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from detectors import periods
from detectors.columns import Cohort, Columns, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Standing
from detectors.math import bootstrap
from detectors.math.fixed import ONE, to_fixed
from detectors.periods import WATCHING, PeriodState

LEVEL = 0.9
KEPT = 24
"""Periods that are remembered."""

_RUNS = 1 + bootstrap.REPLICATES
_N, _SUM = 0, 1
_APART = 0.05
"""Least growth of the labels, in decimal logarithms, that a slope can be taken over."""


class FlywheelParams(Params):
    """Parameters of `flywheel`."""

    versions: Annotated[int, Field(ge=4, le=KEPT, description="periods that the slope is taken over")] = 6
    least_gain: Annotated[
        float,
        Field(gt=0, description="gain of quality that ten times the labels should buy, as a share of its mean"),
    ] = 0.15
    min_units: Annotated[int, Field(ge=20, description="labels of each cohort before a period counts")] = 100


@dataclass(frozen=True)
class Labels:
    """One period: `sums` (2, 2, runs) over labels of [exposed, holdout] of (1, value) times the unit's bootstrap weight."""

    sums: Ints


@dataclass(frozen=True)
class FlywheelState(PeriodState):
    """W watches. points (W, KEPT, 3): log10 of all labels so far, quality gap, its standard error; the oldest first, NaN if none.

    labels (W,) of the exposed so far.
    """

    points: Floats
    labels: Ints


class Flywheel:
    """See the module's text."""

    name = "flywheel"
    family = Family.HINT
    hint = True
    params = FlywheelParams
    statistic = Labels
    state = FlywheelState

    def needs(self, p: FlywheelParams) -> Needs:
        """`value` in [0, 1]; missing is no label."""
        return Needs(Stream.OUTCOMES, ("value",), contrast=True, gated=True)

    def start(self, ps: Sequence[FlywheelParams]) -> FlywheelState:
        """Nothing is known."""
        w = len(ps)
        return periods.start(
            FlywheelState,
            w,
            WATCHING,
            points=np.full((w, KEPT, 3), np.nan),
            labels=np.zeros(w, np.int64),
        )

    def prepare(self, p: FlywheelParams, s: FlywheelState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Labels:
        """No labels."""
        return Labels(np.zeros((2, 2, _RUNS), np.int64))

    def fold(self, prep: None, a: Labels, rows: Columns) -> Labels:
        """Add labels of exposed and held-out units."""
        value = rows.numbers("value")
        known = ~np.isnan(value) & (rows.unit != 0) & (rows.cohort <= Cohort.HOLDOUT)
        unit, arm = rows.unit[known], rows.cohort[known]
        worth = to_fixed(value[known])
        weight = np.concatenate([np.ones((len(unit), 1), np.int64), bootstrap.weights(unit)], axis=1)
        added = [[(x[arm == c] @ weight[arm == c]) for x in (np.ones_like(worth), worth)] for c in (0, 1)]
        return Labels(a.sums + np.array(added, np.int64))

    def merge(self, prep: None, a: Labels, b: Labels) -> Labels:
        """Sums add."""
        return Labels(a.sums + b.sums)

    def size(self, a: Labels) -> int:
        """Labels of the smaller cohort."""
        return int(a.sums[:, _N, 0].min())

    def close(
        self, ps: Sequence[FlywheelParams], s: FlywheelState, stats: Sequence[Labels], tick: Tick
    ) -> tuple[FlywheelState, list[Evidence]]:
        """Advance by one period."""
        s, by_hand = periods.rearm(s, tick)
        counted = np.array([self.size(a) >= p.min_units for p, a in zip(ps, stats, strict=True)]) & ~tick.gated
        new = np.array([int(a.sums[0, _N, 0]) for a in stats])
        labels = np.where(tick.gated, s.labels, s.labels + new)
        point = np.array([(np.log10(max(n, 1)), *_gap(a)) for n, a in zip(labels, stats, strict=True)])
        moved = np.concatenate([s.points[:, 1:], point[:, None]], axis=1)
        points = np.where(counted[:, None, None], moved, s.points)
        fits = [_slope(each[-p.versions :]) for p, each in zip(ps, points, strict=True)]
        slope, se = (np.array(column) for column in zip(*fits, strict=True))
        scale = np.array([_means(a)[0, 0] for a in stats])
        least = np.array([p.least_gain for p in ps]) * scale
        live = counted & np.isfinite(se)
        stalled = slope + ndtri((1.0 + LEVEL) / 2.0) * se < least
        low = np.stack([stalled, np.zeros_like(stalled), np.zeros_like(stalled)], axis=1)
        after, crossed = periods.judge(s, low, slope > least, tick, live)
        level = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
        after = replace(after, points=points, labels=labels)
        told = [
            _tell(
                p,
                Crossing(level[i]),
                (float(slope[i]), float(se[i]), float(least[i])),
                _lacking(p, self.size(stats[i]), points[i], gated=bool(tick.gated[i])),
                after,
                i,
            )
            for i, p in enumerate(ps)
        ]
        return after, told


def _lacking(p: FlywheelParams, labels: int, points: Floats, *, gated: bool) -> tuple[Standing, str]:
    if gated:
        return Standing.BLIND, "the holdout is not sound"
    if labels < p.min_units:
        return (
            Standing.INSUFFICIENT,
            f"{labels:,} labels of the smaller cohort in this period; at least {p.min_units:,} are needed",
        )
    seen = int(np.count_nonzero(~np.isnan(points[:, 0])))
    if seen < p.versions:
        return Standing.INSUFFICIENT, f"{seen} of {p.versions} periods seen"
    return Standing.OK, ""


def _means(a: Labels) -> Floats:
    """(2, runs) mean value of each cohort."""
    means: Floats = a.sums[:, _SUM] / float(ONE) / np.maximum(a.sums[:, _N], 1)
    return means


def _gap(a: Labels) -> tuple[float, float]:
    """Exposed less held out, and its standard error: at least what one label more would change."""
    means = _means(a)
    apart = means[0] - means[1]
    return float(apart[0]), max(float(bootstrap.standard_error(apart[1:])), 1.0 / max(int(a.sums[:, _N, 0].min()), 1))


def _slope(points: Floats) -> tuple[float, float]:
    """Slope of quality on log labels and its standard error; infinite where the periods are too few or no label came."""
    x, y, se = points.T
    if np.isnan(points).any() or np.ptp(x) < _APART:
        return 0.0, np.inf
    weight = 1.0 / se**2
    centred = x - np.average(x, weights=weight)
    spread = float(np.sum(weight * centred**2))
    return float(np.sum(weight * centred * y)) / spread, 1.0 / float(np.sqrt(spread))


def _tell(
    p: FlywheelParams,
    crossing: Crossing,
    fit: tuple[float, float, float],
    lacking: tuple[Standing, str],
    after: FlywheelState,
    row: int,
) -> Evidence:
    slope, se, least = fit
    standing, reason = lacking
    if standing is Standing.OK and not np.isfinite(se):
        standing, reason = Standing.INSUFFICIENT, "feedback has not grown by enough to tell what more of it buys"
    known = standing is Standing.OK
    labels = int(after.labels[row])
    radius = float(ndtri((1.0 + LEVEL) / 2.0)) * se
    if crossing is Crossing.WARN:
        reason = (
            f"the flywheel has stalled: over {p.versions} periods ten times the labels bought {slope:+.3g} of quality, at most "
            f"{slope + radius:+.3g}; {least:.3g} is wanted"
        )
    elif crossing is Crossing.RECOVERED:
        reason = f"more feedback buys quality again: {slope:+.3g} for ten times the labels"
    return Evidence(
        mode=periods.MODES[after.mode[row]],
        standing=standing,
        crossing=crossing,
        n={"labels": labels},
        arms={"slope": slope} if known else {},
        effect=slope if known else None,
        unit="quality for ten times the labels",
        interval=Interval(
            low=slope - radius,
            high=slope + radius,
            level=LEVEL,
            kind="recent",
            formula="normal",
            inputs={"se": se, "alpha": 1.0 - LEVEL},
        )
        if known
        else None,
        margin=least if known else None,
        change_at=int(after.since[row]) or None,
        exact=False,
        reason=reason,
        detail={
            name: [round(float(v), 9) for v in after.points[row, -p.versions :, place]]
            for place, name in enumerate(("log10_labels", "quality", "quality_error"))
        }
        if known
        else {},
    )

"""Engagement by period: what exposed people do of what the model is trained to raise, against the holdout and over time.

One window is one period. The figure is the metric's mean over showings, those of everybody who came; the rule, the baseline and
what may be claimed without a holdout are those of `detectors.arms`. It is a reading, by which the composite alert tells whether
the dashboard is green: it spends nothing, so it never speaks on its own, and it reads well where the exposed's own change is
known, as a dashboard shows it, however few are held out. That people do less than the held-out is told by
`cohort_bounded` and its kin, which count every unit once.

Where it crossed: the mean of the exposed, relative to the holdout, fell by more than `page_if_falls_by`. Units are resampled, so
a person who comes back counts as one. Asymptotic.

Source: Chamandy, Muralidharan, Najmi and Naidu 2012 (the bootstrap).

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric
>>> from detectors.detector import Tick
>>> rng, day, detector, p = np.random.default_rng(11), 86_400_000, Engagement(), EngagementParams()
>>> state = detector.start([p])
>>> for period in range(4):
...     unit = np.arange(1, 4_001, dtype=np.uint64)
...     cohort = (unit % 4 == 0).astype(np.int8)                          # 0 exposed, 1 holdout
...     chance = np.where(cohort == 0, 0.2 + 0.05 * period, 0.2)          # the exposed click more from period to period
...     value = Numeric((rng.random(4_000) < chance).astype(np.float64))
...     rows = Columns(np.full(4_000, period * day), unit, cohort, np.zeros(4_000, np.int32), np.arange(4_000), {"value": value})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=0, warn=0))
>>> round(evidence.detail["exposed_change"], 1), abs(evidence.detail["holdout_change"]) < 0.15, evidence.interval.low > 0.3
(0.7, True, True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from detectors import arms
from detectors.arms import ArmsParams, ArmsState, Reading
from detectors.arms_report import Words
from detectors.columns import Cohort, Columns, Hashes, Ints, Numeric
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence
from detectors.math import bootstrap, distinct

_RUNS = 1 + bootstrap.REPLICATES
_GRID, _LARGEST = 1024.0, 2.0**28
_SUM, _COUNT = 0, 1

_WORDS = Words(
    figure="mean",
    compared="do {change} of it than at the baseline",
    alarm="engagement falls",
    over="engagement no longer falls",
    shown="predictions for",
    nothing="there were no predictions",
    few="of which nothing came",
    of_the_exposed=True,
)


class EngagementParams(ArmsParams):
    """Parameters of `engagement`."""

    learn_periods: Annotated[int, Field(ge=1, le=100, description="periods whose mean is the baseline")] = 1
    min_exposures: Annotated[int, Field(ge=2, description="predictions for each cohort before a period is judged")] = (
        200
    )
    page_if_falls_by: Annotated[
        float, Field(gt=0, lt=1, description="fall against the holdout up to which engagement counts as flat, a share")
    ] = 0.02

    @property
    def margin(self) -> float:
        """Tolerated fall."""
        return self.page_if_falls_by


@dataclass(frozen=True)
class Doings:
    """One period. The arm axis is (exposed, holdout).

    weighted           (2, 2, runs) of each arm, the sum of values (multiples of 1 / 1024) and their number, weighted by the
                       unit's bootstrap weight; run 0 has weight 1.
    exposed, holdout   mixed unit hashes; see `detectors.math.distinct`.
    """

    weighted: Ints
    exposed: Hashes
    holdout: Hashes


class Engagement:
    """See the module's text."""

    name = "engagement"
    family = Family.HINT
    hint = True
    params = EngagementParams
    statistic = Doings
    state = ArmsState

    def needs(self, p: EngagementParams) -> Needs:
        """`value`: what was made of each prediction, 0 or more; values above 2^28 count as that."""
        return Needs(Stream.OUTCOMES, ("value",), contrast=True, gated=True)

    def start(self, ps: Sequence[EngagementParams]) -> ArmsState:
        """Learning."""
        return arms.start(len(ps))

    def prepare(self, p: EngagementParams, s: ArmsState, row: int) -> None:
        """Nothing of the past is used."""

    def empty(self, prep: None) -> Doings:
        """Nobody came."""
        none = np.zeros(0, np.uint64)
        return Doings(np.zeros((2, 2, _RUNS), np.int64), none, none.copy())

    def fold(self, prep: None, a: Doings, rows: Columns) -> Doings:
        """Add what exposed and held-out units did; rows without a unit or a value are left out."""
        value = rows.fields["value"]
        if not isinstance(value, Numeric):
            raise TypeError(f"column 'value' is {type(value).__name__}, not numbers")
        counted = np.isfinite(value.values) & (rows.unit != 0) & (rows.cohort <= Cohort.HOLDOUT)
        if not counted.any():
            return a
        done = np.rint(np.clip(value.values[counted], 0.0, _LARGEST) * _GRID).astype(np.int64)
        arm = rows.cohort[counted].astype(np.int64)
        people, of_unit = np.unique(rows.unit[counted], return_inverse=True)
        flat, cell = np.zeros(4 * len(people), np.int64), 2 * arm * len(people) + of_unit
        np.add.at(flat, cell, done)
        np.add.at(flat, cell + len(people), np.ones(len(done), np.int64))
        by_unit = flat.reshape(2, 2, len(people))
        weight = np.concatenate([np.ones((len(people), 1), np.int64), bootstrap.weights(people)], axis=1)
        mixed = bootstrap.mix(people)
        none = np.zeros(0, np.uint64)
        exposed, holdout = (distinct.add(none, mixed[by_unit[which, _COUNT] > 0]) for which in (0, 1))
        return self.merge(prep, a, Doings(by_unit @ weight, exposed, holdout))

    def merge(self, prep: None, a: Doings, b: Doings) -> Doings:
        """Sums add."""
        return Doings(a.weighted + b.weighted, distinct.add(a.exposed, b.exposed), distinct.add(a.holdout, b.holdout))

    def size(self, a: Doings) -> int:
        """Units of the smaller cohort; of the exposed alone where nobody is held out."""
        exposed, holdout = distinct.count(a.exposed), distinct.count(a.holdout)
        return min(exposed, holdout) if holdout else exposed

    def close(
        self, ps: Sequence[EngagementParams], s: ArmsState, stats: Sequence[Doings], tick: Tick
    ) -> tuple[ArmsState, list[Evidence]]:
        """Advance by one period."""
        return arms.close(ps, s, [_reading(a) for a in stats], tick, _WORDS)


def _reading(a: Doings) -> Reading:
    """Logarithms of each arm's mean; minus infinity where nobody did anything."""
    total = a.weighted.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(total[:, _SUM] / _GRID / total[:, _COUNT])
    units = np.array([distinct.count(a.exposed), distinct.count(a.holdout)], np.int64)
    return Reading(logs[:, 0], logs[:, 1:], units, a.weighted[:, _COUNT, 0], {})

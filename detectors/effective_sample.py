"""C6: how many independent showings is the next training set worth, once every item is to count alike?

With the chance p that an item stood where it stood (`items.propensity`), weights w = 1 / p make showings stand for a catalogue
shown alike. n of them are then worth (sum w)^2 / sum w^2; a policy that shows a few items to everybody leaves hardly any.
Weights are cut at 100 times their mean.

An effective sample below `min_effective` is refused, not alerted on: whatever is weighted by such propensities rests on a
handful of showings, this figure included. Where no item carries a propensity, nothing can be computed.

Null: as a share of the showings the effective sample has fallen by no more than `page_if_effective_falls_by` since the learning
periods. The rule and the bounds are those of `detectors.arms`, for the exposed alone. Asymptotic.

Source: Kong 1992 (effective sample size); Bottou et al. 2013, JMLR 14 (cut weights).

>>> import numpy as np
>>> from detectors.columns import Columns, Hash, Numeric, Ragged
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, day, detector, p = np.random.default_rng(5), 86_400_000, EffectiveSample(), EffectiveSampleParams()
>>> state, told = detector.start([p]), []
>>> for period in range(6):
...     unit = np.arange(1, 1_001, dtype=np.uint64)
...     chance = 1.0 / np.arange(1, 51) ** (0.2 if period < 3 else 1.2)         # from period 3 a few items have most places
...     chance /= chance.sum()
...     item = rng.choice(50, 10_000, p=chance)
...     items = {"item": Hash(item.astype(np.uint64) + np.uint64(1)), "propensity": Numeric(chance[item])}
...     rows = Columns(np.full(1_000, period * day), unit, np.zeros(1_000, np.int8), np.zeros(1_000, np.int32),
...                    np.arange(1_000), {"items": Ragged(np.arange(1_001) * 10, items)})
...     a = detector.fold(None, detector.empty(None), rows)
...     state, (said,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=1e-3, warn=4e-3))
...     if said.crossing is not Crossing.NONE:
...         told.append((period, str(said.crossing), round(said.effect, 1), said.change_at // day))
>>> told
[(4, 'page', -0.7, 3)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from detectors import arms, showings
from detectors.arms import ArmsParams, ArmsState, Reading
from detectors.arms_report import Words
from detectors.columns import Columns, Floats, Hashes, Ints
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence, Standing
from detectors.math import bootstrap, distinct

MOST_KNOWN = 0.9
"""Share of the showings that must carry a propensity: the others cannot stand for them."""

LARGEST_WEIGHT = 100.0
"""Weights are cut at this many times their mean."""

_RUNS = 1 + bootstrap.REPLICATES
_AN_OCTAVE = 16
_BINS = 40 * _AN_OCTAVE
_WEIGHTS = 2.0 ** (np.arange(_BINS) / _AN_OCTAVE)

_WORDS = Words(
    figure="effective_sample_ratio",
    compared="with every item counting alike, the showings are worth {change} than at the baseline",
    alarm="the next training set is the model's own choice",
    over="the next training set is worth as much as before again",
    of_the_data=True,
)


class EffectiveSampleParams(ArmsParams):
    """Parameters of `effective_sample`."""

    learn_periods: Annotated[int, Field(ge=1, le=100, description="periods whose mean is the baseline")] = 1
    page_if_effective_falls_by: Annotated[
        float, Field(gt=0, lt=1, description="tolerated fall of the effective sample, as a share of the baseline")
    ] = 0.67
    min_effective: Annotated[
        int, Field(ge=1, description="showings that a period must be worth; with fewer the figure is refused")
    ] = 1_000

    @property
    def margin(self) -> float:
        """Tolerated fall."""
        return self.page_if_effective_falls_by


@dataclass(frozen=True)
class Weighed:
    """One period of exposed units.

    weights   (bins, runs) showings by sixteenths of an octave of their weight, from 1 to 2^40; run 0 counts showings, the others
              the unit's bootstrap weight. Rounding a weight to its bin is off by at most 2.2 %, and the figure by a fraction of that.
    units     see `detectors.math.distinct`; shown (1,) showings, also those without a propensity.
    """

    weights: Ints
    units: Hashes
    shown: Ints


class EffectiveSample:
    """See the module's text."""

    name = "effective_sample"
    family = Family.LOOP
    hint = False
    params = EffectiveSampleParams
    statistic = Weighed
    state = ArmsState

    def needs(self, p: EffectiveSampleParams) -> Needs:
        """`items`, a list with the fields `item` (identity) and `propensity`, a share."""
        return Needs(Stream.PREDICTIONS, ("items",), gated=True, weighed=True)

    def start(self, ps: Sequence[EffectiveSampleParams]) -> ArmsState:
        """Learning."""
        return arms.start(len(ps))

    def prepare(self, p: EffectiveSampleParams, s: ArmsState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Weighed:
        """Nobody was shown anything."""
        return Weighed(np.zeros((_BINS, _RUNS), np.int64), np.zeros(0, np.uint64), np.zeros(1, np.int64))

    def fold(self, prep: None, a: Weighed, rows: Columns) -> Weighed:
        """Add what was shown to the exposed."""
        shown = showings.of(rows)
        mine = shown.take(shown.arm == 0)
        chance = showings.numbers(rows, mine, "propensity")
        known = chance > 0
        if not len(chance):
            return a
        people, of_unit = np.unique(rows.unit[mine.owner], return_inverse=True)
        unit_weights = np.concatenate([np.ones((len(people), 1), np.int64), bootstrap.weights(people)], axis=1)
        place = np.minimum(np.rint(-np.log2(chance[known]) * _AN_OCTAVE), _BINS - 1).astype(np.intp)
        weights = np.stack(
            [np.rint(np.bincount(place, unit_weights[of_unit[known], run], _BINS)) for run in range(_RUNS)], axis=1
        ).astype(np.int64)
        units = distinct.add(np.zeros(0, np.uint64), bootstrap.mix(people))
        return self.merge(prep, a, Weighed(weights, units, np.array([len(chance)], np.int64)))

    def merge(self, prep: None, a: Weighed, b: Weighed) -> Weighed:
        """Counts add."""
        return Weighed(a.weights + b.weights, distinct.add(a.units, b.units), a.shown + b.shown)

    def size(self, a: Weighed) -> int:
        """Exposed units."""
        return distinct.count(a.units)

    def close(
        self, ps: Sequence[EffectiveSampleParams], s: ArmsState, stats: Sequence[Weighed], tick: Tick
    ) -> tuple[ArmsState, list[Evidence]]:
        """Advance by one period."""
        return arms.close(ps, s, [_reading(p, a) for p, a in zip(ps, stats, strict=True)], tick, _WORDS)


def worth(counts: Floats, weights: Floats) -> Floats:
    """(sum w)^2 / sum w^2 of showings by weight, the weights cut at 100 times their mean.

    counts    (bins, ...) showings, also weighted ones; weights (bins,). NaN where there are no showings.

    >>> round(float(worth(np.array([900.0, 100.0]), np.array([1.0, 30.0]))), 1)
    167.3
    """
    column = weights.reshape(-1, *([1] * (counts.ndim - 1)))
    total: Floats = counts.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        cut = np.minimum(column, LARGEST_WEIGHT * (counts * column).sum(axis=0) / total)
        effective: Floats = (counts * cut).sum(axis=0) ** 2 / (counts * cut**2).sum(axis=0)
    return effective


def _reading(p: EffectiveSampleParams, a: Weighed) -> Reading:
    used = np.flatnonzero(a.weights[:, 0])
    known, shown, units = int(a.weights[:, 0].sum()), int(a.shown[0]), distinct.count(a.units)
    logs, refused = np.full((2, _RUNS), np.nan), None
    detail: dict[str, float] = {"without_propensity": float(shown - known)}
    if shown and known < MOST_KNOWN * shown:
        refused = Standing.NOT_COMPUTABLE, _unknown(known, shown)
    elif known:
        counts = a.weights[used].astype(np.float64)
        effective = worth(counts, _WEIGHTS[used])
        with np.errstate(divide="ignore", invalid="ignore"):
            logs[0] = np.log(effective / counts.sum(axis=0))
        detail["effective_sample_size"] = float(effective[0])
        if effective[0] < p.min_effective:
            refused = (
                Standing.INSUFFICIENT,
                f"the {known:,} showings of this period are worth {effective[0]:,.0f} when every item counts alike; at least "
                f"{p.min_effective:,} are needed, so nothing that is weighted by propensities is told",
            )
    return Reading(logs[:, 0], logs[:, 1:], np.array([units, 0]), np.array([shown, 0]), detail, refused)


def _unknown(known: int, shown: int) -> str:
    if not known:
        return "no item carries a propensity above 0: items.propensity is absent from every event, or always 0"
    return f"only {known:,} of {shown:,} showings carry a propensity (items.propensity); the others are left without a weight"

"""C1: does what exposed people are shown narrow, measured against the holdout and against their own baseline?

One window is one period: a retrain cycle, or a day. Concentration is counted in effective items, 1 / HHI with the unbiased
HHI = sum n_j (n_j - 1) / (N (N - 1)): how many items, shown equally often, would be as concentrated. With D_t = log of the
exposed's effective items over the holdout's, the effect is D_t minus its mean over the learning periods: a gap that was
there from the start is silent, and so is whatever narrows both cohorts. Each arm's own change since the baseline is told
beside it, so that the origin can be read. Without a holdout the exposed are compared with their own baseline, which shows
an association only.

Or, with `slice`, items drawn at random for the exposed stand in place of a holdout's (`detectors.draws`): weighted by their chances
they are a catalogue shown alike, so what is told is how much narrower the policy chooses than what may be shown, and a catalogue that
shrinks is silent. What people do is in both, so their part in it stays an association.

Only what the policy chose counts among the exposed: items drawn at random (`items.explored`) are left out.

Null: effective items of the exposed, relative to the holdout, have fallen by no more than `page_if_items_fall_by`. A period is
below when the upper bound of the effect lies below the margin, at an error equal to that period's spend; the alarm needs two
such periods in a row. So a false alarm in a period costs at most what the period may spend, and expectations add (Bonferroni
over periods, with the spends as weights; the second period is a bonus). Bounds are Student's with 19 degrees of freedom, from
a Poisson bootstrap over units with the same unit weights in every period. Asymptotic. What moves an arm from period to period
without being sampling noise is covered by the margin alone.

A narrowing is a risk, not a harm: in a simulated loop it came first, and measured utility did not fall with it. As a hint it
warns; it pages only where the config says so.

Source: Simpson 1949, Nature 163 (the index); Chaney, Stewart and Engelhardt 2018, RecSys (narrowing in loops);
Chamandy, Muralidharan, Najmi and Naidu 2012 (the bootstrap).

>>> import numpy as np
>>> from detectors.columns import Columns, Hash, Ragged
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, day, detector, p = np.random.default_rng(11), 86_400_000, Concentration(), ConcentrationParams()
>>> state, told = detector.start([p]), []
>>> for period in range(8):
...     unit = np.arange(1, 2_001, dtype=np.uint64)
...     cohort = (unit % 4 == 0).astype(np.int8)                          # 0 exposed, 1 holdout
...     choice = np.where((cohort == 0) & (period >= 5), 100, 200)        # from period 5 the exposed see half the items
...     item = rng.integers(1, choice[:, None] + 1, (2_000, 10)).astype(np.uint64)
...     rows = Columns(np.full(2_000, period * day), unit, cohort, np.zeros(2_000, np.int32), np.arange(2_000),
...                    {"items": Ragged(np.arange(2_001) * 10, {"item": Hash(item.ravel())})})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=1e-3, warn=4e-3))
...     if evidence.crossing is not Crossing.NONE:
...         told.append((period, str(evidence.crossing), round(evidence.effect, 1), evidence.change_at // day))
>>> told
[(6, 'page', -0.5, 5)]
>>> evidence.detail["narrowed"]
['exposed']
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from detectors import arms, draws, exposures
from detectors.arms import ArmsParams, ArmsState, Reading
from detectors.arms_report import Words
from detectors.columns import Columns
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence, Standing

_WORDS = Words(
    figure="effective_items",
    compared="see {change} effective items than at the baseline",
    alarm="exposure narrows",
    over="exposure is no longer narrow",
)


class ConcentrationParams(ArmsParams):
    """Parameters of `concentration`."""

    page_if_items_fall_by: Annotated[
        float, Field(gt=0, lt=1, description="tolerated fall of effective items, as a share of the baseline")
    ] = 0.30
    max_items: Annotated[
        int,
        Field(ge=1_000, le=20_000_000, description="items counted one by one in a period, 24 bytes each; see `folded`"),
    ] = 1_000_000
    slice: Annotated[
        bool, Field(description="whether items drawn at random for the exposed stand in place of a holdout's")
    ] = False
    catalogue: Annotated[
        int,
        Field(ge=0, description="with slice: items that may be drawn, if draws count by their chances; 0: all alike"),
    ] = 0

    @property
    def drawn_of(self) -> int | None:
        """What `detectors.exposures.of` asks for."""
        return self.catalogue if self.slice else None

    @property
    def margin(self) -> float:
        """Tolerated fall of effective items."""
        return self.page_if_items_fall_by


class Concentration:
    """See the module's text."""

    name = "concentration"
    family = Family.LOOP
    hint = False
    params = ConcentrationParams
    statistic = exposures.Exposures
    state = ArmsState

    def needs(self, p: ConcentrationParams) -> Needs:
        """`items`, a list with the field `item` (identity), of the slots that the policy fills."""
        return Needs(Stream.PREDICTIONS, ("items",), contrast=True, gated=True, weighed=p.slice and p.catalogue > 0)

    def start(self, ps: Sequence[ConcentrationParams]) -> ArmsState:
        """Learning."""
        return arms.start(len(ps))

    def prepare(self, p: ConcentrationParams, s: ArmsState, row: int) -> ConcentrationParams:
        """What is counted, and the cap on items."""
        return p

    def empty(self, prep: ConcentrationParams) -> exposures.Exposures:
        """Nobody was shown anything."""
        return exposures.empty()

    def fold(self, prep: ConcentrationParams, a: exposures.Exposures, rows: Columns) -> exposures.Exposures:
        """Add what exposed and held-out units were shown."""
        return exposures.merge(a, exposures.of(rows, "items", prep.max_items, prep.drawn_of), prep.max_items)

    def merge(self, prep: ConcentrationParams, a: exposures.Exposures, b: exposures.Exposures) -> exposures.Exposures:
        """Counts add; see `detectors.exposures`."""
        return exposures.merge(a, b, prep.max_items)

    def size(self, a: exposures.Exposures) -> int:
        """Units of the smaller cohort; of the exposed alone where nobody is held out."""
        exposed, holdout = exposures.units(a)
        return min(exposed, holdout) if holdout else exposed

    def close(
        self,
        ps: Sequence[ConcentrationParams],
        s: ArmsState,
        stats: Sequence[exposures.Exposures],
        tick: Tick,
    ) -> tuple[ArmsState, list[Evidence]]:
        """Advance by one period."""
        return arms.close(ps, s, [_reading(p, a) for p, a in zip(ps, stats, strict=True)], tick, _WORDS)


def _reading(p: ConcentrationParams, a: exposures.Exposures) -> Reading:
    """The figures of a period; draws that stand for too little are refused, and nothing is told of them."""
    reading = exposures.reading(a)
    if not p.slice:
        return reading
    drawn, unknown = int(a.shown[1]), int(a.shown[2])
    worth = draws.worth(float(a.weight[1, 0]), float(a.squares[1, 0]))
    refused = reading.refused
    if unknown > draws.LEFT_OUT * (drawn + unknown):
        refused = (
            Standing.NOT_COMPUTABLE,
            f"{unknown:,} of {drawn + unknown:,} items drawn at random carry no propensity above 0 (items.propensity), and the others "
            "cannot stand for them",
        )
    elif 0 < worth < p.min_exposures:
        refused = (
            Standing.INSUFFICIENT,
            f"the {drawn:,} items drawn at random in this period are worth {worth:,.0f} that count alike; at least "
            f"{p.min_exposures:,} are needed",
        )
    return replace(reading, detail=reading.detail | {"draws_worth": worth}, refused=refused)

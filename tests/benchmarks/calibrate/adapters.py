"""How each detector of the catalogue is given null streams and a change: one small entry a detector.

A detector without an entry here is still measured, on the healthy rows that the laws feed it (`of`), under one condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detectors.cohort_bounded import CohortBoundedParams
from detectors.columns import Columns
from detectors.concentration import ConcentrationParams
from detectors.detector import Params
from detectors.freshness import FreshnessParams
from detectors.numeric_shift import NumericShiftParams
from detectors.river_bank import RiverHintParams
from detectors.river_bank.state import Algorithm
from detectors.sample_ratio import START_LEVEL, SampleRatioParams
from tests.benchmarks.calibrate.cells import ALONE, COMPARING, Cell, Noise
from tests.benchmarks.calibrate.worlds import BASE, WINDOW, Arrivals, MakeWorld, People, Slates, World, bounded, moved
from tests.laws.examples import EXAMPLES, HOUR, ROWS


@dataclass(frozen=True)
class Adapter:
    """How a detector is calibrated.

    params     for a cell. world: its streams; `worse` 1 is the edge of the null.
    cells      the conditions it is measured under.
    windows    how many, by events a unit; step: their length, ms.
    streams    how many; false pages have standard error sqrt(promise / streams).
    extra      expected false pages on top of the spend (an opening stake).
    truth      the effect under a cell and `worse`, in the unit of the evidence; None: intervals are not judged.
    promise    False for a hint, which promises nothing.
    """

    params: Callable[[Cell], Params]
    world: MakeWorld
    cells: tuple[Cell, ...] = ALONE
    windows: Callable[[Cell], int] = lambda cell: {1: 200, 10: 100, 50: 50}[cell.events]
    step: int = WINDOW
    streams: int = 250
    extra: float = 0.0
    truth: Callable[[Cell, float], float] | None = None
    promise: bool = True


COHORT_MARGIN = 0.02
_TOLERANCE = SampleRatioParams.model_fields["tolerance"].default
_EPS = NumericShiftParams.model_fields["eps"].default
_FALL = ConcentrationParams.model_fields["page_if_items_fall_by"].default


def _people_bounded(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return People(rng, cell, streams, bounded(cell, COHORT_MARGIN), wander=0.2)


def _people_of_shares(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    odds = cell.held / (1.0 - cell.held)

    def held(worse: float) -> float:
        off = odds * float(np.exp(-_TOLERANCE * worse))
        return off / (1.0 + off)

    return People(rng, cell, streams, bounded(cell, 0.0), wander=0.2, held=held)


def _people_moved(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return People(rng, cell, streams, moved(cell, _EPS), wander=0.04)


def _slates(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return Slates(rng, cell, streams, _FALL)


ADAPTERS: dict[str, Adapter] = {
    "cohort_bounded": Adapter(
        params=lambda cell: CohortBoundedParams(
            holdout_share=cell.held, learn_units=1_000, learn_events=20.0, min_holdout=5, page_if_worse_by=COHORT_MARGIN
        ),
        world=_people_bounded,
        cells=COMPARING,
        truth=lambda cell, worse: -COHORT_MARGIN * BASE * worse if cell.noise is Noise.IID else -0.0,
    ),
    "sample_ratio": Adapter(
        params=lambda cell: SampleRatioParams(holdout_share=cell.held),
        world=_people_of_shares,
        cells=COMPARING,
        extra=START_LEVEL,
        truth=lambda cell, worse: -worse * _TOLERANCE * cell.held * (1.0 - cell.held),
    ),
    "numeric_shift": Adapter(
        params=lambda cell: NumericShiftParams(sample_units=1_000, learn_units=2_000, learn_windows=10),  # noqa: ARG005
        world=_people_moved,
    ),
    "concentration": Adapter(
        params=lambda cell: ConcentrationParams(min_units=20, min_exposures=50),  # noqa: ARG005
        world=_slates,
        cells=(*COMPARING[:5], COMPARING[-1]),
        windows=lambda cell: 16,  # noqa: ARG005
        streams=150,
    ),
    "freshness": Adapter(
        params=lambda cell: FreshnessParams(),  # noqa: ARG005
        world=Arrivals,
        cells=ALONE[:-1],
        windows=lambda cell: 1_440,  # noqa: ARG005
        step=60_000,
        streams=250,
    ),
    "river_hint": Adapter(
        params=lambda cell: RiverHintParams(algorithm=Algorithm.ADWIN, settings={"delta": 0.002}),  # noqa: ARG005
        world=_people_moved,
        cells=ALONE[:-1],
        streams=10,
        promise=False,
    ),
}


class _Healthy:
    """The rows of the laws."""

    def __init__(self, name: str, rng: np.random.Generator, streams: int) -> None:
        self._rows, self._rng, self._streams = EXAMPLES[name].rows, rng, streams

    def rows(self, window: int, worse: float) -> list[Columns]:  # noqa: ARG002 - they know no change
        """As the example makes them, a stream after the other."""
        return [self._rows(self._rng, ROWS, window) for _ in range(self._streams)]


def of(name: str) -> Adapter:
    """The entry of a detector; without one, the healthy rows of the laws under their parameters, in one cell."""
    if name in ADAPTERS:
        return ADAPTERS[name]
    return Adapter(
        params=lambda cell: EXAMPLES[name].params,  # noqa: ARG005
        world=lambda rng, cell, streams: _Healthy(name, rng, streams),  # noqa: ARG005
        cells=(Cell(0.5, 1, Noise.IID),),
        windows=lambda cell: 60,  # noqa: ARG005
        step=HOUR,
    )

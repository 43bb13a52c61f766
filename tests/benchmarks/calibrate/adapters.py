"""How each detector of the catalogue is given null streams and a change: one small entry a detector.

A detector without an entry here is still measured, on the healthy rows that the laws feed it (`of`), under one condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from detectors.ab_test import AbTestParams
from detectors.attrition import AttritionParams
from detectors.calibration import CalibrationParams
from detectors.canary import CanaryParams
from detectors.catalogue import DETECTORS
from detectors.category_shift import CategoryShiftParams
from detectors.cohort_block import CohortBlockParams
from detectors.cohort_bounded import CohortBoundedParams
from detectors.cohort_by_group import CohortByGroupParams
from detectors.cohort_quantile import CohortQuantileParams
from detectors.cohort_rate import CohortRateParams
from detectors.columns import Column, Columns, Floats, flag
from detectors.concentration import ConcentrationParams
from detectors.contamination import ContaminationParams
from detectors.detector import Params
from detectors.embedding_shift import EmbeddingShiftParams
from detectors.evidence import Crossing
from detectors.freshness import FreshnessParams
from detectors.homogenisation import HomogenisationParams
from detectors.interleaving import InterleavingParams
from detectors.missing_rate import MissingRateParams
from detectors.numeric_shift import NumericShiftParams
from detectors.risk import RiskParams
from detectors.river_bank import RiverHintParams
from detectors.river_bank.state import Algorithm
from detectors.sample_ratio import SampleRatioParams
from detectors.sample_ratio_by_group import SampleRatioByGroupParams
from detectors.share_over import ShareOverParams
from detectors.split import START_LEVEL
from detectors.training_health import TrainingHealthParams
from tests.benchmarks.calibrate.cells import ALONE, COMPARING, Cell, Noise
from tests.benchmarks.calibrate.worlds import (
    BASE,
    WINDOW,
    Arrivals,
    Comers,
    MakeWorld,
    People,
    Slates,
    World,
    as_vectors,
    bounded,
    claimed,
    come_true,
    in_fifths,
    in_groups,
    moved,
    numbers,
    with_gaps,
)
from tests.laws.examples import EXAMPLES, HOUR, ROWS


@dataclass(frozen=True)
class Adapter:
    """How a detector is calibrated.

    params     for a cell. world: its streams; `worse` 1 is the edge of the null.
    cells      the conditions it is measured under.
    windows    how many, by events a unit; step: their length, ms.
    streams    how many; false pages have standard error sqrt(promise / streams).
    extra      expected false pages on top of the spend (an opening stake).
    truth      the effect under a cell and `worse`, in the unit of the evidence; None: intervals are not judged there.
    learns     windows after which the edge of the null sets in, for a detector that first learns what is usual.
    alarms     what counts as a false alarm.
    level      chance of an alarm in a whole stream, for one-shot tests, which spend nothing; 0: the spend is the promise.
    promise    False for a hint, which promises nothing.
    """

    params: Callable[[Cell], Params]
    world: MakeWorld
    cells: tuple[Cell, ...] = ALONE
    windows: Callable[[Cell], int] = lambda cell: {1: 200, 10: 100, 50: 50}[cell.events]
    step: int = WINDOW
    streams: int = 250
    extra: float = 0.0
    truth: Callable[[Cell, float], float | None] | None = None
    learns: int = 0
    alarms: frozenset[Crossing] = frozenset({Crossing.PAGE})
    level: float = 0.0
    promise: bool = True


COHORT_MARGIN = 0.02
_TOLERANCE = SampleRatioParams.model_fields["tolerance"].default
_EPS = NumericShiftParams.model_fields["eps"].default
_FALL = ConcentrationParams.model_fields["page_if_items_fall_by"].default


_LIMIT, _ALLOWED = float(ndtri(0.9)), 0.12
_ONE_SHOT = 0.1
_EVER = 10**15
_ANY = frozenset({Crossing.WARN, Crossing.PAGE})


def _bounded(margin: float) -> MakeWorld:
    return lambda rng, cell, streams: People(rng, cell, streams, bounded(cell, margin), wander=0.2)


def _moved(columns: Callable[[Floats], Mapping[str, Column]], distance: float = 0.0, wander: float = 0.04) -> MakeWorld:
    return lambda rng, cell, streams: People(rng, cell, streams, moved(cell, distance), wander=wander, columns=columns)


def _grouped(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return People(rng, cell, streams, bounded(cell, COHORT_MARGIN), wander=0.2, columns=in_groups)


def _amounts(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    """Values without bounds, the same in both cohorts; 300 units a window."""
    return People(rng, cell, streams, moved(cell, 0.0), wander=0.2, units=lambda window: 300)  # noqa: ARG005


def _claims(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return People(rng, cell, streams, come_true, wander=0.02, columns=claimed)


def _marks(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    """One unit in a thousand is mixed up, in all its events: half of what is tolerated; all of it at the edge."""

    def value(normal: Floats, common: Floats, exposed: Floats, worse: float) -> Floats:  # noqa: ARG001 - of both cohorts
        mixed_up = normal[:, :, :1] > -ndtri(0.001 * (1.0 + worse))
        return np.broadcast_to(mixed_up, normal.shape).astype(np.float64)

    return People(rng, cell, streams, value, wander=0.0, columns=lambda value: {"value": flag(value > 0)})


def _failures(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    """It happens to five of a hundred in both cohorts, and more often in some windows than in others."""

    def value(normal: Floats, common: Floats, exposed: Floats, worse: float) -> Floats:  # noqa: ARG001 - of both cohorts
        return (normal + common > -ndtri(0.05)).astype(np.float64)

    return People(rng, cell, streams, value, wander=0.2, columns=lambda value: {"value": flag(value > 0)})


def _people_of_shares(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return _people_held_out(rng, cell, streams, None)


def _people_in_groups(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return _people_held_out(rng, cell, streams, in_groups)


def _people_held_out(
    rng: np.random.Generator, cell: Cell, streams: int, columns: Callable[[Floats], dict[str, Column]] | None
) -> World:
    odds = cell.held / (1.0 - cell.held)

    def held(worse: float) -> float:
        off = odds * float(np.exp(-_TOLERANCE * worse))
        return off / (1.0 + off)

    return People(rng, cell, streams, bounded(cell, 0.0), wander=0.2, held=held, columns=columns)


def _comers(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return Comers(rng, cell, streams, AttritionParams.model_fields["apart_by"].default)


def _slates(rng: np.random.Generator, cell: Cell, streams: int) -> World:
    return Slates(rng, cell, streams, _FALL)


def _lost(cell: Cell, worse: float) -> float:
    """What the exposed of `_bounded` lose."""
    return -COHORT_MARGIN * BASE * worse if cell.noise is Noise.IID else -0.0


def _off_plan(cell: Cell, worse: float) -> float:
    return float(-worse * _TOLERANCE * cell.held * (1.0 - cell.held))


def _no_gap(cell: Cell, worse: float) -> float:  # noqa: ARG001 - what a window has in common both cohorts have
    return 0.0


def _no_change(cell: Cell, worse: float) -> float | None:  # noqa: ARG001
    """Where windows have nothing in common that would move, nothing has moved."""
    return 0.0 if cell.noise in (Noise.IID, Noise.T4, Noise.SKEWED) else None


def _over(cell: Cell, worse: float) -> float | None:
    """The share above the limit of `share_over`, less what is allowed."""
    if _no_change(cell, worse) is None:
        return None
    above = {Noise.T4: float(stdtr(4.0, -_LIMIT * np.sqrt(2.0))), Noise.SKEWED: float(np.exp(-_LIMIT - 1.0))}
    return above.get(cell.noise, float(ndtr(-_LIMIT))) - _ALLOWED


class _Healthy:
    """The rows of the laws."""

    def __init__(self, name: str, rng: np.random.Generator, streams: int) -> None:
        self._rows, self._rng, self._streams = EXAMPLES[name].rows, rng, streams

    def rows(self, window: int, worse: float) -> list[Columns]:  # noqa: ARG002 - they know no change
        """As the example makes them, a stream after the other."""
        return [self._rows(self._rng, ROWS, window) for _ in range(self._streams)]


def _of_the_laws(name: str, params: Params, level: float = 0.0) -> Adapter:
    """The healthy rows of the laws, in one cell."""
    hint = DETECTORS[name].hint
    return Adapter(
        params=lambda cell: params,  # noqa: ARG005
        world=lambda rng, cell, streams: _Healthy(name, rng, streams),  # noqa: ARG005
        cells=(Cell(0.5, 1, Noise.IID),),
        windows=lambda cell: 60,  # noqa: ARG005
        step=HOUR,
        streams=10 if hint else 250,
        alarms=_ANY if level or hint else frozenset({Crossing.PAGE}),
        level=level,
        promise=not hint,
    )


ADAPTERS: dict[str, Adapter] = {
    "cohort_bounded": Adapter(
        params=lambda cell: CohortBoundedParams(
            holdout_share=cell.held, learn_units=1_000, learn_events=20.0, min_holdout=5, page_if_worse_by=COHORT_MARGIN
        ),
        world=_bounded(COHORT_MARGIN),
        cells=COMPARING,
        truth=_lost,
    ),
    "sample_ratio": Adapter(
        params=lambda cell: SampleRatioParams(holdout_share=cell.held),
        world=_people_of_shares,
        cells=COMPARING,
        extra=START_LEVEL,
        truth=_off_plan,
    ),
    "sample_ratio_by_group": Adapter(
        params=lambda cell: SampleRatioByGroupParams(holdout_share=cell.held, by="group"),
        world=_people_in_groups,
        cells=COMPARING,
        extra=START_LEVEL,
        truth=_off_plan,
    ),
    "numeric_shift": Adapter(
        params=lambda cell: NumericShiftParams(sample_units=1_000, learn_units=2_000, learn_windows=10),  # noqa: ARG005
        world=_moved(numbers, _EPS),
        learns=40,
        truth=_no_change,
    ),
    "concentration": Adapter(
        params=lambda cell: ConcentrationParams(min_units=20, min_exposures=50),  # noqa: ARG005
        world=_slates,
        cells=(*COMPARING[:5], COMPARING[-1]),
        windows=lambda cell: 16,  # noqa: ARG005
        streams=250,
    ),
    "homogenisation": Adapter(
        params=lambda cell: HomogenisationParams(min_units=20, min_exposures=50),  # noqa: ARG005
        world=_slates,
        cells=COMPARING[:5],
        windows=lambda cell: 16,  # noqa: ARG005
        streams=250,
    ),
    "training_health": Adapter(
        params=lambda cell: TrainingHealthParams(min_units=20),  # noqa: ARG005
        world=_slates,
        cells=COMPARING[:5],
        windows=lambda cell: 16,  # noqa: ARG005
        streams=250,
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
        world=_moved(numbers, _EPS),
        cells=ALONE[:-1],
        streams=10,
        alarms=frozenset({Crossing.WARN}),
        promise=False,
    ),
    "cohort_by_group": Adapter(
        params=lambda cell: CohortByGroupParams(
            holdout_share=cell.held, by="group", learn_units=1_000, min_holdout=5, page_if_worse_by=0.1
        ),
        world=_grouped,
        cells=COMPARING[:-1],
        truth=_no_gap,
    ),
    "cohort_quantile": Adapter(
        params=lambda cell: CohortQuantileParams(holdout_share=cell.held, learn_units=1_000),
        world=_moved(numbers, wander=0.2),
        cells=COMPARING[:-1],
        truth=_no_gap,
    ),
    "cohort_rate": Adapter(
        params=lambda cell: CohortRateParams(holdout_share=cell.held),
        world=_failures,
        cells=COMPARING[:-1],
        truth=_no_gap,
    ),
    "attrition": Adapter(
        params=lambda cell: AttritionParams(),  # noqa: ARG005
        world=_comers,
        cells=tuple(c for c in COMPARING if c.held > 0.01 and c.events < 50),
        windows=lambda cell: 20,  # noqa: ARG005
        step=24 * HOUR,
    ),
    "cohort_block": Adapter(
        params=lambda cell: CohortBlockParams(min_holdout=10),  # noqa: ARG005
        world=_amounts,
        cells=tuple(c for c in COMPARING if c.events < 50 and c.held > 0.01 and not c.edge),
        windows=lambda cell: 232,  # noqa: ARG005
        step=6 * HOUR,
        truth=_no_gap,
    ),
    "contamination": Adapter(
        params=lambda cell: ContaminationParams(),  # noqa: ARG005
        world=_marks,
        truth=lambda cell, worse: 0.001 * (1.0 + worse),  # noqa: ARG005
    ),
    "category_shift": Adapter(
        params=lambda cell: CategoryShiftParams(sample_units=1_000, learn_units=2_000, learn_windows=10),  # noqa: ARG005
        world=_moved(in_fifths),
        cells=tuple(c for c in ALONE if not c.edge),
        truth=_no_change,
    ),
    "missing_rate": Adapter(
        params=lambda cell: MissingRateParams(fields=("value",), learn_units=2_000, learn_windows=10),  # noqa: ARG005
        world=_moved(with_gaps),
        cells=tuple(c for c in ALONE if not c.edge),
        truth=_no_change,
    ),
    "embedding_shift": Adapter(
        params=lambda cell: EmbeddingShiftParams(sample_units=1_000, learn_units=2_000, learn_windows=10),  # noqa: ARG005
        world=_moved(as_vectors),
        cells=tuple(c for c in ALONE if not c.edge),
        windows=lambda cell: 50,  # noqa: ARG005
        truth=_no_change,
    ),
    "share_over": Adapter(
        params=lambda cell: ShareOverParams(limit=_LIMIT, at_most=_ALLOWED),  # noqa: ARG005
        world=_moved(numbers),
        cells=tuple(c for c in ALONE if not c.edge),
        truth=_over,
    ),
    "risk": Adapter(
        params=lambda cell: RiskParams(sample_units=1_000, learn_units=2_000, learn_windows=10),  # noqa: ARG005
        world=_claims,
        cells=tuple(c for c in ALONE if not c.edge),
        truth=_no_change,
    ),
    "calibration": Adapter(
        params=lambda cell: CalibrationParams(sample_units=1_000, learn_units=2_000, learn_windows=10),  # noqa: ARG005
        world=_claims,
        cells=tuple(c for c in ALONE if not c.edge),
        truth=_no_change,
    ),
    "canary": Adapter(
        params=lambda cell: CanaryParams(
            treatment_share=1.0 - cell.held, better="higher", worse_by=COHORT_MARGIN, alpha=_ONE_SHOT, at_most=_EVER
        ),
        world=_bounded(COHORT_MARGIN),
        cells=COMPARING,
        level=_ONE_SHOT,
        truth=_lost,
    ),
    "ab_test": Adapter(
        params=lambda cell: AbTestParams(alpha=_ONE_SHOT, at_most=_EVER),  # noqa: ARG005
        world=_bounded(0.0),
        cells=COMPARING[:-1],
        alarms=_ANY,
        level=_ONE_SHOT,
        truth=_no_gap,
    ),
    "interleaving": replace(
        _of_the_laws("interleaving", InterleavingParams(alpha=_ONE_SHOT, at_most=_EVER), level=_ONE_SHOT), truth=_no_gap
    ),
}


def of(name: str) -> Adapter:
    """The entry of a detector; without one, the healthy rows of the laws under their parameters."""
    return ADAPTERS[name] if name in ADAPTERS else _of_the_laws(name, EXAMPLES[name].params)


HEALTHY_ONLY = {
    "cohort_sticky": "reads sums per unit over weeks, which the engine's tables keep; its own tests run them",
    "churn": "an insight, which promises no error rate; its own tests hold its figure to 0 where nothing changes",
    "flywheel": "an insight, which promises no error rate",
    "divergence": "reads sums per unit of two metrics, which the engine's tables keep; its own tests run them",
    "shadow": "one answer a request from each of two models; its own tests draw them",
    "volume": "learns four weeks of quarter hours; its own tests run months",
    "engagement": "a reading for the composite alert, which spends nothing and so never speaks",
    "estimated_performance": "a hint, which never pages",
    "rejects": "a limit on a share, with no chance promised",
    "tail_collapse": "needs a catalogue of many items; its own tests draw one",
    "calibration_gap": "needs scores and what came of every showing; its own tests draw them",
    "effective_sample": "needs propensities of every showing; its own tests draw them",
    "propensity_check": "needs items drawn by known chances; its own tests draw them",
    "loop_gain": "needs paired pushes and a model that answers them; `make loop-bench` has worlds of a known gain",
}
"""Detectors without an entry of their own, and why: they are measured on the healthy rows of the laws alone."""

COVERED_IN = {
    "cohort_sticky": "test_cohort_sticky.test_the_interval_covers_no_effect_at_every_look_at_once",
    "divergence": "test_divergence.test_engagement_up_and_quality_down_pages_and_says_both_sizes_with_intervals_that_hold",
    "loop_gain": "test_loop_gain.test_intervals_cover_the_true_gain_and_the_regression_misses_it",
    "propensity_check": (
        "test_propensity_check.test_chances_that_are_off_by_no_more_than_is_tolerated_alarm_no_more_often_than_may_be_spent"
    ),
    "shadow": "test_shadow.test_a_shadow_at_the_edge_of_what_is_tolerated_is_held_or_promoted_no_more_often_than_alpha",
    "tail_collapse": "test_tail_collapse.test_a_tail_at_half_its_reference_alarms_no_more_often_than_promised",
    "volume": "test_volume.test_the_interval_of_a_steady_volume_holds_at_every_look",
}
"""The tests in `tests/detectors` that hold an interval against the truth at every look, where no adapter has a `truth`."""

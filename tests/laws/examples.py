"""What the laws feed every detector of the catalogue. A detector without an entry here fails the suite.

Parameters are small, so that a short stream reaches every mode. The rows are healthy: nothing ever changes in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detectors.ab_test import AbTestParams
from detectors.attrition import AttritionParams
from detectors.calibration import CalibrationParams
from detectors.calibration_gap.detector import CalibrationGapParams
from detectors.canary import CanaryParams
from detectors.category_shift import CategoryShiftParams
from detectors.churn import ChurnParams
from detectors.cohort_block import CohortBlockParams
from detectors.cohort_bounded import CohortBoundedParams
from detectors.cohort_by_group import CohortByGroupParams
from detectors.cohort_quantile import CohortQuantileParams
from detectors.cohort_rate import CohortRateParams
from detectors.cohort_sticky import CohortStickyParams
from detectors.cohort_sticky.moments import GRID
from detectors.columns import Category, Columns, Flag, Floats, Hash, Hashes, Numeric, Ragged, Vector, concat, flag
from detectors.concentration import ConcentrationParams
from detectors.contamination import ContaminationParams
from detectors.detector import Params
from detectors.divergence import DivergenceParams
from detectors.effective_sample import EffectiveSampleParams
from detectors.embedding_shift import EmbeddingShiftParams
from detectors.engagement import EngagementParams
from detectors.estimated_performance import EstimatedPerformanceParams
from detectors.flywheel import FlywheelParams
from detectors.freshness import FreshnessParams
from detectors.homogenisation import HomogenisationParams
from detectors.interleaving import InterleavingParams
from detectors.loop_gain.detector import LoopGainParams
from detectors.math.unit_sample import mixed
from detectors.missing_rate import MissingRateParams
from detectors.numeric_shift import NumericShiftParams
from detectors.propensity_check import PropensityCheckParams
from detectors.rejects import RejectsParams
from detectors.risk import RiskParams
from detectors.river_bank import RiverHintParams
from detectors.river_bank.state import Algorithm
from detectors.sample_ratio import SampleRatioParams
from detectors.sample_ratio_by_group import SampleRatioByGroupParams
from detectors.shadow import Compare, ShadowParams
from detectors.share_over import ShareOverParams
from detectors.tail_collapse.detector import TailCollapseParams
from detectors.training_health import TrainingHealthParams
from detectors.volume import VolumeParams

HOUR = 3_600_000
ROWS = 300
WINDOWS = 16
"""Every example watches before half of them have passed."""

MakeRows = Callable[[np.random.Generator, int, int], Columns]


@dataclass(frozen=True)
class Example:
    """Two sets of parameters, so that a bank holds different watches; `rows` makes n rows of a window.

    silence_is_data   an empty window says something to this detector: it may change the state, and is never too small.
    """

    params: Params
    other: Params
    rows: MakeRows
    silence_is_data: bool = False


def healthy(rng: np.random.Generator, n: int, window: int) -> Columns:
    """n rows of units that come back within the window and later, with every column that a detector may read."""
    unit = rng.integers(1, 4 * n + 2, n).astype(np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15)
    cohort = np.where(unit % np.uint64(2) == 0, 0, 1).astype(np.int8)
    value = np.round(rng.random(n), 2)
    value[rng.random(n) < 0.02] = np.nan
    lengths = rng.integers(0, 6, n)
    items = rng.integers(1, 60, int(lengths.sum())).astype(np.uint64)
    first = np.zeros(n, np.bool_)
    first[np.unique(unit, return_index=True)[1]] = True
    return Columns(
        time=window * HOUR + rng.integers(0, HOUR, n),
        unit=unit,
        cohort=cohort,
        partition=rng.integers(0, 3, n).astype(np.int32),
        offset=np.arange(window * n, (window + 1) * n),
        fields={
            "value": Numeric(value),
            "probability": Numeric(np.round(rng.random(n), 3)),
            "first": flag(first),
            "count": Numeric(np.ones(n)),
            "rejected": Numeric(np.zeros(n)),
            "voting": Flag(rng.random(n) < 0.9, np.zeros(n, np.bool_)),
            "label": Category(rng.integers(-1, 4, n).astype(np.int32), ("a", "b", "c", "d")),
            "came": flag(unit % np.uint64(3) == 0),
            "organic": flag(unit % np.uint64(5) == 0),
            "items": Ragged(
                np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
                {
                    "item": Hash(_spread(items)),
                    "explored": flag(items % np.uint64(7) == 0),
                    "propensity": Numeric(np.asarray(1.0 / (1.0 + items % np.uint64(5)), np.float64)),
                    "came": flag(items % np.uint64(3) == 0),
                    "score": Numeric(np.asarray(items % np.uint64(11), np.float64)),
                },
            ),
        },
    )


def _spread(small: Hashes) -> Hashes:
    result: Hashes = small * np.uint64(0xBF58_476D_1CE4_E5B9)
    return result


def _on_vectors(rng: np.random.Generator, n: int, window: int) -> Columns:
    vectors = np.round(rng.normal(size=(n, 6)), 2).astype(np.float32)
    vectors[rng.random(n) < 0.02] = np.nan
    return healthy(rng, n, window).having(value=Vector(vectors))


def _small_values(rng: np.random.Generator, n: int, window: int) -> Columns:
    value = rng.beta(1, 4, n)
    value[rng.random(n) < 0.02] = np.nan
    return healthy(rng, n, window).having(value=Numeric(value))


def _half_matured(rng: np.random.Generator, n: int, window: int) -> Columns:
    return healthy(rng, n, window).having(matured=flag(rng.random(n) < 0.5))


def _on_labels(rng: np.random.Generator, n: int, window: int) -> Columns:
    rows = healthy(rng, n, window)
    return rows.having(value=rows.fields["label"])


def _interleaved(rng: np.random.Generator, n: int, window: int) -> Columns:
    rows = healthy(rng, n, window)
    return rows.having(
        credit=Numeric(rng.integers(-1, 2, n).astype(np.float64)),
        top=Numeric(rng.choice([-1.0, 1.0], n)),
        entering=flag(rng.random(n) < 0.5),
    )


def _answered_twice(rng: np.random.Generator, n: int, window: int) -> Columns:
    """Most requests have an answer of either side, and the same; some have two of one side, some a partner a window later."""
    rows = healthy(rng, n, window)
    request = rng.integers(1, n + 1, n).astype(np.uint64) + np.uint64(window * n - min(window, 1) * 10)
    return rows.having(
        request_id=Hash(_spread(request)),
        shadow=flag(rng.random(n) < 0.5),
        answer=Vector((request % np.uint64(2)).astype(np.float32)[:, None]),
    )


def _ranked(rng: np.random.Generator, n: int, window: int) -> Columns:
    """Items of which some are shown far more than others."""
    rows = healthy(rng, n, window)
    items = rows.fields["items"]
    assert isinstance(items, Ragged)
    drawn = np.minimum(rng.exponential(8.0, len(items.owners())), 59).astype(np.uint64) + np.uint64(1)
    return rows.having(items=Ragged(items.starts, {**items.fields, "item": Hash(_spread(drawn))}))


def _marked(rng: np.random.Generator, n: int, window: int) -> Columns:
    return healthy(rng, n, window).having(value=flag(rng.random(n) < 0.001))


def _tilted(rng: np.random.Generator, n: int, window: int) -> Columns:
    """Six items in three pairs, all well seen: the pushed ones are shown ever more in tilted requests."""
    unit = rng.integers(1, 4 * n + 2, n).astype(np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15)
    sign = np.random.default_rng(window).choice([-1, 1], 3)
    tilted = rng.random(n) < 0.5
    pair = np.array([1, -1, 2, -2, 3, -3]) * np.repeat(sign, 2)
    up = rng.random((n, 4)) < np.where(tilted, 0.9, 0.5)[:, None]
    which = rng.integers(0, 3, (n, 4))
    item = 2 * which + (np.sign(pair[2 * which]) < 0) * up + (np.sign(pair[2 * which]) > 0) * ~up
    items: dict[str, Numeric | Hash | Flag] = {
        "item": Hash(_spread(1 + item.ravel().astype(np.uint64))),
        "pair": Numeric(pair[item.ravel()].astype(np.float64)),
    }
    rows = healthy(rng, n, window)
    return Columns(
        rows.time,
        unit,
        np.zeros(n, np.int8),
        rows.partition,
        rows.offset,
        {"items": Ragged(np.arange(n + 1) * 4, items), "tilted": flag(tilted)},
    )


def returning(rng: np.random.Generator, n: int, window: int) -> Columns:
    """The same n units in every window, once each, with what their sums were before and are after it; the past ends at 5."""
    unit = np.arange(1, n + 1, dtype=np.uint64)
    yes = [np.asarray(mixed(unit, t) % np.uint64(5) == 0, np.float64) * GRID for t in range(window + 1)]

    def sums(until: int) -> dict[str, Floats]:
        past, since = min(until, 5), max(until - 5, 0)
        nothing = np.zeros(n)
        values = (nothing + since, sum(yes[5:until], nothing), nothing + past, sum(yes[:past], nothing))
        return dict(zip(("n", "sum", "pre_n", "pre_sum"), values, strict=True))

    had, has = sums(window), sums(window + 1)
    return Columns(
        time=window * HOUR + rng.integers(0, HOUR, n),
        unit=unit,
        cohort=(mixed(unit, -1) % np.uint64(2)).astype(np.int8),
        partition=rng.integers(0, 3, n).astype(np.int32),
        offset=np.arange(window * n, (window + 1) * n),
        fields={f"had_{k}": Numeric(v) for k, v in had.items()} | {f"has_{k}": Numeric(v) for k, v in has.items()},
    )


def _coming(rng: np.random.Generator, n: int, window: int) -> Columns:
    """n of twice as many units in every window, once each; `first` in the first window that each came in."""
    unit = np.arange(1, 2 * n + 1, dtype=np.uint64)
    drawn = [np.sort(np.argsort(mixed(unit, t))[:n]) for t in range(window + 1)]
    here = drawn[-1]
    first = ~np.isin(here, np.concatenate([*drawn[:-1], here[:0]]))
    return Columns(
        time=window * HOUR + rng.integers(0, HOUR, len(here)),
        unit=unit[here],
        cohort=(mixed(unit[here], -1) % np.uint64(2)).astype(np.int8),
        partition=rng.integers(0, 3, len(here)).astype(np.int32),
        offset=np.arange(window * n, window * n + len(here)),
        fields={"first": flag(first), "counted": flag(np.ones(len(here), np.bool_))},
    )


def _of_two_metrics(rng: np.random.Generator, n: int, window: int) -> Columns:
    """Of the same people, each metric's rows: quality, and engagement beside it."""
    parts = [returning(rng, n - n // 2, window), returning(rng, n // 2, window)]
    marked = [part.having(beside=flag(np.full(len(part), place == 1))) for place, part in enumerate(parts)]
    return concat(marked)


EXAMPLES: dict[str, Example] = {
    "canary": Example(
        CanaryParams(treatment_share=0.5),
        CanaryParams(treatment_share=0.5, better="higher", worse_by=0.1, at_most=6 * HOUR),
        healthy,
    ),
    "ab_test": Example(AbTestParams(min_units=50), AbTestParams(alone=False, at_most=6 * HOUR), healthy),
    "interleaving": Example(
        InterleavingParams(), InterleavingParams(expected_lead=0.1, alpha=0.01, at_most=6 * HOUR), _interleaved
    ),
    "shadow": Example(
        ShadowParams(tolerated=0.05, by=("label",)),
        ShadowParams(compare=Compare.MORE, tolerated=0.02, by=("label",), at_most=6 * HOUR),
        _answered_twice,
    ),
    "cohort_bounded": Example(
        CohortBoundedParams(holdout_share=0.5, learn_units=500),
        CohortBoundedParams(holdout_share=0.5, learn_units=900, better="lower", page_if_worse_by=0.05),
        healthy,
    ),
    "cohort_block": Example(
        CohortBlockParams(learn_days=0.2, min_holdout=50, sample_units=50),
        CohortBlockParams(
            learn_days=0.15, min_holdout=40, sample_units=40, better="lower", per="prediction", against="holdout"
        ),
        healthy,
    ),
    "cohort_quantile": Example(
        CohortQuantileParams(holdout_share=0.5, learn_units=500),
        CohortQuantileParams(holdout_share=0.5, learn_units=400, better="higher", page_if_worse_by=0.5),
        healthy,
    ),
    "cohort_rate": Example(
        CohortRateParams(holdout_share=0.5),
        CohortRateParams(holdout_share=0.5, better="higher", page_if_worse_by=0.5),
        healthy,
    ),
    "cohort_sticky": Example(
        CohortStickyParams(learn_days=0.2, min_holdout=20),
        CohortStickyParams(learn_days=0.15, min_holdout=30, better="lower", page_if_worse_by=0.1),
        returning,
    ),
    "divergence": Example(
        DivergenceParams(engagement="clicks", learn_days=0.2, min_holdout=20),
        DivergenceParams(
            engagement="clicks",
            engagement_better="lower",
            learn_days=0.15,
            min_holdout=30,
            better="lower",
            page_if_worse_by=0.1,
        ),
        _of_two_metrics,
    ),
    "flywheel": Example(
        FlywheelParams(min_units=20, least_gain=1e-6),
        FlywheelParams(versions=5, least_gain=1e-3, min_units=30),
        healthy,
    ),
    "churn": Example(
        ChurnParams(top=10, min_units=20, at_most=0.01),
        ChurnParams(top=12, min_units=30, max_pairs=1_000),
        _ranked,
    ),
    "attrition": Example(AttritionParams(min_holdout=20), AttritionParams(apart_by=0.3, min_holdout=40), _coming),
    "sample_ratio": Example(
        SampleRatioParams(holdout_share=0.5), SampleRatioParams(holdout_share=0.5, expected_shift=0.3), healthy
    ),
    "sample_ratio_by_group": Example(
        SampleRatioByGroupParams(holdout_share=0.5, by="label", min_units=20),
        SampleRatioByGroupParams(holdout_share=0.5, by="label", expected_shift=0.3),
        healthy,
    ),
    "cohort_by_group": Example(
        CohortByGroupParams(holdout_share=0.5, by="label", learn_units=500, min_holdout=10),
        CohortByGroupParams(holdout_share=0.5, by="label", learn_units=900, better="lower", page_if_worse_by=0.05),
        healthy,
    ),
    "contamination": Example(ContaminationParams(), ContaminationParams(at_most=0.05), _marked),
    "numeric_shift": Example(
        NumericShiftParams(sample_units=300, learn_units=600, learn_windows=2),
        NumericShiftParams(eps=0.1, sample_units=500, learn_units=400, learn_windows=3),
        healthy,
    ),
    "category_shift": Example(
        CategoryShiftParams(sample_units=300, learn_units=600, learn_windows=2),
        CategoryShiftParams(eps=0.1, sample_units=500, learn_units=400, learn_windows=3),
        _on_labels,
    ),
    "missing_rate": Example(
        MissingRateParams(fields=("value", "label"), learn_units=600, learn_windows=2),
        MissingRateParams(fields=("label", "items", "first"), eps=0.1, learn_units=400, learn_windows=3),
        healthy,
    ),
    "embedding_shift": Example(
        EmbeddingShiftParams(sample_units=300, learn_units=600, learn_windows=2),
        EmbeddingShiftParams(eps=0.1, seed=7, sample_units=500, learn_units=400, learn_windows=2),
        _on_vectors,
    ),
    "share_over": Example(
        ShareOverParams(limit=0.9, at_most=0.15), ShareOverParams(limit=0.5, at_most=0.3, min_units=20), _small_values
    ),
    "volume": Example(
        VolumeParams(learn_days=0.2), VolumeParams(change_by=1.0, learn_days=0.25), healthy, silence_is_data=True
    ),
    "risk": Example(
        RiskParams(sample_units=300, learn_units=600, learn_windows=2),
        RiskParams(loss="absolute", scale=2.0, sample_units=500, learn_units=400, learn_windows=2),
        healthy,
    ),
    "estimated_performance": Example(
        EstimatedPerformanceParams(learn_units=300, learn_windows=2),
        EstimatedPerformanceParams(learn_units=200, learn_windows=3, worse_by=0.1),
        _half_matured,
    ),
    "calibration": Example(
        CalibrationParams(sample_units=300, learn_units=600, learn_windows=2),
        CalibrationParams(page_if_worse_by=0.3, sample_units=500, learn_units=400, learn_windows=2),
        healthy,
    ),
    "river_hint": Example(
        RiverHintParams(algorithm=Algorithm.ADWIN, max_values=100),
        RiverHintParams(
            algorithm=Algorithm.KSWIN, settings={"alpha": 1e-6, "window_size": 60, "stat_size": 20}, max_values=50
        ),
        healthy,
    ),
    "concentration": Example(
        ConcentrationParams(learn_periods=2, min_units=20, min_exposures=50),
        ConcentrationParams(
            learn_periods=3,
            min_units=30,
            min_exposures=20,
            max_items=1_000,
            page_if_items_fall_by=0.5,
            slice=True,
            catalogue=3,
        ),
        healthy,
    ),
    "homogenisation": Example(
        HomogenisationParams(learn_periods=2, min_units=20, min_exposures=50),
        HomogenisationParams(
            learn_periods=3, min_units=30, min_exposures=60, max_pairs=1_000, page_if_overlap_grows_by=0.5
        ),
        healthy,
    ),
    "engagement": Example(
        EngagementParams(min_units=20, min_exposures=50),
        EngagementParams(learn_periods=3, min_units=30, min_exposures=60, page_if_falls_by=0.5),
        healthy,
    ),
    "training_health": Example(
        TrainingHealthParams(min_units=20),
        TrainingHealthParams(
            min_units=30, trailing_periods=2, max_items=1_000, page_if_explored_below=0.05, labels=True
        ),
        healthy,
    ),
    "tail_collapse": Example(
        TailCollapseParams(learn_units=50),
        TailCollapseParams(learn_units=60, max_rows=2_000, page_if_tail_falls_by=0.3, at_least=20),
        healthy,
    ),
    "calibration_gap": Example(
        CalibrationGapParams(learn_periods=2, min_units=20),
        CalibrationGapParams(learn_periods=3, min_units=30, max_rows=1_000, page_if_gap_grows_by=0.02, relative=0.5),
        healthy,
    ),
    "propensity_check": Example(
        PropensityCheckParams(catalogue=3),
        PropensityCheckParams(catalogue=3, page_if_off_by=0.2, largest=4),
        healthy,
    ),
    "effective_sample": Example(
        EffectiveSampleParams(learn_periods=2, min_units=20, min_exposures=50, min_effective=10),
        EffectiveSampleParams(
            learn_periods=3, min_units=30, min_exposures=60, min_effective=20, page_if_effective_falls_by=0.5
        ),
        healthy,
    ),
    "loop_gain": Example(
        LoopGainParams(min_pairs=2, min_exposures=1),
        LoopGainParams(
            training_periods=2,
            min_pairs=4,
            min_exposures=2,
            max_items=1_000,
            page_if_gain_above=0.5,
            instrument="exploration",
        ),
        _tilted,
    ),
    "rejects": Example(
        RejectsParams(), RejectsParams(at_most=0.2, at_least=10, windows=3), healthy, silence_is_data=True
    ),
    "freshness": Example(
        FreshnessParams(min_windows=4, min_records=10),
        FreshnessParams(min_windows=6, recover_windows=1, memory_weeks=2),
        healthy,
        silence_is_data=True,
    ),
}

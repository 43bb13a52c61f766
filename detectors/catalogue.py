"""The one list of detectors: being listed is being configurable, documented and tested by the laws."""

from __future__ import annotations

from detectors.ab_test import AbTest
from detectors.attrition import Attrition
from detectors.calibration import Calibration
from detectors.calibration_gap.detector import CalibrationGap
from detectors.canary import Canary
from detectors.category_shift import CategoryShift
from detectors.churn import Churn
from detectors.cohort_block import CohortBlock
from detectors.cohort_bounded import CohortBounded
from detectors.cohort_by_group import CohortByGroup
from detectors.cohort_quantile import CohortQuantile
from detectors.cohort_rate import CohortRate
from detectors.cohort_sticky import CohortSticky
from detectors.concentration import Concentration
from detectors.contamination import Contamination
from detectors.detector import AnyDetector
from detectors.divergence import Divergence
from detectors.effective_sample import EffectiveSample
from detectors.embedding_shift import EmbeddingShift
from detectors.engagement import Engagement
from detectors.estimated_performance import EstimatedPerformance
from detectors.flywheel import Flywheel
from detectors.freshness import Freshness
from detectors.homogenisation import Homogenisation
from detectors.interleaving import Interleaving
from detectors.loop_gain.detector import LoopGain
from detectors.missing_rate import MissingRate
from detectors.numeric_shift import NumericShift
from detectors.propensity_check import PropensityCheck
from detectors.rejects import Rejects
from detectors.risk import Risk
from detectors.river_bank import RiverHint
from detectors.sample_ratio import SampleRatio
from detectors.sample_ratio_by_group import SampleRatioByGroup
from detectors.shadow import Shadow
from detectors.share_over import ShareOver
from detectors.tail_collapse.detector import TailCollapse
from detectors.training_health import TrainingHealth
from detectors.volume import Volume

_ALL: tuple[AnyDetector, ...] = (
    CohortBounded(),
    CohortBlock(),
    CohortSticky(),
    CohortRate(),
    CohortQuantile(),
    CohortByGroup(),
    SampleRatio(),
    SampleRatioByGroup(),
    Contamination(),
    PropensityCheck(),
    Attrition(),
    NumericShift(),
    CategoryShift(),
    MissingRate(),
    EmbeddingShift(),
    ShareOver(),
    Volume(),
    Canary(),
    AbTest(),
    Interleaving(),
    Shadow(),
    Risk(),
    Calibration(),
    EstimatedPerformance(),
    RiverHint(),
    Concentration(),
    Homogenisation(),
    TrainingHealth(),
    Divergence(),
    Flywheel(),
    Churn(),
    EffectiveSample(),
    CalibrationGap(),
    TailCollapse(),
    LoopGain(),
    Engagement(),
    Freshness(),
    Rejects(),
)

DETECTORS: dict[str, AnyDetector] = {detector.name: detector for detector in _ALL}
"""Every shipped detector by its name in the config."""

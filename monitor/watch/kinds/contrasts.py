"""Exposed against held out: the cohorts' sizes, and the metrics by which they are compared."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.attrition import AttritionParams
from detectors.cohort_block import CohortBlockParams
from detectors.cohort_bounded import CohortBoundedParams
from detectors.cohort_by_group import CohortByGroupParams
from detectors.cohort_quantile import CohortQuantileParams
from detectors.cohort_sticky import CohortStickyParams
from detectors.columns import Cohort
from detectors.comparison import Comparison
from detectors.contamination import ContaminationParams
from detectors.sample_ratio import SampleRatioParams
from detectors.sample_ratio_by_group import SampleRatioByGroupParams
from monitor.settings.mappings import SEGMENT_PREFIX
from monitor.settings.model import Metric, ModelSettings, OthersSettings
from monitor.watch.kinds.wanted import Wanted

CROSSOVER, LEAKAGE, ATTRITION = "crossover", "leakage", "attrition"
CROSSED, LEAKED = "crossed", "leaked"
"""Columns of sealed predictions: the unit was first seen in another cohort; a held-out unit was served by another policy."""

HOLDOUT = "holdout"
"""The watch on the cohorts' sizes, and the arrival stream of predictions to held-out units."""

SMALLEST_OF_A_GROUP = 0.1
"""Least tolerated harm in a group, a share of its mean: less than that no small group can show."""

DAY = 86_400_000

BLOCK_UNITS = 50
"""Units of the smaller cohort that a window of an unbounded metric needs; smaller windows are merged with the next."""


def why_no_contrast(model: ModelSettings) -> str:
    """Why exposed and held-out people cannot be compared; empty if they can."""
    if model.comparison is Comparison.SLICE:
        return "nobody is held out (cohorts.exploration_slice): what people do cannot be compared, only what they are shown"
    if model.others is None:
        return "no cohorts are configured, so nothing can be compared with people held out"
    return "" if model.predictions.unit is not None else "predictions.unit is not mapped, and units are the sample"


def holdout(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """The watches on the cohorts' sizes and soundness: the gates of every contrast."""
    if why := why_no_contrast(model):
        missing[HOLDOUT] = why
    elif model.cohorts is not None and (rule := model.others) is not None:
        params, team = SampleRatioParams(holdout_share=rule.share), rule.team or model.team
        yield Wanted(HOLDOUT, "sample_ratio", params, "", model.window, "page", team=team)
        for segment in model.predictions.segments:
            by_group = SampleRatioByGroupParams(holdout_share=rule.share, by=SEGMENT_PREFIX + segment)
            yield Wanted(
                f"{HOLDOUT}.by.{segment}", "sample_ratio_by_group", by_group, "", model.window, "warn", team=team
            )
        yield from _attrition(model, rule, team, missing)
        if model.cohorts.hash is None:
            yield Wanted(CROSSOVER, "contamination", ContaminationParams(), CROSSED, model.window, "page", team=team)
        holdout = model.cohorts.holdout
        if holdout is None:
            missing[LEAKAGE] = "nobody is held out: both versions are the model's"
        elif holdout.policies is None or model.predictions.policy is None:
            missing[LEAKAGE] = (
                "needs predictions.policy and cohorts.holdout.policies: who may choose what held-out people are shown"
            )
        else:
            yield Wanted(
                LEAKAGE,
                "contamination",
                ContaminationParams(),
                LEAKED,
                model.window,
                "page",
                cohort=Cohort.HOLDOUT,
                team=team,
            )


def _attrition(model: ModelSettings, rule: OthersSettings, team: str, missing: dict[str, str]) -> Iterator[Wanted]:
    """Whether both cohorts keep coming, day by day."""
    window = max(DAY - DAY % model.window, model.window)
    if rule.rotates is None:
        yield Wanted(ATTRITION, "attrition", AttritionParams(), "", window, "page", team=team)
    else:
        missing[ATTRITION] = f"everybody is enrolled anew with each rotation: cohorts.{model.comparison}.rotates"


def metrics(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """Contrasts of every metric: of a bounded one, exact; of a count or a sum, calibrated, and exact for its large values."""
    why = why_no_contrast(model)
    for name, metric in model.metrics.items():
        if why or model.others is None:
            missing[name] = why
        elif metric.value == "any":
            yield from _bounded(model, name, metric, model.others)
            yield from _by_group(model, name, metric, model.others)
        else:
            yield from _unbounded(model, name, metric, model.others)


def _bounded(model: ModelSettings, name: str, metric: Metric, rule: OthersSettings) -> Iterator[Wanted]:
    """Everybody once, exact; and where the same people stay held out, what those who come back do, for large n."""
    params = CohortBoundedParams(
        holdout_share=rule.share, better=metric.better, page_if_worse_by=metric.page_if_worse_by
    )
    yield Wanted(name, "cohort_bounded", params, name, model.window, "page", metric=name)
    if rule.rotates is None:
        back = CohortStickyParams(better=metric.better, page_if_worse_by=metric.page_if_worse_by)
        yield Wanted(f"{name}.returning", "cohort_sticky", back, name, model.window, "page", metric=name)


def _by_group(model: ModelSettings, name: str, metric: Metric, rule: OthersSettings) -> Iterator[Wanted]:
    """One watch a segment: its groups share the budget of one."""
    tolerated = min(max(metric.page_if_worse_by, SMALLEST_OF_A_GROUP), 0.9)
    for segment in model.predictions.segments:
        params = CohortByGroupParams(
            holdout_share=rule.share, by=SEGMENT_PREFIX + segment, better=metric.better, page_if_worse_by=tolerated
        )
        yield Wanted(f"{name}.by.{segment}", "cohort_by_group", params, name, model.window, "page", metric=name)


def _unbounded(model: ModelSettings, name: str, metric: Metric, rule: OthersSettings) -> Iterator[Wanted]:
    block = CohortBlockParams(better=metric.better, page_if_worse_by=metric.page_if_worse_by)
    yield Wanted(name, "cohort_block", block, name, model.window, "page", metric=name, min_units=BLOCK_UNITS)
    tail = CohortQuantileParams(holdout_share=rule.share, better=metric.better)
    yield Wanted(f"{name}.tail", "cohort_quantile", tail, name, model.window, "warn", metric=name)

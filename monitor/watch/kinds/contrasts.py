"""Exposed against held out: the cohorts' sizes, and the metrics by which they are compared."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.cohort_bounded import CohortBoundedParams
from detectors.sample_ratio import SampleRatioParams
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted

HOLDOUT = "holdout"
"""The watch on the cohorts' sizes, and the arrival stream of predictions to held-out units."""


def why_no_contrast(model: ModelSettings) -> str:
    """Why exposed and held-out people cannot be compared; empty if they can."""
    if model.cohorts is None:
        return "no cohorts are configured, so nothing can be compared with people held out"
    return "" if model.predictions.unit is not None else "predictions.unit is not mapped, and units are the sample"


def holdout(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """The watch on the cohorts' sizes: the gate of every contrast."""
    if why := why_no_contrast(model):
        missing[HOLDOUT] = why
    elif model.cohorts is not None:
        rule = model.cohorts.holdout
        params = SampleRatioParams(holdout_share=rule.share)
        yield Wanted(HOLDOUT, "sample_ratio", params, "", model.window, "page", team=rule.team or model.team)


def metrics(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """One contrast a metric."""
    why = why_no_contrast(model)
    for name, metric in model.metrics.items():
        if why or model.cohorts is None:
            missing[name] = why
        elif metric.value != "any":
            missing[name] = f"value: {metric.value} is not bounded; only value: any can be compared between cohorts yet"
        else:
            params = CohortBoundedParams(
                holdout_share=model.cohorts.holdout.share,
                better=metric.better,
                page_if_worse_by=metric.page_if_worse_by,
            )
            yield Wanted(name, "cohort_bounded", params, name, model.window, "page", metric=name)

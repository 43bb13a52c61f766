"""What is raised against what it is for: engagement up while quality falls; and whether more feedback still buys quality."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.divergence import DivergenceParams
from detectors.flywheel import FlywheelParams
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.contrasts import why_no_contrast
from monitor.watch.kinds.wanted import Wanted

DIVERGENCE, FLYWHEEL = "divergence", "flywheel"


def divergence(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """One watch a quality metric and engagement metric; only outcomes may say that quality fell, so it may page."""
    engagement, quality = (_named(model, meaning) for meaning in ("engagement", "quality"))
    if model.kind != "recommender" and not engagement:
        return
    if why := why_no_divergence(model, engagement, quality):
        missing[DIVERGENCE] = why
        return
    pairs = [(q, e) for q in quality for e in engagement if model.metrics[q].of != model.metrics[e].of]
    for name, raised in pairs:
        metric = model.metrics[name]
        params = DivergenceParams(
            engagement=raised,
            engagement_better=model.metrics[raised].better,
            better=metric.better,
            page_if_worse_by=metric.page_if_worse_by,
        )
        parts = (DIVERGENCE, *([name] if len(quality) > 1 else ()), *([raised] if len(engagement) > 1 else ()))
        yield Wanted(".".join(parts), DIVERGENCE, params, name, model.window, "page", metric=name)


def flywheel(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """Whether more feedback still buys quality, where a metric of a recommender says `as: quality`; told to nobody unless asked."""
    quality = [name for name in _named(model, "quality") if "meaning" in model.metrics[name].model_fields_set]
    if model.kind != "recommender":
        return
    if (
        why := why_no_contrast(model)
        if quality
        else "no metric says `as: quality`, so nobody can tell what feedback buys"
    ):
        missing[FLYWHEEL] = why
        return
    window = max(model.period - model.period % model.window, model.window)
    for name in quality:
        key = FLYWHEEL if len(quality) == 1 else f"{FLYWHEEL}.{name}"
        yield Wanted(key, FLYWHEEL, FlywheelParams(), name, window, "info", metric=name)


def why_no_divergence(model: ModelSettings, engagement: list[str], quality: list[str]) -> str:
    """Why these metrics of engagement and quality cannot be held against each other; empty if they can."""
    if why := why_no_contrast(model):
        return why
    if not engagement or not quality:
        return "needs a metric with as: engagement and one with as: quality, both with value: any"
    if model.others is not None and model.others.rotates is not None:
        return f"it sums what each person does while they stay in one cohort, and cohorts.{model.comparison}.rotates"
    if {model.metrics[name].of for name in engagement} == {model.metrics[name].of for name in quality}:
        return "engagement and quality are made of the same outcome, so they cannot part"
    return ""


def _named(model: ModelSettings, meaning: str) -> list[str]:
    return [name for name, m in model.metrics.items() if m.meaning == meaning and m.value == "any"]

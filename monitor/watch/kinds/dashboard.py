"""The composite of a recommender: engagement by period, and which watches tell what may rot beneath it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detectors.catalogue import DETECTORS
from detectors.detector import Family
from detectors.engagement import EngagementParams
from monitor.alerting.composite import DASHBOARD
from monitor.alerting.trend import Read
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted

_READING = "engagement"


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite before it has a plan: keys of the watches whose alerts it gathers, and its readings of engagement."""

    parts: tuple[str, ...]
    reads: tuple[Read, ...]
    severity: str


def engagement(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """A reading of every metric that is engagement, by period; nobody is told of it alone."""
    if model.kind != "recommender":
        return
    names = [name for name, metric in model.metrics.items() if metric.meaning == "engagement"]
    if not names:
        missing[DASHBOARD] = "no metric says `as: engagement`, so nobody can tell whether it is green"
        return
    if model.predictions.unit is None:
        missing[DASHBOARD] = "predictions.unit is not mapped, and units are the sample"
        return
    window = max(model.period - model.period % model.window, model.window)
    for name in names:
        params = EngagementParams(page_if_falls_by=model.metrics[name].page_if_worse_by)
        yield Wanted(f"{name}.{_READING}", "engagement", params, name, window, "info", metric=name)


def composite(model: ModelSettings, watches: Sequence[Wanted]) -> Composite | None:
    """The composite over a model's watches; None where it is switched off, or where nothing is read or nothing may rot.

    What is shown and never sent (`severity: info`) is no part: it would be sent as one.
    """
    override = model.watch.get(DASHBOARD)
    parts = tuple(w.key for w in watches if DETECTORS[w.detector].family is Family.LOOP and w.severity != "info")
    reads = tuple(
        Read(w.key, w.metric, metric.better, metric.page_if_worse_by, w.window, model.outcomes[metric.of].within)
        for w in watches
        if w.detector == _READING and (metric := model.metrics.get(w.metric)) is not None
    )
    if (override is not None and override.off) or not (parts and reads):
        return None
    return Composite(parts, reads, (override.severity if override is not None else None) or "page")

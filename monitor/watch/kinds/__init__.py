"""Which watches a model gets: what its kind brings, what its config overrides, what it places by hand.

Only outcomes, a broken holdout and silence may page by themselves; drift of inputs and of scores, and narrowing exposure, go
to the digest unless the config says otherwise. What cannot be watched is listed with its reason, never left out silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from detectors.comparison import Comparison
from detectors.detector import Params
from monitor.alerting.compared import COMPARED
from monitor.alerting.composite import DASHBOARD
from monitor.settings.model import ModelSettings, WatchSettings
from monitor.watch.kinds.contrasts import HOLDOUT, holdout, metrics
from monitor.watch.kinds.dashboard import Composite, composite, engagement
from monitor.watch.kinds.divergence import divergence, flywheel
from monitor.watch.kinds.experiments import answer_of, experiments
from monitor.watch.kinds.exposure import narrowing, outcomes_of_items, uncounted
from monitor.watch.kinds.labelled import labelled
from monitor.watch.kinds.placed import placed
from monitor.watch.kinds.propensities import propensities
from monitor.watch.kinds.shifts import shifts
from monitor.watch.kinds.silence import arrival_window, refused, silence
from monitor.watch.kinds.wanted import Wanted, Watched

__all__ = [
    "HOLDOUT",
    "Composite",
    "Wanted",
    "Watched",
    "answer_of",
    "arrival_window",
    "comparison_of",
    "composite",
    "labels",
    "margins",
    "outcomes_of_items",
    "unknown",
    "watches_of",
]


def watches_of(model: ModelSettings) -> Watched:
    """All watches of a model. Keys under `watch:` that match nothing are in `unknown`'s care."""
    result = Watched()
    for wanted in _brought(model, result.missing):
        override = model.watch.get(wanted.key)
        if override is None:
            result.watches.append(wanted)
        elif not override.off and override.detector is None:
            result.watches.append(_overridden(wanted, override))
    result.watches.extend(placed(model, result.missing))
    result.missing.update(uncounted(model, result.watches))
    return result


def unknown(model: ModelSettings) -> Iterator[tuple[str, str]]:
    """Watches that the config overrides and that the kind does not bring: (name, problem)."""
    missing: dict[str, str] = {}
    brought = sorted(w.key for w in _brought(model, missing))
    for name, settings in model.watch.items():
        if settings.detector is None and name not in brought and name != DASHBOARD:
            if name in missing:
                yield name, f"cannot be watched: {missing[name]}"
            else:
                yield (
                    name,
                    f"is no watch of this model; it has {', '.join(brought)}; a new one needs detector: {{kind: ...}}",
                )


_MARGINS = (
    "page_if_worse_by",
    "page_if_items_fall_by",
    "page_if_overlap_grows_by",
    "page_if_explored_below",
    "page_if_effective_falls_by",
    "page_if_gap_grows_by",
    "page_if_tail_falls_by",
    "page_if_gain_above",
    "page_if_off_by",
    "eps",
)


def margins(params: Params) -> tuple[str, ...]:
    """Names of the parameters that say how much worse is too much; the first is what `page_if_worse_by` overrides."""
    return tuple(n for n in _MARGINS if n in type(params).model_fields)


def _overridden(wanted: Wanted, override: WatchSettings) -> Wanted:
    margin = override.page_if_worse_by
    own = margins(wanted.params)
    params = wanted.params if margin is None or not own else wanted.params.model_copy(update={own[0]: margin})
    return replace(
        wanted,
        params=params,
        window=override.window or wanted.window,
        severity=override.severity or wanted.severity,
    )


def _brought(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    yield from holdout(model, missing)
    yield from metrics(model, missing)
    yield from propensities(model, missing)
    yield from narrowing(model, missing)
    yield from divergence(model, missing)
    yield from flywheel(model, missing)
    yield from engagement(model, missing)
    yield from labelled(model, missing)
    yield from shifts(model, missing)
    yield from silence(model)
    yield from experiments(model, missing)
    yield from refused(model)


def labels(model: ModelSettings, wanted: Wanted) -> Mapping[str, str]:
    """Stable labels of a watch's alerts."""
    about = comparison_of(model) if not wanted.experiment else {}
    experiment = {"experiment": wanted.experiment} if wanted.experiment else {}
    return {"team": wanted.team or model.team, "metric": wanted.metric or wanted.on or wanted.key} | experiment | about


def comparison_of(model: ModelSettings) -> dict[str, str]:
    """The label that says what the exposed are compared with, where that is no holdout."""
    return {COMPARED: str(model.comparison)} if model.comparison not in (None, Comparison.HOLDOUT) else {}

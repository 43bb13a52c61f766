"""Which watches a model gets: what its kind brings, what its config overrides, what it places by hand.

Only outcomes, a broken holdout and silence may page by themselves; drift of inputs and of scores, and narrowing exposure, go
to the digest unless the config says otherwise. What cannot be watched is listed with its reason, never left out silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from detectors.catalogue import DETECTORS
from detectors.cohort_bounded import CohortBoundedParams
from detectors.columns import Cohort
from detectors.concentration import ConcentrationParams
from detectors.detector import Params
from detectors.freshness import FreshnessParams
from detectors.numeric_shift import NumericShiftParams
from detectors.sample_ratio import SampleRatioParams
from monitor.ingest.mapping import PREDICTIONS
from monitor.settings.model import ModelSettings, WatchSettings
from monitor.watch.plan import MINUTE

HOLDOUT = "holdout"
"""The watch on the cohorts' sizes, and the arrival stream of predictions to held-out units."""

_NUMBERS = ("score", "probability", "latency_ms", "output_length", "cost")
_COHORTS = {"exposed": Cohort.EXPOSED, "holdout": Cohort.HOLDOUT, "exploration": Cohort.EXPLORATION, "all": None}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A watch before it has a budget: which detector, on what, over which window (ms), how loud, and whose."""

    key: str
    detector: str
    params: Params
    on: str
    window: int
    severity: str
    metric: str = ""
    cohort: Cohort | None = None
    min_units: int = 0
    team: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a model gets, and what it cannot have: `missing` maps a watch to the reason."""

    watches: list[Wanted] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def watches_of(model: ModelSettings) -> Watched:
    """All watches of a model. Keys under `watch:` that match nothing are in `unknown`'s care."""
    result = Watched()
    for wanted in _brought(model, result.missing):
        override = model.watch.get(wanted.key)
        if override is None:
            result.watches.append(wanted)
        elif not override.off and override.detector is None:
            result.watches.append(_overridden(wanted, override))
    result.watches.extend(_placed(model, result.missing))
    return result


def unknown(model: ModelSettings) -> Iterator[tuple[str, str]]:
    """Watches that the config overrides and that the kind does not bring: (name, problem)."""
    missing: dict[str, str] = {}
    brought = sorted(w.key for w in _brought(model, missing))
    for name, settings in model.watch.items():
        if settings.detector is None and name not in brought:
            if name in missing:
                yield name, f"cannot be watched: {missing[name]}"
            else:
                yield (
                    name,
                    f"is no watch of this model; it has {', '.join(brought)}; a new one needs detector: {{kind: ...}}",
                )


def margins(params: Params) -> tuple[str, ...]:
    """Names of the parameters that say how much worse is too much; the first is what `page_if_worse_by` overrides."""
    return tuple(n for n in ("page_if_worse_by", "page_if_items_fall_by", "eps") if n in type(params).model_fields)


def _overridden(wanted: Wanted, override: WatchSettings) -> Wanted:
    margin = override.page_if_worse_by
    own = margins(wanted.params)
    params = wanted.params if margin is None or not own else wanted.params.model_copy(update={own[0]: margin})
    return Wanted(
        key=wanted.key,
        detector=wanted.detector,
        params=params,
        on=wanted.on,
        window=override.window or wanted.window,
        severity=override.severity or wanted.severity,
        metric=wanted.metric,
        cohort=wanted.cohort,
        min_units=wanted.min_units,
        team=wanted.team,
    )


def _brought(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    yield from _holdout(model, missing)
    yield from _metrics(model, missing)
    yield from _narrowing(model, missing)
    yield from _shifts(model, missing)
    yield from _silence(model)


def _why_no_contrast(model: ModelSettings) -> str:
    if model.cohorts is None:
        return "no cohorts are configured, so nothing can be compared with people held out"
    return "" if model.predictions.unit is not None else "predictions.unit is not mapped, and units are the sample"


def _holdout(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    if why := _why_no_contrast(model):
        missing[HOLDOUT] = why
    elif model.cohorts is not None:
        rule = model.cohorts.holdout
        params = SampleRatioParams(holdout_share=rule.share)
        yield Wanted(HOLDOUT, "sample_ratio", params, "", model.window, "page", team=rule.team or model.team)


def _metrics(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    why = _why_no_contrast(model)
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


def _narrowing(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    if model.kind != "recommender":
        return
    if model.predictions.item is None and model.predictions.items is None:
        missing["concentration"] = "neither predictions.item nor predictions.items is mapped"
    elif model.predictions.unit is None:
        missing["concentration"] = "predictions.unit is not mapped, and units are the sample"
    else:
        window = max(model.period - model.period % model.window, model.window)
        yield Wanted("concentration", "concentration", ConcentrationParams(), "", window, "warn")


def _shifts(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    columns = [name for name in _NUMBERS if getattr(model.predictions, name) is not None]
    columns += [
        f"features.{name}" for name, feature in model.predictions.features.items() if feature.type != "category"
    ]
    for name, feature in model.predictions.features.items():
        if feature.type == "category":
            missing[f"features.{name}"] = "shift of categories is not watched yet"
    for column in columns:
        if model.predictions.unit is None:
            missing[column] = "predictions.unit is not mapped, and units are the sample"
        else:
            params = NumericShiftParams()
            yield Wanted(column, "numeric_shift", params, column, model.window, "warn", min_units=params.min_units)


def arrival_window(model: ModelSettings) -> int:
    """Length of the windows in which arrivals are counted, ms: a fifth of the model's window, 1 to 5 minutes."""
    return min(max(model.window // 5, MINUTE), 5 * MINUTE)


def _silence(model: ModelSettings) -> Iterator[Wanted]:
    streams = [PREDICTIONS, *model.outcomes, *([HOLDOUT] if model.cohorts is not None else [])]
    for stream in streams:
        yield Wanted(f"freshness.{stream}", "freshness", FreshnessParams(), stream, arrival_window(model), "page")


def _placed(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    for name, settings in model.watch.items():
        if settings.off or settings.detector is None:
            continue
        test = DETECTORS[settings.detector.kind]
        params = settings.detector.params()
        needs = test.needs(params)
        if needs.contrast and (why := _why_no_contrast(model)):
            missing[name] = why
            continue
        yield Wanted(
            key=name,
            detector=test.name,
            params=params,
            on=settings.on or "",
            window=settings.window or model.window,
            severity=settings.severity or ("warn" if test.hint else "page"),
            metric=settings.on if settings.on in model.metrics else "",
            cohort=_COHORTS[settings.cohort],
            min_units=getattr(params, "min_units", 0),
        )


def labels(model: ModelSettings, wanted: Wanted) -> Mapping[str, str]:
    """Stable labels of a watch's alerts."""
    return {"team": wanted.team or model.team, "metric": wanted.metric or wanted.on or wanted.key}

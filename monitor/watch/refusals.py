"""What a model's config asks of its watches and cannot have: found when the plan is made, not when the first window closes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from detectors.catalogue import DETECTORS
from detectors.comparison import Comparison
from detectors.detector import Family, Needs, Stream, Value
from monitor.ingest.mapping import TRUTH, Kind
from monitor.settings import columns, mappings
from monitor.settings.model import DetectorSettings, ModelSettings, WatchSettings
from monitor.settings.quantities import duration_text
from monitor.watch import kinds
from monitor.watch.plan import DAY
from monitor.watch.refused_experiments import Refusal, experiments

ARRIVALS = "arrivals"

_HOLDS = {
    Value.NUMBER: (Kind.NUMBER, Kind.SHARE, Kind.FLAG),
    Value.CATEGORY: (Kind.CATEGORY, Kind.FLAG),
    Value.VECTOR: (Kind.VECTOR,),
}
_MANY = {Value.NUMBER: "numbers", Value.CATEGORY: "categories", Value.VECTOR: "vectors"}

_BY_CHANCE = ("propensity_check", "effective_sample")
"""Detectors that say nothing without the chances of items."""

_PER_UNIT = ("first", "voting", "counted")


def refusals(model: ModelSettings) -> Iterator[Refusal]:
    """Everything that keeps the model from running as it was written."""
    yield from _names(model)
    if DAY % model.window and model.window % DAY:
        yield ("window",), "must divide a day, or be a number of days: 5m, 1h, 1d"
    yield from _rotation(model)
    yield from experiments(model)
    for name, problem in kinds.unknown(model):
        yield ("watch", name), problem
    held_out = None if model.cohorts is None else model.cohorts.holdout
    if held_out is not None and held_out.policies and model.predictions.policy is None:
        yield ("cohorts", "holdout", "policies"), "says nothing without predictions.policy: map who chose the output"
    yield from _slice(model)
    for wanted in kinds.watches_of(model).watches:
        if DETECTORS[wanted.detector].needs(wanted.params).stream is Stream.ARRIVALS:
            length = kinds.arrival_window(model)
            if wanted.window != length and model.watch[wanted.key].detector is None:
                yield (
                    ("watch", wanted.key, "window"),
                    f"arrivals are counted every {duration_text(length)}, a fifth of the model's window; leave it out",
                )
        elif wanted.window != model.window and DETECTORS[wanted.detector].needs(wanted.params).past is not None:
            yield (
                ("watch", wanted.key, "window"),
                f"people are summed window by window of the model, {duration_text(model.window)} each; leave it out",
            )
        elif wanted.window % model.window and (wanted.key in model.watch or not wanted.experiment):
            yield ("watch", wanted.key), "its window is no multiple of the model's window"
    for name, settings in model.watch.items():
        for key, problem in (
            _placed(model, settings) if settings.detector is not None else _margin(model, name, settings)
        ):
            yield ("watch", name, *key), problem


def _rotation(model: ModelSettings) -> Iterator[Refusal]:
    """A holdout that rotates must leave time for outcomes, and be assigned by somebody who says so."""
    rule = model.others
    if model.cohorts is None or rule is None:
        return
    here = ("cohorts", str(model.comparison))
    if rule.rotates is None:
        if rule.since is not None:
            yield (*here, "since"), "says when a rotation began, but nothing rotates; write rotates, or leave it out"
        return
    if model.cohorts.hash is not None:
        yield (*here, "rotates"), "a hash rule keeps the same people apart; name the arm by cohorts.field to rotate"
    since = rule.since or 0
    if rule.rotates % model.window or since % model.window:
        yield (*here, "rotates"), f"it must begin and end with windows, of {duration_text(model.window)} each"
    for name, outcome in model.outcomes.items():
        if outcome.within >= rule.rotates:
            yield (
                (*here, "rotates"),
                f"{duration_text(rule.rotates)} leave no time for {name}, which counts within {duration_text(outcome.within)}",
            )


def _slice(model: ModelSettings) -> Iterator[Refusal]:
    """An exploration slice must be marked, and weighted on the scale of its catalogue."""
    if model.comparison is not Comparison.SLICE:
        return
    here, items = ("cohorts", "exploration_slice"), model.predictions.items
    if items is None or items.explored is None:
        yield here, "says nothing without predictions.items.explored: which of the items shown were drawn at random"
    elif items.propensity is not None and items.catalogue is None:
        yield (
            here,
            "draws count by predictions.items.propensity; say predictions.items.catalogue, how many items may be drawn, too",
        )


def _names(model: ModelSettings) -> Iterator[Refusal]:
    for reserved, meaning in (
        (kinds.HOLDOUT, "the predictions to people the exposed are compared with"),
        (ARRIVALS, "the count of arrivals"),
    ):
        if reserved in model.outcomes:
            yield ("outcomes", reserved), f"an outcome cannot be called {reserved}; it is the name of {meaning}"
    count = Counter(wanted.key for wanted in kinds.watches_of(model).watches)
    taken = {*columns(model), *(key for key, times in count.items() if times > 1)}
    for name in model.metrics:
        if name in taken:
            yield (
                ("metrics", name),
                f"a field or another watch of this model is called {name}, too; choose another name",
            )


def _margin(model: ModelSettings, name: str, settings: WatchSettings) -> Iterator[Refusal]:
    """A margin for a watch that has none would change nothing, silently."""
    if settings.page_if_worse_by is None:
        return
    for wanted in kinds.watches_of(model).watches:
        if wanted.key == name and not kinds.margins(wanted.params):
            yield ("page_if_worse_by",), f"{wanted.detector} has no margin; leave it out"


def _placed(model: ModelSettings, settings: WatchSettings) -> Iterator[Refusal]:
    """What the columns of a detector placed by hand lack."""
    if settings.detector is None or settings.off:
        return
    kind, on = settings.detector.kind, settings.on
    needs = DETECTORS[kind].needs(settings.detector.params())
    if DETECTORS[kind].family is Family.DEPLOYMENT:
        yield ("detector",), f"{kind} compares the arms of an experiment; write it under experiments"
        return
    if needs.stream is Stream.ARRIVALS:
        yield ("detector",), f"{kind} is there for every stream already, and cannot be placed by hand"
        return
    if "value" in needs.columns:
        yield from _value(model, kind, needs, on)
    if needs.contrast:
        yield from _contrast(model, settings)
    predictions = model.predictions
    for column in ("probability", "score"):
        if column in needs.columns and getattr(predictions, column) is None:
            yield ("detector",), f"{kind} needs predictions.{column}"
    if "came" in needs.columns:
        yield from _of_items(model, kind, on)
    if "items" in needs.columns and predictions.items is None and predictions.item is None:
        yield ("detector",), f"{kind} needs predictions.items or predictions.item"
    yield from _drawn(model, settings.detector)
    if predictions.unit is None and any(column in _PER_UNIT for column in needs.columns):
        yield ("detector",), f"{kind} needs predictions.unit: units are the sample"


def _drawn(model: ModelSettings, placed: DetectorSettings) -> Iterator[Refusal]:
    """What a detector that rests on draws, or on their chances, lacks: without it no window would ever be judged."""
    items, params = model.predictions.items, placed.params()
    chance = model.predictions.propensity if items is None else items.propensity
    catalogue = getattr(params, "catalogue", 0)
    if getattr(params, "slice", False) and (items is None or items.explored is None):
        yield ("detector", "slice"), "needs predictions.items.explored: which of the items shown were drawn at random"
    if (placed.kind in _BY_CHANCE or catalogue) and chance is None:
        yield (
            ("detector",),
            f"{placed.kind} needs predictions.items.propensity: the chance that an item stood where it stood",
        )
    elif placed.kind == "propensity_check" and not catalogue and (items is None or items.target is None):
        yield (
            ("detector",),
            f"{placed.kind} needs catalogue, how many items may be drawn, or predictions.items.target: else nothing tells what "
            "propensities must add up to",
        )


def _contrast(model: ModelSettings, settings: WatchSettings) -> Iterator[Refusal]:
    """A comparison of cohorts that could only mislead."""
    if settings.cohort != "all":
        yield (
            ("cohort",),
            f"the watch compares exposed and holdout, so it cannot look at {settings.cohort} alone; leave it out",
        )
    share = getattr(settings.detector.params(), "holdout_share", None) if settings.detector is not None else None
    if model.others is not None and share is not None and share != model.others.share:
        yield (
            ("detector", "holdout_share"),
            f"{share:g} is not the planned share of cohorts.{model.comparison}, {model.others.share:g}; evidence rests on it",
        )
    if settings.detector is not None and DETECTORS[settings.detector.kind].needs(settings.detector.params()).past:
        yield from _sticky(model, settings.detector, settings.on)
    bounded = settings.detector is not None and settings.detector.kind == "cohort_bounded"
    if bounded and settings.on in model.metrics and model.metrics[settings.on].value != "any":
        yield ("on",), f"{settings.on} is not bounded; use cohort_block or cohort_quantile, or a metric with value: any"


def _sticky(model: ModelSettings, placed: DetectorSettings, on: str | None) -> Iterator[Refusal]:
    """A detector that reads sums by unit, of a metric, and perhaps of another beside it."""
    allowed = [name for name, metric in model.metrics.items() if metric.value == "any"]
    told = f"{placed.kind} needs a metric with value: any; allowed: {', '.join(allowed) or 'none is there yet'}"
    beside = DETECTORS[placed.kind].needs(placed.params()).beside
    if on not in allowed:
        yield ("on",), told
    if beside and beside not in allowed:
        yield ("detector", "engagement"), f"{beside}: {told}"
    elif beside and on in allowed and model.metrics[beside].of == model.metrics[on].of:
        yield ("detector", "engagement"), f"{beside} and {on} are made of the same outcome, so they cannot part"
    if model.others is not None and model.others.rotates is not None:
        yield (
            ("detector",),
            f"{placed.kind} is for people who stay in one cohort, and cohorts.{model.comparison}.rotates; use cohort_bounded",
        )


def _of_items(model: ModelSettings, kind: str, on: str | None) -> Iterator[Refusal]:
    """A detector of what items brought needs an outcome that names them."""
    known = [TRUTH + name for name in kinds.outcomes_of_items(model)]
    if on not in known:
        allowed = ", ".join(known) or "none is mapped yet: an outcome names its item by match: { item: ... }"
        yield ("on",), f"{kind} looks at an outcome that says which item it is for; allowed: {allowed}"


def _value(model: ModelSettings, kind: str, needs: Needs, on: str | None) -> Iterator[Refusal]:
    if needs.taught or (needs.stream is Stream.OUTCOMES and "voting" in needs.columns):
        known, one, many = [TRUTH + name for name in model.outcomes], "an outcome", "what came of predictions"
        what = "outcome of this model"
    else:
        own = [field.name for field in mappings(model)[0].fields if field.kind in _HOLDS[needs.value]]
        known = [*own, *(model.metrics if needs.value is Value.NUMBER else ())]
        one, many = f"a {needs.value.value}", _MANY[needs.value]
        what = f"{needs.value.value} of a prediction"
    allowed = ", ".join(known) or "none is mapped yet"
    if on is None:
        yield (), f"{kind} needs on: {one} that it looks at; allowed: {allowed}"
    elif on not in known:
        yield ("on",), f"{on} is no {what}, and {kind} looks at {many}; allowed: {allowed}"

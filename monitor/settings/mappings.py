"""From a model's settings to what decodes its events."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.columns import Cohort
from monitor.ingest.mapping import (
    PREDICTIONS,
    CohortField,
    CohortHash,
    CohortRule,
    Condition,
    Each,
    EventMapping,
    FieldSpec,
    Kind,
    OriginField,
)
from monitor.settings.base import SettingsType
from monitor.settings.model import CohortSettings, ModelSettings
from monitor.settings.streams import Items, OutcomeSettings, Place, Predictions, Topic, kind_of

FEATURE_PREFIX = "features."
"""Begins the name of a feature's column."""

SEGMENT_PREFIX = "segments."
"""Begins the name of a segment's column."""


def mappings(model: ModelSettings, topic_prefix: str = "") -> tuple[EventMapping, ...]:
    """The model's predictions first, then one mapping an outcome, in the order of the file."""
    return (
        _predictions(model, topic_prefix),
        *(_outcome(model, name, outcome, topic_prefix) for name, outcome in model.outcomes.items()),
    )


def columns(model: ModelSettings) -> tuple[str, ...]:
    """Names of the columns that predictions are decoded to; fields of items as `items.<name>`."""
    predictions = model.predictions
    items = [] if predictions.items is None else [f"items.{f.name}" for f in _items(predictions.items).fields]
    return (*(field.name for field in _prediction_fields(predictions)), *items)


def _predictions(model: ModelSettings, topic_prefix: str) -> EventMapping:
    predictions = model.predictions
    return EventMapping(
        model=model.model,
        stream=PREDICTIONS,
        topic=topic_prefix + predictions.topic,
        time=_time(predictions),
        time_unit=predictions.time_unit,
        unit=predictions.unit or (),
        cohort=None if model.cohorts is None or model.others is None else _cohort(model.cohorts),
        fields=tuple(_prediction_fields(predictions)),
        items=None if predictions.items is None else _items(predictions.items),
        where=_conditions(predictions),
        keep_raw=predictions.keep_raw,
        max_bytes=model.event_limits.bytes,
        max_items=model.event_limits.items,
    )


def _outcome(model: ModelSettings, name: str, outcome: OutcomeSettings, topic_prefix: str) -> EventMapping:
    match, origin = outcome.match, outcome.origin
    fields = [
        FieldSpec(column, Kind.HASH, path, required=required)
        for column, path, required in (
            ("id", match.id, True),
            ("item", match.item, True),
            ("event", outcome.event_id, False),
        )
        if path is not None
    ]
    return EventMapping(
        model=model.model,
        stream=name,
        topic=topic_prefix + outcome.topic,
        time=_time(outcome),
        time_unit=outcome.time_unit,
        unit=match.unit or (() if origin is None else origin.unit) or (),
        fields=(*fields, *_placed(outcome)),
        where=_conditions(outcome),
        keep_raw=outcome.keep_raw,
        max_bytes=model.event_limits.bytes,
        max_items=model.event_limits.items,
        origin=None if origin is None else OriginField(origin.field, origin.organic),
    )


def _time(topic: Topic) -> tuple[str, ...]:
    return () if topic.broker_time else topic.time


def _prediction_fields(predictions: Predictions) -> Iterator[FieldSpec]:
    yield FieldSpec("id", Kind.HASH, predictions.id, required=True)
    yield from _placed(predictions)
    for name, feature in predictions.features.items():
        yield FieldSpec(FEATURE_PREFIX + name, Kind(feature.type), feature.path)
    for name, place in predictions.segments.items():
        yield FieldSpec(SEGMENT_PREFIX + name, Kind.CATEGORY, place.path or (), place.constant, place.default)


def _items(items: Items) -> Each:
    return Each(items.each, (FieldSpec("item", Kind.HASH, items.id, required=True), *_placed(items)))


def _placed(settings: SettingsType) -> Iterator[FieldSpec]:
    """The fields of a settings type that say where they come from and, in their type, what they are read as."""
    for name, field in type(settings).model_fields.items():
        place = getattr(settings, name)
        if isinstance(place, Place):
            kind = kind_of(field.annotation)
            yield FieldSpec(name, kind, place.path or (), place.constant, place.default)


def _cohort(cohorts: CohortSettings) -> CohortRule:
    if cohorts.hash is not None and cohorts.others is not None:
        return CohortHash(cohorts.hash.salt, cohorts.others.share)
    exposed, holdout, exploration = cohorts.arms()
    named = ((exposed, Cohort.EXPOSED), (holdout, Cohort.HOLDOUT), (exploration, Cohort.EXPLORATION))
    return CohortField(cohorts.field or (), tuple((arm, cohort) for arms, cohort in named for arm in arms))


def _conditions(topic: Topic) -> tuple[Condition, ...]:
    return tuple(
        Condition(tuple(path.split(".")), rule.one_of, rule.at_least, rule.at_most)
        for path, rule in topic.where.items()
    )

"""Mappings: where our fields live in foreign events. Every mapping reads `ours: theirs`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic_core import CoreSchema

from monitor.ingest.mapping import Kind, TimeUnit
from monitor.settings.base import SettingsType, also_as
from monitor.settings.quantities import FieldPath, Name, PositiveDuration, Text, path, refusal, sentence


def _scalar(value: object) -> object:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise refusal("is not a single value")
    if isinstance(value, float) and not math.isfinite(value):
        raise refusal("is not a number that an event can hold")
    return value


ScalarField = Annotated[Any, AfterValidator(_scalar)]


def _place(value: object) -> object:
    return {"path": value} if isinstance(value, str | list) else value


class Place(SettingsType):
    """Where one field comes from. May also be written as the path alone: `version: ranker.build`."""

    path: FieldPath | None = Field(default=None, description="The field in the event.")
    constant: ScalarField = Field(default=None, description="The same value for every event, instead of a path.")
    default: ScalarField = Field(default=None, description="Stands in where the event has none.")

    @model_validator(mode="after")
    def _path_or_constant(self) -> Self:
        if (self.path is None) == (self.constant is None):
            raise sentence("needs either path or constant")
        if self.path is None and self.default is not None:
            raise sentence("default belongs to path; a constant is never absent")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A map, or the path alone."""
        return also_as(handler.resolve_ref_schema(handler(schema)), "string", "array")


def _read_as(kind: Kind) -> Any:
    return Field(json_schema_extra={"x-read-as": kind.value})


HashPlace = Annotated[Place, BeforeValidator(_place), Kind.HASH, _read_as(Kind.HASH)]
NumberPlace = Annotated[Place, BeforeValidator(_place), Kind.NUMBER, _read_as(Kind.NUMBER)]
SharePlace = Annotated[Place, BeforeValidator(_place), Kind.SHARE, _read_as(Kind.SHARE)]
FlagPlace = Annotated[Place, BeforeValidator(_place), Kind.FLAG, _read_as(Kind.FLAG)]
CategoryPlace = Annotated[Place, BeforeValidator(_place), Kind.CATEGORY, _read_as(Kind.CATEGORY)]
VectorPlace = Annotated[Place, BeforeValidator(_place), Kind.VECTOR, _read_as(Kind.VECTOR)]


class Feature(SettingsType):
    """One input of the model. May also be written as the path alone; it is then a number."""

    path: FieldPath = Field(description="The field in the event.")
    type: Literal["number", "category", "flag"] = Field(default="number", description="What it is read as.")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A map, or the path alone."""
        return also_as(handler.resolve_ref_schema(handler(schema)), "string", "array")


def kind_of(annotation: object) -> Kind:
    """What a field is read as, out of its type: `CategoryPlace | None` is a category. LookupError if its type says nothing."""
    if get_origin(annotation) is Annotated:
        return next(mark for mark in get_args(annotation) if isinstance(mark, Kind))
    return next(kind_of(part) for part in get_args(annotation) if part is not type(None))


def _features(value: object) -> object:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    if value == "all":
        raise sentence("'all' is not supported yet; name the features: a list of fields, or a map of ours: theirs")
    return value


def _segments(value: object) -> object:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    return value


def _rule(value: object) -> object:
    if isinstance(value, list):
        return {"one_of": value}
    return value if isinstance(value, dict) else {"one_of": [value]}


class Rule(SettingsType):
    """What a field must hold for an event to be ours. May also be written as a value or a list of values."""

    one_of: tuple[ScalarField, ...] = Field(default=(), description="Values that are let through.")
    at_least: float | None = Field(
        default=None, allow_inf_nan=False, description="Smallest number that is let through."
    )
    at_most: float | None = Field(default=None, allow_inf_nan=False, description="Largest number that is let through.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.one_of and self.at_least is None and self.at_most is None:
            raise sentence("lets nothing through; write a value, a list of values, or at_least and at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise sentence("lets nothing through; at_least is more than at_most")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A map, one value, or a list of values."""
        return also_as(handler.resolve_ref_schema(handler(schema)), "array", "string", "number", "boolean", "null")


def _dotted(value: str) -> str:
    path(value)
    return value


Where = dict[Annotated[str, AfterValidator(_dotted)], Annotated[Rule, BeforeValidator(_rule)]]


class Topic(SettingsType):
    """What every stream of events says of its topic."""

    topic: Text = Field(
        description="Name of the topic, without kafka.topic_prefix; one JSON event or CloudEvent a message."
    )
    time: FieldPath = Field(
        default=("time",), description="Event time: RFC 3339 with a zone, or a number since the epoch."
    )
    time_unit: TimeUnit = Field(default=TimeUnit.AUTO, description="Unit of numeric times; auto decides by magnitude.")
    broker_time: bool = Field(default=False, description="Take the time of the Kafka record instead of a field.")
    where: Where = Field(
        default={}, description="Only events that meet every rule are ours; by field, dots for nesting."
    )
    keep_raw: bool = Field(
        default=False, description="Keep the bytes of records that cannot be used with the dead letters."
    )


class Items(SettingsType):
    """What was shown: a list in the prediction, one map an item. Paths lead on from the element."""

    each: FieldPath = Field(description="The list.")
    id: FieldPath = Field(default=("id",), description="Which item.")
    position: NumberPlace | None = Field(default=None, description="Where it stood; 0 or 1 is the first place.")
    score: NumberPlace | None = Field(default=None, description="What the model gave it.")
    propensity: SharePlace | None = Field(
        default=None, description="Chance that it stood there under the logging policy, 0 to 1."
    )
    catalogue: int | None = Field(
        default=None,
        ge=2,
        description="How many items may be drawn. With propensity: draws are weighted by their chances, and these are checked: 1 over "
        "them must be this on average.",
    )
    target: SharePlace | None = Field(
        default=None,
        description="Instead of catalogue, to check propensity: chance with which the item would have been drawn by the policy that "
        "draws are to stand for, 0 to 1.",
    )
    category: CategoryPlace | None = Field(default=None, description="What kind of item.")
    explored: FlagPlace | None = Field(
        default=None, description="Whether it was drawn at random rather than chosen by the policy."
    )
    pair: NumberPlace | None = Field(
        default=None,
        description="Loop gain: number of its pair in this period, negative for the one that is lowered; see Tilt.pairs.",
    )
    team: CategoryPlace | None = Field(
        default=None, description="Which ranker placed it, where two are interleaved: A, B, neutral."
    )

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        if self.catalogue is not None and self.target is not None:
            raise sentence("catalogue and target both say what propensities must add up to; keep one")
        return self


class Predictions(Topic):
    """What the model said, one event a prediction. `id` and `time` may be left out if the event calls them so."""

    id: FieldPath = Field(default=("id",), description="Which prediction; outcomes are joined by it.")
    unit: FieldPath | None = Field(
        default=None, description="Who was randomised (a user, mostly): the unit of the statistics."
    )
    version: CategoryPlace | None = Field(default=None, description="Version of the model.")
    score: NumberPlace | None = Field(default=None, description="The model's output where it is a plain number.")
    probability: SharePlace | None = Field(
        default=None, description="The model's output where it claims to be a probability, 0 to 1."
    )
    label: CategoryPlace | None = Field(default=None, description="The model's output where it is a class.")
    policy: CategoryPlace | None = Field(
        default=None, description="Who chose the output: the ranker, a random draw; see cohorts.holdout.policies."
    )
    tilted: FlagPlace | None = Field(
        default=None, description="Loop gain: whether the pairs' push was on for this request."
    )
    embedding: VectorPlace | None = Field(
        default=None, description="The model's input or output as a vector of fixed length."
    )
    propensity: SharePlace | None = Field(default=None, description="Chance with which this output was chosen, 0 to 1.")
    weight: NumberPlace | None = Field(default=None, description="What this prediction is worth, in units of your own.")
    request_id: HashPlace | None = Field(default=None, description="The request that several predictions belong to.")
    role: CategoryPlace | None = Field(
        default=None, description="champion, challenger, control, treatment, canary, shadow or probe."
    )
    experiment_id: CategoryPlace | None = Field(default=None, description="The experiment.")
    variant: CategoryPlace | None = Field(default=None, description="Its variant.")
    assignment_prob: SharePlace | None = Field(
        default=None, description="Chance with which the variant was assigned, 0 to 1."
    )
    model_fingerprint: CategoryPlace | None = Field(
        default=None, description="Hash of the weights, or what a provider reports."
    )
    prompt_version: CategoryPlace | None = Field(default=None, description="Version of the prompt.")
    index_version: CategoryPlace | None = Field(default=None, description="Version of the index that was searched.")
    config_version: CategoryPlace | None = Field(default=None, description="Version of the serving configuration.")
    latency_ms: NumberPlace | None = Field(default=None, description="Time to answer, ms.")
    ttft_ms: NumberPlace | None = Field(default=None, description="Time to the first token, ms.")
    prompt_tokens: NumberPlace | None = Field(default=None, description="Tokens read.")
    completion_tokens: NumberPlace | None = Field(default=None, description="Tokens written.")
    input_length: NumberPlace | None = Field(default=None, description="Length of the input, in units of your own.")
    output_length: NumberPlace | None = Field(default=None, description="Length of the output, in units of your own.")
    cost: NumberPlace | None = Field(default=None, description="Cost, in units of your own.")
    finish_reason: CategoryPlace | None = Field(default=None, description="Why a generator stopped.")
    error_code: CategoryPlace | None = Field(default=None, description="What went wrong, if anything did.")
    format_valid: FlagPlace | None = Field(default=None, description="Whether the output had the form asked for.")
    refused: FlagPlace | None = Field(default=None, description="Whether the model refused.")
    blocked: FlagPlace | None = Field(default=None, description="Whether a filter stopped it.")
    truncated: FlagPlace | None = Field(default=None, description="Whether the output was cut off.")
    cache_hit: FlagPlace | None = Field(default=None, description="Whether it was served from a cache.")
    features: Annotated[dict[Name, Annotated[Feature, BeforeValidator(_place)]], BeforeValidator(_features)] = Field(
        default={},
        description="Inputs of the model, by our name: columns features.<name>. A list if both names are the same.",
    )
    segments: Annotated[dict[Name, CategoryPlace], BeforeValidator(_segments)] = Field(
        default={},
        description="Groups of people by our name, each metric compared in each: columns segments.<name>. What a person "
        "has, and keeps whatever is shown (country, platform, plan); not what an event is (the page, the slot, the item's "
        "category): a model may move people between those, and like would not be compared with like. A list if both names "
        "are the same.",
    )
    item: HashPlace | None = Field(default=None, description="Which item was shown, where a prediction shows only one.")
    position: NumberPlace | None = Field(default=None, description="Where that item stood.")
    items: Items | None = Field(default=None, description="What was shown, where a prediction shows several.")

    @model_validator(mode="after")
    def _item_or_items(self) -> Self:
        if self.items is not None and (self.item is not None or self.position is not None):
            raise sentence("item and position are for predictions that show one item; with items they stand in there")
        return self


class Match(SettingsType):
    """How an outcome finds its prediction: by id; by id and item; by unit and item (the unit's last showing); by unit."""

    id: FieldPath | None = Field(default=None, description="The prediction's id in this event.")
    item: FieldPath | None = Field(default=None, description="The item's id in this event.")
    unit: FieldPath | None = Field(default=None, description="The unit in this event.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.id is None and self.unit is None:
            raise sentence(
                "needs id or unit; an outcome is matched by id, by id and item, by unit and item, or by unit"
            )
        if self.id is not None and self.unit is not None:
            raise sentence("has both id and unit; keep id, which says more")
        return self


_SHOWN = ("recommended", "exploration")


def _origin(value: object) -> str:
    if not isinstance(value, str | int) or value == "":
        raise refusal("is not the text of an origin; put it in quotes, as the events spell it")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text in _SHOWN:
        raise refusal("is what was shown; allowed are origins that no model chose, such as search, direct, external")
    return text


_OriginText = Annotated[str, BeforeValidator(_origin), WithJsonSchema({"type": ["string", "integer", "boolean"]})]


class OriginSettings(SettingsType):
    """Which outcomes nothing that was shown brought about: people came by search, directly or from elsewhere.

    Such an organic outcome is credited to no prediction and is in no metric. It is counted, with its people, among the labels
    of those exposed whom the model has served by then, in the period of its own time (before a person's first prediction it is
    none, and `within` has no say): `training_health` says how much of what the next model is taught the model did not bring
    about itself.
    """

    field: FieldPath = Field(description="The field that says where the outcome came from.")
    organic: tuple[_OriginText, ...] = Field(
        default=("search", "direct", "external"),
        min_length=1,
        description="Texts of the field that mean organic, as the events spell them; any other, or none, is credited to what was "
        "shown.",
    )
    unit: FieldPath | None = Field(
        default=None,
        description="The unit in this event, which every organic outcome must name. For match by id; else match.unit is it.",
    )


class OutcomeSettings(Topic):
    """One kind of thing that can come of a prediction."""

    match: Match = Field(description="How it finds its prediction.")
    within: PositiveDuration = Field(description="How long after the prediction it still counts.")
    value: NumberPlace | None = Field(default=None, description="How much of it: an amount, a rating, seconds.")
    otherwise: bool | None = Field(
        default=None,
        description="What is true of a prediction when none has come in time: false or true; default: nobody knows.",
    )
    event_id: FieldPath | None = Field(default=None, description="Which event, so that one sent twice counts once.")
    origin: OriginSettings | None = Field(
        default=None, description="Which of these outcomes are organic; default: all are credited to what was shown."
    )

    @model_validator(mode="after")
    def _organic_people(self) -> Self:
        if self.origin is None:
            return self
        if self.match.unit is not None and self.origin.unit is not None:
            raise sentence("origin.unit is for match by id; match.unit says already who it was")
        if self.match.unit is None and self.origin.unit is None:
            raise sentence("needs origin.unit: match finds the prediction by id, and an organic outcome has none")
        return self

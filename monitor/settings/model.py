"""One model's part of a config."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from detectors.catalogue import DETECTORS
from detectors.comparison import Comparison
from detectors.detector import Params
from monitor.settings.base import SettingsType, also_as
from monitor.settings.experiments import Arms, ExperimentSettings
from monitor.settings.history import HistoryFiles
from monitor.settings.quantities import (
    Duration,
    FieldPath,
    Moment,
    Name,
    Period,
    PositiveDuration,
    Share,
    Text,
    as_written,
    percent_as_fraction,
    refusal,
    sentence,
)
from monitor.settings.service import DEFAULT_TEAM
from monitor.settings.streams import OutcomeSettings, Predictions

_LONGEST_SPAN = 3_600_000


def _span(value: int) -> int:
    if value > _LONGEST_SPAN:
        raise refusal("is too long; at most 1h")
    return value


RejectSpan = Annotated[PositiveDuration, AfterValidator(_span)]


class ArmSettings(SettingsType):
    """Which values of the cohort's field mean this cohort."""

    arms: Arms = Field(description="Their texts, as the events spell them.")


class OthersSettings(SettingsType):
    """Whom the exposed are compared with, drawn at random."""

    share: Share = Field(description="Planned share of these people among the units of both cohorts.")
    arms: Arms | None = Field(
        default=None, description="Texts of the field that mean them; default: the name of this key. Not with hash."
    )
    rotates: PositiveDuration | None = Field(
        default=None,
        description=(
            "How often everybody is assigned afresh; each person then counts once in each such epoch, whatever they do, and "
            "comparisons are exact. Default: never; then the same people stay held out, and what those who come back do is "
            "compared by sums per person, for large n."
        ),
    )
    since: Moment | None = Field(
        default=None,
        description="A moment at which everybody was assigned afresh, if rotates; default: 1970-01-01T00:00:00Z, a Thursday.",
    )
    team: Name | None = Field(
        default=None, description="Who is told when the assignment is broken; default: the model's team."
    )


class HoldoutSettings(OthersSettings):
    """Who is kept from the model's effect."""

    policies: Arms | None = Field(
        default=None,
        description="Values of predictions.policy that held-out people may be served by; any other is told as leakage.",
    )


class HashRule(SettingsType):
    """Cohort by a hash: sha256(salt + ":" + unit), first 8 bytes big-endian / 2^64; below the share is holdout."""

    salt: Text = Field(description="The text that your own assignment puts before the unit.")


class CohortSettings(SettingsType):
    """Who is exposed, and what they are compared with: people held out, people served by the version before, or random items.

    Who belongs where stands in a field of the prediction, or follows from a hash rule; an exploration slice needs neither.
    """

    field: FieldPath | None = Field(default=None, description="The prediction's field that names the arm.")
    hash: HashRule | None = Field(default=None, description="The hash rule that your serving uses.")
    exposed: ArmSettings | None = Field(
        default=None, description="Arms that see the model; default: exposed. Not with hash."
    )
    holdout: HoldoutSettings | None = Field(default=None, description="Who is kept from the model's effect.")
    old_version: OthersSettings | None = Field(
        default=None,
        description="Instead of a holdout: people drawn at random to be served by the version before, at the same time. Comparisons "
        "then tell the versions apart; both feed the same loop, so what it does to both is not seen. field may be the version's; a "
        "name that stays (current, previous) needs no change at the next release.",
    )
    exploration_slice: bool = Field(
        default=False,
        description="Instead of a holdout: items drawn at random in everybody's lists (predictions.items.explored) show what people "
        "would see without the model's choice; counted alike, or by items.propensity with items.catalogue. Only what is shown is "
        "compared: nobody is held out, so what the model does to people is in both.",
    )
    exploration: ArmSettings | None = Field(
        default=None, description="Arms that are shown things at random. Not with hash."
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = (self.holdout is not None, self.old_version is not None, self.exploration_slice)
        if sum(given) != 1:
            raise sentence(
                "needs one of holdout (people kept from the model), old_version (people served by the version before) and "
                "exploration_slice (items drawn at random)"
            )
        if self.exploration_slice:
            if self.model_fields_set - {"exploration_slice"}:
                raise sentence("an exploration slice knows no arms: it is everybody's; keep only exploration_slice")
            return self
        if (self.field is None) == (self.hash is None):
            raise sentence("needs either field or hash")
        others = self.others
        if self.hash is not None and (self.exposed or self.exploration or (others is not None and others.arms)):
            raise sentence(f"a hash rule knows no arms; keep only hash and {self.comparison}.share")
        arms = [arm for arms in self.arms() for arm in arms]
        twice = sorted({arm for arm in arms if arms.count(arm) > 1})
        if twice:
            raise sentence(f"the arm {twice[0]!r} stands in two cohorts, or twice in one")
        return self

    @property
    def comparison(self) -> Comparison:
        """What the exposed are compared with."""
        if self.exploration_slice:
            return Comparison.SLICE
        return Comparison.HOLDOUT if self.old_version is None else Comparison.OLD_VERSION

    @property
    def others(self) -> OthersSettings | None:
        """Whom the exposed are compared with; None where that is an exploration slice."""
        return self.holdout or self.old_version

    def arms(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Texts of the field that mean exposed, those they are compared with, and exploration."""
        return (
            self.exposed.arms if self.exposed else ("exposed",),
            (self.others.arms if self.others else None) or (str(self.comparison),),
            self.exploration.arms if self.exploration else (),
        )


class Metric(SettingsType):
    """A number per unit that the cohorts are compared by."""

    of: Name = Field(description="The outcome that it is made of.")
    meaning: Literal["engagement", "quality"] = Field(
        default="quality",
        alias="as",
        description="engagement is what the model is trained to raise; quality is what it is for.",
    )
    better: Literal["higher", "lower"] = Field(default="higher", description="Which way is good.")
    page_if_worse_by: Share = as_written("2%", "Relative change for the worse that somebody must be woken for.")
    value: Literal["any", "count", "sum"] = Field(
        default="any",
        description="Of a prediction's outcomes: whether there is any (0 or 1), how many, or the sum of their values.",
    )


class DetectorSettings(SettingsType):
    """A detector of the catalogue, with its own parameters beside `kind`. Percentages may be written as 2%."""

    model_config = ConfigDict(extra="allow")

    kind: Text = Field(description="Name of the detector.")

    def params(self) -> Params:
        """The detector's parameters. KeyError for an unknown kind, pydantic's `ValidationError` for wrong parameters."""
        given = {name: percent_as_fraction(value) for name, value in (self.model_extra or {}).items()}
        params: Params = DETECTORS[self.kind].params.model_validate(given)
        return params


def _watch(value: object) -> object:
    return {"off": not value} if isinstance(value, bool) else value


class WatchSettings(SettingsType):
    """What differs from a watch that the kind brings, or a detector placed by hand. `name: false` switches a watch off."""

    off: bool = Field(default=False, description="Whether the watch is switched off.")
    severity: Literal["info", "warn", "page"] | None = Field(
        default=None, description="How loudly it may tell: info is shown, warn goes to the digest, page wakes somebody."
    )
    window: PositiveDuration | None = Field(default=None, description="Its window of event time; default: the model's.")
    page_if_worse_by: Share | None = Field(default=None, description="Margin of a watch that the kind brings.")
    detector: DetectorSettings | None = Field(default=None, description="Places a detector by hand.")
    on: Text | None = Field(
        default=None,
        description="What the placed detector looks at: a mapped field, features.<name>, a metric, "
        "or outcomes.<name>: what came of a prediction.",
    )
    cohort: Literal["exposed", "holdout", "exploration", "all"] = Field(
        default="all", description="Whose rows the placed detector looks at."
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.detector is None and (self.on is not None or self.cohort != "all"):
            raise sentence("on and cohort belong to a detector placed by hand; give detector: {kind: ...} as well")
        if self.detector is not None and self.page_if_worse_by is not None:
            raise sentence("page_if_worse_by is for watches that the kind brings; give the detector its own parameter")
        if self.off and self.model_fields_set - {"off"}:
            raise sentence("a watch that is off needs nothing else; write false")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A map, or false."""
        return also_as(handler.resolve_ref_schema(handler(schema)), "boolean")


class EventLimits(SettingsType):
    """What one event may be; larger ones become dead letters."""

    bytes: int = Field(default=1_000_000, ge=100, le=100_000_000, description="Largest event, bytes.")
    items: int = Field(default=1_000, ge=1, le=100_000, description="Most items in one prediction.")


class CapSettings(SettingsType):
    """How much of this model may be remembered. What is beyond is kept out, counted, and told as `data.intake`."""

    units: int = Field(
        default=20_000_000,
        ge=1_000,
        le=2_000_000_000,
        description="Units known, about 30 bytes each; and as many of a day's voters, and in each experiment.",
    )
    people: int = Field(
        default=5_000_000,
        ge=1_000,
        le=500_000_000,
        description="People of whom sums are kept for each watch of those who come back, about 60 bytes each; beyond, a "
        "share of the exposed.",
    )
    ids: int = Field(
        default=20_000_000, ge=1_000, le=2_000_000_000, description="Ids of predictions against repeats, 8 bytes each."
    )
    waiting: int = Field(
        default=20_000_000,
        ge=1_000,
        le=2_000_000_000,
        description="Predictions that wait for their outcomes, some 100 bytes each; beyond, a share of the units.",
    )


class RejectSettings(SettingsType):
    """How many records of a stream may be unusable. Past that the model's verdicts are stale, and somebody is told."""

    at_most: Share = as_written("5%", "Share of a stream's records.")
    at_least: int = Field(default=50, ge=1, le=1_000_000, description="Records needed before the share is judged.")
    over: RejectSpan = as_written("15m", "How far back it is counted, at most 1h; also for the end of the alert.")


class ModelSettings(SettingsType):
    """One model: its events, its cohorts, what counts, and what to watch."""

    model: Name = Field(description="The model's name; its memory is kept under it.")
    kind: Literal["recommender", "classifier", "regressor", "generator"] = Field(
        description="What sort of model; brings its watches."
    )
    team: Name = Field(default=DEFAULT_TEAM, description="Who is told.")
    runbook: Text | None = Field(
        default=None, description="Address of the page that says what to do; shown in messages."
    )
    window: PositiveDuration = as_written("5m", "Length of a window of event time.")
    lateness: Duration = as_written("2m", "How late an event may come and still count.")
    future: Duration = as_written("5m", "How far an event's time may lie after the record came.")
    period: Period = as_written(
        "daily", "How often the model is retrained: the clock of the loop detectors.", alias="retrained"
    )
    trained_on: Period | None = Field(
        default=None,
        description="How far back the logs go that each model is trained on, at most 14 retrainings; default: one. The gain of a "
        "loop is summed over them.",
    )
    history: HistoryFiles | None = Field(
        default=None,
        description="Files of a healthy period with the same events, JSON lines (.gz too), CSV or Parquet: a path with {topic} in it, "
        "or paths by topic. Watches that have not begun to look learn from them at the start, as after `loopwatch reference adopt`.",
    )
    predictions: Predictions = Field(description="The model's predictions.")
    outcomes: dict[Name, OutcomeSettings] = Field(default={}, description="What can come of a prediction, by name.")
    cohorts: CohortSettings | None = Field(
        default=None, description="Who was exposed, who was held out; without it causes can only be associated."
    )
    metrics: dict[Name, Metric] = Field(default={}, description="What the cohorts are compared by, by name.")
    watch: dict[Name, Annotated[WatchSettings, BeforeValidator(_watch)]] = Field(
        default={},
        description="What differs from the watches that the kind brings, and detectors placed by hand; by name.",
    )
    experiments: dict[Name, ExperimentSettings] = Field(
        default={}, description="Releases and ideas that some get and others do not, compared once; by name."
    )
    false_discoveries: Share | None = Field(
        default=None,
        description="Of all ab and interleaving experiments of this model that find a difference, one after the other over the years, "
        "the expected share in which there is none. Each gets its alpha from it when it starts; default: the alpha of each. A team "
        "that means the experiments of several models together divides it among them: 10% over two models is 5% in each.",
    )
    rejects: RejectSettings = Field(
        default=RejectSettings(), description="How many records of a stream may be unusable."
    )
    caps: CapSettings = Field(default=CapSettings(), description="How much may be remembered.")
    event_limits: EventLimits = Field(default=EventLimits(), description="What one event may be.")

    @property
    def others(self) -> OthersSettings | None:
        """The people with whom the exposed are compared; None if there are none."""
        return None if self.cohorts is None else self.cohorts.others

    @property
    def comparison(self) -> Comparison | None:
        """What the exposed are compared with; None: with their own past alone."""
        return None if self.cohorts is None else self.cohorts.comparison

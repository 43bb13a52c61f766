"""Experiments: what some get and others do not, compared once, from a first unit to a verdict."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from monitor.settings.base import SettingsType
from monitor.settings.quantities import Name, PositiveDuration, Share, Text, as_written, refusal, sentence


def _arm(value: object) -> str:
    if not isinstance(value, str | int) or value == "":
        raise refusal("is not the text of an arm; put it in quotes, as the events spell it")
    return str(value).lower() if isinstance(value, bool) else str(value)


Arms = Annotated[
    tuple[Annotated[str, BeforeValidator(_arm), WithJsonSchema({"type": ["string", "integer", "boolean"]})], ...],
    Field(min_length=1),
]


class ExperimentSettings(SettingsType):
    """One experiment. Every person counts once, from the first prediction that they get in it."""

    kind: Literal["canary", "ab", "interleaving", "shadow"] = Field(
        description=(
            "canary: a release that a few get; rolled back, promoted or held. ab: which arm is better. interleaving: two "
            "rankers share one list. shadow: a release that answers beside the live one, unseen."
        )
    )
    control: Arms | None = Field(
        default=None,
        description=(
            "Texts of predictions.variant that mean control, default: control; for interleaving, of items.team. Not for shadow."
        ),
    )
    treatment: Arms | None = Field(
        default=None,
        description=(
            "The same for what is tried, default: treatment. For shadow: variants whose answers count, default: every answer "
            "with the role shadow."
        ),
    )
    id: Text | None = Field(
        default=None, description="Only predictions with this text in predictions.experiment_id; default: all."
    )
    share: Share = as_written("50%", "Planned share of treatment among both arms. For canary and ab.")
    slow: PositiveDuration | None = Field(
        default=None, description="An answer that takes longer is slow; without it latency is not compared."
    )
    worse_by: Share = as_written(
        "25%", "Canary: by how much more often treatment may fail or be slow, of control's share."
    )
    slower_by: Share = as_written("2%", "Shadow: which share of answers more may be slow.")
    disagree: Share = as_written("1%", "Shadow: which share of answers may differ.")
    differs_by: Annotated[float, Field(ge=0)] = Field(
        default=1e-6, description="Shadow: two scores that differ by no more are the same."
    )
    by: tuple[Name, ...] | None = Field(
        default=None,
        description="Shadow: category features by which disagreement is told apart, at most 5; default: the first 5.",
    )
    of: Name | None = Field(
        default=None, description="Interleaving: the outcome whose items win a list for their team."
    )
    metrics: tuple[Name, ...] | None = Field(
        default=None, description="Metrics that are compared; default: all for ab, none for canary."
    )
    primary: Name | None = Field(
        default=None,
        description="Ab: the metric that decides alone, at half of alpha; the others decide together. Default: the first.",
    )
    alpha: Share | None = Field(
        default=None,
        description="Chance ever to see what is not there, over all that is compared; default: 1% for canary and shadow, else 5%.",
    )
    at_most: PositiveDuration = as_written("14d", "Without a verdict by then it ends as inconclusive.")
    window: PositiveDuration | None = Field(
        default=None, description="How often it is looked at; default: the model's window."
    )
    team: Name | None = Field(default=None, description="Who is told; default: the model's team.")

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        both = sorted({*(self.control or ("control",))} & {*(self.treatment or ("treatment",))})
        if both and self.kind != "shadow":
            raise sentence(f"the arm {both[0]!r} stands in control and in treatment")
        only: dict[str, tuple[str, ...]] = {
            "of": ("interleaving",),
            "primary": ("ab",),
            "metrics": ("ab", "canary"),
            "share": ("ab", "canary"),
            "slow": ("canary", "shadow"),
            "worse_by": ("canary",),
            "slower_by": ("shadow",),
            "disagree": ("shadow",),
            "differs_by": ("shadow",),
            "by": ("shadow",),
            "control": ("canary", "ab", "interleaving"),
        }
        for key, kinds in only.items():
            if key in self.model_fields_set and self.kind not in kinds:
                raise sentence(f"{key} is for {' and '.join(kinds)}, and this is {self.kind}; leave it out")
        if self.kind == "interleaving" and self.of is None:
            raise sentence("interleaving needs of: the outcome whose items win a list for their team")
        if self.by is not None and len(self.by) > 5:
            raise sentence("by names more than 5 features; keep those that somebody would act on")
        return self

    def arms(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Texts that mean control and treatment; for a shadow, none and those given."""
        if self.kind == "shadow":
            return (), self.treatment or ()
        return self.control or ("control",), self.treatment or ("treatment",)

    def level(self, false_discoveries: float | None = None) -> float:
        """Alpha of the whole experiment; of all of them together, where the model has `false_discoveries` for it."""
        return self.in_turn(false_discoveries) or self.alpha or (0.01 if self.kind in ("canary", "shadow") else 0.05)

    def in_turn(self, false_discoveries: float | None) -> float | None:
        """The model's `false_discoveries` for a kind that asks which arm is better; None for the others."""
        return false_discoveries if self.kind in ("ab", "interleaving") else None

"""What an experiment asks for and cannot have."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.settings.experiments import ExperimentSettings
from monitor.settings.model import ModelSettings
from monitor.watch import kinds

Refusal = tuple[tuple[str, ...], str]
"""A key path within the model, and the problem in words."""


def experiments(model: ModelSettings) -> Iterator[Refusal]:
    """Everything that keeps the model's experiments from being compared."""
    for name, settings in model.experiments.items():
        for key, problem in _experiment(model, name, settings):
            yield ("experiments", name, *key), problem


def _experiment(model: ModelSettings, name: str, e: ExperimentSettings) -> Iterator[Refusal]:
    yield from _fields(model, e)
    if e.window is not None and e.window % model.window:
        yield ("window",), "is no multiple of the model's window"
    if e.alpha is not None and e.in_turn(model.false_discoveries):
        yield (
            ("alpha",),
            "comes from the model's false_discoveries when the experiment starts; leave out one of the two",
        )
    if "." in name:
        yield (), "the name of an experiment has no dot; its watches are called name.what"
    for metric in (*(e.metrics or ()), *((e.primary,) if e.primary else ())):
        if metric not in model.metrics:
            known = ", ".join(model.metrics) or "none yet"
            yield (
                ("metrics" if metric in (e.metrics or ()) else "primary",),
                f"{metric} is no metric; there are: {known}",
            )
            return
    if e.primary is not None and e.metrics is not None and e.primary not in e.metrics:
        yield ("primary",), f"{e.primary} is not among the metrics of this experiment"
    for feature in e.by or ():
        known_features = [n for n, f in model.predictions.features.items() if f.type == "category"]
        if feature not in known_features:
            yield ("by",), f"{feature} is no category feature; there are: {', '.join(known_features) or 'none yet'}"
    if e.kind == "interleaving":
        yield from _interleaving(model, e)
    elif not any(w.experiment == name and w.detector != "sample_ratio" for w in kinds.watches_of(model).watches):
        why = {
            "canary": "map predictions.error_code, or predictions.latency_ms with slow, or name metrics",
            "ab": "it needs a metric with value: any",
            "shadow": "map what the model answers (probability, score, label or items), or predictions.latency_ms with slow",
        }[e.kind]
        yield (), f"there is nothing to compare: {why}"


def _fields(model: ModelSettings, e: ExperimentSettings) -> Iterator[Refusal]:
    """Fields of a prediction without which nobody can be told apart."""
    needed = {
        "canary": ("unit", "variant"),
        "ab": ("unit", "variant"),
        "interleaving": ("unit",),
        "shadow": ("unit", "role", "request_id"),
    }[e.kind]
    needed += ("experiment_id",) if e.id is not None else ()
    needed += ("variant",) if e.kind == "shadow" and e.treatment else ()
    for field in dict.fromkeys(needed):
        if getattr(model.predictions, field) is None:
            yield ("kind",), f"{e.kind} needs predictions.{field}, which is not mapped"


def _interleaving(model: ModelSettings, e: ExperimentSettings) -> Iterator[Refusal]:
    items = model.predictions.items
    if items is None or items.team is None:
        yield ("kind",), "interleaving needs predictions.items.team: which ranker placed each item"
    outcome = model.outcomes.get(e.of or "")
    if outcome is None:
        yield ("of",), f"{e.of} is no outcome; there are: {', '.join(model.outcomes) or 'none yet'}"
    elif outcome.match.id is None or outcome.match.item is None:
        yield ("of",), f"{e.of} must be matched by id and item, so that it says whose item won"

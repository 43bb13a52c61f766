"""What must agree between the parts of a config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pydantic import ValidationError

from detectors.catalogue import DETECTORS
from detectors.loop_gain.detector import MAX_LAGS
from monitor.ingest.decode import compile_mapping
from monitor.ingest.json_records import MappingRefused
from monitor.ingest.mapping import PREDICTIONS, TRUTH, CohortHash
from monitor.settings.mappings import columns, mappings
from monitor.settings.model import ModelSettings, WatchSettings
from monitor.settings.quantities import duration_text
from monitor.settings.sentences import one_of
from monitor.settings.service import DEFAULT_TEAM, SLACK, Settings, TeamSettings

Say = Callable[[tuple[str | int, ...], str], None]
"""Takes a key path within the part that is checked, and a problem."""
SayParams = Callable[[tuple[str | int, ...], WatchSettings, ValidationError], None]
"""Takes a key path, the watch, and what its detector says of its parameters."""


def check_shared(settings: Settings, say: Say) -> None:
    """Say where teams name destinations that do not exist, or must name some."""
    known = sorted(settings.destinations)
    for name, team in (settings.teams or {DEFAULT_TEAM: TeamSettings()}).items():
        for key, given in (("page", team.page), ("digest", team.digest)):
            for destination in given or ():
                if destination not in known:
                    say(("teams", name, key), one_of(destination, known, "a destination of notify or slack"))
        if team.page is None and SLACK not in known and len(known) > 1:
            say(("teams", name), f"page is needed, as there are several destinations: {', '.join(known)}")


def check_model(model: ModelSettings, teams: Sequence[str], say: Say, say_params: SayParams) -> None:
    """Say where a model's parts do not agree with each other or with the shared teams."""
    if model.team not in teams:
        say(("team",), one_of(model.team, teams, "a team"))
    if model.period < model.window:
        say(("retrained",), f"shorter than a window ({duration_text(model.window)})")
    if model.trained_on is not None and not model.period <= model.trained_on <= MAX_LAGS * model.period:
        span = f"{duration_text(model.period)} to {duration_text(MAX_LAGS * model.period)}"
        say(("trained_on",), f"{duration_text(model.trained_on)} is not within 1 to {MAX_LAGS} retrainings, {span}")
    _check_mappings(model, say)
    _check_outcomes(model, say)
    _check_cohorts(model, teams, say)
    for name, metric in model.metrics.items():
        outcome = model.outcomes.get(metric.of)
        if outcome is None:
            say(("metrics", name, "of"), one_of(metric.of, model.outcomes, "an outcome"))
        elif metric.value == "sum" and outcome.value is None:
            say(("metrics", name, "value"), f"sum needs a value of {metric.of}; write outcomes.{metric.of}.value")
    for name, watch in model.watch.items():
        _check_watch(model, name, watch, say, say_params)


def _check_mappings(model: ModelSettings, say: Say) -> None:
    for mapping in mappings(model):
        ruled = isinstance(
            mapping.cohort, CohortHash
        )  # reads no path, and what it needs is told as the rule's own fault
        try:
            compile_mapping(replace(mapping, cohort=None) if ruled else mapping, b"")
        except MappingRefused as refused:
            say(("predictions",) if mapping.stream == PREDICTIONS else ("outcomes", mapping.stream), str(refused))


def _check_outcomes(model: ModelSettings, say: Say) -> None:
    for name, outcome in model.outcomes.items():
        if name == PREDICTIONS:
            say(("outcomes", name), f"an outcome cannot be called {PREDICTIONS}; it is the name of another stream")
        if outcome.match.item is not None and model.predictions.items is None and model.predictions.item is None:
            say(("outcomes", name, "match", "item"), "matching by item needs predictions.items or predictions.item")
        if outcome.match.unit is not None and model.predictions.unit is None:
            say(("outcomes", name, "match", "unit"), "matching by unit needs predictions.unit")
        elif outcome.origin is not None and model.predictions.unit is None:
            say(("outcomes", name, "origin"), "organic outcomes are counted by people, which needs predictions.unit")


def _check_cohorts(model: ModelSettings, teams: Sequence[str], say: Say) -> None:
    if model.cohorts is None:
        return
    team = None if model.others is None else model.others.team
    if team is not None and team not in teams:
        say(("cohorts", str(model.comparison), "team"), one_of(team, teams, "a team"))
    if model.cohorts.hash is not None and model.predictions.unit is None:
        say(("cohorts", "hash"), "a hash rule needs predictions.unit")


def _check_watch(model: ModelSettings, name: str, watch: WatchSettings, say: Say, say_params: SayParams) -> None:
    here = ("watch", name)
    if watch.cohort != "all" and model.others is None:
        say((*here, "cohort"), "needs cohorts of people")
    if watch.detector is None:
        return
    known = (*columns(model), *model.metrics, *(TRUTH + outcome for outcome in model.outcomes))
    if watch.on is not None and watch.on not in known:
        say((*here, "on"), one_of(watch.on, known, "a mapped field, a metric or what came of it"))
    if watch.detector.kind not in DETECTORS:
        say((*here, "detector", "kind"), one_of(watch.detector.kind, sorted(DETECTORS), "a detector"))
        return
    try:
        watch.detector.params()
    except ValidationError as error:
        say_params((*here, "detector"), watch, error)

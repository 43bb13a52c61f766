"""From a loaded config to one plan a model, with every watch's share of its team's budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from detectors.catalogue import DETECTORS
from detectors.detector import Family
from monitor.alerting.policy import Policy
from monitor.alerting.routing import Routing
from monitor.ingest.identity import key_of
from monitor.ingest.mapping import TRUTH, EventMapping
from monitor.join.joiner import Match
from monitor.settings import ConfigError, Loaded, ModelSettings, mappings
from monitor.settings.experiments import ExperimentSettings
from monitor.settings.model import CohortSettings
from monitor.settings.quantities import Rate
from monitor.settings.service import DEFAULT_TEAM, TeamSettings
from monitor.settings.streams import OutcomeSettings
from monitor.watch import kinds
from monitor.watch.plan import (
    DAY,
    Caps,
    DashboardPlan,
    MetricPlan,
    ModelPlan,
    OutcomePlan,
    RejectLimit,
    Spend,
    WatchPlan,
)
from monitor.watch.refusals import refusals
from monitor.watch.spend import shares
from monitor.watch.trials import ExperimentPlan

_NO_HOLDOUT = frozenset({"old_version", "exploration_slice"})
"""What stands under `cohorts` instead of a holdout; left out where it is not there, as it was before there was such a thing."""


@dataclass(frozen=True, slots=True)
class Plans:
    """Plans of the models that can run, why the others cannot, and in words what nobody would be told."""

    models: tuple[ModelPlan, ...]
    faults: tuple[ConfigError, ...]
    warnings: tuple[str, ...] = ()


def compile_plans(loaded: Loaded, *, topic_prefix: str = "") -> Plans:
    """All models of a config. Budgets are shared over all watches of a team, in whichever model they are."""
    faults = list(loaded.faults)
    plans: list[ModelPlan] = []
    warnings: list[str] = []
    for name, model in loaded.models.items():
        own = list(_faults(loaded, name, model))
        faults.extend(own)
        if not own:
            plans.append(_plan(loaded, model, mappings(model, topic_prefix)))
            warnings += _unheard(loaded, model)
    return Plans(tuple(_with_budgets(loaded, plans)), tuple(faults), tuple(warnings))


def _unheard(loaded: Loaded, model: ModelSettings) -> Iterator[str]:
    """A sentence for every team that would be told something of this model, and has no destination."""
    loud = [wanted.team or model.team for wanted in kinds.watches_of(model).watches if wanted.severity != "info"]
    for name, count in sorted(Counter(loud).items()):
        team = _team(loaded, name)
        if not team.page and not team.digest:
            yield (
                f"{model.model}: team {name} has no destination, so nobody is told what {count} of this model's watches find; "
                f"add slack: or a destination under notify:, or name one as page under teams.{name}"
            )


def _faults(loaded: Loaded, name: str, model: ModelSettings) -> list[ConfigError]:
    return [loaded.fault(name, keys, problem) for keys, problem in refusals(model)]


def _plan(loaded: Loaded, model: ModelSettings, streams: tuple[EventMapping, ...]) -> ModelPlan:
    watched, ids = kinds.watches_of(model), loaded.settings.ids
    return ModelPlan(
        model=model.model,
        mappings=streams,
        slot=model.window,
        lateness=model.lateness,
        future=model.future,
        watches=tuple(_watch(loaded, model, wanted) for wanted in watched.watches),
        outcomes=tuple(OutcomePlan(n, _match(o), o.within, _silence(o)) for n, o in model.outcomes.items()),
        metrics=tuple(MetricPlan(n, m.of, m.value) for n, m in model.metrics.items()),
        experiments=tuple(_experiment(model, n, e) for n, e in model.experiments.items()),
        arrivals=kinds.arrival_window(model),
        rejects=RejectLimit(model.rejects.at_most, model.rejects.at_least),
        caps=Caps(**model.caps.model_dump()),
        rehearsal=loaded.settings.rehearsal,
        runbook=model.runbook or "",
        compared=model.comparison,
        epoch=model.others.rotates if model.others is not None else None,
        epoch_since=(model.others.since or 0) if model.others is not None else 0,
        holdout_policies=_policies(model),
        hash_key=key_of(model.model, None if ids is None else ids.secret.get_secret_value()),
        not_watched=tuple(f"{key}: {why}" for key, why in watched.missing.items()),
        dashboard=_dashboard(loaded, model, kinds.composite(model, watched.watches)),
    )


def _policies(model: ModelSettings) -> tuple[str, ...] | None:
    held_out = None if model.cohorts is None else model.cohorts.holdout
    return None if held_out is None else held_out.policies


def _dashboard(loaded: Loaded, model: ModelSettings, wanted: kinds.Composite | None) -> DashboardPlan | None:
    if wanted is None:
        return None
    team = _team(loaded, model.team)
    return DashboardPlan(
        parts=wanted.parts,
        reads=wanted.reads,
        policy=Policy(
            may_page=wanted.severity == "page",
            labels={"team": model.team, "metric": ", ".join(read.metric for read in wanted.reads)}
            | kinds.comparison_of(model),
        ),
        routing=Routing() if wanted.severity == "info" else Routing(tuple(team.page or ()), tuple(team.digest or ())),
        team=model.team,
    )


def _experiment(model: ModelSettings, name: str, settings: ExperimentSettings) -> ExperimentPlan:
    control, treatment = settings.arms()
    return ExperimentPlan(
        name=name,
        kind=settings.kind,
        control=control,
        treatment=treatment,
        identity=settings.id or "",
        slow=settings.slow,
        answer=kinds.answer_of(model),
        outcome=settings.of or "",
        unit=repr(model.predictions.unit),
        false_discoveries=settings.in_turn(model.false_discoveries),
    )


def _match(outcome: OutcomeSettings) -> Match:
    m = outcome.match
    if m.id is not None:
        return Match.ID_ITEM if m.item is not None else Match.ID
    return Match.UNIT_ITEM if m.item is not None else Match.UNIT


def _silence(outcome: OutcomeSettings) -> float | None:
    return None if outcome.otherwise is None else float(outcome.otherwise)


def _watch(loaded: Loaded, model: ModelSettings, wanted: kinds.Wanted) -> WatchPlan:
    name = wanted.team or model.team
    team = _team(loaded, name)
    routing = Routing() if wanted.severity == "info" else Routing(tuple(team.page or ()), tuple(team.digest or ()))
    hint = DETECTORS[wanted.detector].hint
    return WatchPlan(
        key=wanted.key,
        detector=wanted.detector,
        params=wanted.params,
        on=wanted.on,
        window=wanted.window,
        policy=Policy(
            may_page=wanted.severity == "page",
            hint=hint,
            labels=kinds.labels(model, wanted),
            send_resolved=DETECTORS[wanted.detector].family is not Family.DEPLOYMENT,
        ),
        routing=routing,
        team=name,
        cohort=wanted.cohort,
        min_units=wanted.min_units,
        about=_about(model, wanted),
        experiment=wanted.experiment,
    )


def _about(model: ModelSettings, wanted: kinds.Wanted) -> str:
    """What the watch's numbers come from. Another source is another quantity: what was learned of the old one is void."""
    test = DETECTORS[wanted.detector]
    if test.family in (Family.FRESHNESS, Family.QUALITY):
        return ""
    predictions = model.predictions
    parts: list[object] = [predictions.unit, sorted(predictions.where.items())]
    if wanted.experiment:
        parts += _about_experiment(model, wanted)
    elif test.needs(wanted.params).contrast:
        parts.append(_about_cohorts(model.cohorts))
    if wanted.on in model.metrics:
        for metric in (model.metrics[name] for name in (wanted.on, test.needs(wanted.params).beside) if name):
            parts += [metric.value, *_joined(model.outcomes[metric.of])]
    else:
        if wanted.on.startswith(TRUTH):
            outcome = model.outcomes[wanted.on.removeprefix(TRUTH)]
            parts += [outcome.otherwise, *_joined(outcome)]
        read = {wanted.on, *test.needs(wanted.params).columns}
        parts.append([f for f in mappings(model)[0].fields if f.name in read])
    return repr(parts)


def _about_cohorts(cohorts: CohortSettings | None) -> dict[str, object] | None:
    """Who is in which cohort; who is told of it is no part of that."""
    if cohorts is None:
        return None
    told = cohorts.model_dump(exclude={"holdout": {"team"}, "old_version": {"team"}})
    return {name: value for name, value in told.items() if value or name not in _NO_HOLDOUT}


def _joined(outcome: OutcomeSettings) -> tuple[object, ...]:
    """How outcomes come to predictions, and which do; an origin is left out where none is told, as before there was such a thing."""
    own = () if outcome.origin is None else (outcome.origin,)
    return outcome.match, outcome.within, outcome.value, sorted(outcome.where.items()), *own


def _about_experiment(model: ModelSettings, wanted: kinds.Wanted) -> list[object]:
    """Who is in the experiment, and the fields that its comparisons rest on."""
    experiment = model.experiments[wanted.experiment]
    read = {"variant", "role", "experiment_id", "request_id", "error_code", "latency_ms", kinds.answer_of(model)}
    parts: list[object] = [experiment.arms(), experiment.id, experiment.slow]
    parts.append([f for f in mappings(model)[0].fields if f.name in read])
    if experiment.of in model.outcomes:
        outcome = model.outcomes[experiment.of]
        parts += [outcome.match, outcome.within, sorted(outcome.where.items())]
        parts += [] if outcome.origin is None else [outcome.origin]
    return parts


def _team(loaded: Loaded, name: str) -> TeamSettings:
    return loaded.settings.teams.get(name) or loaded.settings.teams.get(DEFAULT_TEAM) or TeamSettings()


def _with_budgets(loaded: Loaded, plans: list[ModelPlan]) -> list[ModelPlan]:
    by_team: dict[str, list[tuple[str, WatchPlan]]] = {}
    for plan in plans:
        for watch in plan.watches:
            by_team.setdefault(watch.team, []).append((plan.model, watch))
    in_turn = {(p.model, e.name): e.false_discoveries for p in plans for e in p.experiments}
    spend: dict[tuple[str, str], tuple[Spend, str]] = {}
    for name, members in by_team.items():
        team = _team(loaded, name)
        pages, warnings = team.false_pages, team.false_warnings
        families = [None if w.test.family is Family.DEPLOYMENT else w.test.family for _, w in members]
        paging = [f if w.policy.may_page else None for f, (_, w) in zip(families, members, strict=True)]
        for (model, watch), page, warn in zip(members, shares(paging), shares(families), strict=True):
            each = Spend(page * pages.count / pages.period, warn * warnings.count / warnings.period)
            told = _of_its_own(watch, in_turn.get((model, watch.experiment))) or _budget(page, pages, warn, warnings)
            spend[model, watch.key] = each, told
    return [
        replace(
            plan,
            watches=tuple(
                replace(w, spend=spend[plan.model, w.key][0], budget=spend[plan.model, w.key][1]) for w in plan.watches
            ),
        )
        for plan in plans
    ]


def _of_its_own(watch: WatchPlan, false_discoveries: float | None) -> str:
    """What a watch costs that spends nothing of the budget, for its messages; "" for all others."""
    if watch.test.family is Family.QUALITY:
        return "a limit, not a test: it costs nothing of the budget"
    if watch.test.family is not Family.DEPLOYMENT:
        return ""
    if false_discoveries is not None:
        return (
            "tested in turn, beside the budget: of this model's experiments that find a difference, at most "
            f"{100 * false_discoveries:.2g} % on average are wrong"
        )
    alpha = 100 * float(getattr(watch.params, "alpha", 0.0))
    return f"tested once, beside the budget: at most {alpha:.2g} % chance ever to say this without cause"


def _budget(page: float, pages: Rate, warn: float, warnings: Rate) -> str:
    """What a watch may cost, for its messages."""
    if page:
        return (
            f"this watch may cost {page * pages.count:.2g} of {pages.count:g} false pages per {pages.period / DAY:g} d"
        )
    if warn:
        return f"this watch may cost {warn * warnings.count:.2g} of {warnings.count:g} false warnings per {warnings.period / DAY:g} d"
    return "a hint: it promises no error rate"

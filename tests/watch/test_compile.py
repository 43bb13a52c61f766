"""From a config to plans: faults with their lines, budgets, destinations, what makes a watch start afresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.join.joiner import Match
from monitor.watch.plan import MetricPlan, OutcomePlan, WatchPlan
from monitor.watch.spend import WEIGHTS
from tests.watch.configs import FEED, faults, model, plan, plans, watches

MINUTE, DAY = 60_000, 86_400_000
SCORED = {**FEED["predictions"], "score": "s"}
SHOWN = {"topic": "t", "unit": "u", "items": {"each": "shown"}}
DRAWN = {"topic": "t", "unit": "u", "items": {"each": "shown", "propensity": "p"}}
HERE = "json://127.0.0.1:9"


def scored(directory: Path, **watch: Any) -> WatchPlan:
    """The watch on `score`, with what the config says of it."""
    return watches(plan(directory, predictions=SCORED, watch={"score": watch} if watch else {}))["score"]


def test_a_plan_carries_what_the_engine_needs_to_know_of_the_model(tmp_path: Path) -> None:
    made = plan(tmp_path, window="10m", lateness="3m", future="1m", runbook="https://wiki.example/feed")
    assert (made.model, made.slot, made.lateness, made.future) == ("feed", 10 * MINUTE, 3 * MINUTE, MINUTE)
    assert made.outcomes == (OutcomePlan("click", Match.ID, 30 * MINUTE),)
    assert made.metrics == (MetricPlan("clicks", "click", "any"),)
    assert (made.streams(), made.arrivals) == (("predictions", "click"), 2 * MINUTE)
    assert (made.runbook, made.compares_people) == ("https://wiki.example/feed", True)


@pytest.mark.parametrize(
    ("match", "meant"),
    [
        ({"id": "i"}, Match.ID),
        ({"id": "i", "item": "x"}, Match.ID_ITEM),
        ({"unit": "u", "item": "x"}, Match.UNIT_ITEM),
        ({"unit": "u"}, Match.UNIT),
    ],
)
def test_the_fields_of_a_match_say_how_outcomes_find_predictions(
    tmp_path: Path, match: dict[str, str], meant: Match
) -> None:
    outcome = {"topic": "clicks", "match": match, "within": "30m"}
    assert plan(tmp_path, outcomes={"click": outcome}).outcomes[0].match is meant


def test_topics_get_the_prefix(tmp_path: Path) -> None:
    kafka = {"brokers": ["127.0.0.1:9092"], "topic_prefix": "test."}
    assert plans(tmp_path, model(), kafka=kafka).models[0].topics() == {"slates", "clicks"}


def test_what_cannot_be_watched_is_told_with_its_reason(tmp_path: Path) -> None:
    told = plan(tmp_path, cohorts=None).not_watched
    assert [line.partition(":")[0] for line in told] == [
        "holdout",
        "clicks",
        "propensity_check",
        "training_health",
        "effective_sample",
        "calibration_gap",
        "loop_gain",
        "divergence",
        "flywheel",
        "green_dashboard",
    ]


# faults


def test_an_override_of_no_watch_is_a_fault_with_its_line_and_the_names_there_are(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, watch={"cliks": {"severity": "warn"}})
    line, _, sentence = told.partition(":")
    written = (tmp_path / "loopwatch.yaml").read_text().splitlines()
    assert written[int(line) - 1].strip().startswith('"cliks":')
    assert (
        "watch.cliks: is no watch of this model; it has attrition, churn, clicks, clicks.returning, concentration,"
        in sentence
    )


def test_an_override_of_what_cannot_be_watched_is_a_fault_with_the_reason(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, cohorts=None, watch={"clicks": {"severity": "warn"}})
    assert "watch.clicks: cannot be watched: no cohorts are configured" in told


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"window": "7h"}, "window: must divide a day, or be a number of days"),
        ({"watch": {"clicks": {"window": "7m"}}}, "watch.clicks: its window is no multiple of the model's window"),
        (
            {"watch": {"freshness.click": {"window": "1h"}}},
            "watch.freshness.click.window: arrivals are counted every 1m",
        ),
        ({"watch": {"holdout": {"page_if_worse_by": "3%"}}}, "page_if_worse_by: sample_ratio has no margin"),
        ({"watch": {"m": {"detector": {"kind": "freshness"}}}}, "freshness is there for every stream already"),
        ({"watch": {"m": {"detector": {"kind": "river_hint"}}}}, "river_hint needs on: a number that it looks at"),
        (
            {"watch": {"m": {"detector": {"kind": "river_hint"}, "on": "id"}}},
            "watch.m.on: id is no number of a prediction, and river_hint looks at numbers; allowed: clicks",
        ),
        (
            {
                "predictions": {"topic": "t", "score": "s"},
                "watch": {"m": {"detector": {"kind": "numeric_shift"}, "on": "score"}},
            },
            "watch.m.detector: numeric_shift needs predictions.unit",
        ),
        (
            {"predictions": {"topic": "t", "unit": "u"}, "watch": {"m": {"detector": {"kind": "concentration"}}}},
            "watch.m.detector: concentration needs predictions.items or predictions.item",
        ),
        (
            {"predictions": SHOWN, "watch": {"m": {"detector": {"kind": "propensity_check", "catalogue": 9}}}},
            "watch.m.detector: propensity_check needs predictions.items.propensity: the chance",
        ),
        (
            {"predictions": SHOWN, "watch": {"m": {"detector": {"kind": "effective_sample"}}}},
            "watch.m.detector: effective_sample needs predictions.items.propensity: the chance",
        ),
        (
            {"predictions": DRAWN, "watch": {"m": {"detector": {"kind": "propensity_check"}}}},
            "watch.m.detector: propensity_check needs catalogue, how many items may be drawn, or predictions.items.target",
        ),
        (
            {"predictions": SHOWN, "watch": {"m": {"detector": {"kind": "concentration", "slice": True}}}},
            "watch.m.detector.slice: needs predictions.items.explored",
        ),
        (
            {"metrics": {"holdout": {"of": "click"}}},
            "metrics.holdout: a field or another watch of this model is called",
        ),
        (
            {"predictions": SCORED, "metrics": {"score": {"of": "click", "value": "count"}}},
            "metrics.score: a field or another watch of this model is called score",
        ),
    ],
)
def test_what_cannot_run_as_written_is_a_fault_in_words(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    (told,) = faults(tmp_path, **changes)
    assert problem in told
    assert int(told.partition(":")[0]) > 0


@pytest.mark.parametrize("name", ["holdout", "arrivals"])
def test_an_outcome_cannot_take_the_name_of_another_stream(tmp_path: Path, name: str) -> None:
    told = faults(tmp_path, outcomes={name: FEED["outcomes"]["click"]}, metrics={"clicks": {"of": name}})
    assert any(f"outcomes.{name}: an outcome cannot be called {name}" in line for line in told)


def test_a_faulty_model_does_not_stop_the_others(tmp_path: Path) -> None:
    made = plans(tmp_path, model(), model(model="ads", window="7h"))
    assert [p.model for p in made.models] == ["feed"]
    assert [f.keys[-1] for f in made.faults] == ["window"]


# severity and destinations


def test_a_watch_that_only_informs_has_no_destinations(tmp_path: Path) -> None:
    watch = scored(tmp_path, severity="info")
    assert (watch.routing.page, watch.routing.digest, watch.policy.may_page) == ((), (), False)


def test_a_watch_that_warns_may_not_page_and_keeps_its_teams_destinations(tmp_path: Path) -> None:
    watch = scored(tmp_path)
    assert (watch.routing.page, watch.routing.digest, watch.policy.may_page) == (("slack",), ("slack",), False)


def test_a_watch_may_page_where_the_config_says_so(tmp_path: Path) -> None:
    assert scored(tmp_path, severity="page").policy.may_page


def test_the_holdouts_owner_is_told_of_the_holdout_and_the_models_team_of_the_rest(tmp_path: Path) -> None:
    cohorts = {"field": "arm", "holdout": {"share": "5%", "team": "b"}}
    shared = {"notify": {"one": HERE, "two": HERE}, "teams": {"a": {"page": "one"}, "b": {"page": "two"}}}
    own = watches(plans(tmp_path, model(team="a", cohorts=cohorts), **shared).models[0])
    assert {key: own[key].routing.page for key in own} == {
        key: ("two",) if key in {"holdout", "crossover", "attrition"} else ("one",) for key in own if key != "churn"
    } | {"churn": ()}


def test_a_team_without_a_destination_is_warned_of_with_what_it_misses(tmp_path: Path) -> None:
    (told,) = plans(tmp_path, model()).warnings
    assert told.startswith(
        "feed: team default has no destination, so nobody is told what 13 of this model's watches find"
    )
    assert "teams.default" in told


def test_a_team_with_a_destination_is_not_warned_of(tmp_path: Path) -> None:
    assert plans(tmp_path, model(), slack=HERE).warnings == ()
    digest = {"notify": {"x": HERE, "y": HERE}, "teams": {"default": {"page": [], "digest": "x"}}}
    assert plans(tmp_path, model(), **digest).warnings == ()


def test_a_team_whose_watches_only_inform_needs_no_destination(tmp_path: Path) -> None:
    quiet = {"watch": {key: {"severity": "info"} for key in watches(plan(tmp_path))}}
    assert plans(tmp_path, model(**quiet)).warnings == ()


# budgets

MODELS = st.lists(
    st.fixed_dictionaries(
        {
            "team": st.sampled_from(["a", "b"]),
            "kind": st.sampled_from(["recommender", "classifier"]),
            "numbers": st.sets(st.sampled_from(["score", "cost", "latency_ms"])),
            "cohorts": st.booleans(),
            "owner": st.sampled_from([None, "a", "b"]),
            "severity": st.sampled_from(["info", "warn", "page"]),
            "hint": st.booleans(),
        }
    ),
    min_size=1,
    max_size=4,
)


def drawn(number: int, mix: dict[str, Any]) -> dict[str, Any]:
    """A model of a drawn mix of watches."""
    watch: dict[str, Any] = {name: {"severity": mix["severity"]} for name in sorted(mix["numbers"])}
    if mix["hint"] and mix["numbers"]:
        watch["hint"] = {"detector": {"kind": "river_hint"}, "on": min(mix["numbers"])}
    holdout = {"share": "5%"} | ({"team": mix["owner"]} if mix["owner"] else {})
    return model(
        model=f"m{number}",
        kind=mix["kind"],
        team=mix["team"],
        predictions={**FEED["predictions"], **{name: name for name in sorted(mix["numbers"])}},
        cohorts={"field": "arm", "holdout": holdout} if mix["cohorts"] else None,
        watch=watch,
    )


@settings(max_examples=25, deadline=None)
@given(MODELS)
def test_what_a_teams_watches_may_cost_adds_up_to_its_budget_over_all_models(
    tmp_path_factory: pytest.TempPathFactory, mixes: list[dict[str, Any]]
) -> None:
    teams = {
        "a": {"false_pages": "2 per 14d", "false_warnings": "6 per 7d"},
        "b": {"false_pages": "1 per 28d", "false_warnings": "4 per 28d"},
    }
    made = plans(tmp_path_factory.mktemp("mix"), *(drawn(i, m) for i, m in enumerate(mixes)), slack=HERE, teams=teams)
    assert not made.faults
    every = [w for p in made.models for w in p.watches]
    for team, pages, warnings in (("a", 2 / (14 * DAY), 6 / (7 * DAY)), ("b", 1 / (28 * DAY), 4 / (28 * DAY))):
        own = [w for w in every if w.team == team and w.test.family in WEIGHTS]
        paging = any(w.policy.may_page for w in own)
        assert sum(w.spend.page for w in own) == pytest.approx(pages if paging else 0.0)
        assert sum(w.spend.warn for w in own) == pytest.approx(warnings if own else 0.0)
    assert all(w.spend.page == w.spend.warn == 0 for w in every if w.test.family not in WEIGHTS)
    assert all(w.spend.page == 0 for w in every if not w.policy.may_page)


def test_the_budget_is_told_in_words(tmp_path: Path) -> None:
    hint = {"hint": {"detector": {"kind": "river_hint"}, "on": "score"}}
    own = watches(plan(tmp_path, predictions=SCORED, watch=hint))
    assert own["clicks"].budget.endswith("of 1 false pages per 28 d")
    assert own["score"].budget.endswith("of 4 false warnings per 28 d")
    assert own["hint"].budget == "a hint: it promises no error rate"


# incarnation


@pytest.mark.parametrize("watch", [{"page_if_worse_by": "9%"}, {"window": "10m"}])
def test_other_parameters_or_another_window_start_a_watch_afresh(tmp_path: Path, watch: dict[str, str]) -> None:
    assert scored(tmp_path, **watch).incarnation != scored(tmp_path).incarnation


def placed(directory: Path, name: str = "mine", **how: Any) -> str:
    """Incarnation of a watch placed by hand."""
    watch = {"detector": {"kind": "numeric_shift"}, "on": "score", **how}
    given = {**SCORED, "cost": "c"}
    return watches(plan(directory, predictions=given, watch={name: watch}))[name].incarnation


@pytest.mark.parametrize(
    "how",
    [
        {"on": "cost"},
        {"cohort": "holdout"},
        {"detector": {"kind": "river_hint"}},
        {"detector": {"kind": "numeric_shift", "min_units": 31}},
    ],
)
def test_another_column_cohort_or_detector_starts_a_watch_afresh(tmp_path: Path, how: dict[str, Any]) -> None:
    assert placed(tmp_path, **how) != placed(tmp_path)


def test_name_and_severity_leave_a_watch_as_it_was(tmp_path: Path) -> None:
    assert placed(tmp_path) == placed(tmp_path, "renamed") == placed(tmp_path, severity="info")


def test_team_destinations_budget_and_other_watches_leave_a_watch_as_it_was(tmp_path: Path) -> None:
    before = watches(plan(tmp_path))
    shared = {"notify": {"x": HERE}, "teams": {"z": {"page": "x", "false_pages": "9 per 1d"}}}
    after = watches(plans(tmp_path, model(team="z", predictions=SCORED, runbook="r"), **shared).models[0])
    assert {key: after[key].incarnation for key in before} == {key: w.incarnation for key, w in before.items()}

"""Which watches a model gets, and what it cannot have and why."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.cohort_block import CohortBlockParams
from detectors.cohort_bounded import CohortBoundedParams
from detectors.cohort_quantile import CohortQuantileParams
from detectors.columns import Cohort
from detectors.divergence import DivergenceParams
from detectors.loop_gain.detector import LoopGainParams
from detectors.missing_rate import MissingRateParams
from detectors.sample_ratio import SampleRatioParams
from detectors.sample_ratio_by_group import SampleRatioByGroupParams
from monitor.watch import kinds
from tests.watch.configs import FEED, got, missing, predictions, settings

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


UNMARKED = "predictions.items.explored is not mapped: whether an item was drawn at random"

UNSCORED = "predictions.items.score is not mapped: what the model gave to what was shown"

UNWEIGHED = "predictions.items.propensity is not mapped: the chance that an item stood where it stood"

UNTILTED = (
    "neither predictions.tilted with predictions.items.pair (see monitor/client/tilt.py) nor "
    "predictions.items.explored is mapped"
)

UNPAIRED = "needs a metric with as: engagement and one with as: quality, both with value: any"


NO_QUALITY = "no metric says `as: quality`, so nobody can tell what feedback buys"
NO_ENGAGEMENT = "no metric says `as: engagement`, so nobody can tell whether it is green"


def test_a_recommender_with_a_holdout_brings_its_cohorts_metrics_narrowing_silence_and_rejects() -> None:
    assert [*got()] == [
        "holdout",
        "attrition",
        "crossover",
        "clicks",
        "clicks.returning",
        "concentration",
        "homogenisation",
        "tail_collapse",
        "churn",
        "freshness.predictions",
        "freshness.click",
        "freshness.holdout",
        "rejects.predictions",
        "rejects.click",
    ]
    assert set(missing()) == {
        "leakage",
        "propensity_check",
        "training_health",
        "effective_sample",
        "calibration_gap",
        "loop_gain",
        "divergence",
        "flywheel",
        "green_dashboard",
    }


@pytest.mark.parametrize("kind", ["classifier", "regressor", "generator"])
def test_other_kinds_do_not_watch_what_is_shown(kind: str) -> None:
    assert "concentration" not in got(kind=kind)
    assert "concentration" not in missing(kind=kind)


@pytest.mark.parametrize("name", ["score", "probability", "latency_ms", "output_length", "cost"])
def test_every_mapped_number_of_a_prediction_is_watched_for_shifts(name: str) -> None:
    watch = got(predictions=predictions(**{name: "some.path"}))[name]
    assert (watch.detector, watch.on, watch.severity) == ("numeric_shift", name, "warn")


@pytest.mark.parametrize(
    "name", ["label", "finish_reason", "error_code", "refused", "blocked", "truncated", "cache_hit"]
)
def test_every_mapped_category_and_truth_value_of_a_prediction_is_watched_for_shifts(name: str) -> None:
    watch = got(predictions=predictions(**{name: "some.path"}))[name]
    assert (watch.detector, watch.on, watch.severity) == ("category_shift", name, "warn")


def test_features_are_watched_by_their_type() -> None:
    features = {"age": "a", "member": {"path": "m", "type": "flag"}, "country": {"path": "c", "type": "category"}}
    given = predictions(features=features)
    assert {k: w.detector for k, w in got(predictions=given).items() if k.startswith("features.")} == {
        "features.age": "numeric_shift",
        "features.member": "category_shift",
        "features.country": "category_shift",
    }
    assert set(missing(predictions=given)) == {
        "leakage",
        "propensity_check",
        "training_health",
        "effective_sample",
        "calibration_gap",
        "loop_gain",
        "divergence",
        "flywheel",
        "green_dashboard",
    }


def test_an_embedding_is_watched_by_the_hour_or_by_longer_windows() -> None:
    for window, length in (("5m", HOUR), ("25m", 75 * MINUTE), ("2h", 2 * HOUR)):
        watch = got(window=window, predictions=predictions(embedding="vector"))["embedding"]
        assert (watch.detector, watch.on, watch.window, watch.severity) == (
            "embedding_shift",
            "embedding",
            length,
            "warn",
        )


def test_what_may_be_missing_is_one_watch_and_what_may_not_is_no_part_of_it() -> None:
    given = predictions(score="s", label={"path": "l", "default": "none"}, version={"constant": "v1"}, cost="c")
    watch = got(predictions=given)["missing"]
    assert isinstance(watch.params, MissingRateParams)
    assert (watch.params.fields, watch.severity) == (("score", "cost"), "warn")
    assert "missing" not in got()


def test_more_fields_than_one_watch_holds_make_two() -> None:
    features = {f"f{n:02}": f"f.f{n:02}" for n in range(60)}
    brought = got(predictions=predictions(features=features))
    sizes = [len(w.params.fields) for k, w in brought.items() if isinstance(w.params, MissingRateParams)]
    assert sizes == [48, 12]
    assert {"missing", "missing-2"} <= brought.keys()


def test_only_outcomes_a_broken_holdout_silence_and_rejects_page_by_themselves() -> None:
    pages = {w.detector for w in got(predictions=predictions(score="s")).values() if w.severity == "page"}
    assert pages == {
        "cohort_bounded",
        "cohort_sticky",
        "sample_ratio",
        "attrition",
        "contamination",
        "freshness",
        "rejects",
    }


def test_without_cohorts_nothing_is_compared_and_the_reason_is_given() -> None:
    why = "no cohorts are configured, so nothing can be compared with people held out"
    assert missing(cohorts=None) == {
        "holdout": why,
        "clicks": why,
        "training_health": UNMARKED,
        "effective_sample": UNWEIGHED,
        "propensity_check": UNWEIGHED,
        "calibration_gap": UNSCORED,
        "loop_gain": UNTILTED,
        "divergence": why,
        "flywheel": NO_QUALITY,
        "green_dashboard": NO_ENGAGEMENT,
    }
    rejects = ["rejects.predictions", "rejects.click"]
    assert [*got(cohorts=None)] == [
        "concentration",
        "homogenisation",
        "tail_collapse",
        "churn",
        "freshness.predictions",
        "freshness.click",
        *rejects,
    ]


def test_without_units_nothing_that_counts_people_is_watched_and_the_reason_is_given() -> None:
    given = {"topic": "slates", "score": "s", "items": {"each": "slots"}}
    why = "predictions.unit is not mapped, and units are the sample"
    loop = [
        "concentration",
        "homogenisation",
        "tail_collapse",
        "training_health",
        "effective_sample",
        "propensity_check",
        "calibration_gap",
        "churn",
        "loop_gain",
        "divergence",
    ]
    lacking = dict.fromkeys(["holdout", "clicks", *loop, "score", "missing"], why)
    assert missing(predictions=given) == {**lacking, "flywheel": NO_QUALITY, "green_dashboard": NO_ENGAGEMENT}
    assert {w.detector for w in got(predictions=given).values()} == {"freshness", "rejects"}


def test_leakage_is_watched_among_held_out_people_where_their_policies_are_named() -> None:
    cohorts = {"field": "arm", "holdout": {"share": 0.1, "policies": ["random"]}}
    wanted = got(predictions=predictions(policy="ranker"), cohorts=cohorts)["leakage"]
    assert (wanted.on, wanted.cohort, wanted.severity) == ("leaked", Cohort.HOLDOUT, "page")


def test_people_cannot_cross_between_cohorts_of_a_hash_rule() -> None:
    assert "crossover" not in got(cohorts={"hash": {"salt": "s"}, "holdout": {"share": 0.1}})


def test_a_metric_that_is_engagement_is_read_by_period_and_brings_the_composite_over_the_loop_family() -> None:
    feed = settings(metrics={"clicks": {"of": "click", "as": "engagement", "page_if_worse_by": "7%"}})
    brought = kinds.watches_of(feed)
    (reading,) = (w for w in brought.watches if w.detector == "engagement")
    assert (reading.key, reading.on, reading.window, reading.severity) == ("clicks.engagement", "clicks", DAY, "info")
    made = kinds.composite(feed, brought.watches)
    assert made is not None
    assert (made.parts, made.severity) == (("concentration", "homogenisation", "tail_collapse"), "page")
    assert [(r.watch, r.metric, r.better, r.tolerated) for r in made.reads] == [
        ("clicks.engagement", "clicks", "higher", 0.07)
    ]
    assert "green_dashboard" not in brought.missing


def test_the_composite_can_be_switched_off_or_kept_from_paging() -> None:
    metrics = {"clicks": {"of": "click", "as": "engagement"}}
    for given, severity in ((False, None), ({"severity": "warn"}, "warn")):
        feed = settings(metrics=metrics, watch={"green_dashboard": given})
        made = kinds.composite(feed, kinds.watches_of(feed).watches)
        assert (None if made is None else made.severity) == severity
        assert [*kinds.unknown(feed)] == []


def test_where_items_say_whether_they_were_random_the_training_set_is_watched() -> None:
    watch = got(predictions=predictions(items={"each": "slots", "explored": "random"}))["training_health"]
    assert (watch.detector, watch.window, watch.severity) == ("training_health", got()["concentration"].window, "warn")


def test_organic_outcomes_that_no_watch_counts_are_said_to_be_counted_nowhere() -> None:
    click = {**FEED["outcomes"]["click"], "match": {"id": "slate", "item": "post"}}
    told = {**click, "origin": {"field": "source", "unit": "who"}}
    where = {"predictions": predictions(items={"each": "slots", "explored": "random"})}
    assert "organic outcomes of click" not in missing(outcomes={"click": told}, **where)
    assert "organic outcomes of click" not in missing(outcomes={"click": click})
    why = "no training_health with labels is placed on outcomes.click; they are credited to nothing and counted nowhere"
    for lost in (
        {"outcomes": {"click": told}},
        {"outcomes": {"click": told}, "watch": {"training_health": False}, **where},
    ):
        assert missing(**lost)["organic outcomes of click"] == why
    assert missing(outcomes={"click": told, "read": told}, **where).keys() & {"organic outcomes of click"} == set()
    assert "organic outcomes of read" in missing(outcomes={"click": told, "read": told}, **where)


@pytest.mark.parametrize(
    ("more", "items", "instrument"),
    [
        ({"tilted": "t"}, {"pair": "p", "explored": "random"}, "tilt"),
        ({"tilted": "t"}, {"explored": "random"}, "exploration"),
        ({}, {"explored": "random"}, "exploration"),
    ],
)
def test_loop_gain_takes_the_coins_of_a_tilt_else_the_luck_of_random_slots(
    more: dict[str, str], items: dict[str, str], instrument: str
) -> None:
    watch = got(predictions=predictions(items={"each": "slots", **items}, **more))["loop_gain"]
    assert watch.params == LoopGainParams.model_validate({"instrument": instrument})
    assert watch.severity == ("page" if instrument == "tilt" else "warn")


def test_loop_gain_is_summed_over_what_a_model_is_trained_on() -> None:
    given = predictions(items={"each": "slots", "explored": "random"})
    for span, lags in (("daily", 1), ("36h", 2), ("weekly", 7)):
        params = got(predictions=given, trained_on=span)["loop_gain"].params
        assert isinstance(params, LoopGainParams)
        assert params.training_periods == lags


def test_without_items_narrowing_is_missing() -> None:
    without = missing(predictions={"topic": "slates", "unit": "u"})
    assert without["concentration"] == "neither predictions.item nor predictions.items is mapped"


@pytest.mark.parametrize("value", ["count", "sum"])
def test_a_metric_without_bounds_is_compared_by_windows_and_by_its_large_values(value: str) -> None:
    click = {**FEED["outcomes"]["click"], "value": "v"}
    metric = {"of": "click", "value": value, "better": "lower", "page_if_worse_by": "7%"}
    brought = got(outcomes={"click": click}, metrics={"clicks": metric})
    mean, tail = brought["clicks"], brought["clicks.tail"]
    assert (mean.detector, mean.on, mean.severity) == ("cohort_block", "clicks", "page")
    assert mean.params == CohortBlockParams(better="lower", page_if_worse_by=0.07)
    assert (tail.detector, tail.on, tail.severity) == ("cohort_quantile", "clicks", "warn")
    assert tail.params == CohortQuantileParams(holdout_share=0.05, better="lower")


def test_a_metric_is_judged_by_its_own_direction_and_margin_against_the_planned_holdout() -> None:
    watch = got(metrics={"clicks": {"of": "click", "better": "lower", "page_if_worse_by": "7%"}})["clicks"]
    assert watch.params == CohortBoundedParams(holdout_share=0.05, better="lower", page_if_worse_by=0.07)
    assert (watch.on, watch.metric) == ("clicks", "clicks")


def test_a_holdout_is_judged_in_every_segment_of_people_and_warns_its_owner() -> None:
    brought = got(predictions=predictions(segments=["platform", "country"]))
    by = {key: (w.params, w.severity) for key, w in brought.items() if w.detector == "sample_ratio_by_group"}
    assert by == {
        "holdout.by.platform": (SampleRatioByGroupParams(holdout_share=0.05, by="segments.platform"), "warn"),
        "holdout.by.country": (SampleRatioByGroupParams(holdout_share=0.05, by="segments.country"), "warn"),
    }


def test_a_broken_holdout_is_judged_by_its_planned_share_and_told_to_its_owner() -> None:
    watch = got(cohorts={"field": "arm", "holdout": {"share": "5%", "team": "experiments"}})["holdout"]
    assert isinstance(watch.params, SampleRatioParams)
    assert (watch.params.holdout_share, watch.team) == (0.05, "experiments")


@pytest.mark.parametrize(
    ("window", "retrained", "length"), [("1h", "daily", DAY), ("7h", "daily", 21 * HOUR), ("2d", "weekly", 6 * DAY)]
)
def test_narrowing_is_judged_over_the_whole_windows_of_a_period(window: str, retrained: str, length: int) -> None:
    assert got(window=window, retrained=retrained)["concentration"].window == length


@pytest.mark.parametrize(("window", "minutes"), [("1m", 1), ("5m", 1), ("15m", 3), ("1h", 5), ("1d", 5)])
def test_arrivals_are_counted_over_a_fifth_of_a_window_between_one_and_five_minutes(window: str, minutes: int) -> None:
    assert kinds.arrival_window(settings(window=window)) == minutes * MINUTE


def test_a_watch_that_is_switched_off_is_gone() -> None:
    assert "clicks" not in got(watch={"clicks": False})


def test_an_override_changes_only_what_it_names() -> None:
    plain = got()["clicks"]
    louder = got(watch={"clicks": {"severity": "warn"}})["clicks"]
    longer = got(watch={"clicks": {"window": "10m"}})["clicks"]
    assert (louder.severity, longer.window) == ("warn", 10 * MINUTE)
    assert (louder.params, louder.window, louder.on) == (plain.params, plain.window, plain.on)
    assert (longer.params, longer.severity, longer.metric) == (plain.params, plain.severity, plain.metric)


def test_an_override_keeps_the_owner_of_the_holdout() -> None:
    cohorts = {"field": "arm", "holdout": {"share": "5%", "team": "experiments"}}
    assert got(cohorts=cohorts, watch={"holdout": {"severity": "warn"}})["holdout"].team == "experiments"


@pytest.mark.parametrize(
    ("key", "parameter"), [("clicks", "page_if_worse_by"), ("concentration", "page_if_items_fall_by"), ("score", "eps")]
)
def test_a_margin_sets_the_detectors_own_parameter(key: str, parameter: str) -> None:
    watch = got(predictions=predictions(score="s"), watch={key: {"page_if_worse_by": "9%"}})[key]
    assert getattr(watch.params, parameter) == 0.09


def test_a_detector_placed_by_hand_looks_where_it_is_told() -> None:
    placed = {"detector": {"kind": "numeric_shift", "eps": "4%"}, "on": "score", "cohort": "holdout", "window": "1h"}
    watch = got(predictions=predictions(score="s"), watch={"mine": placed})["mine"]
    assert (watch.detector, watch.on, watch.cohort, watch.window) == ("numeric_shift", "score", Cohort.HOLDOUT, HOUR)
    assert getattr(watch.params, "eps", None) == 0.04


def test_a_detector_placed_under_the_name_of_a_watch_that_the_kind_brings_takes_its_place() -> None:
    placed = {"detector": {"kind": "river_hint"}, "on": "score"}
    named = kinds.watches_of(settings(predictions=predictions(score="s"), watch={"score": placed})).watches
    assert [w.detector for w in named if w.key == "score"] == ["river_hint"]


def test_a_placed_hint_warns_and_a_placed_test_pages_unless_told_otherwise() -> None:
    given = predictions(score="s")
    for kind, loudest in (("river_hint", "warn"), ("numeric_shift", "page")):
        placed = {"detector": {"kind": kind}, "on": "score"}
        assert got(predictions=given, watch={"mine": placed})["mine"].severity == loudest
        assert got(predictions=given, watch={"mine": {**placed, "severity": "info"}})["mine"].severity == "info"


def test_a_placed_detector_that_compares_cohorts_is_missing_without_them() -> None:
    placed = {"mine": {"detector": {"kind": "sample_ratio", "holdout_share": 0.1}}}
    assert missing(cohorts=None, metrics={}, watch=placed)["mine"].startswith("no cohorts are configured")


def test_labels_name_the_team_and_what_is_looked_at() -> None:
    feed, all_of = settings(), got()
    told = {key: dict(kinds.labels(feed, all_of[key])) for key in ("clicks", "holdout", "freshness.click")}
    assert told == {
        "clicks": {"team": "default", "metric": "clicks"},
        "holdout": {"team": "default", "metric": "holdout"},
        "freshness.click": {"team": "default", "metric": "click"},
    }


RETURN = {"topic": "opens", "match": {"unit": "who"}, "within": "1d"}


def _diverging(**changes: Any) -> dict[str, Any]:
    metrics = {"clicks": {"of": "click", "as": "engagement"}, "returns": {"of": "return", "page_if_worse_by": "1%"}}
    return {"outcomes": FEED["outcomes"] | {"return": RETURN}, "metrics": metrics} | changes


def test_what_is_raised_is_held_against_what_it_is_for() -> None:
    watch = got(**_diverging())["divergence"]
    assert (watch.detector, watch.on, watch.metric, watch.severity) == ("divergence", "returns", "returns", "page")
    assert isinstance(watch.params, DivergenceParams)
    assert (watch.params.engagement, watch.params.page_if_worse_by) == ("clicks", 0.01)


def test_every_quality_metric_is_held_against_every_engagement_metric() -> None:
    metrics = _diverging()["metrics"] | {"kept": {"of": "return"}, "taps": {"of": "click", "as": "engagement"}}
    brought = [key for key in got(**_diverging(metrics=metrics)) if key.startswith("divergence")]
    assert brought == [f"divergence.{q}.{e}" for q in ("returns", "kept") for e in ("clicks", "taps")]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"metrics": {"clicks": {"of": "click"}}}, UNPAIRED),
        ({"cohorts": None}, "no cohorts are configured, so nothing can be compared with people held out"),
        (
            {"metrics": {"clicks": {"of": "click", "as": "engagement"}, "taps": {"of": "click"}}},
            "engagement and quality are made of the same outcome, so they cannot part",
        ),
        (
            {"cohorts": FEED["cohorts"] | {"holdout": {"share": "10%", "rotates": "7d"}}},
            "it sums what each person does while they stay in one cohort, and cohorts.holdout.rotates",
        ),
        (
            {"cohorts": {"field": "build", "old_version": {"share": "30%", "rotates": "7d"}}},
            "it sums what each person does while they stay in one cohort, and cohorts.old_version.rotates",
        ),
    ],
)
def test_what_cannot_be_held_against_anything_is_told_with_its_reason(changes: dict[str, Any], why: str) -> None:
    assert missing(**_diverging(**changes))["divergence"] == why

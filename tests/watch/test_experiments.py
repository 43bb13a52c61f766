"""What an experiment brings, and what it is refused for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detectors.ab_test import AbTestParams
from detectors.canary import CanaryParams
from detectors.sample_ratio import SampleRatioParams
from tests.watch.configs import FEED, faults, plan, settings, watches

FULL: dict[str, Any] = {
    **FEED["predictions"],
    "variant": "arm",
    "role": "role",
    "request_id": "request",
    "error_code": "error",
    "latency_ms": "took",
    "score": "s",
    "items": {"each": "slots", "team": "ranker"},
}
OUTCOMES = {**FEED["outcomes"], "pick": {"topic": "picks", "match": {"id": "slate", "item": "post"}, "within": "30m"}}
METRICS = {"clicks": {"of": "click"}, "picks": {"of": "pick"}}


def changed(experiment: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"predictions": FULL, "outcomes": OUTCOMES, "metrics": METRICS, "experiments": {"x": experiment}} | more


def brought(directory: Path, experiment: dict[str, Any]) -> set[str]:
    return {key for key in watches(plan(directory, **changed(experiment))) if key.startswith("x.")}


def test_each_kind_brings_its_comparisons_and_the_gate_on_its_arms(tmp_path: Path) -> None:
    assert brought(tmp_path, {"kind": "canary", "share": "2%", "slow": "1s"}) == {"x.split", "x.errors", "x.slow"}
    assert brought(tmp_path, {"kind": "ab"}) == {"x.split", "x.clicks", "x.picks"}
    assert brought(tmp_path, {"kind": "interleaving", "of": "pick"}) == {"x.preference"}
    assert brought(tmp_path, {"kind": "shadow", "slow": "1s"}) == {"x.disagreement", "x.slow"}


def test_alpha_is_shared_and_the_gate_knows_the_planned_share(tmp_path: Path) -> None:
    made = watches(plan(tmp_path, **changed({"kind": "canary", "share": "2%", "slow": "1s"})))
    errors, split = made["x.errors"].params, made["x.split"].params
    assert isinstance(errors, CanaryParams)
    assert isinstance(split, SampleRatioParams)
    assert (errors.treatment_share, errors.alpha) == (0.02, 0.005)
    assert split.holdout_share == pytest.approx(0.98)
    ab = watches(plan(tmp_path, **changed({"kind": "ab", "primary": "picks"})))
    primary, other = ab["x.picks"].params, ab["x.clicks"].params
    assert isinstance(primary, AbTestParams)
    assert isinstance(other, AbTestParams)
    assert (primary.alone, primary.alpha, other.alone, other.alpha) == (True, 0.025, False, 0.025)


def test_a_test_that_is_made_once_spends_nothing_of_the_budget_and_says_so(tmp_path: Path) -> None:
    without, made = plan(tmp_path), plan(tmp_path, **changed({"kind": "canary", "share": "2%"}))
    errors = watches(made)["x.errors"]
    assert (errors.spend.page, errors.spend.warn) == (0.0, 0.0)
    assert errors.budget == "tested once, beside the budget: at most 1 % chance ever to say this without cause"
    assert watches(made)["holdout"].spend.page <= watches(without)["holdout"].spend.page


def test_what_cannot_be_compared_is_listed_with_its_reason(tmp_path: Path) -> None:
    made = plan(tmp_path, **changed({"kind": "canary", "share": "2%"}))
    assert "x.slow: slow is not given: the time beyond which an answer is slow" in made.not_watched


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": "canary"}, ""),
        ({"kind": "canary", "metrics": ["nothing"]}, "nothing is no metric; there are: clicks, picks"),
        (
            {"kind": "ab", "metrics": ["clicks"], "primary": "picks"},
            "picks is not among the metrics of this experiment",
        ),
        (
            {"kind": "interleaving", "of": "click"},
            "click must be matched by id and item, so that it says whose item won",
        ),
        ({"kind": "interleaving", "of": "none"}, "none is no outcome; there are: click, pick"),
        ({"kind": "shadow", "by": ["country"]}, "country is no category feature; there are: none yet"),
        ({"kind": "ab", "window": "7m"}, "is no multiple of the model's window"),
        ({"kind": "ab", "id": "e1"}, "ab needs predictions.experiment_id, which is not mapped"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_in_words(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    found = faults(tmp_path, **changed(changes))
    assert len(found) == bool(problem)
    assert not problem or found[0].endswith(problem)


def test_an_experiment_with_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    bare = {**FEED["predictions"], "variant": "arm"}
    (found,) = faults(
        tmp_path, **changed({"kind": "canary"}, predictions=bare, outcomes=FEED["outcomes"], metrics=FEED["metrics"])
    )
    assert "there is nothing to compare: map predictions.error_code" in found


def test_fields_without_which_nobody_can_be_told_apart_are_named(tmp_path: Path) -> None:
    found = faults(tmp_path, experiments={"x": {"kind": "shadow"}})
    assert [f.rpartition(": ")[2] for f in found][:2] == [
        "shadow needs predictions.role, which is not mapped",
        "shadow needs predictions.request_id, which is not mapped",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "ab", "of": "click"}, "of is for interleaving, and this is ab"),
        ({"kind": "interleaving"}, "interleaving needs of"),
        ({"kind": "ab", "control": ["a"], "treatment": ["a"]}, "'a' stands in control and in treatment"),
        ({"kind": "shadow", "control": ["a"]}, "control is for canary and ab and interleaving, and this is shadow"),
    ],
)
def test_keys_of_another_kind_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings(**changed(changes))


def test_a_comparison_of_arms_cannot_be_placed_by_hand(tmp_path: Path) -> None:
    placed = {"mine": {"detector": {"kind": "canary", "treatment_share": "2%"}, "on": "clicks"}}
    (found,) = faults(tmp_path, watch=placed)
    assert found.endswith("canary compares the arms of an experiment; write it under experiments")

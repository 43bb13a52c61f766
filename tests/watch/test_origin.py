"""Where a shift comes from, by family and by what is compared."""

from __future__ import annotations

import pytest

from detectors.detector import Family
from detectors.evidence import Crossing, Evidence, Mode
from monitor.watch import origin
from monitor.watch.finding import Origin


def said(*arms: str, narrowed: list[str] | None = None) -> Evidence:
    detail = {} if narrowed is None else {"narrowed": narrowed}
    return Evidence(mode=Mode.RECOVERING, crossing=Crossing.PAGE, n=dict.fromkeys(arms, 100), detail=detail)


def found(family: Family, evidence: Evidence, *, has_holdout: bool = True) -> Origin:
    return origin.of(family, evidence, has_holdout=has_holdout)[0]


@pytest.mark.parametrize("family", [Family.COHORT, Family.LOOP])
def test_a_difference_from_a_randomised_holdout_is_the_models_doing(family: Family) -> None:
    assert found(family, said("exposed", "holdout")) is Origin.MODEL_INDUCED


@pytest.mark.parametrize("family", [Family.COHORT, Family.LOOP])
def test_without_a_holdout_a_cause_is_only_associated(family: Family) -> None:
    assert found(family, said("exposed", "holdout"), has_holdout=False) is Origin.ASSOCIATED


@pytest.mark.parametrize("family", [Family.COHORT, Family.LOOP])
def test_evidence_that_did_not_count_held_out_people_names_no_cause(family: Family) -> None:
    assert found(family, said("exposed")) is Origin.UNKNOWN


@pytest.mark.parametrize(
    ("narrowed", "meant"),
    [
        (["exposed"], Origin.MODEL_INDUCED),
        (["exposed", "holdout"], Origin.EXTERNAL_DRIFT),
        (["holdout", "exposed"], Origin.EXTERNAL_DRIFT),
        (["holdout"], Origin.HOLDOUT_ANOMALY),
        ([], Origin.UNKNOWN),
    ],
)
def test_narrowing_comes_from_whichever_cohort_changed_itself(narrowed: list[str], meant: Origin) -> None:
    assert found(Family.LOOP, said("exposed", "holdout", narrowed=narrowed)) is meant


def test_cohorts_of_the_wrong_size_are_an_anomaly_of_the_holdout() -> None:
    assert found(Family.INTEGRITY, said("exposed", "holdout")) is Origin.HOLDOUT_ANOMALY


def test_silence_is_a_matter_of_the_data() -> None:
    assert found(Family.FRESHNESS, said()) is Origin.DATA_QUALITY


@pytest.mark.parametrize("family", [Family.SHIFT, Family.HINT])
def test_a_change_against_the_past_alone_names_no_cause(family: Family) -> None:
    assert found(family, said("exposed", "holdout")) is Origin.UNKNOWN


def test_what_is_tried_beside_what_was_there_is_the_cause_unless_its_arms_are_off_plan() -> None:
    assert found(Family.DEPLOYMENT, said("treatment", "control")) is Origin.VERSION_CHANGE
    uneven = Evidence(
        mode=Mode.RECOVERING, crossing=Crossing.WARN, n={"treatment": 9, "control": 1}, arms={"planned": 0.5}
    )
    assert found(Family.DEPLOYMENT, uneven) is Origin.DATA_QUALITY


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("has_holdout", [True, False])
def test_every_origin_but_unknown_comes_with_a_reason(family: Family, has_holdout: bool) -> None:
    where, why = origin.of(family, said("exposed", "holdout"), has_holdout=has_holdout)
    assert (where is Origin.UNKNOWN) == (why == "")


@pytest.mark.parametrize("crossing", [Crossing.NONE, Crossing.RECOVERED])
def test_a_watch_that_says_nothing_names_no_cause(crossing: Crossing) -> None:
    quiet = Evidence(mode=Mode.WATCHING, crossing=crossing, n={"exposed": 1, "holdout": 1})
    assert found(Family.COHORT, quiet) is Origin.UNKNOWN

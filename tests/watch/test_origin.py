"""Where a shift comes from: the table of rules, sector by sector."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.comparison import Comparison
from detectors.detector import Family
from detectors.evidence import Crossing, Evidence, Mode
from detectors.sides import Move, Moves
from monitor.watch import origin
from monitor.watch.finding import Origin
from monitor.watch.origin import Case, Sector, Versions, Watched

COHORTS = (Family.COHORT, Family.LOOP, Family.SHIFT)
CHANGED: dict[str, Any] = {"versions": Versions.CHANGED, "version": "version v2 first seen"}


def moved(exposed: float, held_out: float, se: float = 0.1) -> Moves:
    return Moves(Move(0.0, exposed, exposed, se, 9_000), Move(0.0, held_out, held_out, se, 900))


def found(family: Family, **known: Any) -> Origin:
    where, why = origin.of(Case(family=family, **known))
    assert why
    return where


def with_holdout(family: Family, exposed: float, held_out: float, **known: Any) -> Origin:
    return found(family, compared=Comparison.HOLDOUT, moves=moved(exposed, held_out), **known)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("exposed", "held_out", "meant"),
    [
        (1.0, 0.0, Sector.EXPOSED),
        (1.0, 0.1, Sector.EXPOSED),
        (1.0, 1.0, Sector.BOTH),
        (1.0, 1.2, Sector.BOTH),
        (0.0, 1.0, Sector.HOLDOUT),
        (1.0, -1.0, Sector.APART),
        (1.0, 0.6, Sector.BOTH),
        (0.6, 1.0, Sector.BOTH),
        (0.4, 0.15, Sector.UNDECIDED),
        (0.25, 0.15, Sector.UNDECIDED),
        (0.1, 0.1, Sector.UNDECIDED),
        (0.0, 0.0, Sector.UNDECIDED),
    ],
)
def test_a_sector_is_named_where_the_point_lies_in_it_beyond_chance(
    exposed: float, held_out: float, meant: Sector, sign: int
) -> None:
    assert origin.sector(moved(sign * exposed, sign * held_out)) is meant


def test_an_error_that_is_not_known_decides_nothing() -> None:
    assert origin.sector(moved(1.0, 0.0, se=float("nan"))) is Sector.UNDECIDED


@pytest.mark.parametrize("family", COHORTS)
def test_only_exposed_people_moved(family: Family) -> None:
    assert with_holdout(family, 1.0, 0.0) is Origin.MODEL_INDUCED


@pytest.mark.parametrize("family", [Family.LOOP, Family.SHIFT])
def test_both_moved_alike(family: Family) -> None:
    assert with_holdout(family, 1.0, 1.0) is Origin.EXTERNAL_DRIFT


@pytest.mark.parametrize("family", COHORTS)
def test_only_held_out_people_moved(family: Family) -> None:
    assert with_holdout(family, 0.0, 1.0) is Origin.HOLDOUT_ANOMALY


def test_a_version_that_changed_then_is_named_but_not_for_the_loop_which_retraining_drives() -> None:
    assert with_holdout(Family.SHIFT, 1.0, 0.0, **CHANGED) is Origin.VERSION_CHANGE
    assert with_holdout(Family.COHORT, 1.0, 0.0, **CHANGED) is Origin.VERSION_CHANGE
    assert with_holdout(Family.LOOP, 1.0, 0.0, **CHANGED) is Origin.MODEL_INDUCED


def test_a_version_explains_both_cohorts_only_where_both_were_served_it() -> None:
    assert with_holdout(Family.SHIFT, 1.0, 1.0, **CHANGED) is Origin.EXTERNAL_DRIFT
    both = {**CHANGED, "of_holdout": Versions.CHANGED}
    assert with_holdout(Family.SHIFT, 1.0, 1.0, **both) is Origin.VERSION_CHANGE
    assert with_holdout(Family.SHIFT, 1.0, 1.0, watched=Watched.INPUT, **both) is Origin.EXTERNAL_DRIFT


def test_what_the_model_puts_out_moved_and_no_version_did() -> None:
    silent = {"watched": Watched.OUTPUT, "versions": Versions.SAME}
    assert with_holdout(Family.SHIFT, 1.0, 0.0, **silent) is Origin.SILENT_CHANGE
    assert found(Family.SHIFT, **silent) is Origin.SILENT_CHANGE
    assert found(Family.SHIFT, **silent, inputs_moved=("features.age",)) is Origin.UNKNOWN
    assert found(Family.SHIFT, watched=Watched.OUTPUT) is Origin.UNKNOWN, "versions are not mapped"


def test_versions_that_change_all_the_time_explain_nothing() -> None:
    routine = {"versions": Versions.ROUTINE, "version": "version v9 first seen"}
    assert found(Family.SHIFT, watched=Watched.OUTPUT, **routine) is Origin.UNKNOWN
    assert with_holdout(Family.SHIFT, 1.0, 0.0, watched=Watched.OUTPUT, **routine) is Origin.MODEL_INDUCED


@pytest.mark.parametrize("family", [Family.COHORT, Family.LOOP])
def test_without_a_holdout_a_cause_is_only_associated(family: Family) -> None:
    assert found(family) is Origin.ASSOCIATED
    assert found(family, moves=moved(1.0, 0.0)) is Origin.ASSOCIATED


def test_a_version_that_changed_then_is_only_associated_without_a_holdout() -> None:
    where, why = origin.of(Case(family=Family.SHIFT, watched=Watched.OUTPUT, **CHANGED))
    assert where is Origin.VERSION_CHANGE
    assert "associated by its time alone" in why
    assert found(Family.SHIFT, watched=Watched.INPUT, **CHANGED) is Origin.UNKNOWN, "no version makes its inputs"


def test_a_comparison_of_randomised_cohorts_needs_no_baseline_but_a_shift_does() -> None:
    early = "there is no baseline yet to compare the cohorts with"
    assert found(Family.COHORT, compared=Comparison.HOLDOUT, moves=early) is Origin.MODEL_INDUCED
    assert origin.of(Case(family=Family.SHIFT, compared=Comparison.HOLDOUT, moves=early)) == (Origin.UNKNOWN, early)


def test_a_gap_that_was_there_and_a_drift_of_both_are_told_apart_from_a_gap_that_grew() -> None:
    where, why = origin.of(Case(family=Family.COHORT, compared=Comparison.HOLDOUT, moves=moved(1.0, 1.0)))
    assert (where, "as they did before" in why) == (Origin.MODEL_INDUCED, True)
    where, why = origin.of(Case(family=Family.COHORT, compared=Comparison.HOLDOUT, moves=moved(1.5, 1.0)))
    assert (where, "otherwise than the holdout" in why) == (Origin.MODEL_INDUCED, True)


@pytest.mark.parametrize("family", COHORTS)
def test_data_at_fault_comes_first_and_a_broken_holdout_before_any_comparison(family: Family) -> None:
    lost = "20 % of 900 records of an hour could not be used"
    assert with_holdout(family, 1.0, 0.0, trouble=lost, broken="holdout: the holdout is 3 %") is Origin.DATA_QUALITY
    assert with_holdout(family, 1.0, 0.0, broken="holdout: the holdout is 3 %") is Origin.UNKNOWN


def test_watches_on_the_cohorts_the_stream_and_releases_name_their_origin_themselves() -> None:
    assert found(Family.INTEGRITY) is Origin.HOLDOUT_ANOMALY
    assert found(Family.FRESHNESS) is Origin.DATA_QUALITY
    assert found(Family.QUALITY) is Origin.DATA_QUALITY
    assert found(Family.DEPLOYMENT) is Origin.VERSION_CHANGE
    assert found(Family.DEPLOYMENT, detector="sample_ratio") is Origin.DATA_QUALITY
    assert found(Family.SHIFT, detector="missing_rate") is Origin.DATA_QUALITY


@pytest.mark.parametrize("crossing", [Crossing.NONE, Crossing.RECOVERED])
def test_a_watch_that_says_nothing_has_no_origin(crossing: Crossing) -> None:
    assert not origin.speaks(Evidence(mode=Mode.WATCHING, crossing=crossing))
    assert origin.speaks(Evidence(mode=Mode.RECOVERING))


def test_both_changes_and_the_gap_are_told_with_their_intervals() -> None:
    said = origin.told(Moves(Move(0.3, 0.38, 0.08, 0.01, 9_000), Move(0.3, 0.3, 0.0, 0.02, 900), "values up to 3"))
    assert said == (
        "values up to 3: exposed +8.0 points [5.9 to 10.1], held out +0.0 points [-4.2 to 4.2]; "
        "the gap between them changed by +8.0 points [3.3 to 12.7] since the baseline"
    )


def between_versions(family: Family, exposed: float, old: float) -> tuple[Origin, str]:
    return origin.of(Case(family=family, compared=Comparison.OLD_VERSION, moves=moved(exposed, old)))


def test_between_versions_whoever_moved_alone_is_the_versions_doing_and_what_moved_both_cannot_be_known() -> None:
    for family in (Family.COHORT, Family.LOOP, Family.SHIFT):
        where, why = between_versions(family, 1.0, 0.0)
        assert (where, why[:37]) == (Origin.VERSION_CHANGE, "only people of the new version moved:")
        where, why = between_versions(family, 0.0, 1.0)
        assert (where, why[:37]) == (Origin.VERSION_CHANGE, "only people of the old version moved:")
    where, why = between_versions(Family.SHIFT, 1.0, 1.0)
    assert (where, "by the loop they share or by the world" in why) == (Origin.UNKNOWN, True)
    assert between_versions(Family.LOOP, 1.0, 1.0)[0] is Origin.UNKNOWN
    assert between_versions(Family.LOOP, 2.0, 1.1)[0] is Origin.VERSION_CHANGE
    assert between_versions(Family.COHORT, 1.0, 1.0)[0] is Origin.VERSION_CHANGE


def test_a_broken_assignment_to_versions_is_called_so() -> None:
    broken = Case(family=Family.LOOP, compared=Comparison.OLD_VERSION, moves=moved(1.0, 0.0), broken="it is 20 %")
    assert origin.of(broken)[1] == "the assignment to versions cannot be trusted in that time: it is 20 %"
    _, why = origin.of(Case(family=Family.INTEGRITY, compared=Comparison.OLD_VERSION))
    assert why.startswith("who is served by the old version is not as planned")


def test_beside_draws_only_the_catalogue_is_told_apart_and_the_rest_is_associated() -> None:
    def beside(chosen: float, drawn: float, family: Family = Family.LOOP) -> Origin:
        return found(family, compared=Comparison.SLICE, moves=moved(chosen, drawn))

    assert beside(-1.0, 0.0) is Origin.ASSOCIATED
    assert beside(-1.0, -1.0) is Origin.EXTERNAL_DRIFT
    assert beside(0.0, 1.0) is Origin.EXTERNAL_DRIFT
    assert beside(-2.0, -1.1) is Origin.ASSOCIATED
    assert beside(0.1, 0.1) is Origin.ASSOCIATED
    assert found(Family.SHIFT, compared=Comparison.SLICE) is Origin.UNKNOWN

"""Which watches a model gets where nobody is held out: people of an old version, or items drawn at random, stand in."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.cohort_bounded import CohortBoundedParams
from detectors.concentration import ConcentrationParams
from detectors.propensity_check import PropensityCheckParams
from monitor.watch.refusals import refusals
from tests.watch.configs import FEED, got, missing, predictions, settings


def test_people_drawn_to_an_old_version_are_compared_as_held_out_ones_are_and_none_of_them_can_leak() -> None:
    versions = {"field": "build", "exposed": {"arms": ["42"]}, "old_version": {"arms": ["41"], "share": "30%"}}
    assert [*got(cohorts=versions)] == [*got()]
    assert got(cohorts=versions)["clicks"].params == CohortBoundedParams(holdout_share=0.3)
    assert got(cohorts=versions)["freshness.holdout"].metric == "old_version"
    assert missing(cohorts=versions)["leakage"] == "nobody is held out: both versions are the model's"


def sliced(**items: Any) -> dict[str, Any]:
    shown = {"each": "shown", "explored": "explored", **items}
    return {"cohorts": {"exploration_slice": True}, "predictions": predictions(items=shown)}


def test_beside_an_exploration_slice_exposure_is_compared_and_people_are_not() -> None:
    even = got(**sliced())["concentration"].params
    assert isinstance(even, ConcentrationParams)
    assert (even.slice, even.catalogue) == (True, 0)
    weighed = got(**sliced(propensity="p", catalogue=400))["concentration"].params
    assert isinstance(weighed, ConcentrationParams)
    assert (weighed.slice, weighed.catalogue) == (True, 400)
    nobody = (
        "nobody is held out (cohorts.exploration_slice): what people do cannot be compared, only what they are shown"
    )
    lacking = missing(**sliced())
    assert [lacking[name] for name in ("holdout", "clicks", "divergence", "calibration_gap")] == [
        nobody,
        nobody,
        nobody,
        "predictions.items.score is not mapped: what the model gave to what was shown",
    ]


def test_what_compares_draws_can_be_placed_beside_a_slice_and_what_compares_people_cannot() -> None:
    placed = {
        "draws": {"detector": {"kind": "concentration", "slice": True}},
        "people": {"detector": {"kind": "concentration"}},
    }
    assert "draws" in got(**sliced(), watch=placed)
    assert missing(**sliced(), watch=placed)["people"].startswith("nobody is held out")


def test_logged_propensities_are_checked_where_something_tells_what_they_must_add_up_to() -> None:
    def checked(**items: Any) -> dict[str, Any]:
        return {"predictions": predictions(items={"each": "shown", "propensity": "p", **items})}

    assert got(**checked(catalogue=400))["propensity_check"].params == PropensityCheckParams(catalogue=400)
    assert got(**checked(target="q"))["propensity_check"].params == PropensityCheckParams()
    assert "nothing tells what propensities must add up to" in missing(**checked())["propensity_check"]


@pytest.mark.parametrize(
    ("items", "why"),
    [
        (None, "says nothing without predictions.items.explored: which of the items shown were drawn at random"),
        (
            {"each": "shown"},
            "says nothing without predictions.items.explored: which of the items shown were drawn at random",
        ),
        (
            {"each": "shown", "explored": "explored", "propensity": "p"},
            "draws count by predictions.items.propensity; say predictions.items.catalogue, how many items may be drawn, too",
        ),
        ({"each": "shown", "explored": "explored", "propensity": "p", "catalogue": 40}, ""),
        ({"each": "shown", "explored": "explored"}, ""),
    ],
)
def test_an_exploration_slice_that_could_not_be_weighed_is_refused(items: dict[str, Any] | None, why: str) -> None:
    given = predictions(items=items) if items is not None else {**FEED["predictions"], "items": None, "item": "post"}
    found = [
        p for keys, p in refusals(settings(cohorts={"exploration_slice": True}, predictions=given)) if "cohorts" in keys
    ]
    assert found == ([why] if why else [])

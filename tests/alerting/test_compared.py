"""What is said where nobody is held out: nobody is called so."""

from __future__ import annotations

from dataclasses import fields

import pytest

from detectors.comparison import Comparison
from monitor.alerting.compared import cohorts_of, of, reworded
from monitor.alerting.wording import WORDINGS, wording_of

OF_A_HOLDOUT = ("holdout", "held-out", "held out", "exposed")
BESIDE_DRAWS = ("concentration", "homogenisation", "training_health", "effective_sample", "tail_collapse", "loop_gain")


@pytest.mark.parametrize("detector", sorted(WORDINGS))
def test_no_sentence_about_two_versions_speaks_of_a_holdout(detector: str) -> None:
    words = wording_of(detector, "old_version")
    said = " ".join(getattr(words, each.name) for each in fields(words)).lower()
    assert [word for word in OF_A_HOLDOUT if word in said] == []


@pytest.mark.parametrize("detector", BESIDE_DRAWS)
def test_no_sentence_beside_an_exploration_slice_speaks_of_people_held_out(detector: str) -> None:
    words = wording_of(detector, "exploration_slice")
    said = " ".join(getattr(words, each.name) for each in fields(words)).lower()
    assert [word for word in OF_A_HOLDOUT[:3] if word in said] == []


def test_with_a_holdout_every_sentence_is_as_it_stands() -> None:
    assert wording_of("concentration", "holdout") == wording_of("concentration") == WORDINGS["concentration"]
    assert of(None) is of("holdout") is cohorts_of({})


def test_only_whole_phrases_are_reworded_and_a_beginning_stays_a_beginning() -> None:
    assert reworded("The holdout is smaller", Comparison.OLD_VERSION) == "The old version's group is smaller"
    assert reworded("rollouts of holdouts_v2", Comparison.OLD_VERSION) == "rollouts of holdouts_v2"

"""A config that is read again: what is wrong changes nothing, what is right takes effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor import app
from monitor.reload import Reloaded, reloaded

SHARED = """
kafka: {{ brokers: ["localhost:9092"], start: {start} }}
notify: {{ oncall: "json://localhost:1/" }}
models: [feed.yaml, ads.yaml]
"""
MODEL = """
model: {name}
kind: classifier
window: {window}
predictions: {{ topic: {name}.slates, id: slate, time: at, unit: who, score: score{more} }}
"""


def config(folder: Path, *, start: str = "latest", shared: str = "", **models: str) -> app.Config:
    (folder / "loopwatch.yaml").write_text(SHARED.format(start=start) + shared)
    for name in ("feed", "ads"):
        text = models.get(name, MODEL.format(name=name, window="10m", more=""))
        (folder / f"{name}.yaml").write_text(text)
    return app.read_config(folder / "loopwatch.yaml")


@pytest.fixture
def before(tmp_path: Path) -> app.Config:
    return config(tmp_path)


def again(before: app.Config, after: app.Config) -> Reloaded:
    return reloaded(before.loaded.settings, before.plans.models, after.loaded.settings, after.plans)


def test_the_same_config_changes_nothing(before: app.Config, tmp_path: Path) -> None:
    new = again(before, config(tmp_path))
    assert new == Reloaded(before.plans.models, frozenset())


def test_a_model_that_changed_is_the_only_one_made_anew(before: app.Config, tmp_path: Path) -> None:
    other = MODEL.format(name="ads", window="10m", more="") + "runbook: https://localhost/ads"
    new = again(before, config(tmp_path, ads=other))
    assert new.changed == {"ads"}
    assert not new.refused
    assert new.plans[0] == before.plans.models[0]


def test_a_watch_more_takes_its_share_of_the_budget_from_all_of_the_team(before: app.Config, tmp_path: Path) -> None:
    new = again(before, config(tmp_path, ads=MODEL.format(name="ads", window="10m", more=", features: [age]")))
    assert new.changed == {"ads", "feed"}


def nothing_but(new: Reloaded, before: app.Config) -> str:
    """The one reason why nothing was taken up."""
    assert new.plans == before.plans.models
    assert not new.changed
    (reason,) = new.refused
    return reason


def test_a_fault_in_a_model_is_named_with_its_place_and_changes_nothing(before: app.Config, tmp_path: Path) -> None:
    said = nothing_but(
        again(before, config(tmp_path, ads=MODEL.format(name="ads", window="10 ducks", more=""))), before
    )
    assert "ads.yaml:4: window: " in said


def test_another_window_is_refused_in_words(before: app.Config, tmp_path: Path) -> None:
    said = nothing_but(again(before, config(tmp_path, ads=MODEL.format(name="ads", window="20m", more=""))), before)
    assert said.startswith("ads: its window was 10 min and is now 20 min; ")


def test_another_key_of_ids_is_refused_for_every_model_that_is_known_by_it(before: app.Config, tmp_path: Path) -> None:
    new = again(before, config(tmp_path, shared="ids: { key: another-key-of-many-characters }\n"))
    assert new.plans == before.plans.models
    assert [said.partition(": the key that ids are hashed with")[0] for said in new.refused] == ["feed", "ads"]
    assert "another-key" not in str(new)


def test_what_only_a_restart_can_change_is_refused(before: app.Config, tmp_path: Path) -> None:
    other = MODEL.format(name="ads", window="10m", more=", features: [age]")
    said = nothing_but(again(before, config(tmp_path, start="earliest", ads=other)), before)
    assert said == "kafka: cannot be changed while loopwatch runs; set it back, or restart loopwatch"


def test_a_model_that_is_gone_is_dropped_and_a_new_one_is_taken_up(before: app.Config, tmp_path: Path) -> None:
    new = again(before, config(tmp_path, ads=MODEL.format(name="shop", window="10m", more="")))
    assert [plan.model for plan in new.plans] == ["feed", "shop"]
    assert new.changed == {"shop"}, "feed goes on as it was"

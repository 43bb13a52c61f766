"""Teams that hold nobody out: people drawn to an old version, or items drawn at random, show that a loop closes; and what they cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.alerting.alert import Kind
from monitor.alerting.composite import DASHBOARD
from monitor.simulate.closed_loop import events
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.watch.finding import Origin
from tests.scenarios.world import Ended, configured, replayed

EXAMPLE = (Path(__file__).parents[2] / "deploy" / "examples" / "without-a-holdout.yaml").read_text()
RANDOM_ITEMS = "cohorts: { exploration_slice: true }"
TWO_VERSIONS = next(line for line in EXAMPLE.splitlines() if line.startswith("# cohorts:")).removeprefix("# ")


def model(cohorts: str) -> str:
    """The example's model, compared so."""
    return EXAMPLE[EXAMPLE.index("model:") :].replace(f"\n{RANDOM_ITEMS}\n", f"\n{cohorts}\n")


def ended(folder: Path, mode: Mode, shape: Shape, cohorts: str, *, from_day: int = 99) -> Ended:
    """How a replay of a world ends; `from_day` on, the chances of random items are logged a fifth too small."""
    events.write(folder, _logged(events.events(5, mode, shape), from_day))
    files = {topic: [folder / f"{topic}.jsonl.gz"] for topic in (events.SLATES, events.CLICKS)}
    return replayed(configured(folder, model(cohorts)), files)


def _logged(
    world: Iterator[tuple[events.Truth, list[events.Event]]], from_day: int
) -> Iterator[tuple[events.Truth, list[events.Event]]]:
    for truth, due in world:
        if truth.period >= from_day:
            for item in (item for event in due if event.topic == events.SLATES for item in event.value["shown"]):
                if item["explored"]:
                    item["propensity"] *= 0.8
        yield truth, due


VERSIONS = Shape(people=1_800, periods=4, holdout=0.0, old_version=0.3)


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("versions"), Mode.CLOSED, VERSIONS, TWO_VERSIONS)


def test_a_version_that_feeds_on_itself_is_told_beside_one_that_does_not(two_versions: Ended) -> None:
    (alert,) = two_versions.alerts(DASHBOARD)
    assert alert.opened_at <= events.FIRST_DAY + 4 * events.DAY
    assert alert.finding.origin is Origin.VERSION_CHANGE
    assert "only people of the new version moved" in alert.finding.origin_reason
    message = two_versions.message(alert, Kind.FIRING)
    assert "people of the new version see fewer different items than before" in message.title
    assert (
        "*Compared with the old version:* Both versions feed the same loop, so what it does to both is not"
        in message.text
    )
    assert "*Likely origin: the version. Only people of the new version moved:" in message.text
    assert all(word not in message.text.lower() for word in ("holdout", "held-out", "held out"))


def test_two_versions_that_do_the_same_say_nothing(tmp_path: Path) -> None:
    twin = ended(tmp_path, Mode.FROZEN, VERSIONS, TWO_VERSIONS)
    assert twin.alerts() == []
    assert twin.judged("concentration") == 3


NOBODY_HELD_OUT = Shape(people=1_800, periods=4, holdout=0.0)


def test_a_closing_loop_is_told_beside_what_is_drawn_at_random(tmp_path: Path) -> None:
    told = ended(tmp_path, Mode.CLOSED, NOBODY_HELD_OUT, RANDOM_ITEMS)
    (alert,) = told.alerts(DASHBOARD)
    assert alert.opened_at <= events.FIRST_DAY + 4 * events.DAY
    assert alert.finding.origin is Origin.ASSOCIATED
    message = told.message(alert, Kind.FIRING)
    assert "beneath it people see fewer different items than before" in message.title
    assert (
        "*Likely origin: associated with the model. Only what the model chooses moved, not what may be drawn:"
        in message.text
    )
    assert "*Compared with what is drawn at random:* The draws stand in the same people's lists" in message.text
    assert all(word not in message.text.lower() for word in ("holdout", "held-out people"))


def test_a_model_trained_on_random_items_alone_says_nothing_beside_them(tmp_path: Path) -> None:
    twin = ended(tmp_path, Mode.EXPLORATION_ONLY, NOBODY_HELD_OUT, RANDOM_ITEMS)
    assert twin.alerts() == []
    assert twin.judged("concentration") == 3


def test_chances_that_are_logged_wrong_are_told_and_blind_what_is_weighted_by_them(tmp_path: Path) -> None:
    wrong = ended(tmp_path, Mode.FROZEN, Shape(people=1_000, periods=2, holdout=0.0), RANDOM_ITEMS, from_day=2)
    (alert,) = wrong.alerts("propensity_check")
    assert alert.opened_at <= events.FIRST_DAY + 2 * events.DAY
    assert alert.finding.origin is Origin.DATA_QUALITY
    message = wrong.message(alert, Kind.FIRING)
    assert "items are drawn with other chances than are logged: the logged ones are too small" in message.title
    assert "Compared with" not in message.text
    assert wrong.alerts("concentration", "effective_sample") == []
    assert wrong.status["effective_sample"].state == "blind"
    last = wrong.status["concentration"]
    assert last.state == "blind"
    assert "propensity_check: by their logged propensities the draws stand for 12" in last.reason

"""Teams that hold nobody out: people drawn to an old version, or items drawn at random, show that a loop closes; and what they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.alerting.alert import Kind
from monitor.alerting.composite import DASHBOARD
from monitor.simulate.closed_loop import events
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.watch.finding import Origin
from tests.scenarios.world import Ended, configured, replayed

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "closed-loop.yaml"
PARTS = ("concentration", "homogenisation")
RANDOM_ITEMS = """
cohorts: { exploration_slice: true }

"""
TWO_VERSIONS = """
cohorts:
  field: version
  exposed: { arms: [ranker-1] }
  old_version: { arms: [ranker-0], share: 30% }

"""


def model(cohorts: str) -> str:
    """The example's model with other cohorts."""
    text = EXAMPLE.read_text()
    text = text.replace("propensity: propensity,", "propensity: propensity, catalogue: 400,")
    return text[text.index("model:") : text.index("cohorts:")] + cohorts + text[text.index("metrics:") :]


def ended(folder: Path, mode: Mode, shape: Shape, cohorts: str) -> Ended:
    events.write(folder, events.events(5, mode, shape))
    files = {topic: [folder / f"{topic}.jsonl.gz"] for topic in events.TOPICS}
    return replayed(configured(folder, model(cohorts)), files)


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
    assert "by the model's choice people see fewer different items than before" in message.title
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

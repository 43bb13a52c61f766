"""5: a closed loop with a planted harm: exposure narrows while clicks hold; told once, as the green dashboard, by period 4."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor import app
from monitor.alerting.alert import Alert, Kind, Phase
from monitor.alerting.composite import DASHBOARD
from monitor.cli.remedies import seen_of
from monitor.clock import ManualClock
from monitor.simulate.closed_loop import events
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.testing import Run
from monitor.watch.finding import Origin
from tests.scenarios.world import Ended, configured, replayed

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "closed-loop.yaml"
SHAPE = Shape(people=1_800, periods=4, holdout=0.2, event_at=3)
PARTS = ("concentration", "homogenisation")


def model() -> str:
    """The example's model, without what it says of brokers and rehearsal."""
    return EXAMPLE.read_text()[EXAMPLE.read_text().index("model:") :].replace("share: 10%", "share: 20%")


def files(folder: Path, mode: Mode) -> Mapping[str, list[Path]]:
    events.write(folder, events.events(5, mode, SHAPE))
    return {topic: [folder / f"{topic}.jsonl.gz"] for topic in events.TOPICS}


def ended(folder: Path, mode: Mode) -> Ended:
    return replayed(configured(folder, model()), files(folder, mode))


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("harmed"), Mode.CLOSED_PLANTED_HARM)


def dashboard(ended: Ended) -> Alert:
    (alert,) = ended.alerts(DASHBOARD)
    return alert


def test_the_green_dashboard_is_told_by_period_four_as_the_models_doing(harmed: Ended) -> None:
    alert = dashboard(harmed)
    assert alert.phase is Phase.FIRING
    assert alert.opened_at <= events.FIRST_DAY + 4 * events.DAY
    assert alert.since is not None
    assert alert.since <= events.FIRST_DAY + 2 * events.DAY
    assert alert.finding.origin is Origin.MODEL_INDUCED
    message = harmed.message(alert, Kind.FIRING)
    assert message.title.startswith("closed-loop: clicks ")
    assert "exposed people see fewer different items than before" in message.title
    assert "*Green:* clicks " in message.text
    assert "*Likely origin: the model." in message.text
    assert "Exposure risk, no proof of harm" in message.text


def test_its_parts_are_stored_and_shown_but_not_told_one_by_one(harmed: Ended) -> None:
    parts = harmed.alerts(*PARTS)
    assert sorted(a.watch for a in parts) == sorted(PARTS)
    assert [harmed.messages(a) for a in parts] == [[], []]
    assert all(harmed.status[p].state == "firing" for p in (*PARTS, DASHBOARD))
    assert "concentration" in harmed.status[DASHBOARD].reason


def test_a_naive_watch_on_clicks_says_only_good(harmed: Ended) -> None:
    assert harmed.alerts("clicks", "clicks.returning") == []
    trend = dashboard(harmed).finding.evidence.detail["engagement"][0]
    assert trend["direction"] in ("up", "flat")


@pytest.mark.parametrize("mode", [Mode.FROZEN, Mode.EXPLORATION_ONLY, Mode.FROZEN_EXTERNAL_DRIFT])
def test_nothing_of_the_loop_is_told_where_there_is_none(mode: Mode, tmp_path: Path) -> None:
    twin = ended(tmp_path, mode)
    assert twin.alerts(DASHBOARD, *PARTS, "loop_gain", "calibration_gap") == []
    assert twin.judged("concentration") == 3
    said = {f.evidence.reason for f in twin.told.findings if f.watch == DASHBOARD}
    fell = mode is Mode.FROZEN_EXTERNAL_DRIFT
    assert ("not green: clicks has fallen" in said) is fell
    assert fell or twin.status[DASHBOARD].state == "ok"


def test_a_run_in_other_turns_that_forgets_everything_after_each_tells_the_same(harmed: Ended, tmp_path: Path) -> None:
    plan, clock = configured(tmp_path, model()), ManualClock()
    source = app.file_source(files(tmp_path, Mode.CLOSED_PLANTED_HARM), plan)
    again = Run(plan, source, app.memory_store(clock), clock, turn_size=6_000, poll_size=2_000, restart=True)
    assert again.to_the_end().lines() == harmed.told.lines()
    assert len(again.steps) > 3
    seen = seen_of(again.store, plan)
    assert not isinstance(seen, str)
    assert (seen.items, seen.periods) == (SHAPE.items, 3)
    assert seen.explored == pytest.approx(0.1)
    assert seen.items_left < 0.5
    assert seen.holdout == pytest.approx(0.2, abs=0.03)

"""7: fewer held out than planned, people in both cohorts, held-out people served by the model, exposed people who stay away; and a
sound holdout."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.evidence import Standing
from monitor.simulate.closed_loop.events import DAY, FIRST_DAY, SLATES, TOPICS, Event, events, write
from monitor.simulate.closed_loop.shape import Mode, Shape
from tests.scenarios.world import Ended, configured, replayed

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "closed-loop.yaml"
GATES = {"holdout", "crossover", "leakage"}
LOOP = {"concentration", "homogenisation", "training_health", "loop_gain", "divergence.reads", "divergence.returns"}
GATED = LOOP | {"clicks", "reads", "returns"}


def model() -> str:
    """The shipped config without what all scenarios share."""
    text = EXAMPLE.read_text(encoding="utf-8")
    return text[text.index("model: ") :]


def ended(folder: Path, mode: Mode, *, deserted: bool = False) -> Ended:
    world = events(7, mode, Shape(people=2_500, periods=5) if deserted else Shape(people=4_000, periods=6))
    write(folder / "events", ((truth, _deserted(due) if deserted else due) for truth, due in world))
    files = {topic: [folder / "events" / f"{topic}.jsonl.gz"] for topic in TOPICS}
    return replayed(configured(folder, model()), files)


def _deserted(due: list[Event]) -> list[Event]:
    """From the third day on, four of ten exposed people no longer come."""
    gone = {e.value["person"] for e in due if e.topic == SLATES and e.value["arm"] == "exposed"}
    gone = {person for person in gone if int(person[1:]) % 10 < 4}
    return [e for e in due if e.time < FIRST_DAY + 2 * DAY or e.key not in gone]


@pytest.fixture(scope="module")
def deserted(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("deserted"), Mode.FROZEN, deserted=True)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("broken"), Mode.BROKEN_ASSIGNMENT)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("sound"), Mode.FROZEN)


def test_each_fault_of_the_holdout_is_told_by_its_own_alert(broken: Ended) -> None:
    assert {a.watch for a in broken.alerts(*GATES)} == GATES


def test_every_verdict_that_rests_on_the_holdout_is_blind_and_says_why(broken: Ended) -> None:
    last = {f.watch: f for f in broken.told.findings if f.watch in GATED}
    assert set(last) == GATED
    for finding in last.values():
        assert finding.evidence.standing is Standing.BLIND, finding.watch
        assert any(gate in finding.evidence.reason for gate in GATES)
    assert not broken.alerts(*GATED)


def test_a_sound_holdout_looked_at_in_each_window_is_called_sound(sound: Ended) -> None:
    assert not sound.alerts(*GATES, "attrition")
    assert all(f.evidence.standing is not Standing.BLIND for f in sound.told.findings)


def test_where_the_exposed_stay_away_comparisons_of_those_who_come_are_blind(deserted: Ended) -> None:
    (alert,) = deserted.alerts("attrition")
    assert alert.finding.evidence.change_at == FIRST_DAY + 2 * DAY
    last = {f.watch: f for f in deserted.told.findings if f.watch in LOOP}
    assert set(last) == LOOP
    for finding in last.values():
        assert finding.evidence.standing is Standing.BLIND, finding.watch
        assert "attrition: " in finding.evidence.reason
    for before in deserted.alerts(*GATED):
        assert before.opened_at < alert.opened_at
        assert "attrition: " in before.frozen

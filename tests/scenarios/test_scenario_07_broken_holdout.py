"""7: fewer held out than planned, people in both cohorts, held-out people served by the model; and a sound holdout."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.evidence import Standing
from monitor.simulate.closed_loop.events import TOPICS, events, write
from monitor.simulate.closed_loop.shape import Mode, Shape
from tests.scenarios.world import Ended, configured, replayed

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "closed-loop.yaml"
GATES = {"holdout", "crossover", "leakage"}
GATED = {"concentration", "clicks", "reads", "returns"}


def model() -> str:
    """The shipped config without what all scenarios share."""
    text = EXAMPLE.read_text(encoding="utf-8")
    return text[text.index("model: ") :]


def ended(folder: Path, mode: Mode) -> Ended:
    write(folder / "events", events(7, mode, Shape(people=4_000, periods=6)))
    files = {topic: [folder / "events" / f"{topic}.jsonl.gz"] for topic in TOPICS}
    return replayed(configured(folder, model()), files)


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
    assert not sound.alerts(*GATES)
    assert all(f.evidence.standing is not Standing.BLIND for f in sound.told.findings)

"""39: one model's topic turns to garbage: that model is stale and says so; the others never notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detectors.evidence import Standing
from monitor import app
from monitor.alerting.alert import Kind, Phase, Severity
from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource, Record
from monitor.store.via_memory import MemoryStore
from monitor.testing import Told, told
from monitor.turns import ModelTurns, TurnLimits
from monitor.web.overview import State, WatchRow
from tests.scenarios.world import MINUTE, SHARED, START

MODEL = """
model: {name}
kind: classifier
window: 10m
rejects: {{ at_most: 5%, at_least: 50, over: 15m }}
predictions: {{ topic: {name}.slates, id: slate, time: at, unit: who, score: score }}
outcomes: {{ click: {{ topic: {name}.clicks, time: at, match: {{ id: slate }}, within: 10m }} }}
"""
MODELS = ("feed", "shop")
MINUTES, A_MINUTE = 240, 20
WHOLLY, PARTLY = range(120, 150), range(180, 200)
"""Minutes in which all, or three of ten, of feed's predictions are garbage."""


def events(model: str, minute: int, *, broken: bool) -> Iterator[tuple[TopicPartition, bytes]]:
    now = START + minute * MINUTE
    for n in range(A_MINUTE):
        garbage = broken and model == "feed" and (minute in WHOLLY or (minute in PARTLY and n % 10 < 3))
        body = f'{{"slate":"s{minute}.{n}","at":{now - n},"who":"u{minute}.{n}","score":{n}}}'.encode()
        yield TopicPartition(f"{model}.slates", n % 2), b"\xff" + body if garbage else body
    yield TopicPartition(f"{model}.clicks", 0), f'{{"slate":"s{minute}.0","at":{now}}}'.encode()


class Live:
    """A daemon's turns of four hours, thirty seconds apart, over two models with topics of their own."""

    def __init__(self, folder: Path, *, broken: bool, turn_ms: int = MINUTE // 2) -> None:
        (folder / "models").mkdir()
        for name in MODELS:
            (folder / "models" / f"{name}.yaml").write_text(MODEL.format(name=name))
        (folder / "loopwatch.yaml").write_text(SHARED + "models: models/*.yaml\n")
        plans = app.read_config(folder / "loopwatch.yaml").plans
        assert not plans.faults, [fault.sentence for fault in plans.faults]
        self.plans = {plan.model: plan for plan in plans.models}
        self.clock = ManualClock(START)
        self.store = MemoryStore(self.clock)
        lease = self.store.acquire("daemon", 1 << 50)
        assert lease is not None
        turns, sources, offsets = {}, {}, dict[TopicPartition, int]()
        for name, plan in self.plans.items():
            parts = [
                TopicPartition(f"{name}.slates", 0),
                TopicPartition(f"{name}.slates", 1),
                TopicPartition(f"{name}.clicks", 0),
            ]
            sources[name] = MemorySource({p: [] for p in parts}, live=True)
            offsets |= dict.fromkeys(parts, 0)
            turns[name] = ModelTurns(
                Engine(plan), sources[name], self.store, self.clock, limits=TurnLimits(milliseconds=1)
            )
        self.shown: dict[int, dict[str, WatchRow]] = {}
        for minute in range(MINUTES):
            for name in MODELS:
                for partition, body in events(name, minute, broken=broken):
                    sources[name].append(partition, [Record(body, offsets[partition], self.clock.now())])
                    offsets[partition] += 1
            for _ in range(MINUTE // turn_ms):
                for each in turns.values():
                    each.turn(lease)
                self.clock.sleep(turn_ms)
            if minute in (WHOLLY[-1], MINUTES - 1):
                self.shown[minute] = self.status("feed")

    def told(self, model: str) -> Told:
        return told(self.store, model)

    def status(self, model: str) -> dict[str, WatchRow]:
        sections = app.overview(self.store, list(self.plans.values()), self.clock).models
        return {row.watch: row for section in sections if section.model == model for row in section.rows}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Live:
    return Live(tmp_path_factory.mktemp("broken"), broken=True)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Live:
    return Live(tmp_path_factory.mktemp("sound"), broken=False)


def test_the_model_says_so_by_an_alert_of_its_own_and_when_it_is_over(broken: Live) -> None:
    first, second = [a for a in broken.told("feed").alerts if a.watch == "rejects.predictions"]
    minutes = [(a.opened_at - START) / MINUTE for a in (first, second)]
    assert WHOLLY[0] <= minutes[0] <= WHOLLY[0] + 4
    assert PARTLY[0] <= minutes[1] <= PARTLY[0] + 8
    for alert in (first, second):
        assert (alert.severity, alert.phase) == (Severity.PAGE, Phase.RESOLVED)
        assert alert.finding.origin == "unknown"
        assert alert.first.origin == "data_quality"
    messages = [n for n in broken.told("feed").outbox if n.alert == first.id]
    assert {n.kind for n in messages} == {Kind.FIRING, Kind.RESOLVED}
    (text,) = {n.text for n in messages if n.kind is Kind.FIRING}
    assert "records in the last 14 minutes could not be used; at most 5 % may be" in text
    assert "Likely origin: the data" in text
    assert "loopwatch dead-letters list" in text
    assert "a limit, not a test" in text


def test_while_it_is_open_no_watch_of_the_model_is_shown_as_well(broken: Live) -> None:
    shown = broken.shown[WHOLLY[-1]]
    assert shown["rejects.predictions"].state is State.FIRING
    assert not {row.state for row in shown.values()} & {State.OK, State.LEARNING, State.RESOLVED}, shown
    assert shown["score"].reason.startswith("rejects.predictions: ")
    assert broken.shown[MINUTES - 1]["score"].state is not State.STALE


def test_verdicts_of_windows_with_too_many_are_stale_with_the_share(broken: Live) -> None:
    stale = [f for f in broken.told("feed").findings if f.evidence.standing is Standing.STALE and f.watch == "score"]
    assert stale
    within = range(PARTLY[0] - 10, PARTLY[-1] + 11)
    partly = [f for f in stale if (f.start - START) // MINUTE in within]
    assert len(partly) >= 2
    assert all("records of predictions could not be used" in f.evidence.reason for f in partly)


def test_every_garbled_record_is_a_dead_letter(broken: Live) -> None:
    expected = sum(
        body.startswith(b"\xff") for minute in range(MINUTES) for _, body in events("feed", minute, broken=True)
    )
    assert len(broken.told("feed").rejects) == expected == len(WHOLLY) * A_MINUTE + len(PARTLY) * A_MINUTE * 3 // 10


def test_the_other_model_never_notices(broken: Live, sound: Live) -> None:
    assert len(sound.told("shop").findings) > 20
    assert broken.told("shop") == sound.told("shop")


def test_where_nothing_is_garbled_nothing_is_told(sound: Live) -> None:
    for model in MODELS:
        assert not [a for a in sound.told(model).alerts if a.watch.startswith("rejects.")]
        assert not sound.told(model).rejects


def test_the_size_of_a_turn_changes_no_verdict_of_event_time(broken: Live, tmp_path: Path) -> None:
    other = Live(tmp_path, broken=True, turn_ms=MINUTE)
    ours, theirs = (
        [f for f in live.told("feed").findings if not f.watch.startswith(("freshness.", "rejects."))]
        for live in (broken, other)
    )
    until = min(max(f.end for f in each) for each in (ours, theirs))
    assert [f for f in ours if f.end <= until] == [f for f in theirs if f.end <= until]

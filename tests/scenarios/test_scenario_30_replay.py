"""30: replay of a recorded stream."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from monitor import replay as replaying
from monitor.alerting.alert import Alert
from monitor.cli import cli
from monitor.clock import ManualClock
from monitor.engine import Engine
from monitor.ingest.mapping import PREDICTIONS
from monitor.ingest.via_memory import MemorySource
from monitor.memory import ModelMemory
from monitor.store import codec
from monitor.store.protocols import Step
from monitor.store.via_memory import MemoryStore
from monitor.testing import Told, told
from monitor.turns import ModelTurns, TurnLimits
from monitor.watch.finding import Finding
from tests.engine.shop import ARRIVALS, CONFIG, contents, shop_events
from tests.scenarios.world import configured, written
from tests.servers.webhook import webhook

"""Live they go by wall time, of which a file knows nothing."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, int]:
    """What a daemon told that read a few records at a time as they came, and how far it had closed windows."""
    events = shop_events()
    clock = ManualClock(events[0][0])
    source = MemorySource({where: [] for _, where, _ in events}, live=True)
    store = MemoryStore(clock)
    plan = configured(tmp_path_factory.mktemp("live"), CONFIG, "")
    turns = ModelTurns(Engine(plan), source, store, clock, limits=TurnLimits(poll_records=7))
    lease = store.acquire("daemon", 1 << 50)
    assert lease is not None
    coming = [(where, record) for where, records in contents(events).items() for record in records]
    coming.sort(key=lambda each: each[1].timestamp)
    given = 0
    while given < len(coming):
        clock.time += 20_000
        while given < len(coming) and coming[given][1].timestamp <= clock.now():
            where, record = coming[given]
            source.append(where, [record])
            given += 1
        turns.turn(lease)
    return told(store, plan.model), turns.memory.lanes[PREDICTIONS]


def command(folder: Path, shared: str) -> Result:
    """The recorded stream through the command line."""
    configured(folder, shared, "")
    lines: dict[tuple[str, int], list[bytes]] = {}
    for _, (topic, partition), body in shop_events():
        lines.setdefault((topic, partition), []).append(body)
    words = ["replay", "--config", str(folder / "loopwatch.yaml"), "--out", str(folder / "out")]
    words += [f"{t}={written(folder, f'{t}-{p}', bodies)}" for (t, p), bodies in sorted(lines.items())]
    result = CliRunner(env={"TERM": "dumb"}).invoke(cli, words)
    assert result.exit_code == 0, result.output
    return result


def replay(folder: Path, shared: str = CONFIG) -> tuple[list[Finding], dict[str, Alert]]:
    """What the command wrote: findings, and every alert."""
    command(folder, shared)
    findings = [
        msgspec.json.decode(line, type=Finding)
        for line in (folder / "out" / "findings.jsonl").read_bytes().splitlines()
    ]
    alerts = [
        msgspec.json.decode(line, type=Alert) for line in (folder / "out" / "alerts.jsonl").read_bytes().splitlines()
    ]
    return findings, {a.id: a for a in alerts}


def test_the_same_findings_and_alerts_as_live(live: tuple[Told, int], tmp_path: Path) -> None:
    seen, closed = live
    findings, alerts = replay(tmp_path)
    as_live = seen.without(ARRIVALS)
    in_time = [f for f in findings if f.watch not in ARRIVALS and f.end <= closed]
    known = {codec.encode(f) for f in as_live.findings}
    assert len(known) > 300
    assert known <= {codec.encode(f) for f in in_time}
    missing = {(f.watch, f.end) for f in in_time if codec.encode(f) not in known}
    assert {watch for watch, _ in missing} <= {"clicks-fall", "visits-fall"}  # their outcomes were not in yet
    assert all(end > closed - 40 * 60_000 for _, end in missing)
    replayed = {(a.id, a.watch, a.opened_at, a.severity) for a in alerts.values() if a.watch not in ARRIVALS}
    assert {(a.id, a.watch, a.opened_at, a.severity) for a in as_live.alerts} == replayed


def test_nothing_is_sent_unless_asked(tmp_path: Path) -> None:
    with webhook() as receiver:
        here = CONFIG.replace("localhost:1/", f"127.0.0.1:{receiver.port}/").replace(
            "localhost:2/", f"127.0.0.1:{receiver.port}/"
        )
        heard = command(tmp_path, here)
        assert heard.stdout.count("╭") > 5
        assert receiver.received == []
    assert "nobody is told" not in heard.stderr
    unheard = command(
        tmp_path, "\n".join(line for line in CONFIG.splitlines() if not line.startswith(("notify", "teams")))
    )
    assert "shop: team default has no destination, so nobody is told what " in unheard.stderr
    assert frames(unheard) == frames(heard), "a replay shows what would be told, if somebody were"


def frames(done: Result) -> list[str]:
    """The lines of the messages that were shown."""
    return [line for line in done.stdout.splitlines() if line.startswith(("╭", "│", "╰"))]


class SlowMachine(ManualClock):
    """A second passes between any two looks at the clock."""

    def now(self) -> int:
        """A second after the last look."""
        self.time += 1_000
        return self.time


def test_the_files_are_the_same_however_fast_the_machine_and_long_the_turns(tmp_path: Path) -> None:
    plan = configured(tmp_path, CONFIG, "")
    held = contents(shop_events())
    records = sum(len(each) for each in held.values())
    wrote: dict[str, tuple[bytes, ...]] = {}
    limits = {"slow": TurnLimits(poll_records=500), "fast": TurnLimits(), "short": TurnLimits(records=1_000)}
    for name, limit in limits.items():
        clock = SlowMachine() if name == "slow" else ManualClock()
        lines, steps = replaying.Lines(tmp_path / name), 0

        def heard(memory: ModelMemory, step: Step, lines: replaying.Lines = lines) -> None:
            nonlocal steps
            lines(memory, step)
            steps += 1

        replaying.run([plan], {plan.model: MemorySource(held)}, MemoryStore(clock), clock, on_step=heard, limits=limit)
        lines.close()
        wrote[name] = tuple((tmp_path / name / f"{what}.jsonl").read_bytes() for what in ("findings", "alerts"))
        assert (steps > 5) == (name == "short"), f"{steps} turns for {records} records"
    assert wrote["slow"] == wrote["fast"] == wrote["short"]
    findings, alerts = (each.splitlines() for each in wrote["fast"])
    order = [(f.end, f.watch) for f in (msgspec.json.decode(line, type=Finding) for line in findings)]
    assert len(order) > 300
    assert order == sorted(order)
    ids = [msgspec.json.decode(line, type=Alert).id for line in alerts]
    assert len(ids) == len(set(ids)) > 5

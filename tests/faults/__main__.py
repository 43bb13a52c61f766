"""`make faults`: every fault on real servers, as a table and in build/faults.json.

Targets: in every run nothing lost, nothing doubled, and findings, alerts and messages as if nothing had happened; at least a
hundred kills; a cluster of three brokers included. Arguments are parts of names: only those faults are run.

Each fault's row is kept as soon as it is over, so an interrupted run leaves what it measured; rows over all of them are those of a
whole run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from monitor.simulate import open_bandit
from monitor.store.via_sql import upgrade
from tests.benchmarks.targets import Row, keep, publish
from tests.e2e import streams
from tests.faults import cases
from tests.faults.trial import Trial, Verdict
from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import PostgresCluster
from tests.servers.webhook import webhook

COMMAND = "make faults"
LINES, TARGETS = Path("build/faults.json"), Path("build/TARGET.json")
KILLS = 100
AWAY_SECONDS = 60.0


@dataclass(frozen=True)
class Case:
    """A fault and where it happens. `options` go to `Trial`."""

    name: str
    happen: Callable[[Trial], int]
    sqlite: bool = False
    brokers: int = 1
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    fault: str
    times: int
    verdict: Verdict
    recovered: list[float]
    said: dict[str, str]
    seconds: float


_UNFINISHED = Verdict(0, 0, 0, findings=False, alerts=False, messages=False, repeated=0, unexplained=0)
"""Of a trial that did not come to its end: the others are run all the same."""


def all_cases(database: cases.Database) -> Iterator[Case]:
    """Every fault."""
    quick = ("turn_records", 200)
    yield Case("nothing happens", cases.nothing)
    yield Case("broker killed and restarted", cases.broker_dies)
    yield Case("three brokers lose a leader", cases.leader_dies, brokers=3)
    yield Case(f"database away for {AWAY_SECONDS:g} s", partial(database.away, seconds=AWAY_SECONDS))
    yield Case("database slow", database.slow)
    yield Case("database refuses writes", database.refuses_writes)
    yield Case("disk full", cases.disk_full, sqlite=True)
    yield Case("receiver answers 429, 500, 429, 503", cases.receiver_limits)
    yield Case("receiver hangs", cases.receiver_hangs)
    yield Case("receiver away", cases.receiver_away)
    yield Case("clock back an hour, on a day, back a day", cases.clock_errs)
    yield Case("second daemon takes over", cases.second_daemon)
    yield Case("paused daemon wakes with an old lease", cases.paused)
    yield Case("SIGTERM", cases.told_to_end, options=(quick,))
    yield Case("SIGKILL at every commit boundary", cases.killed_at_every_commit, options=(("turn_records", 5_000),))


def run(names: list[str], over: Callable[[list[Line]], None]) -> list[Line]:
    """Run the faults whose names hold one of `names`, or all; `over` hears of the lines so far after each."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="loopwatch-faults-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        stream = open_bandit.resampled(streams.SEED, streams.IMPRESSIONS, plant=streams.PLANT)
        replayed = streams.Replayed(folder / "replayed", streams.told(folder / "replayed", stream))
        postgres = PostgresCluster()
        postgres.start()
        stack.callback(postgres.stop)
        clusters: dict[int, tuple[KafkaCluster, streams.Topics]] = {}

        def topics(brokers: int) -> tuple[KafkaCluster, streams.Topics]:
            if brokers not in clusters:
                cluster = KafkaCluster(brokers)
                stack.callback(cluster.stop)
                cluster.start()
                clusters[brokers] = cluster, streams.produced(cluster, stream, replicas=brokers)
            return clusters[brokers]

        def tried(case: Case, name: str) -> Line:
            cluster, written = topics(case.brokers)
            with _trial(folder / name, cluster, written, replayed, None if case.sqlite else postgres, case) as trial:
                began = time.monotonic()
                try:
                    times, verdict, said = case.happen(trial), trial.verdict(), trial.said
                except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as error:
                    times, verdict, said = 0, _UNFINISHED, {"ended early": str(error).partition("\n")[0]}
                return Line(case.name, times, verdict, trial.recovered, said, time.monotonic() - began)

        wanted = [case for case in all_cases(cases.Database(postgres)) if _named(case.name, names)]
        for number, case in enumerate(wanted):
            Console(stderr=True).print(f"{number + 1} of {len(wanted)}: {case.name} ...")
            lines.append(_told(tried(case, f"trial-{number}")))
            over(lines)
        seed = 0
        while _named("SIGKILL at random moments", names) and _kills(lines) < KILLS:
            seed += 1
            options = (("turn_records", 200),)
            happen = partial(cases.killed, times=KILLS - _kills(lines), seed=seed)
            lines.append(_told(tried(Case("SIGKILL at random moments", happen, options=options), f"kills-{seed}")))
            over(lines)
            if not lines[-1].times:
                break
    return lines


@contextmanager
def _trial(
    folder: Path,
    cluster: KafkaCluster,
    topics: streams.Topics,
    replayed: streams.Replayed,
    postgres: PostgresCluster | None,
    case: Case,
) -> Iterator[Trial]:
    folder.mkdir()
    url = f"sqlite:///{folder / 'state.db'}"
    if postgres is not None:
        url = postgres.create_database(f"trial_{os.urandom(4).hex()}")
    upgrade(url)
    with webhook() as receiver:
        trial = Trial(folder, cluster, topics, replayed, url, receiver, **dict(case.options))
        with closing(trial):
            yield trial


def _named(name: str, wanted: list[str]) -> bool:
    return not wanted or any(part in name for part in wanted)


def _kills(lines: list[Line]) -> int:
    return sum(line.times for line in lines if line.fault == "SIGKILL at random moments")


def _told(line: Line) -> Line:
    word = "sound" if line.verdict.sound() else f"NOT SOUND: {line.verdict}"
    Console(stderr=True).print(f"{line.fault}, {line.times} times, {line.seconds:.0f} s: {word}; {line.said or ''}")
    return line


def main() -> None:
    """Run, print, write build/faults.json and its rows."""
    lines = run(sys.argv[1:], _keep)
    table = Table(title="make faults", title_justify="left")
    for name in (
        "fault",
        "times",
        "events",
        "lost",
        "doubled",
        "findings, alerts, messages",
        "repeated",
        "recovered, s",
    ):
        table.add_column(name)
    for line in lines:
        v = line.verdict
        equal = "equal" if v.findings and v.alerts and v.messages else "DIFFERENT"
        took = f"{statistics.median(line.recovered):.1f}" if line.recovered else "-"
        cells = (line.times, f"{v.read:,}", v.lost, v.doubled, equal, v.repeated, took)
        table.add_row(line.fault, *map(str, cells))
    Console(width=160).print(table)
    publish([*_own_rows(lines), *([] if sys.argv[1:] else _rows(lines))], TARGETS)
    if not all(line.verdict.sound() for line in lines):
        raise SystemExit(1)


def _keep(lines: list[Line]) -> None:
    """What was measured so far, in files."""
    LINES.parent.mkdir(exist_ok=True)
    LINES.write_bytes(msgspec.json.format(msgspec.json.encode([asdict(line) for line in lines])) + b"\n")
    keep(_own_rows(lines), TARGETS)


def _own_rows(lines: list[Line]) -> list[Row]:
    """A row a fault: how much was lost, doubled, repeated without a reason or told otherwise, of so many times."""
    rows = []
    for fault in dict.fromkeys(line.fault for line in lines):
        own = [line for line in lines if line.fault == fault]
        amiss = sum(line.verdict.amiss() for line in own)
        rows.append(_row(f"faults: {fault}", amiss, "things amiss", 0, amiss == 0, sum(line.times for line in own)))
    return rows


def _row(name: str, value: float, unit: str, target: float, met: bool, n: int) -> Row:
    return Row(name=name, value=value, unit=unit, low=value, high=value, n=n, target=target, met=met, command=COMMAND)


def _rows(lines: list[Line]) -> list[Row]:
    row = partial(_row, n=len(lines))
    lost, doubled = sum(line.verdict.lost for line in lines), sum(line.verdict.doubled for line in lines)
    sound = sum(line.verdict.sound() for line in lines)
    boundaries = sum(line.times for line in lines if "every commit" in line.fault)
    kills = _kills(lines)
    unexplained = sum(line.verdict.unexplained for line in lines)
    return [
        row("faults: SIGKILLs at commit boundaries", boundaries, "kills", 1, boundaries >= 1),
        row("faults: events lost", lost, "events", 0, lost == 0),
        row("faults: events doubled", doubled, "events", 0, doubled == 0),
        row("faults: runs equal to the undisturbed one", sound, "runs", len(lines), sound == len(lines)),
        row("faults: SIGKILLs at random moments", kills, "kills", KILLS, kills >= KILLS),
        row("faults: messages repeated that were not in flight", unexplained, "messages", 0, unexplained == 0),
    ]


if __name__ == "__main__":
    main()

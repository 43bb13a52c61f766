"""`make restart`: from the start of a process to its first new verdict, with a million pending predictions and a thousand watches.

State is built on a real PostgreSQL: predictions that all still wait for their outcome, then a thousand watches that have judged a
window. Then a new process opens the store, loads, takes in the next records, closes a window and commits
its findings. The target is a count against the limit: verdicts within ten seconds.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from monitor.app import open_store, read_config
from monitor.clock import SystemClock
from monitor.engine import Engine
from monitor.events import TopicPartition
from monitor.ingest.via_memory import MemorySource, Record
from monitor.store.via_sql import upgrade
from monitor.turns import ModelTurns, TurnLimits
from tests.benchmarks.targets import Row, publish
from tests.servers.postgres import PostgresCluster

COMMAND = "make restart"
PENDING = 1_000_000
WATCHES = 1_000
WITHIN_S = 10.0
RUNS = 3
START = 1_704_067_200_000
MINUTE = 60_000
WINDOW = 10 * MINUTE
_PARTITION = TopicPartition("slates", 0)

MODEL = """
kafka: { brokers: ["localhost:9092"] }
notify: { nobody: "json://127.0.0.1:1/" }

model: large
kind: classifier
window: 10m
predictions: { topic: slates, id: slate, time: at, unit: who, score: score, features: [age] }
outcomes: { fraud: { topic: clicks, time: at, match: { id: slate }, within: 30d } }
watch:
"""


def config(folder: Path, count: int) -> Path:
    """A model with so many watches: the same detector, each time with another tolerance."""
    path = folder / f"{count}.yaml"
    shift = "kind: numeric_shift, min_units: 30"
    columns = ("score", "features.age")
    watches = (
        f"  w{i}: {{ detector: {{ {shift}, eps: {0.02 + i / 10_000:.4f} }}, on: {columns[i % 2]} }}\n"
        for i in range(count)
    )
    path.write_text(MODEL + "".join(watches))
    return path


def predictions(first: int, count: int, start: int, length: int) -> Iterator[Record]:
    """Predictions spread over a stretch of event time, offsets from `first`."""
    for i in range(count):
        at = start + i * length // count
        body = {
            "slate": f"s{first + i}",
            "at": at,
            "who": f"u{first + i}",
            "score": i % 97 / 97,
            "age": i % 61,
        }
        yield Record(json.dumps(body).encode(), first + i, at)


def turns_of(path: Path, url: str, records: list[Record]) -> ModelTurns:
    """The model's turns over some records, on the store."""
    (plan,) = [each for each in read_config(path).plans.models if each.model == "large"]
    clock = SystemClock()
    source = MemorySource({_PARTITION: records, TopicPartition("clicks", 0): []})
    limits = TurnLimits(records=50_000, milliseconds=60_000, waiting_rows=10 * PENDING)
    engine = Engine(plan, arrival_is_event_time=True)
    return ModelTurns(engine, source, open_store(url, clock), clock, limits=limits, replay=True)


def built(path: Path, url: str, records: list[Record]) -> None:
    """Take in records, and close every window but the last."""
    turns = turns_of(path, url, records)
    lease = turns.store.acquire("builder", 3_600_000)
    assert lease is not None
    while turns.source.behind()[_PARTITION]:
        turns.turn(lease)
    turns.store.release(lease)


def restarted(path: Path, url: str, run: int) -> int:
    """What a new process does; returns how many verdicts it committed."""
    window = START + (5 + run) * WINDOW
    first = PENDING + 1_000 * (run + 4)
    turns = turns_of(path, url, list(predictions(first, 1_000, window, WINDOW)))
    lease = turns.store.acquire(f"restarted-{run}", 60_000)
    assert lease is not None
    step = turns.turn(lease)
    turns.store.release(lease)
    assert len(turns.memory.pending) >= PENDING
    return 0 if step is None else len({finding.watch for finding in step.findings})


def main() -> None:
    """Build, restart a few times, publish. With arguments: one restart, as a process of its own."""
    if len(sys.argv) > 1:
        print(restarted(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))  # noqa: T201  # its answer
        return
    postgres = PostgresCluster()
    postgres.start()
    try:
        with tempfile.TemporaryDirectory(prefix="loopwatch-restart-") as folder:
            few, path = config(Path(folder), 1), config(Path(folder), WATCHES)
            url = postgres.create_database(f"restart_{os.urandom(4).hex()}")
            upgrade(url)
            million = predictions(0, PENDING, START, WINDOW)
            built(few, url, [*million, *predictions(PENDING, 2_000, START + WINDOW, 2 * WINDOW)])
            built(path, url, list(predictions(PENDING + 2_000, 2_000, START + 3 * WINDOW, 2 * WINDOW)))
            took, verdicts, cpu = [], [], []
            for run in range(RUNS):
                began, spent = time.monotonic(), _spent()
                command = [sys.executable, "-m", "tests.benchmarks.restart", str(path), url, str(run)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                took.append(time.monotonic() - began)
                cpu.append(_spent() - spent)
                verdicts.append(int(done.stdout))
                sys.stderr.write(
                    f"{verdicts[-1]} verdicts after {took[-1]:.1f} s, {cpu[-1]:.1f} s of them its own work\n"
                )
    finally:
        postgres.stop()
    middle = RUNS // 2
    publish(
        [
            _row(
                "restart: watches with a verdict in the first commit", min(verdicts), "watches", WATCHES, at_most=False
            ),
            _row("restart: time to the first new verdict / ten seconds", sorted(took)[middle] / WITHIN_S, "ratio", 1.0),
            _row("restart: CPU to the first new verdict / ten seconds", sorted(cpu)[middle] / WITHIN_S, "ratio", 1.0),
        ],
        Path("build/TARGET.json"),
    )


def _spent() -> float:
    """CPU seconds of processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row(name: str, value: float, unit: str, target: float, *, at_most: bool = True) -> Row:
    met = value <= target if at_most else value >= target
    return Row(
        name=name, value=value, unit=unit, low=value, high=value, n=RUNS, target=target, met=met, command=COMMAND
    )


if __name__ == "__main__":
    main()

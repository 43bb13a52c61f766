"""CPU of the whole pipeline, as a ratio to polling alone and to polling and decoding alone, in one process.

The stream is the demo's (resampled impressions of the Open Bandit Dataset), from files, with the demo's six watches and a
store in memory. Ratios of one run carry over to other machines far better than seconds do; they still depend on how many
windows the events are spread over (here 504 of an hour, and 6,048 of arrivals).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from monitor import app, demo
from monitor.clock import SystemClock
from monitor.ingest.decode import compile_mapping
from monitor.simulate import open_bandit
from monitor.watch.plan import ModelPlan
from tests.benchmarks.targets import Row, publish

IMPRESSIONS = 500_000
RUNS = 5
COMMAND = "make bench"


def main() -> None:
    """Measure, print, write build/bench.json."""
    plan = demo.with_destinations(app.read_config(demo.config_path()).plans.models[0])
    with tempfile.TemporaryDirectory() as folder:
        stream = open_bandit.resampled(demo.SEED, IMPRESSIONS, plant=demo.PLANT)
        files = demo.files_of(open_bandit.write(Path(folder), stream), plan)

        def poll() -> None:
            source = app.file_source(files, plan)
            while not source.finished():
                source.poll(10_000, 0)

        def decode() -> None:
            source = app.file_source(files, plan)
            decoders = {m.topic: compile_mapping(m, plan.hash_key) for m in plan.mappings}
            while not source.finished():
                for block in source.poll(10_000, 0):
                    decoders[block.topic].decode(block)

        seconds: dict[str, list[float]] = {"poll": [], "decode": [], "all": []}
        for run in range(RUNS):
            sys.stderr.write(f"run {run + 1} of {RUNS}\n")
            seconds["poll"].append(_cpu(poll))
            seconds["decode"].append(_cpu(decode))
            seconds["all"].append(_cpu(lambda: _whole(plan, files, Path(folder) / "out")))
    publish(
        [
            _row("polling alone / whole pipeline", "poll", seconds, None),
            _row("polling and decoding alone / whole pipeline", "decode", seconds, None),
        ],
        Path("build/bench.json"),
    )


def _whole(plan: ModelPlan, files: dict[str, list[Path]], folder: Path) -> None:
    clock = SystemClock()
    demo.tell(
        plan,
        app.file_source(files, plan),
        app.memory_store(clock),
        clock,
        folder,
        on_message=lambda _: None,
        on_progress=lambda _: None,
    )


def _cpu(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _row(name: str, part: str, seconds: dict[str, list[float]], target: float | None) -> Row:
    ratios = [a / b for a, b in zip(seconds[part], seconds["all"], strict=True)]
    value = statistics.median(ratios)
    met = None if target is None else value >= target
    return Row(
        name=name,
        value=value,
        unit="ratio",
        low=min(ratios),
        high=max(ratios),
        n=RUNS,
        target=target,
        met=met,
        command=COMMAND,
    )


if __name__ == "__main__":
    main()

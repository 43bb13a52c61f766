"""Measure everything with two processes; write build/calibrate.json, build/calibrate.md and rows of build/TARGET.json.

`python -m tests.benchmarks.calibrate` measures all; names of detectors, `rivals`, `delays`, one of its
cases or `budget` measure a part.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.calibrate import budget, delays, false_alarms, judged, table
from tests.benchmarks.calibrate.delays import Delay
from tests.benchmarks.calibrate.false_alarms import Measured
from tests.benchmarks.calibrate.task import Task, measure
from tests.benchmarks.targets import publish

PROCESSES = 2
BUILD = Path("build")


def main(wanted: Sequence[str]) -> None:
    """Run the tasks that are wanted; an empty list wants all."""
    tasks: list[Task] = [("budget", kind) for kind in budget.KINDS if not wanted or "budget" in wanted]
    tasks += [("delays", name) for name in delays.CASES if not wanted or {"delays", name} & {*wanted}]
    tasks += [
        ("false_alarms", task)
        for task in false_alarms.tasks()
        if not wanted or task[0] in wanted or ("rivals" in wanted and task[0].startswith("rivals"))
    ]
    began, results = time.monotonic(), dict[int, list[Any]]()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for done, (index, result) in enumerate(pool.imap_unordered(measure, list(enumerate(tasks))), start=1):
            results[index] = result
            sys.stderr.write(f"{done} of {len(tasks)}, {time.monotonic() - began:,.0f} s: {tasks[index]}\n")
    told = [item for index in sorted(results) for item in results[index]]
    alarms = [m for m in told if isinstance(m, Measured)]
    waited = [d for d in told if isinstance(d, Delay)]
    spent = [s for s in told if isinstance(s, budget.Spent)]
    BUILD.mkdir(exist_ok=True)
    parts = {"false_alarms": alarms, "delays": waited, "budget": spent}
    (BUILD / "calibrate.json").write_bytes(msgspec.json.format(msgspec.json.encode(parts)) + b"\n")
    (BUILD / "calibrate.md").write_text(f"{table.false_alarms(alarms)}\n\n{table.delays(waited)}\n", encoding="utf-8")
    rows = judged.of_false_alarms(alarms) + judged.of_budget(spent) + judged.of_delays(waited)
    publish(rows, BUILD / "TARGET.json")


if __name__ == "__main__":
    main(sys.argv[1:])

"""`make loop-bench`: the figures of the loop family, against their targets. Parts: gain, world-gain, modes.

Writes rows of build/TARGET.json; `modes` also build/loop-bench.md and .json.

python -m tests.benchmarks.loop_bench modes --seeds 10
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from detectors.loop_gain import estimate, sequence
from monitor.simulate.closed_loop.shape import Mode, Shape
from tests.benchmarks import loop_table
from tests.benchmarks.gain_world import World, observational, run
from tests.benchmarks.intervention import estimated, true_gain
from tests.benchmarks.loop_modes import Course, course
from tests.benchmarks.targets import Row, publish

COMMAND = "make loop-bench"
PARTS = ("gain", "world-gain", "modes")
OUT, TABLE = Path("build/TARGET.json"), Path("build/loop-bench.md")
PROCESSES = 2
OWN_PEOPLE, OWN_PERIODS = 12_000, 8
LARGE = World(1.2, items=4_000, views=2_000, periods=5, h=0.3, tilted=0.8, warm=2)


def _row(name: str, value: float, error: float, unit: str, n: int, target: float | None, *, met: bool | None) -> Row:
    return Row(
        name=name,
        value=value,
        unit=unit,
        low=value - 2 * error,
        high=value + 2 * error,
        n=n,
        target=target,
        met=met,
        command=COMMAND,
    )


def gain(courses: int) -> list[Row]:
    """Coverage at true gains of about 0, .5 and .8; above 1 told at 1.2; and the regression that is no gain."""
    rows: list[Row] = []
    for gamma in (0.0, 0.5, 0.8):
        rng, told = np.random.default_rng(607), []
        for _ in range(courses):
            course = run(rng, World(gamma))
            a, first, missed = estimate.nothing(1), estimate.sums(course.pairs[0]), False
            for pairs in course.pairs:
                a += estimate.sums(pairs)
                low, high = sequence.interval(a, first, 0.05)
                missed = missed or not low <= course.truth <= high
            low, high = estimate.anderson_rubin(a, 0.05)
            held = low <= course.truth <= high
            told.append((held, missed, estimate.total(a)[0], course.truth, observational(course.untilted)))
        held_share, missed_share, mean, truth, wrong = np.mean(np.array(told, np.float64), axis=0)
        name = f"loop gain, true {truth:.2f}"
        error = float(np.sqrt(held_share * (1 - held_share) / courses))
        rows += [
            _row(
                f"{name}: coverage", float(held_share), error, "", courses, 0.92, met=bool(0.92 <= held_share <= 0.98)
            ),
            _row(
                f"{name}: ever missed by the sequence",
                float(missed_share),
                float(np.sqrt(missed_share * (1 - missed_share) / courses)),
                "",
                courses,
                0.05,
                met=bool(missed_share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / courses)),
            ),
            _row(f"{name}: mean estimate", float(mean), 0.0, "gain", courses, None, met=None),
            _row(f"{name}: regression on shares before", float(wrong), 0.0, "gain", courses, None, met=None),
        ]
    large = max(courses // 10, 20)
    rng, above = np.random.default_rng(607), 0
    for _ in range(large):
        course = run(rng, LARGE)
        a, first, ever = estimate.nothing(1), estimate.sums(course.pairs[0]), False
        for pairs in course.pairs:
            a += estimate.sums(pairs)
            ever = ever or sequence.interval(a, first, 0.05)[0] > 1.0
        above += ever
    share = above / large
    error = float(np.sqrt(share * (1 - share) / large))
    rows.append(
        _row(
            "loop gain 1.2, 4,000 items, 2,000 showings each: told above 1",
            share,
            error,
            "",
            large,
            0.9,
            met=bool(share >= 0.9),
        )
    )
    return rows


def world_gain(seeds: int) -> list[Row]:
    """The simulated world's own gain, found by intervening in it, and what the estimator says of worlds that ran by themselves."""
    rows: list[Row] = []
    shape = Shape(people=OWN_PEOPLE, periods=OWN_PERIODS, tilt=0.3)
    for mode in (Mode.CLOSED, Mode.FROZEN):
        truths = [true_gain(1, mode, shape, at, coins=2).total for at in range(2, OWN_PERIODS - shape.memory + 1)]
        low, high = min(truths), max(truths)
        rows.append(
            Row(
                name=f"loop gain of the {mode} world, by intervention, first to last period",
                value=float(np.mean(truths)),
                unit="gain",
                low=low,
                high=high,
                n=len(truths),
                target=None,
                met=None,
                command=COMMAND,
            )
        )
        told = [estimate.anderson_rubin(estimated(seed, mode, shape)[0], 0.05) for seed in range(1, seeds + 1)]
        held = np.mean([a <= high and b >= low for a, b in told])
        name = f"loop gain of the {mode} world, {OWN_PEOPLE:,} people: worlds whose interval holds it"
        rows.append(_row(name, float(held), 0.0, "", seeds, 0.9, met=bool(held >= 0.9)))
    return rows


def modes(seeds: int, of: Sequence[Mode]) -> list[Row]:
    """These modes of the world through the real engine, `seeds` each; writes build/loop-bench.md and .json."""
    tasks = [(mode, seed) for seed in range(1, seeds + 1) for mode in of]
    courses, began = list[Course](), time.monotonic()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for number, done in enumerate(pool.imap_unordered(_course, tasks), start=1):
            courses.append(done)
            told = ", ".join(f"{a.watch} in {a.period}" for a in done.of_family()) or "nothing"
            seconds = time.monotonic() - began
            sys.stderr.write(f"{number} of {len(tasks)}, {seconds:,.0f} s: {done.mode} {done.seed}: {told}\n")
    courses.sort(key=lambda c: (list(Mode).index(Mode(c.mode)), c.seed))
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(loop_table.markdown(courses), encoding="utf-8")
    TABLE.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(courses)) + b"\n")
    return loop_table.judged(courses, COMMAND)


def _course(task: tuple[Mode, int]) -> Course:
    return course(*task)


def main() -> None:
    """Run the parts named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    parser.add_argument("--courses", type=int, default=1_000, help="gain: courses a true gain")
    parser.add_argument("--seeds", type=int, default=10, help="modes, world-gain: worlds a mode")
    parser.add_argument(
        "--mode", nargs="+", type=Mode, choices=[*Mode], default=[*Mode], help="modes: which; default: all"
    )
    given = parser.parse_args()
    parts: dict[str, Callable[[], list[Row]]] = {
        "gain": lambda: gain(given.courses),
        "world-gain": lambda: world_gain(given.seeds),
        "modes": lambda: modes(given.seeds, given.mode),
    }
    publish([row for name in given.parts or PARTS for row in parts[name]()], OUT)


if __name__ == "__main__":
    main()

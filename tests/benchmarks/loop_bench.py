"""`make loop-bench`: the figures of the loop family, against their targets. Parts: gain. Writes rows of build/TARGET.json.

python -m tests.benchmarks.loop_bench gain --courses 1000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from detectors.loop_gain import estimate, sequence
from tests.benchmarks.gain_world import World, observational, run
from tests.benchmarks.targets import Row, publish

COMMAND = "make loop-bench"
OUT = Path("build/TARGET.json")
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


PARTS = {"gain": gain}


def main() -> None:
    """Run the parts named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    parser.add_argument("--courses", type=int, default=1_000, help="courses a true gain")
    given = parser.parse_args()
    publish([row for name in given.parts or PARTS for row in PARTS[name](given.courses)], OUT)


if __name__ == "__main__":
    main()

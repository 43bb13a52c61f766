"""The serving hook: fair, balanced, the same everywhere, and dependent on nothing."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from detectors.loop_gain import estimate
from monitor.client import tilt as module
from monitor.client.tilt import Tilt
from tests.benchmarks.gain_world import World, run

ITEMS = [f"item-{n}" for n in range(2_000)]


def test_pairs_are_balanced_and_coins_are_fair() -> None:
    pairs = Tilt("seed").pairs("p", ITEMS)
    firsts = [pairs[item] for item in ITEMS[0::2]]
    assert all(pairs[a] == -pairs[b] for a, b in zip(ITEMS[0::2], ITEMS[1::2], strict=True))
    assert [abs(pair) for pair in firsts] == [*range(1, 1_001)]
    assert abs(sum(1 if pair > 0 else -1 for pair in firsts)) < 3 * 1_000**0.5


def test_a_lone_last_item_is_not_pushed() -> None:
    assert "c" not in Tilt("seed").pairs("p", ["a", "b", "c"])


def test_signs_change_with_the_period_and_with_the_seed() -> None:
    one = Tilt("seed").pairs("p", ITEMS)
    for other in (Tilt("seed").pairs("q", ITEMS), Tilt("tree").pairs("p", ITEMS)):
        same = sum(one[i] == other[i] for i in ITEMS[0::2])
        assert abs(same - 500) < 3 * 250**0.5


@pytest.mark.parametrize("share", [0.03, 0.5, 0.9])
def test_the_share_of_tilted_requests_is_as_asked(share: float) -> None:
    tilt = Tilt("seed", strength=0.3, share=share)
    pushed = sum(tilt.push(f"r{n}") > 0 for n in range(20_000))
    assert abs(pushed - 20_000 * share) < 4 * (20_000 * share * (1 - share)) ** 0.5
    assert {tilt.push(f"r{n}") for n in range(100)} <= {0.0, 0.3}


@pytest.mark.parametrize(("strength", "share"), [(0.0, 0.5), (1.5, 0.5), (0.2, 0.0), (0.2, 1.0)])
def test_what_cannot_be_measured_is_refused(strength: float, share: float) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        Tilt("seed", strength, share)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.8])
def test_what_is_foretold_is_what_the_estimator_reaches(gamma: float) -> None:
    """60 courses: the spread of the estimate is known to 9 %; with unequal items it is up to 1.8 times what is foretold."""
    rng, world, errors = np.random.default_rng(9), World(gamma), []
    for _ in range(60):
        course = run(rng, world)
        a = sum((estimate.sums(pairs) for pairs in course.pairs), start=estimate.nothing(1))
        errors.append(estimate.total(a)[0] - course.truth)
    tilt = Tilt("seed", world.h, world.tilted)
    foretold = tilt.half_width(world.items // 2, world.views, world.periods, gamma) / 1.96
    assert 0.75 < np.std(errors) / foretold < 2.0


def test_a_plan_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed are at least 1"):
        Tilt("seed").half_width(0, 100, 7)


def test_it_needs_python_alone() -> None:
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    names = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {n.split(".")[0] for n in names} <= set(sys.stdlib_module_names)

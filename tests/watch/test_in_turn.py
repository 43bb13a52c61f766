"""Experiments one after the other: the level of each, and how many of those that find something are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.ab_test import AbTest, AbTestParams
from detectors.columns import Floats
from detectors.evidence import Crossing, Verdict
from detectors.families import Lond
from monitor.watch.in_turn import InTurn
from tests.detectors.releases import enrolled, tick
from tests.watch.configs import faults
from tests.watch.test_experiments import changed

LEVEL, WORLDS, REAL = 0.1, 160, (0, 25)


def wrong_and_right(seed: int, *, in_turn: bool) -> tuple[Floats, Floats]:
    """In each world, of 50 A/B tests one after the other: the false share of those that found something, and the share of real
    effects that were found.

    Two have an effect. Each test has 6 looks at 400 more units; whatever it says is known before the next starts.
    """
    rng, detector, orders = np.random.default_rng(seed), AbTest(), [InTurn()] * WORLDS
    for n in range(50):
        orders = [order.started(f"x{n}") for order in orders]
        ps = [AbTestParams(alpha=LEVEL * (o.shares[f"x{n}"] if in_turn else 1.0), min_units=100) for o in orders]
        state, chance = detector.start(ps), (0.5, 0.25) if n in REAL else (0.25, 0.25)
        for window in range(6):
            state, said = detector.close(ps, state, enrolled(rng, WORLDS, 400, 0.5, chance), tick(window, WORLDS))
            for world, evidence in enumerate(said):
                if evidence.crossing is Crossing.WARN and evidence.verdict in (Verdict.TREATMENT, Verdict.CONTROL):
                    orders[world] = orders[world].discovered(f"x{n}")
    real = {f"x{n}" for n in REAL}
    wrong = np.array([len(o.found - real) / max(len(o.found), 1) for o in orders])
    return wrong, np.array([len(o.found & real) / len(real) for o in orders])


def test_of_fifty_experiments_one_after_the_other_few_that_find_something_are_wrong() -> None:
    wrong, right = wrong_and_right(71, in_turn=True)
    assert wrong.mean() <= LEVEL + 3 * wrong.std() / np.sqrt(WORLDS)
    assert right.mean() > 0.9


def test_at_a_level_of_its_own_for_each_experiment_more_are_wrong_than_the_level() -> None:
    wrong, _ = wrong_and_right(71, in_turn=False)
    assert wrong.mean() > LEVEL + 3 * wrong.std() / np.sqrt(WORLDS)


def test_experiments_that_overlap_keep_the_level_of_when_they_started() -> None:
    order = InTurn().started("a").started("b").discovered("b").discovered("b")
    assert order.shares["a"] == Lond().level(1.0)
    assert order.started("c").shares["c"] == Lond(seen=2, rejected=1).level(1.0)
    assert order.discovered("never started") == order


def test_an_experiment_that_is_tested_anew_is_one_more_and_what_it_found_stays_counted() -> None:
    order = InTurn().started("a").discovered("a").started("a")
    assert (order.lond, order.found) == (Lond(seen=2, rejected=1), frozenset())
    assert order.discovered("a").lond.rejected == 2


def test_a_restart_with_fewer_experiments_keeps_the_counts() -> None:
    order = InTurn().started("a").started("b").discovered("a")
    assert InTurn.unpacked(order.packed(), {"a", "b"}) == order
    assert InTurn.unpacked(order.packed(), {"b"}) == InTurn(order.lond, {"b": order.shares["b"]}, frozenset())


@pytest.mark.parametrize(("experiment", "refused"), [({"kind": "ab"}, False), ({"kind": "ab", "alpha": "1%"}, True)])
def test_an_alpha_beside_false_discoveries_is_refused(
    tmp_path: Path, experiment: dict[str, object], refused: bool
) -> None:
    found = faults(tmp_path, **changed(experiment, false_discoveries="10%"))
    assert len(found) == refused
    assert not refused or "comes from the model's false_discoveries" in found[0]

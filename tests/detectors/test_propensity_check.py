"""Logged propensities against what is drawn: how often true ones alarm, how soon false ones do, and what cannot be checked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors import engine
from detectors.columns import Columns, Flag, Floats, Hash, Ints, Numeric, Ragged, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.propensity_check import Drawn, PropensityCheck, PropensityCheckParams
from tests.detectors.coverage import missed_at_any_look, most_missed

HOUR, DETECTOR = 3_600_000, PropensityCheck()
ALIKE = np.full(50, 0.02)
UNEVEN = np.linspace(1.0, 3.0, 50) / 100.0
STEEP = np.concatenate([np.full(25, 0.0398), np.full(25, 0.0002)])
"""Half of the items are drawn so rarely that one draw stands for a hundred."""


def rows(
    rng: np.random.Generator, chance: Floats, logged: Floats, units: int, draws: int = 1, *, own: bool = False
) -> Columns:
    """`draws` items for each of `units` people, drawn by `chance`, of which `logged` is told; with `own`, each a target too."""
    item = rng.choice(len(chance), units * draws, p=chance)
    fields: dict[str, Hash | Flag | Numeric] = {
        "item": Hash(item.astype(np.uint64) + np.uint64(1)),
        "propensity": Numeric(logged[item]),
    }
    if own:
        fields["target"] = Numeric(np.full(len(item), 1.0 / len(chance)))
    return Columns(
        np.zeros(units, np.int64),
        np.arange(1, units + 1, dtype=np.uint64),
        np.zeros(units, np.int8),
        np.zeros(units, np.int32),
        np.arange(units),
        {"voting": flag(np.ones(units, np.bool_)), "items": Ragged(np.arange(units + 1) * draws, fields)},
    )


def run(p: PropensityCheckParams, windows: list[Columns], spend: float = 1e-4) -> list[Evidence]:
    state, told = DETECTOR.start([p]), []
    for at, each in enumerate(windows):
        a = DETECTOR.fold(p, DETECTOR.empty(p), each)
        state, (said,) = DETECTOR.close([p], state, [a], Tick.plain(at * HOUR, (at + 1) * HOUR, page=spend, warn=spend))
        told.append(said)
    return told


def votes(weight: Floats) -> Drawn:
    """One draw a unit."""
    n = len(weight)
    sums: Ints = np.stack([np.ones(n), np.rint(weight * 65_536), np.zeros(n)], axis=1).astype(np.int64)
    return Drawn(np.arange(1, n + 1, dtype=np.uint64), sums, np.zeros(1, np.int64))


def test_a_chance_next_to_nothing_counts_as_often_as_any_draw_may() -> None:
    (said,) = run(PropensityCheckParams(catalogue=50), [rows(np.random.default_rng(3), ALIKE, np.full(50, 5e-324), 40)])
    assert said.arms["now"] == 20.0
    assert said.detail["draws_cut"] == 40


@pytest.mark.parametrize("mean", [1.0, 1.05, 0.95], ids=["true", "upper edge", "lower edge"])
def test_chances_that_are_off_by_no_more_than_is_tolerated_alarm_no_more_often_than_may_be_spent(mean: float) -> None:
    """300 streams of 25 windows, .25 of a false page to be spent in each: at most that, by three Monte Carlo errors."""
    streams, windows, units, spend = 300, 25, 60, 0.01
    rng, ps = np.random.default_rng([5, round(100 * mean)]), [PropensityCheckParams(catalogue=50)] * streams
    state, pages, heard = DETECTOR.start(ps), np.zeros(streams), []
    for at in range(windows):
        drawn = mean * 0.02 / UNEVEN[rng.choice(50, (streams, units), p=UNEVEN)]
        tick = Tick.plain(at * HOUR, (at + 1) * HOUR, page=spend, warn=0.0, watches=streams)
        state, told = DETECTOR.close(ps, state, [votes(each) for each in drawn], tick)
        pages += [e.crossing is Crossing.PAGE for e in told]
        heard.append(told)
    assert missed_at_any_look(heard, mean - 1.0) <= most_missed(0.95, streams)
    error = pages.std(ddof=1) / math.sqrt(streams)
    assert pages.mean() <= windows * spend + 3.0 * error
    assert (state.bank.mode != engine.LEARNING).all()


@pytest.mark.parametrize(("off", "says"), [(0.8, 0.25), (1.25, -0.2)])
@pytest.mark.parametrize("chance", [ALIKE, UNEVEN], ids=["alike", "uneven"])
def test_chances_logged_a_fifth_off_are_found_within_three_thousand_people_and_end_by_evidence(
    chance: Floats, off: float, says: float
) -> None:
    rng, p = np.random.default_rng(9), PropensityCheckParams(catalogue=50)
    logged = [chance] * 4 + [off * chance] * 10 + [chance] * 12
    told = run(p, [rows(rng, chance, each, 500) for each in logged], spend=1e-5)
    crossed = [(at, e.crossing) for at, e in enumerate(told) if e.crossing is not Crossing.NONE]
    assert crossed[0][1] is Crossing.PAGE
    assert 4 <= crossed[0][0] < 10
    assert crossed[-1][1] is Crossing.RECOVERED
    page = told[crossed[0][0]]
    assert page.effect == pytest.approx(says, abs=0.06)
    assert page.interval is not None
    assert page.interval.low <= says <= page.interval.high
    assert page.change_at == pytest.approx(4 * HOUR, abs=HOUR)


def test_true_chances_so_small_that_cut_weights_lose_a_part_of_the_catalogue_are_told_as_not_to_be_weighed_by() -> None:
    rng, p = np.random.default_rng(3), PropensityCheckParams(catalogue=50)
    told = run(p, [rows(rng, STEEP, STEEP, 1_500) for _ in range(12)])
    assert Crossing.PAGE in {e.crossing for e in told}
    assert told[-1].effect == pytest.approx(-0.4, abs=0.05)
    assert sum(e.detail["draws_cut"] for e in told) > 50
    larger = run(
        PropensityCheckParams(catalogue=50, largest=200.0), [rows(rng, STEEP, STEEP, 1_500) for _ in range(12)]
    )
    assert {e.crossing for e in larger} == {Crossing.NONE}


def test_people_count_and_not_their_draws() -> None:
    rng, p = np.random.default_rng(4), PropensityCheckParams(catalogue=50)
    (said,) = run(p, [rows(rng, UNEVEN, UNEVEN, 300, draws=10)])
    assert said.n == {"now": 300}
    assert said.detail["draws"] == 3_000


def test_each_draw_may_tell_what_it_is_to_stand_for_and_draws_that_tell_no_chance_are_not_judged() -> None:
    rng, p = np.random.default_rng(6), PropensityCheckParams()
    (said,) = run(p, [rows(rng, UNEVEN, UNEVEN, 2_000, own=True)])
    assert said.standing is Standing.OK
    assert said.arms["now"] == pytest.approx(1.0, abs=0.03)
    (said,) = run(p, [rows(rng, UNEVEN, UNEVEN, 2_000)])
    assert said.standing is Standing.NOT_COMPUTABLE
    assert said.reason == "2,000 of 2,000 draws tell no chance above 0 (items.propensity or items.target)"
    assert said.effect is None
    (said,) = run(p, [rows(rng, UNEVEN, UNEVEN, 0)])
    assert (said.standing, said.reason) == (Standing.STALE, "nothing was drawn at random in this window")

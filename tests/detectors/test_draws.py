"""Items drawn at random in place of a holdout: what they stand for, when they are refused, and how often a comparison errs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors import exposures
from detectors.columns import Columns, Flag, Floats, Hash, Numeric, Ragged, flag
from detectors.concentration import Concentration, ConcentrationParams
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.snapshot import pack_record

DAY, PLACES, DETECTOR = 86_400_000, 8, Concentration()


def served(
    rng: np.random.Generator, chance: Floats, choice: int, units: int, draws: int = 3, known: float = 1.0
) -> Columns:
    """Slates of `PLACES` items chosen alike among the first `choice` of the catalogue, then `draws` by `chance`, logged truly."""
    catalogue = len(chance)
    drawn = rng.choice(catalogue, (units, draws), p=chance)
    item = np.concatenate([rng.integers(0, choice, (units, PLACES)), drawn], axis=1)
    logged = np.where(rng.random(drawn.shape) < known, chance[drawn], np.nan)
    propensity = np.concatenate([np.full((units, PLACES), np.nan), logged], axis=1)
    fields: dict[str, Hash | Flag | Numeric] = {
        "item": Hash(item.ravel().astype(np.uint64) + np.uint64(1)),
        "explored": flag(np.tile(np.arange(PLACES + draws) >= PLACES, units)),
        "propensity": Numeric(propensity.ravel()),
    }
    return Columns(
        np.zeros(units, np.int64),
        np.arange(1, units + 1, dtype=np.uint64),
        np.zeros(units, np.int8),
        np.zeros(units, np.int32),
        np.arange(units),
        {"items": Ragged(np.arange(units + 1) * (PLACES + draws), fields)},
    )


def uneven(catalogue: int) -> Floats:
    """Chances that differ up to fivefold."""
    chance: Floats = np.linspace(1.0, 5.0, catalogue)
    return np.asarray(chance / chance.sum())


def run(p: ConcentrationParams, periods: list[Columns], page: float = 1e-3) -> list[Evidence]:
    state, told = DETECTOR.start([p]), []
    for at, rows in enumerate(periods):
        a = DETECTOR.fold(p, DETECTOR.empty(p), rows)
        state, (said,) = DETECTOR.close([p], state, [a], Tick.plain(at * DAY, (at + 1) * DAY, page=page, warn=page))
        told.append(said)
    return told


def test_weighted_draws_stand_for_the_whole_catalogue_and_unweighted_ones_do_not() -> None:
    rows = served(np.random.default_rng(1), uneven(100), 30, 4_000)
    weighed, plain = (exposures.reading(exposures.of(rows, "items", 1_000, of)) for of in (100, 0))
    assert np.exp(weighed.logs) == pytest.approx([30.0, 100.0], rel=0.03)
    assert np.exp(plain.logs[1]) == pytest.approx(1.0 / np.sum(uneven(100) ** 2), rel=0.03)
    assert weighed.exposures.tolist() == [4_000 * PLACES, 12_000]
    assert weighed.units.tolist() == [4_000, 4_000]


def test_parts_of_a_period_in_any_order_are_the_whole_to_the_bit() -> None:
    rows = served(np.random.default_rng(2), uneven(100), 30, 600)
    p = ConcentrationParams(slice=True, catalogue=100)
    parts = [DETECTOR.fold(p, DETECTOR.empty(p), rows.take(np.arange(at, 600, 3))) for at in (2, 0, 1)]
    whole = DETECTOR.fold(p, DETECTOR.empty(p), rows)
    assert pack_record(DETECTOR.merge(p, DETECTOR.merge(p, parts[0], parts[1]), parts[2])) == pack_record(whole)


def test_a_policy_that_narrows_is_told_and_a_catalogue_that_shrinks_for_both_is_not() -> None:
    rng, p = np.random.default_rng(3), ConcentrationParams(slice=True, catalogue=100, learn_periods=1)
    told = run(p, [served(rng, uneven(100), choice, 1_500) for choice in (80, 80, 40, 40)])
    assert [str(e.crossing) for e in told] == ["none", "none", "none", "page"]
    assert told[-1].detail["narrowed"] == ["exposed"]
    shrinks = p.model_copy(update={"catalogue": 0})
    told = run(shrinks, [served(rng, uneven(each), each - 20, 1_500) for each in (100, 100, 50, 50)])
    assert {e.crossing for e in told} == {Crossing.NONE}
    assert told[-1].standing is Standing.OK


def test_draws_that_are_worth_too_little_or_carry_no_propensity_are_refused() -> None:
    rng, p = np.random.default_rng(4), ConcentrationParams(slice=True, catalogue=100)
    steep = 1.0 / np.arange(1, 101) ** 2
    (told,) = run(p, [served(rng, steep / steep.sum(), 30, 800)])
    assert told.standing is Standing.INSUFFICIENT
    assert "items drawn at random in this period are worth" in told.reason
    assert told.detail["draws_worth"] < p.min_exposures < 2_400
    (told,) = run(p, [served(rng, uneven(100), 30, 800, known=0.8)])
    assert told.standing is Standing.NOT_COMPUTABLE
    assert "carry no propensity" in told.reason


def test_at_the_edge_of_the_null_false_alarms_stay_within_what_may_be_spent() -> None:
    """60 streams of 4 judged periods at .05 each, the effective items fallen by just what is tolerated: at most .2 a stream."""
    streams, spend = 60, 0.05
    p = ConcentrationParams(
        slice=True, catalogue=60, learn_periods=1, page_if_items_fall_by=0.2, min_units=100, min_exposures=200
    )
    alarms = 0
    for seed in range(streams):
        rng = np.random.default_rng([7, seed])
        told = run(p, [served(rng, uneven(60), choice, 300) for choice in (50, 40, 40, 40, 40)], page=spend)
        alarms += any(e.crossing is Crossing.PAGE for e in told)
    assert alarms / streams <= 4 * spend + 3 * math.sqrt(4 * spend * (1 - 4 * spend) / streams)
    assert told[-1].standing is Standing.OK

"""Health of the next training set: starvation is told, and what was never told is not computed."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Columns, Flag, Floats, Hash, Ragged
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.recompute import interval
from detectors.training_health import TrainingHealth, TrainingHealthParams

DAY = 86_400_000
DETECTOR = TrainingHealth()


def slates(rng: np.random.Generator, share: float, *, units: int = 1_000, marked: bool = True) -> Columns:
    """10 items a unit out of 50, a share of them random; a quarter of the units is held out."""
    random = np.zeros(units * 10, np.bool_) if not marked else rng.random(units * 10) < share
    items: dict[str, Hash | Flag] = {
        "item": Hash(rng.integers(1, 51, units * 10).astype(np.uint64)),
        "explored": Flag(random, np.full(units * 10, not marked)),
    }
    return Columns(
        np.zeros(units, np.int64),
        np.arange(1, units + 1, dtype=np.uint64),
        (np.arange(units) % 4 == 0).astype(np.int8),
        np.zeros(units, np.int32),
        np.arange(units),
        {"items": Ragged(np.arange(units + 1) * 10, items)},
    )


def run(shares: list[float], *, marked: bool = True, seed: int = 1, page: float = 1e-3) -> list[Evidence]:
    p, rng, told = TrainingHealthParams(trailing_periods=3), np.random.default_rng(seed), []
    state = DETECTOR.start([p])
    for period, share in enumerate(shares, start=1):
        a = DETECTOR.fold(p.max_items, DETECTOR.empty(p.max_items), slates(rng, share, marked=marked))
        tick = Tick.plain(period * DAY, (period + 1) * DAY, page=page, warn=4 * page)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
    return told


def test_exploration_that_stops_is_told_in_the_second_period_and_its_return_ends_it() -> None:
    told = run([0.05] * 3 + [0.0] * 3 + [0.05] * 2)
    assert [(i, str(e.crossing)) for i, e in enumerate(told, 1) if e.crossing is not Crossing.NONE] == [
        (5, "page"),
        (6, "critical"),
        (8, "recovered"),
    ]
    assert told[4].change_at == 4 * DAY
    assert "starves of random items: 0.00%" in told[4].reason
    assert told[5].detail["starved"] == 1.0
    assert told[2].detail["starved"] < 1.0
    assert told[4].n == {"exposed": 750}


def test_items_that_never_say_whether_they_were_random_are_not_computable() -> None:
    told = run([0.0] * 4, marked=False)
    assert {e.standing for e in told} == {Standing.NOT_COMPUTABLE}
    assert all(e.crossing is Crossing.NONE and e.effect is None for e in told)
    assert "items.explored is absent" in told[0].reason


def test_a_share_on_the_floor_alarms_no_more_often_than_periods_may_spend() -> None:
    """80 courses of 6 periods at .01 each may warn 4.8 times, each twice in a row."""
    alarms = sum(any(e.crossing is not Crossing.NONE for e in run([0.02] * 6, seed=s, page=0.0025)) for s in range(80))
    assert alarms <= 4.8 + 3 * np.sqrt(4.8)


def test_the_interval_holds_the_share_and_can_be_computed_again() -> None:
    held = 0
    for seed in range(60):
        (evidence,) = run([0.05], seed=seed)
        assert evidence.interval is not None
        assert interval(evidence) == pytest.approx((evidence.interval.low, evidence.interval.high))
        held += evidence.interval.low <= 0.05 <= evidence.interval.high
    assert held / 60 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 60)


def labelled(rng: np.random.Generator, chance: Floats) -> Columns:
    """10 items a unit, drawn by `chance`, one in twenty at random; labels follow the item alone."""
    units, items = 1_000, len(chance)
    random = rng.random(units * 10) < 0.05
    item = np.where(random, rng.integers(0, items, units * 10), rng.choice(items, units * 10, p=chance))
    came = rng.random(units * 10) < 0.1 + 0.3 * item / items
    shown: dict[str, Hash | Flag] = {
        "item": Hash((item + 1).astype(np.uint64)),
        "explored": Flag(random, np.zeros(len(item), np.bool_)),
        "came": Flag(came, np.zeros(len(item), np.bool_)),
    }
    return Columns(
        np.zeros(units, np.int64),
        np.arange(1, units + 1, dtype=np.uint64),
        np.zeros(units, np.int8),
        np.zeros(units, np.int32),
        np.arange(units),
        {"items": Ragged(np.arange(units + 1) * 10, shown)},
    )


@pytest.mark.parametrize(("power", "warned"), [(1.3, True), (0.5, False)])
def test_a_policy_that_shows_more_than_in_proportion_to_labels_is_described_and_never_alarms(
    power: float, warned: bool
) -> None:
    p, rng, told = TrainingHealthParams(labels=True, trailing_periods=2), np.random.default_rng(4), []
    state, chance = DETECTOR.start([p]), np.full(40, 1 / 40)
    for period in range(4):
        rows = labelled(rng, chance)
        a = DETECTOR.fold(p.max_items, DETECTOR.empty(p.max_items), rows)
        state, (said,) = DETECTOR.close(
            [p], state, [a], Tick.plain(period * DAY, (period + 1) * DAY, page=1e-3, warn=4e-3)
        )
        told.append(said)
        labels = np.zeros(40)
        items = rows.fields["items"]
        assert isinstance(items, Ragged)
        shown, came = items.fields["item"], items.fields["came"]
        assert isinstance(shown, Hash)
        assert isinstance(came, Flag)
        np.add.at(labels, shown.values.astype(np.int64)[came.values] - 1, 1.0)
        chance = (labels + 1e-9) ** power / np.sum((labels + 1e-9) ** power)
    assert "popularity_exponent" not in told[0].detail
    assert told[-1].detail["popularity_exponent"] == pytest.approx(power, abs=0.15)
    assert ("popularity_warning" in told[-1].detail) == warned
    assert all(e.crossing is Crossing.NONE for e in told)
    if warned:
        assert "A description, no test" in told[-1].detail["popularity_warning"]
        assert "popularity_warning" not in told[1].detail  # one period above 1 is not enough
    assert told[-1].detail["labels_caused_by_the_model"] == pytest.approx(0.95, abs=0.02)

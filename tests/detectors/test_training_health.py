"""Health of the next training set: starvation is told, and what was never told is not computed."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import snapshot, taught
from detectors.columns import Columns, Flag, Floats, Hash, Ragged, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.recompute import interval
from detectors.training_health import Shown, TrainingHealth, TrainingHealthParams, TrainingHealthState

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


def with_organic(rng: np.random.Generator, share: float) -> list[Columns]:
    """A period of `labelled` in which about `share` of all labels are organic, each of one of 300 people; as the engine shows it."""
    shown = labelled(rng, np.full(40, 1 / 40))
    items = shown.fields["items"]
    assert isinstance(items, Ragged)
    came = items.fields["came"]
    assert isinstance(came, Flag)
    n = rng.binomial(int(came.values.sum()), share / (1.0 - share))
    nobody = Ragged(np.zeros(n + 1, np.int64), {"item": Hash(np.zeros(0, np.uint64))})
    unit = rng.integers(1, 301, n).astype(np.uint64)
    own = Columns(
        np.zeros(n, np.int64), unit, np.zeros(n, np.int8), np.zeros(n, np.int32), np.arange(n), {"items": nobody}
    )
    return [shown.having(organic=flag(np.zeros(1_000, np.bool_))), own.having(organic=flag(np.ones(n, np.bool_)))]


def told_of(periods: list[list[Columns]], p: TrainingHealthParams) -> Evidence:
    state = DETECTOR.start([p])
    for number, parts in enumerate(periods, start=1):
        a = DETECTOR.empty(p.max_items)
        for rows in parts:
            a = DETECTOR.fold(p.max_items, a, rows)
        a = snapshot.unpack_record(Shown, snapshot.pack_record(a))
        tick = Tick.plain(number * DAY, (number + 1) * DAY, page=1e-3, warn=4e-3)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        state = snapshot.unpack_rows(TrainingHealthState, [snapshot.pack_row(state, 0)])
    return evidence


def test_labels_that_no_showing_brought_about_are_told_with_their_people_and_what_is_left_is_the_models() -> None:
    p, rng, held, runs = TrainingHealthParams(labels=True, trailing_periods=2), np.random.default_rng(9), 0, 40
    for _ in range(runs):
        evidence = told_of([with_organic(rng, 0.2), with_organic(rng, 0.1), with_organic(rng, 0.1)], p)
        told = evidence.detail
        bounds = told["not_by_the_model"]
        held += bounds["low"] <= 0.1 + 0.9 * 0.05 <= bounds["high"]
    assert held / runs >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / runs)
    stored = Interval(**{name: value for name, value in bounds.items() if name != "share"})
    again = Evidence(mode=Mode.WATCHING, effect=bounds["share"], interval=stored)
    assert interval(again) == pytest.approx((bounds["low"], bounds["high"]))
    assert told["all_labels"] == told["labels"] + told["organic_labels"]
    assert told["organic_share"] == pytest.approx(0.1, abs=0.02)  # the first period is no longer trained on
    assert told["exploration_share"] == pytest.approx(0.9 * 0.05, abs=0.01)
    assert told["labels_caused_by_the_model"] == 1.0 - bounds["share"]
    assert (evidence.crossing, evidence.reason) == (Crossing.NONE, taught.in_words(told)), "in peace too"
    assert 150 < told["organic_people"] <= 300
    assert 850 < told["people"] <= 1_000


def test_people_in_this_period_are_nobody_where_it_has_no_label_and_the_shares_are_of_the_periods_that_have() -> None:
    p, rng = TrainingHealthParams(labels=True, trailing_periods=2), np.random.default_rng(6)
    labels, silent = with_organic(rng, 0.2), [slates(rng, 0.05).having(organic=flag(np.zeros(1_000, np.bool_)))]
    before, now = (told_of(periods, p).detail for periods in ([labels], [labels, silent]))
    assert 0 < before["organic_people"] < before["people"]
    assert (now["organic_people"], now["people"]) == (0, 0)
    assert now["organic_share"] == before["organic_share"]
    assert taught.in_words(now).endswith("are organic (no label in this period)")
    assert taught.in_words(told_of([labels, silent, silent], p).detail) == ""


def test_without_origins_nothing_is_told_of_them_and_an_open_window_of_before_goes_on() -> None:
    p, rng = TrainingHealthParams(labels=True), np.random.default_rng(2)
    a = DETECTOR.fold(p.max_items, DETECTOR.empty(p.max_items), labelled(rng, np.full(40, 1 / 40)))
    stored = snapshot.unpack(snapshot.pack_record(a))
    del stored["taught"]
    again = snapshot.unpack_record(Shown, snapshot.pack(stored))
    tick = Tick.plain(DAY, 2 * DAY, page=1e-3, warn=4e-3)
    (now, before) = (DETECTOR.close([p], DETECTOR.start([p]), [each], tick) for each in (a, again))
    assert now[1] == before[1]
    assert now[0].trail[0] == before[0].trail[0]
    assert now[1][0].reason == ""
    assert now[1][0].detail.keys().isdisjoint({"organic_share", "exploration_share", "not_by_the_model"})
    with pytest.raises(snapshot.SnapshotError, match="not a Shown"):
        snapshot.unpack_record(Shown, snapshot.pack({"items": a.items}))


def test_a_person_with_many_searches_widens_the_interval_and_is_one_person() -> None:
    p, rng = TrainingHealthParams(labels=True), np.random.default_rng(4)
    shown, own = with_organic(rng, 0.1)
    one = Columns(own.time, np.ones(len(own), np.uint64), own.cohort, own.partition, own.offset, own.fields)
    many, single = (told_of([[shown, part]], p).detail for part in (own, one))
    assert many["organic_share"] == single["organic_share"]
    assert single["organic_people"] == 1 < many["organic_people"]
    assert single["people"] < many["people"]
    assert single["not_by_the_model"]["inputs"]["se"] > 5 * many["not_by_the_model"]["inputs"]["se"]

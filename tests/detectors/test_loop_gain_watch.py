"""Loop gain as a watch: what it claims, and what keeps it from claiming anything."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from detectors.columns import Bools, Columns, Flag, Floats, Hash, Ints, Numeric, Ragged, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.loop_gain import table
from detectors.loop_gain.detector import LoopGain, LoopGainParams

DAY = 86_400_000
DETECTOR = LoopGain()
ITEMS = 120


def slates(item: Ints, pair: Ints, tilted: Bools) -> Columns:
    """n slates of k items; `pair` of every item of the catalogue."""
    n, k = item.shape
    fields: dict[str, Hash | Numeric] = {
        "item": Hash(item.ravel().astype(np.uint64) + np.uint64(1)),
        "pair": Numeric(pair[item.ravel()].astype(np.float64)),
    }
    return Columns(
        np.zeros(n, np.int64),
        np.arange(1, n + 1, dtype=np.uint64),
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"items": Ragged(np.arange(n + 1) * k, fields), "tilted": flag(tilted)},
    )


def run(
    gain: float,
    p: LoopGainParams | None = None,
    *,
    h: float = 0.3,
    periods: int = 6,
    collapse_at: int = 99,
    seed: int = 1,
    tilted_share: float = 0.5,
    wanders: float = 0.0,
    trained_on: int = 0,
) -> list[Evidence]:
    """A feed whose next share is the last, times (exposure / share) ** gain; or the mean exposure of `trained_on` periods ** gain."""
    p, rng = p or LoopGainParams(), np.random.default_rng(seed)
    state, told, share = DETECTOR.start([p]), [], np.full(ITEMS, 1.0 / ITEMS)
    logs: deque[Floats] = deque([np.zeros(ITEMS)] * trained_on, maxlen=trained_on or 1)
    for period in range(1, periods + 1):
        coin = np.repeat(rng.choice([-1, 1], ITEMS // 2), 2) * np.tile([1, -1], ITEMS // 2)
        pair, tilted = (np.arange(ITEMS) // 2 + 1) * coin, rng.random(12_000) < tilted_share
        plain: Floats = share if period < collapse_at else np.where(np.arange(ITEMS) < 10, 0.1, 1e-9)
        pushed = plain * np.exp(h * np.sign(pair))
        drawn = [rng.choice(ITEMS, (12_000, 5), p=w / w.sum()) for w in (plain, pushed)]
        item = np.where(tilted[:, None], drawn[1], drawn[0])
        a = DETECTOR.fold(p.max_items, table.empty(), slates(item, pair, tilted))
        tick = Tick.plain(period * DAY, (period + 1) * DAY, page=1e-3, warn=4e-3)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
        shown = np.bincount(item.ravel(), minlength=ITEMS) / item.size
        logs.append(np.log(shown + 1e-9))
        share = share * (shown / np.maximum(share, 1e-12)) ** gain
        if trained_on:
            share = np.exp(gain * np.mean(logs, axis=0))
        share = share * np.exp(wanders * rng.standard_normal(ITEMS))
        share /= share.sum()
    return told


def lucky(gain: float, *, uniform: bool = True, items: int = 200, periods: int = 12, seed: int = 3) -> list[Evidence]:
    """A feed that may not be tilted: two of each slate's six places hold random items, and what is shown comes back by `gain`."""
    p, rng = LoopGainParams(instrument="exploration"), np.random.default_rng(seed)
    state, told, share = DETECTOR.start([p]), [], np.full(items, 1.0 / items)
    likely = np.ones(items) if uniform else np.where(np.arange(items) % 2, 1.5, 0.5)
    for period in range(1, periods + 1):
        item = np.concatenate(
            [rng.choice(items, (12_000, 4), p=share), rng.choice(items, (12_000, 2), p=likely / likely.sum())], axis=1
        )
        fields: dict[str, Hash | Flag] = {
            "item": Hash(item.ravel().astype(np.uint64) + np.uint64(1)),
            "explored": flag(np.tile(np.arange(6) >= 4, 12_000)),
        }
        rows = Columns(
            np.zeros(12_000, np.int64),
            np.arange(1, 12_001, dtype=np.uint64),
            np.zeros(12_000, np.int8),
            np.zeros(12_000, np.int32),
            np.arange(12_000),
            {"items": Ragged(np.arange(12_001) * 6, fields)},
        )
        a = DETECTOR.fold(p.max_items, table.empty(), rows)
        tick = Tick.plain(period * DAY, (period + 1) * DAY, page=1e-3, warn=4e-3)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
        seen = np.bincount(item.ravel(), minlength=items) / item.size
        share = share * (seen / (share * 4 / 6 + likely / likely.sum() * 2 / 6)) ** gain
        share /= share.sum()
    return told


def test_a_strong_loop_is_told_with_its_gain_and_a_world_without_one_is_silent() -> None:
    told = run(0.8)
    assert [(i, str(e.crossing)) for i, e in enumerate(told, 1) if e.crossing is not Crossing.NONE] == [
        (4, "warn"),
        (5, "page"),
    ]
    last = told[-1]
    assert last.interval is not None
    assert last.effect == pytest.approx(0.8, abs=0.12)
    assert last.interval.low < 0.8 < last.interval.high
    assert told[3].reason.startswith("the model feeds on itself: ")
    assert last.detail["first_stage_f"] > 100
    silent = run(0.0)
    assert all(e.crossing is Crossing.NONE for e in silent)
    assert silent[-1].effect == pytest.approx(0.0, abs=0.12)


def test_lags_are_summed_to_the_window_that_models_are_trained_on() -> None:
    """Trained on two periods, half of the gain comes back at each retraining; one lag alone would tell half of it."""
    told = run(0.6, LoopGainParams(training_periods=2), periods=9, trained_on=2)
    assert told[2].effect is None
    assert told[-1].effect == pytest.approx(0.6, abs=0.12)
    assert told[-1].detail["by_lag"] == pytest.approx([0.3, 0.3], abs=0.1)
    assert told[-1].detail["lags"] == 2
    alone = run(0.6, periods=9, trained_on=2)[-1]
    assert alone.effect == pytest.approx(0.3, abs=0.1)


def test_pushes_that_were_hardly_felt_claim_nothing() -> None:
    told = run(0.8, h=0.002)
    assert all(e.effect is None and e.crossing is Crossing.NONE for e in told)
    assert told[-1].standing is Standing.INSUFFICIENT
    assert "first-stage F" in told[-1].reason


@pytest.mark.parametrize(("share", "word"), [(0.0, "no request was tilted"), (1.0, "every request was tilted")])
def test_a_push_needs_requests_with_it_and_without(share: float, word: str) -> None:
    told = run(0.8, tilted_share=share, periods=3)
    assert word in told[-1].reason
    assert told[-1].effect is None


def test_a_feed_that_collapsed_is_saturated() -> None:
    told = run(0.5, collapse_at=5, periods=6)
    assert told[3].effect is not None
    assert told[-1].effect is None
    assert told[-1].reason.startswith("saturated")


def test_an_item_whose_showings_tell_different_pairs_is_left_out() -> None:
    item = np.tile(np.arange(6), (20, 1))
    one = slates(item, np.array([1, -1, 2, -2, 0, 3]), np.arange(20) < 10)
    other = slates(item, np.array([1, -1, -2, 2, 0, 3]), np.arange(20) < 10)
    a = table.merge(table.of(one, 100), table.of(one, 100), 100)
    assert [len(rows) for rows in table.matched(table.unpack(table.pack(a)))] == [2, 2]
    mixed = table.merge(table.of(one, 100), table.of(other, 100), 100)
    assert [len(rows) for rows in table.matched(table.unpack(table.pack(mixed)))] == [1, 1]


def test_the_lower_bound_of_the_total_says_how_loud_it_is() -> None:
    """Above .3 it warns, above .6 it pages, above 1 it is critical."""
    crossings = {
        g: [str(e.crossing) for e in run(g, periods=9) if e.crossing is not Crossing.NONE] for g in (0.45, 0.8)
    }
    assert crossings == {0.45: ["warn"], 0.8: ["warn", "page"]}
    runaway = run(1.4, LoopGainParams(min_exposures=1), h=0.6, periods=8, tilted_share=0.5)
    assert [str(e.crossing) for e in runaway if e.crossing is not Crossing.NONE][-1] == "critical"
    assert runaway[-1].detail["runaway"]


def test_a_gain_that_cannot_be_told_yet_says_what_it_would_take() -> None:
    told = run(0.4, h=0.05, wanders=0.2, periods=12)
    last = told[-1]
    assert last.interval is not None
    assert last.interval.low < 0.3
    assert last.interval.high > 0.6
    assert last.standing is Standing.INSUFFICIENT
    assert "more periods like the 10 measured are needed to tell 30 % from 60 %" in last.reason
    assert last.interval.low < last.detail["at_this_look"][0] < last.detail["at_this_look"][1] < last.interval.high


def test_where_nothing_may_be_tilted_the_luck_of_random_slots_tells_the_gain() -> None:
    strong, none = lucky(0.8)[-1], lucky(0.0)[-1]
    for evidence, truth in ((strong, 0.8), (none, 0.0)):
        assert evidence.interval is not None
        assert evidence.interval.low < truth < evidence.interval.high
        assert evidence.detail["pushed_by"] == "random slots"
        assert evidence.detail["first_stage_f"] > 10
    assert strong.interval is not None
    assert strong.interval.low > 0.3


def test_slots_that_prefer_some_items_are_no_draw_by_chance() -> None:
    last = lucky(0.8, uniform=False, periods=6)[-1]
    assert last.effect is None
    assert last.standing is Standing.INSUFFICIENT

"""Loop gain as a watch: what it claims, and what keeps it from claiming anything."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Bools, Columns, Floats, Hash, Ints, Numeric, Ragged, flag
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
) -> list[Evidence]:
    """A feed whose next share is the last, times (exposure / share) ** gain."""
    p, rng = p or LoopGainParams(), np.random.default_rng(seed)
    state, told, share = DETECTOR.start([p]), [], np.full(ITEMS, 1.0 / ITEMS)
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
        share = share * (np.bincount(item.ravel(), minlength=ITEMS) / item.size / np.maximum(share, 1e-12)) ** gain
        share /= share.sum()
    return told


def test_a_strong_loop_is_told_with_its_gain_and_a_world_without_one_is_silent() -> None:
    told = run(0.8)
    assert [(i, str(e.crossing)) for i, e in enumerate(told, 1) if e.crossing is not Crossing.NONE] == [(4, "page")]
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
    """What came back of a push stays here: h = (.6, .6), so the kernel is (.6, .24) and .84 in two lags."""
    told = run(0.6, LoopGainParams(training_periods=2), periods=9)
    assert told[2].effect is None
    assert told[-1].effect == pytest.approx(0.84, abs=0.2)
    assert told[-1].detail["by_lag"] == pytest.approx([0.6, 0.24], abs=0.2)
    assert told[-1].detail["lags"] == 2


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

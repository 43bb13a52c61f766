"""Freshness: silence is told soon, a quiet night never, and false pages stay within what may be spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detectors.columns import Columns, Numeric
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.freshness import Arrived, Freshness, FreshnessParams
from detectors.freshness_state import FreshnessState
from detectors.math import season
from detectors.snapshot import pack_row, unpack_rows

MINUTE, DAY = 60_000, 1_440
MONDAY = 4 * DAY
"""Minutes from the epoch, a Thursday, to the first Monday."""

DETECTOR = Freshness()
Counts = npt.NDArray[np.int64]


def run(
    counts: Counts,
    p: FreshnessParams | None = None,
    *,
    first: int = MONDAY,
    step: int = 1,
    page: float = 2.5e-7,
    warn: float | None = None,
    gated: Sequence[int] = (),
    rearm: Sequence[int] = (),
) -> list[list[Evidence]]:
    """Counts (windows, watches) of windows of `step` minutes; the evidence of every window."""
    ps = [p or FreshnessParams()] * counts.shape[1]
    state, told = DETECTOR.start(ps), []
    for window, row in enumerate(counts):
        start = (first + window * step) * MINUTE
        tick = Tick.plain(
            start,
            start + step * MINUTE,
            page=page,
            warn=4 * page if warn is None else warn,
            watches=len(ps),
            gated=window in gated,
            rearm=window in rearm,
        )
        state, evidence = DETECTOR.close(ps, state, [Arrived(int(n)) for n in row], tick)
        told.append(evidence)
    return told


def crossings(told: Sequence[Sequence[Evidence]], watch: int = 0) -> list[tuple[int, str]]:
    return [(i, str(row[watch].crossing)) for i, row in enumerate(told) if row[watch].crossing is not Crossing.NONE]


def one(counts: Sequence[int] | Counts) -> Counts:
    return np.asarray(counts, np.int64)[:, None]


def clustered(rng: np.random.Generator, mean: npt.NDArray[np.floating[Any]], phi: float) -> Counts:
    """Negative binomial counts with variance phi times the mean."""
    counts: Counts = rng.poisson(rng.gamma(np.maximum(mean, 1e-12) / (phi - 1), phi - 1))
    return counts


def test_predictions_interactions_and_the_holdouts_predictions_stop_each_on_its_own_and_recover() -> None:
    rng = np.random.default_rng(1)
    counts = clustered(rng, np.tile([60.0, 25.0, 3.0], (DAY + 700, 1)), 3.0)
    for watch, begin in enumerate((DAY + 200, DAY + 320, DAY + 440)):
        counts[begin : begin + 100, watch] = 0
    told = run(counts)
    for watch, (begin, delay) in enumerate(((DAY + 200, 3), (DAY + 320, 5), (DAY + 440, 40))):
        silent = [(i, name) for i, name in crossings(told, watch) if name != "recovered"]
        assert begin <= silent[0][0] <= begin + delay
        assert [name for _, name in crossings(told, watch)][-1] == "recovered"
        assert begin + 102 <= crossings(told, watch)[-1][0] <= begin + 110
        fired = told[silent[0][0]][watch]
        assert fired.standing is Standing.OK
        assert fired.relative == -1.0
        assert fired.n == {"records": 0}
        assert fired.interval is None
        assert fired.change_at is not None
        assert begin - 2 <= fired.change_at // MINUTE - MONDAY <= begin
        assert "were expected" in fired.reason


def test_the_delay_is_the_threshold_in_expected_records() -> None:
    rng = np.random.default_rng(2)
    counts = one(np.concatenate([rng.poisson(2.0, 2 * DAY), np.zeros(60, np.int64)]))
    told = run(counts, warn=0.0)
    (when, name), *_ = crossings(told)
    assert name == "page"
    evidence = told[when][0]
    assert evidence.detail["expected_since_last_arrival"] >= evidence.detail["fires_at"]
    assert told[when - 1][0].detail["expected_since_last_arrival"] < evidence.detail["fires_at"]
    assert evidence.detail["fires_at"] >= np.log(1 / 2.5e-7)
    assert when - 2 * DAY <= 1.6 * np.log(1 / 2.5e-7) / 2.0


def test_a_warning_comes_before_the_page_where_it_may_spend_more() -> None:
    counts = one(np.concatenate([np.random.default_rng(3).poisson(2.0, DAY), np.zeros(60, np.int64)]))
    assert [name for _, name in crossings(run(counts, warn=1e-3))] == ["warn", "page"]


def test_quiet_nights_and_weekends_within_the_season_stay_silent_for_28_days() -> None:
    rng, step = np.random.default_rng(4), 5
    minute = MONDAY + step * np.arange(28 * DAY // step)
    hour, day = (minute // 60) % 24, (minute // DAY + 3) % 7
    open_ = (hour >= 7) & (hour < 22)
    bell = np.clip(np.sin((hour - 6) / 17 * np.pi), 0.0, None)
    level = np.repeat(rng.gamma(20, 1 / 20, 28), DAY // step)
    means = np.stack(
        [
            40.0 * step * open_ * bell * level,
            2.0 * step * np.where(open_, bell, 0.02) * level,
            0.3 * step * np.ones(len(minute)),
            40.0 * step * open_ * bell * np.where(day >= 5, 0.05, 1.0) * level,
        ],
        axis=1,
    )
    told = run(clustered(rng, means, 3.0), step=step)
    assert [crossings(told, watch) for watch in range(4)] == [[]] * 4
    assert all(told[-1][watch].mode is Mode.WATCHING for watch in range(4))


def test_an_outage_at_noon_after_quiet_nights_is_told() -> None:
    rng, step = np.random.default_rng(5), 5
    minute = MONDAY + step * np.arange(9 * DAY // step)
    hour = (minute // 60) % 24
    counts = clustered(rng, 40.0 * step * ((hour >= 7) & (hour < 22)), 3.0)
    noon = (8 * DAY + 12 * 60) // step
    counts[noon:] = 0
    assert crossings(run(one(counts), step=step))[0][0] in (noon, noon + 1)


@pytest.mark.parametrize(("rate", "phi"), [(0.2, 1.0), (1.0, 1.0), (1.0, 4.0)])
def test_false_pages_stay_within_the_spend(rate: float, phi: float) -> None:
    rng, spend, watches, windows = np.random.default_rng(6), 2e-2, 10, 2_880
    mean = np.full((windows, watches), rate)
    counts = rng.poisson(mean) if phi == 1.0 else clustered(rng, mean, phi)
    told = run(counts, page=spend, warn=0.0)
    pages = sum(e.crossing is Crossing.PAGE for row in told for e in row)
    allowed = sum(e.spend for row in told for e in row)
    assert allowed > 50
    assert pages <= allowed + 3 * np.sqrt(allowed)


def test_bursts_that_pause_by_themselves_are_learned_as_normal() -> None:
    rng = np.random.default_rng(7)
    on = np.repeat(rng.random(300) < 0.5, 10)
    assert crossings(run(one(np.where(on, rng.poisson(20.0, 3_000), 0)), FreshnessParams(min_windows=1_440))) == []


def test_a_new_stream_is_insufficient_until_enough_was_seen() -> None:
    told = run(one([1] * 40 + [0] * 100 + [1] * 2))
    assert {row[0].standing for row in told} == {Standing.INSUFFICIENT}
    assert told[119][0].reason == "learning: 120 of 120 windows, 40 of 30 records"
    assert [row[0].mode for row in told][-2:] == [Mode.WATCHING] * 2
    assert sum(row[0].spend for row in told[:141]) == 0.0


def test_an_hour_that_was_never_seen_is_insufficient_and_no_silence() -> None:
    counts = one(np.concatenate([np.full(175, 50), np.zeros(65, np.int64)]))
    told = run(counts, first=MONDAY)
    assert crossings(told)[0] == (175, "page")
    quiet = run(one(np.concatenate([np.full(180, 50), np.zeros(60, np.int64)])))
    assert crossings(quiet) == []
    assert quiet[-1][0].standing is Standing.INSUFFICIENT
    assert "has been seen for less than 30 minutes" in quiet[-1][0].reason


def test_a_trickle_below_a_tenth_of_the_expected_does_not_end_the_alert() -> None:
    counts = one(np.concatenate([np.full(150, 50), np.zeros(5, np.int64), np.full(10, 2), np.full(5, 50)]))
    told = run(counts)
    assert crossings(told)[-1][1] == "recovered"
    assert crossings(told)[-1][0] >= 165
    assert told[158][0].mode is Mode.RECOVERING
    assert "the alert ends after 3 with at least 10 %" in told[158][0].reason


def test_an_outage_is_not_learned() -> None:
    counts = np.full(400, 50)
    counts[200:300] = 0
    told = run(one(counts))
    assert told[-1][0].arms["expected"] == pytest.approx(50.0)
    assert told[-1][0].detail["overdispersion"] == pytest.approx(1.0)


def test_a_person_who_rearms_closes_the_alert_and_teaches_the_silence() -> None:
    counts = np.full(400, 50)
    counts[200:221] = 0
    told = run(one(counts), rearm=[220])
    assert [name for _, name in crossings(told)] == ["page", "recovered"]
    assert told[-1][0].mode is Mode.WATCHING
    assert told[230][0].arms["expected"] < 45.0


def test_a_failed_gate_is_blind_and_nothing_grows() -> None:
    counts = one(np.concatenate([np.full(150, 50), np.zeros(10, np.int64)]))
    told = run(counts, gated=range(150, 160))
    assert crossings(told) == []
    assert {row[0].standing for row in told[150:]} == {Standing.BLIND}


def test_a_restored_state_and_a_bank_go_on_as_if_nothing_had_happened() -> None:
    rng, ps = np.random.default_rng(8), [FreshnessParams(), FreshnessParams(min_windows=10, recover_windows=1)]
    counts = rng.poisson([5.0, 9.0], (260, 2))
    counts[150:200] = 0
    bank, alone = DETECTOR.start(ps), [DETECTOR.start([p]) for p in ps]
    for window, row in enumerate(counts):
        start = window * MINUTE
        bank, together = DETECTOR.close(
            ps, bank, [Arrived(int(n)) for n in row], Tick.plain(start, start + MINUTE, page=1e-5, warn=0.0, watches=2)
        )
        for i, p in enumerate(ps):
            restored = unpack_rows(FreshnessState, [pack_row(alone[i], 0)])
            tick = Tick.plain(start, start + MINUTE, page=1e-5, warn=0.0)
            alone[i], (evidence,) = DETECTOR.close([p], restored, [Arrived(int(row[i]))], tick)
            assert evidence == together[i]


def test_counts_add_up_and_a_missing_one_is_none() -> None:
    zero = np.zeros(3, np.int64)
    rows = Columns(
        zero,
        zero.astype(np.uint64),
        zero.astype(np.int8),
        zero.astype(np.int32),
        zero,
        {"count": Numeric(np.array([2.0, np.nan, 5.0]))},
    )
    a = DETECTOR.fold(None, DETECTOR.empty(None), rows)
    assert DETECTOR.merge(None, a, DETECTOR.fold(None, a, rows.take(np.array([0])))) == Arrived(16)
    assert DETECTOR.size(DETECTOR.empty(None)) > 10**6


def test_an_hour_is_expected_at_the_lowest_of_its_neighbours_and_of_the_week() -> None:
    minutes = np.full((1, season.HOURS), 60.0)
    per_minute = np.full((1, season.HOURS), 100.0)
    per_minute[0, 9::24] = 10.0
    per_minute[0, 100] = 50.0
    rates = season.Rates(per_minute * minutes, minutes)

    def least(hour: int) -> float:
        return float(season.expect(rates, np.array([hour * 3_600_000]), np.ones(1))[1][0])

    assert least(10) == least(8) == least(9) == pytest.approx(10 - 2 * np.sqrt(10 / 60))
    assert least(101) == pytest.approx(50 - 2 * np.sqrt(50 / 60))
    assert least(37) > 85

"""Error rates, delays and odd features. Streams are seeded; bounds allow three standard errors of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from detectors.columns import Columns, Floats, Hashes, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.math.intervals import empirical_cdf_radius
from detectors.math.unit_sample import nobody
from detectors.numeric_shift import NumericShift, NumericShiftParams
from detectors.numeric_shift.distance import by_name, in_words
from detectors.numeric_shift.reading import (
    CUTS,
    MISSING,
    WIDTH,
    Reading,
    Ruler,
    bins_of,
    cuts_of,
    histograms,
    nothing,
    read,
    units,
)
from detectors.numeric_shift.state import NumericShiftState

HOUR = 3_600_000
DETECTOR = NumericShift()
SMALL = NumericShiftParams(sample_units=500, learn_units=4_000, learn_windows=2)


def _rows(values: Floats, unit: Hashes | None = None, voting: bool = True, window: int = 0) -> Columns:
    n = len(values)
    mine = np.arange(1 + window * n, 1 + (window + 1) * n, dtype=np.uint64) if unit is None else unit
    return Columns(
        np.full(n, window * HOUR),
        mine,
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"value": Numeric(values), "voting": flag(np.full(n, voting))},
    )


def _tick(window: int, watches: int = 1, page: float = 1e-4) -> Tick:
    return Tick.plain(window * HOUR, (window + 1) * HOUR, page=page, warn=page, watches=watches)


def _stream(p: NumericShiftParams, windows: list[Floats]) -> list[Evidence]:
    state, told = DETECTOR.start([p]), []
    for window, values in enumerate(windows):
        prep = DETECTOR.prepare(p, state, 0)
        a = DETECTOR.fold(prep, DETECTOR.empty(prep), _rows(values, window=window))
        state, (evidence,) = DETECTOR.close([p], state, [a], _tick(window))
        told.append(evidence)
    return told


def _crossings(told: list[Evidence]) -> list[tuple[int, str]]:
    return [(i, str(e.crossing)) for i, e in enumerate(told) if e.crossing is not Crossing.NONE]


def _votes(bins: Floats | np.ndarray) -> Reading:
    """A window of units with one row each, in the given bins."""
    keys = (np.arange(len(bins), dtype=np.uint64) << np.uint64(5)) | bins.astype(np.uint64)
    return Reading(keys, np.ones((len(bins), 1), np.int64), nobody())


def _watching(streams: int, eps: float, reference: int, rng: np.random.Generator) -> NumericShiftState:
    """A bank that has measured its reference on standard normal values, at the cuts of the normal distribution."""
    p = NumericShiftParams(eps=eps, learn_units=reference, learn_windows=1)
    cuts = norm.ppf(np.arange(1, CUTS + 1) / (CUTS + 1))
    state = DETECTOR.start([p] * streams)
    state = replace(state, cuts=np.tile(cuts, (streams, 1)), cut=np.ones(streams, np.bool_))
    learned = [_votes(bins_of(rng.standard_normal(reference), cuts)) for _ in range(streams)]
    state, _ = DETECTOR.close([p] * streams, state, learned, _tick(0, streams))
    return state


def _first_alarms(
    eps: float, mean: float, *, streams: int, windows: int, size: int, bound: float, seed: int, reference: int = 20_000
) -> Floats:
    """Window of the first page of each stream, infinite if there is none; `bound` is spent over all windows."""
    rng = np.random.default_rng(seed)
    state = _watching(streams, eps, reference, rng)
    p = NumericShiftParams(eps=eps, learn_units=reference, learn_windows=1)
    share = np.diff(norm.cdf(np.r_[-np.inf, state.cuts[0], np.inf] - mean))
    first = np.full(streams, np.inf)
    for window in range(1, windows + 1):
        counts = rng.multinomial(size, share, streams)
        stats = [_votes(np.repeat(np.arange(CUTS + 1), row)) for row in counts]
        state, told = DETECTOR.close([p] * streams, state, stats, _tick(window, streams, page=bound / windows))
        hit = np.array([e.crossing is Crossing.PAGE for e in told])
        first = np.where(hit & np.isinf(first), window, first)
    return first


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.05])
def test_a_shift_inside_the_margin_does_not_alarm(mean: float) -> None:
    first = _first_alarms(0.03, mean, streams=40, windows=100, size=1_000, bound=0.05, seed=707)
    assert np.isinf(first).all()


def test_at_the_margin_itself_no_more_streams_alarm_than_were_promised() -> None:
    streams, bound = 60, 0.2
    at_margin = float(2 * norm.ppf(0.5 + 0.05 / 2))
    first = _first_alarms(0.05, at_margin, streams=streams, windows=60, size=500, bound=bound, seed=708)
    assert np.isfinite(first).mean() <= bound + 3 * np.sqrt(bound * (1 - bound) / streams)


@pytest.mark.parametrize(("mean", "at_most"), [(0.15, 8.0), (0.25, 2.0), (0.5, 1.0)])
def test_shifts_of_distance_6_10_and_20_points_are_found_in_few_windows(mean: float, at_most: float) -> None:
    first = _first_alarms(0.03, mean, streams=20, windows=20, size=2_000, bound=0.002, seed=709, reference=100_000)
    assert np.median(first) <= at_most


@pytest.mark.parametrize("events", [10, 50])
def test_units_with_many_rows_do_not_alarm_where_their_rows_one_by_one_would(events: int) -> None:
    """200 new units a window, correlation of rows within a unit .8: what reads rows as units alarms, what reads units does not."""
    windows, streams = 60, 4
    p = NumericShiftParams(eps=0.02, sample_units=500, learn_units=4_000, learn_windows=1)
    alarms = {"unit": 0, "row": 0}
    for seed in range(streams):
        rng = np.random.default_rng(700 + seed)
        state = {kind: DETECTOR.start([p]) for kind in alarms}
        for window in range(windows):
            group = 4_000 if window < 2 else 200
            level = np.repeat(rng.normal(0.0, np.sqrt(0.8), group), events)
            values = level + rng.normal(0.0, np.sqrt(0.2), group * events)
            by = {
                "unit": np.repeat(rng.integers(1, 2**62, group), events).astype(np.uint64),
                "row": rng.integers(1, 2**62, group * events).astype(np.uint64),
            }
            for kind, unit in by.items():
                prep = DETECTOR.prepare(p, state[kind], 0)
                a = DETECTOR.fold(prep, DETECTOR.empty(prep), _rows(values, unit))
                state[kind], (told,) = DETECTOR.close([p], state[kind], [a], _tick(window, page=0.05 / windows))
                alarms[kind] += told.crossing in (Crossing.WARN, Crossing.PAGE)
    assert alarms["unit"] == 0
    assert alarms["row"] >= streams / 2


def test_a_unit_with_a_hundred_rows_has_one_vote() -> None:
    ruler = Ruler(np.array([0.0]), 100)
    unit = np.array([1] * 100 + [2], np.uint64)
    a = read(ruler, nothing(), _rows(np.r_[np.full(75, -1.0), np.full(26, 1.0)], unit))
    cuts = np.full((1, CUTS), np.nan)
    cuts[0, 0] = 0.0
    (votes,) = histograms([a], cuts)
    assert votes[:2].tolist() == [0.75, 1.25]
    assert votes[-1] == 2.0
    assert units(a) == 2


def test_rows_without_a_vote_or_without_a_unit_do_not_count() -> None:
    ruler = Ruler(np.array([0.0]), 100)
    values = np.ones(5)
    assert units(read(ruler, nothing(), _rows(values, voting=False))) == 0
    assert units(read(ruler, nothing(), _rows(values, np.zeros(5, np.uint64)))) == 0


def test_a_window_folded_before_the_cuts_were_known_votes_with_its_sample() -> None:
    values = np.r_[np.full(30, -1.0), np.full(70, 2.0)]
    a = read(Ruler(None, 1_000), nothing(), _rows(values))
    cuts = np.full((1, CUTS), np.nan)
    cuts[0, 0] = 0.0
    (votes,) = histograms([a], cuts)
    assert votes[:2].tolist() == [30.0, 70.0]
    assert votes[-1] == 100.0


def test_infinite_values_count_as_missing() -> None:
    a = read(Ruler(np.array([0.0]), 100), nothing(), _rows(np.array([np.inf, -np.inf, np.nan])))
    (votes,) = histograms([a], np.full((1, CUTS), np.nan))
    assert votes[MISSING] == 3.0


def test_a_constant_gets_a_cut_on_either_side_of_its_value() -> None:
    cuts = cuts_of(np.full(100, 5.0))
    assert cuts[:2].tolist() == [np.nextafter(5.0, -np.inf), 5.0]
    assert np.isnan(cuts[2:]).all()
    assert in_words(cuts, 0) == "at least 5"
    assert in_words(cuts, 1) == "above 5"
    assert in_words(cuts, CUTS) == "missing"


def test_nineteen_cuts_are_taken_from_distinct_values_and_none_from_no_values() -> None:
    assert np.isfinite(cuts_of(np.arange(1_000.0))).all()
    assert np.isnan(cuts_of(np.full(10, np.nan))).all()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("zeros and ones", (0.45, 0.0, 1.0), "at least 1"),
        ("constant", (0.12, 5.0, -3.0), "at least 5"),
        ("constant", (0.12, 5.0, 9.0), "above 5"),
        ("constant", (0.12, 5.0, np.nan), "missing"),
        ("always missing", (0.12, np.nan, 1.0), "missing"),
    ],
)
def test_odd_features_shift_too(before: str, after: tuple[float, float, float], words: str) -> None:
    rng = np.random.default_rng(710)
    share, usual, new = after
    chance = {"zeros and ones": 0.3, "constant": 1.0, "always missing": 1.0}[before]
    high, low = {"zeros and ones": (1.0, 0.0), "constant": (5.0, 5.0), "always missing": (np.nan, np.nan)}[before]
    told = _stream(
        SMALL,
        [np.where(rng.random(2_000) < chance, high, low) for _ in range(15)]
        + [np.where(rng.random(2_000) < share, new, usual) for _ in range(5)],
    )
    assert _crossings(told)[0][0] in (15, 16, 17, 18)
    assert _crossings(told)[0][1] in ("warn", "page")
    assert words in told[_crossings(told)[0][0]].reason


def test_an_alert_goes_on_while_the_shift_lasts_and_ends_soon_after_it() -> None:
    rng = np.random.default_rng(711)
    windows = [rng.normal(0.5 if 12 <= w < 16 else 0.0, 1.0, 2_000) for w in range(80)]
    told = _stream(SMALL, windows)
    crossings = _crossings(told)
    assert crossings[0][0] == 12
    assert crossings[-1][1] == "recovered"
    assert 16 < crossings[-1][0] < 24
    resolved = told[crossings[-1][0]]
    assert resolved.interval is not None
    assert resolved.interval.kind == "recent"
    assert resolved.margin is not None
    assert resolved.effect is not None
    band = empirical_cdf_radius(np.array([float(resolved.n["now"])]), resolved.interval.inputs["alpha"])[0]
    assert resolved.effect + band < resolved.margin + resolved.detail["reference_error"]
    long = [rng.normal(0.5 if 12 <= w < 112 else 0.0, 1.0, 2_000) for w in range(130)]
    assert 112 < _crossings(_stream(SMALL, long))[-1][0] < 124
    lasting = _stream(SMALL, [rng.normal(0.5 if w >= 12 else 0.0, 1.0, 2_000) for w in range(60)])
    assert "recovered" not in [c for _, c in _crossings(lasting)]
    assert lasting[-1].mode is Mode.RECOVERING


def test_the_alarm_says_where_how_much_and_since_when() -> None:
    rng = np.random.default_rng(712)
    told = _stream(SMALL, [rng.normal(0.5 if w >= 12 else 0.0, 1.0, 2_000) for w in range(15)])
    alarm = told[12]
    assert alarm.crossing is Crossing.PAGE
    assert alarm.effect == pytest.approx(0.197, abs=0.03)
    assert alarm.interval is not None
    assert alarm.interval.low < 0.197 < alarm.interval.high
    assert alarm.n == {"now": 2_000, "reference": 4_000}
    assert alarm.unit == "KS"
    assert alarm.arms["now"] > alarm.arms["reference"]
    assert alarm.change_at == 12 * HOUR
    assert alarm.detail["wasserstein"] == pytest.approx(0.5, abs=0.2)


def test_while_it_learns_it_says_what_is_missing_and_an_empty_window_is_stale() -> None:
    rng = np.random.default_rng(713)
    told = _stream(
        SMALL, [rng.standard_normal(300), rng.standard_normal(300), *[rng.standard_normal(2_000)] * 3, np.zeros(0)]
    )
    assert told[0].reason == "learning where to cut: 300 of 500 units"
    assert told[1].reason == "learning: 0 of 4,000 units, 0 of 2 windows"
    assert [e.standing for e in told[:2]] == [Standing.INSUFFICIENT] * 2
    assert told[-1].standing is Standing.STALE
    assert told[-1].reason == "no units voted in this window"


def test_display_figures_are_zero_for_the_same_histogram_and_grow_with_a_shift() -> None:
    cuts = np.arange(CUTS, dtype=np.float64)
    reference = np.zeros(WIDTH)
    reference[:20], reference[-1] = 100.0, 2_000.0
    shifted = np.roll(reference[:20], 0).copy()
    shifted[0], shifted[1] = 0.0, 200.0
    now = np.r_[shifted, 0.0, 2_000.0]
    same = by_name(reference, reference, cuts)
    assert same == pytest.approx({"psi": 0.0, "jensen_shannon": 0.0, "wasserstein": 0.0})
    moved = by_name(reference, now, cuts)
    assert moved["wasserstein"] == pytest.approx(0.05)
    assert moved["psi"] > 0.2
    assert 0.0 < moved["jensen_shannon"] < 0.1


def _weeks(p: NumericShiftParams, days: int, mean: Callable[[float], float], seed: int) -> list[Evidence]:
    """Windows of a quarter of a day, 400 units each, from a Monday on; `mean` by the day, counted from 0."""
    rng, state, told = np.random.default_rng(seed), DETECTOR.start([p]), []
    quarter, monday = 6 * HOUR, 4 * 24 * HOUR
    for window in range(4 * days):
        start = monday + window * quarter
        prep = DETECTOR.prepare(p, state, 0)
        values = rng.normal(mean(window / 4), 1.0, 400)
        a = DETECTOR.fold(prep, DETECTOR.empty(prep), _rows(values, window=window))
        tick = Tick.plain(start, start + quarter, page=1e-4, warn=1e-3)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
    return told


def season(day: float) -> float:
    return float(0.6 * np.sin(2 * np.pi * (day + 0.125)) + 0.5 * (day % 7 >= 5))


def test_two_weeks_of_reference_know_the_day_and_the_weekend() -> None:
    told = _weeks(
        NumericShiftParams(sample_units=500, learn_units=2_000, learn_windows=4, learn_days=14), 42, season, 720
    )
    assert told[14 * 4].reason.endswith("for at least 14 days")
    assert {e.mode for e in told[-100:]} == {Mode.WATCHING}
    assert _crossings(told) == []
    assert told[-1].margin == 0.05
    assert told[-1].detail["moves_on_its_own"] < 0.025


def test_a_shorter_reference_that_moved_on_its_own_widens_the_margin_to_twice_that() -> None:
    told = _weeks(
        NumericShiftParams(sample_units=500, learn_units=2_000, learn_windows=4, learn_days=2), 28, season, 721
    )
    assert told[-1].margin == pytest.approx(min(2 * told[-1].detail["moves_on_its_own"], 0.3))
    assert told[-1].margin is not None
    assert told[-1].margin > 0.15
    assert _crossings(told) == []


def test_a_part_of_the_week_that_the_reference_never_saw_is_not_judged() -> None:
    p = NumericShiftParams(sample_units=500, learn_units=2_000, learn_windows=4, learn_days=14)
    state = DETECTOR.start([p])
    rng, quarter, monday, told = np.random.default_rng(722), 6 * HOUR, 4 * 24 * HOUR, []
    for window in range(4 * 40):
        start = monday + window * quarter
        closed = (window // 4) % 7 >= 5 and window < 4 * 30
        prep = DETECTOR.prepare(p, state, 0)
        rows = _rows(rng.normal(0.0, 1.0, 0 if closed else 400), window=window)
        a = DETECTOR.fold(prep, nothing(), rows)
        tick = Tick.plain(start, start + quarter, page=1e-4, warn=1e-3)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
    sunday = told[4 * 34]
    assert sunday.standing is Standing.INSUFFICIENT
    assert sunday.reason == "the reference was learned without this part of the week"
    assert told[-1].standing is Standing.OK


@pytest.mark.parametrize(
    ("creep", "slow"), [(lambda d: 0.04 * max(d - 20, 0.0), True), (lambda d: 0.35 * (d >= 30), False)]
)
def test_what_came_slowly_is_told_apart_from_what_came_at_once(creep: Callable[[float], float], slow: bool) -> None:
    p = NumericShiftParams(sample_units=500, learn_units=10_000, learn_windows=4)
    told = _weeks(p, 50, creep, 723)
    first = told[_crossings(told)[0][0]]
    assert ("It came slowly" in first.reason) is slow

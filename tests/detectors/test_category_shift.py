"""Error rates, delays and words of shares of categories. Streams are seeded; bounds allow three standard errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.category_shift import CategoryShift, CategoryShiftParams
from detectors.category_shift.reading import CELLS, TOP, UNSEEN, Cells, Reading, nothing, tallies
from detectors.category_shift.state import CategoryShiftState, packed
from detectors.columns import Category, Columns, Flag, Floats, Hashes, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.math.intervals import bounded_mean_bounds
from detectors.math.unit_sample import nobody
from detectors.named import nameless

HOUR = 3_600_000
DETECTOR = CategoryShift()
SMALL = CategoryShiftParams(sample_units=500, learn_units=4_000, learn_windows=2)
LETTERS = tuple("abcdefgh")


def _rows(codes: np.ndarray, unit: Hashes | None = None, labels: tuple[str, ...] = LETTERS, window: int = 0) -> Columns:
    n = len(codes)
    mine = np.arange(1 + window * n, 1 + (window + 1) * n, dtype=np.uint64) if unit is None else unit
    return Columns(
        np.full(n, window * HOUR),
        mine,
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"value": Category(codes.astype(np.int32), labels), "voting": flag(np.ones(n, np.bool_))},
    )


def _tick(window: int, watches: int = 1, page: float = 1e-4) -> Tick:
    return Tick.plain(window * HOUR, (window + 1) * HOUR, page=page, warn=page, watches=watches)


def _stream(p: CategoryShiftParams, windows: list[Columns]) -> list[Evidence]:
    state, told = DETECTOR.start([p]), []
    for window, rows in enumerate(windows):
        prep = DETECTOR.prepare(p, state, 0)
        a = DETECTOR.fold(prep, DETECTOR.empty(prep), rows)
        state, (evidence,) = DETECTOR.close([p], state, [a], _tick(window))
        told.append(evidence)
    return told


def _drawn(rng: np.random.Generator, chance: list[float], n: int = 2_000, window: int = 0) -> Columns:
    return _rows(rng.choice(len(chance), n, p=chance), window=window)


def _crossings(told: list[Evidence]) -> list[tuple[int, str]]:
    return [(i, str(e.crossing)) for i, e in enumerate(told) if e.crossing is not Crossing.NONE]


def _votes(counts: np.ndarray) -> Reading:
    """A window of units with one row each, so many in each cell."""
    cell = np.repeat(np.arange(CELLS), counts)
    keys = (np.arange(len(cell), dtype=np.uint64) << np.uint64(6)) | cell.astype(np.uint64)
    return Reading(keys, np.ones((len(keys), 1), np.int64), nobody(), nameless())


def _watching(p: CategoryShiftParams, streams: int, chance: Floats, rng: np.random.Generator) -> CategoryShiftState:
    """A bank that knows its categories and has measured their shares."""
    ids = np.arange(1, TOP + 1, dtype=np.uint64)
    known = packed(Cells(ids, np.array([f"c{i}" for i in ids], object), ids))
    state = DETECTOR.start([p] * streams)
    state = replace(state, cells=np.array([known, *[b""] * streams], object)[[0] * streams], known=state.known | True)
    learned = [_votes(row) for row in rng.multinomial(p.learn_units, chance, streams)]
    state, _ = DETECTOR.close([p] * streams, state, learned, _tick(0, streams))
    assert (state.shares.bank.mode == 1).all()
    return state


def _cells(**shares: float) -> Floats:
    """Chances of the cells: two categories by name, unseen ones, and the rest for a third."""
    chance = np.zeros(CELLS)
    chance[0], chance[1], chance[UNSEEN] = shares.get("a", 0.3), shares.get("b", 0.02), shares.get("unseen", 0.0)
    chance[2] = 1.0 - chance.sum()
    return chance


def _first_alarms(
    before: Floats, now: Floats, *, streams: int, windows: int, size: int, bound: float, seed: int, units: int = 20_000
) -> Floats:
    rng = np.random.default_rng(seed)
    p = CategoryShiftParams(learn_units=units, learn_windows=1)
    state = _watching(p, streams, before, rng)
    first = np.full(streams, np.inf)
    for window in range(1, windows + 1):
        stats = [_votes(row) for row in rng.multinomial(size, now, streams)]
        state, told = DETECTOR.close([p] * streams, state, stats, _tick(window, streams, page=bound / windows))
        hit = np.array([e.crossing is Crossing.PAGE for e in told])
        first = np.where(hit & np.isinf(first), window, first)
    return first


@pytest.mark.parametrize("now", [_cells(), _cells(a=0.33), _cells(b=0.035), _cells(unseen=0.003)])
def test_a_difference_inside_the_margin_does_not_alarm(now: Floats) -> None:
    assert np.isinf(_first_alarms(_cells(), now, streams=20, windows=60, size=1_000, bound=0.05, seed=710)).all()


@pytest.mark.parametrize("now", [_cells(b=0.04), _cells(a=0.375), _cells(unseen=0.005)])
def test_at_the_margin_itself_no_more_streams_alarm_than_were_promised(now: Floats) -> None:
    """The reference is so large that its own error, which is granted on top, is next to nothing."""
    streams, bound = 40, 0.2
    first = _first_alarms(_cells(), now, streams=streams, windows=30, size=500, bound=bound, seed=711, units=400_000)
    assert np.isfinite(first).mean() <= bound + 3 * np.sqrt(bound * (1 - bound) / streams)


@pytest.mark.parametrize(
    ("before", "now", "at_most"),
    [
        (_cells(b=0.02), _cells(b=0.06), 6),
        (_cells(b=0.06), _cells(b=0.01), 4),
        (_cells(a=0.3), _cells(a=0.45), 3),
        (_cells(), _cells(unseen=0.02), 2),
        (_cells(), _cells(unseen=0.05), 1),
    ],
)
def test_shifts_of_two_margins_are_found_in_few_windows(before: Floats, now: Floats, at_most: float) -> None:
    first = _first_alarms(before, now, streams=20, windows=20, size=2_000, bound=0.002, seed=712)
    assert np.median(first) <= at_most


def test_the_reference_bounds_hold_as_often_as_they_promise() -> None:
    rng, alpha, runs = np.random.default_rng(713), 0.1, 4_000
    for truth, n in ((0.02, 400), (0.5, 50), (0.99, 1_000)):
        low, high = bounded_mean_bounds(rng.binomial(n, truth, runs) / n, np.array(float(n)), alpha)
        missed = ((truth < low) | (truth > high)).mean()
        assert missed <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
        assert (low <= high).all()
    nothing_known = bounded_mean_bounds(np.zeros(1), np.zeros(1), 0.1)
    assert [float(bound[0]) for bound in nothing_known] == [0.0, 1.0]


def test_units_with_many_rows_do_not_alarm_where_their_rows_one_by_one_would() -> None:
    """200 new units a window with 30 rows each of one category: what reads rows as units alarms, what reads units does not."""
    alarms = {"unit": 0, "row": 0}
    for seed in range(4):
        rng = np.random.default_rng(720 + seed)
        state = {kind: DETECTOR.start([SMALL]) for kind in alarms}
        for window in range(40):
            group, events = (4_000, 2) if window < 2 else (200, 30)
            codes = np.repeat(rng.choice(4, group, p=[0.4, 0.3, 0.2, 0.1]), events)
            by = {
                "unit": np.repeat(rng.integers(1, 2**62, group), events).astype(np.uint64),
                "row": rng.integers(1, 2**62, group * events).astype(np.uint64),
            }
            for kind, unit in by.items():
                prep = DETECTOR.prepare(SMALL, state[kind], 0)
                a = DETECTOR.fold(prep, DETECTOR.empty(prep), _rows(codes, unit))
                state[kind], (told,) = DETECTOR.close([SMALL], state[kind], [a], _tick(window, page=0.05 / 40))
                alarms[kind] += told.crossing in (Crossing.WARN, Crossing.PAGE)
    assert alarms["unit"] == 0
    assert alarms["row"] >= 2


def test_a_unit_with_a_hundred_rows_has_one_vote() -> None:
    state = DETECTOR.start([SMALL])
    for window in range(3):
        prep = DETECTOR.prepare(SMALL, state, 0)
        a = DETECTOR.fold(prep, nothing(), _drawn(np.random.default_rng(1), [0.7, 0.3], window=window))
        state, _ = DETECTOR.close([SMALL], state, [a], _tick(window))
    prep = DETECTOR.prepare(SMALL, state, 0)
    unit = np.array([1] * 100 + [2], np.uint64)
    (votes,) = tallies([DETECTOR.fold(prep, nothing(), _rows(np.array([0] * 75 + [1] * 25 + [1]), unit))])
    assert votes[:2].tolist() == [0.75, 1.25]
    assert votes[-1] == 2.0


def test_the_alarm_names_the_category_both_shares_and_the_movers() -> None:
    rng = np.random.default_rng(730)
    windows = [_drawn(rng, [0.6, 0.3, 0.1] if w < 10 else [0.4, 0.5, 0.1], window=w) for w in range(12)]
    alarm = _stream(SMALL, windows)[10]
    assert alarm.crossing is Crossing.PAGE
    assert alarm.detail["cell"] in ("a", "b")
    assert (
        alarm.reason
        == f"{alarm.detail['cell']}: {alarm.arms['now']:.2%}, {alarm.arms['reference']:.2%} in the reference"
    )
    assert alarm.effect == pytest.approx(0.2 if alarm.detail["cell"] == "b" else -0.2, abs=0.04)
    assert alarm.effect is not None
    assert alarm.interval is not None
    assert alarm.interval.low < alarm.effect < alarm.interval.high
    assert alarm.detail["total_variation"] == pytest.approx(0.2, abs=0.04)
    assert set(list(alarm.detail["movers"])[:2]) == {"a", "b"}
    assert alarm.change_at == 10 * HOUR


def test_at_most_five_unseen_categories_are_named_those_with_most_rows_first_and_cut_to_eighty_characters() -> None:
    rng = np.random.default_rng(731)
    labels = ("a", "b", *(f"new {i}" for i in range(30)), "x" * 500)
    codes = [rng.choice(2, 2_000) for _ in range(10)]
    codes.append(np.r_[rng.choice(2, 1_500), np.full(300, 32), np.repeat(np.arange(2, 32), 6)])
    told = _stream(SMALL, [_rows(c, labels=labels, window=w) for w, c in enumerate(codes)])
    assert told[9].detail["unseen"] == []
    assert len(told[10].detail["unseen"]) == 5
    assert told[10].detail["unseen"][0] == "x" * 80
    assert told[10].detail["cell"] == "unseen before"


def test_more_than_fifty_categories_share_a_cell_and_only_those_never_seen_are_unseen() -> None:
    rng = np.random.default_rng(732)
    labels = tuple(f"k{i}" for i in range(200))
    chance = np.r_[np.full(60, 0.9 / 60), np.full(100, 0.1 / 100)]
    p = SMALL.model_copy(update={"sample_units": 4_000})
    state = DETECTOR.start([p])
    for window in range(6):
        rows = _rows(rng.choice(160, 4_000, p=chance), labels=labels, window=window)
        prep = DETECTOR.prepare(p, state, 0)
        state, (evidence,) = DETECTOR.close([p], state, [DETECTOR.fold(prep, nothing(), rows)], _tick(window))
    assert evidence.detail["other_categories"] == pytest.approx(110, abs=5)  # some were in nobody's sample
    assert evidence.detail["other_share"] == pytest.approx(10 * 0.9 / 60 + 0.1, abs=0.02)
    prep = DETECTOR.prepare(p, state, 0)
    (votes,) = tallies([DETECTOR.fold(prep, nothing(), _rows(np.repeat(np.arange(200), 5), labels=labels))])
    assert votes[TOP] == pytest.approx(110 * 5, abs=25)
    assert votes[UNSEEN] == pytest.approx(40 * 5, abs=25)


def test_truth_values_and_missing_ones_are_categories() -> None:
    rng = np.random.default_rng(733)

    def rows(refused: float, lost: float, window: int) -> Columns:
        plain = _drawn(rng, [1.0], window=window)
        return plain.having(value=Flag(rng.random(2_000) < refused, rng.random(2_000) < lost))

    def cells(refused: float, lost: float) -> set[str]:
        told = _stream(SMALL, [rows(0.02, 0.0, w) if w < 8 else rows(refused, lost, w) for w in range(14)])
        return {e.detail["cell"] for e in told if e.crossing in (Crossing.WARN, Crossing.PAGE)}

    assert cells(0.02, 0.0) == set()
    assert cells(0.08, 0.0) <= {"yes", "no"} != set()
    assert cells(0.02, 0.1) == {"missing"}


def test_an_alert_goes_on_while_the_shift_lasts_and_ends_soon_after_it() -> None:
    rng = np.random.default_rng(734)

    def crossings(until: int, windows: int) -> list[tuple[int, str]]:
        chance = [[0.4, 0.5, 0.1] if 10 <= w < until else [0.6, 0.3, 0.1] for w in range(windows)]
        return _crossings(_stream(SMALL, [_drawn(rng, c, window=w) for w, c in enumerate(chance)]))

    short = crossings(14, 40)
    assert short[0] == (10, "page")
    assert short[-1][1] == "recovered"
    assert 14 <= short[-1][0] < 24
    assert "recovered" not in [c for _, c in crossings(60, 60)]


def test_while_it_learns_it_says_what_is_missing_and_an_empty_window_is_stale() -> None:
    rng = np.random.default_rng(735)
    few = [_drawn(rng, [0.5, 0.5], 300, w) for w in range(2)]
    told = _stream(SMALL, [*few, *[_drawn(rng, [0.5, 0.5], window=w) for w in range(2, 5)], _rows(np.zeros(0))])
    assert told[0].reason == "learning which categories there are: 300 of 500 units"
    assert told[1].reason == "learning: 0 of 4,000 units, 0 of 2 windows"
    assert [e.standing for e in told[:2]] == [Standing.INSUFFICIENT] * 2
    assert told[-2].mode is Mode.WATCHING
    assert (told[-1].standing, told[-1].reason) == (Standing.STALE, "no units voted in this window")


def test_a_number_is_refused_by_name() -> None:
    rows = _drawn(np.random.default_rng(0), [1.0])
    ruler = DETECTOR.prepare(SMALL, DETECTOR.start([SMALL]), 0)
    with pytest.raises(TypeError, match="'value' is Numeric, not a category or a flag"):
        DETECTOR.fold(ruler, nothing(), rows.having(value=Numeric(np.ones(2_000))))

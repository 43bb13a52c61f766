"""The calibration gap: told where it grows, silent where it was there from the start; its rate, its interval, its refusals."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.calibration_gap import scored
from detectors.calibration_gap.detector import MEANS, CalibrationGap, CalibrationGapParams
from detectors.columns import Columns, Flag, Floats, Hash, Numeric, Ragged, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.recompute import figures, interval

DAY = 86_400_000
DETECTOR = CalibrationGap()
SLOTS = 10


def slates(
    rng: np.random.Generator, lift: float, *, units: int = 1_500, sharp: float = 0.5, scores: str = "all"
) -> Columns:
    """A fifth is held out; the exposed are shown what scores high, and click `lift` more often than the score says.

    A unit's taste moves all its clicks, so showings of a unit are alike.
    """
    unit = np.arange(1, units + 1, dtype=np.uint64)
    held_out = unit % np.uint64(5) == 0
    exposed = np.repeat(~held_out, SLOTS)
    score: Floats = rng.random(units * SLOTS) ** np.where(exposed, sharp, 1.0)
    taste = np.repeat(np.random.default_rng(5).normal(0, 0.05, units), SLOTS)
    clicked = rng.random(units * SLOTS) < 0.1 + 0.2 * score + taste + lift * exposed
    told = np.where((scores == "all") | exposed, score, np.nan)
    items: dict[str, Hash | Numeric | Flag] = {
        "item": Hash(rng.integers(1, 51, units * SLOTS).astype(np.uint64)),
        "score": Numeric(told),
        "came": flag(clicked),
    }
    return Columns(
        np.zeros(units, np.int64),
        unit,
        held_out.astype(np.int8),
        np.zeros(units, np.int32),
        np.arange(units),
        {"items": Ragged(np.arange(units + 1) * SLOTS, items)},
    )


def run(
    lifts: list[float], *, seed: int = 1, page: float = 1e-3, sharp: tuple[float, ...] = (), scores: str = "all"
) -> list[Evidence]:
    p, rng, told = CalibrationGapParams(), np.random.default_rng(seed), []
    state = DETECTOR.start([p])
    for period, lift in enumerate(lifts, start=1):
        rows = slates(rng, lift, sharp=sharp[period - 1] if sharp else 0.5, scores=scores)
        a = DETECTOR.fold(p.max_rows, DETECTOR.empty(p.max_rows), rows)
        tick = Tick.plain(period * DAY, (period + 1) * DAY, page=page, warn=4 * page)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
    return told


def test_a_gap_that_grows_is_told_in_its_second_period_and_its_end_ends_it() -> None:
    told = run([0.0, 0.0, 0.12, 0.12, 0.0, 0.0])
    assert [(i, str(e.crossing)) for i, e in enumerate(told, 1) if e.crossing is not Crossing.NONE] == [
        (4, "page"),
        (6, "recovered"),
    ]
    assert told[3].change_at == 3 * DAY
    assert told[3].reason.startswith(f"{MEANS}: at equal scores")
    assert "loop" not in told[3].reason
    assert told[3].margin == pytest.approx(0.2 * 0.2, abs=0.01)  # a fifth of the held-out's rate, which is below .05


def test_a_gap_that_was_there_from_the_start_is_silent() -> None:
    assert all(e.crossing is Crossing.NONE for e in run([0.12] * 6))


def test_a_policy_that_comes_to_choose_higher_scores_makes_no_gap() -> None:
    """In five bins this sharpening alone makes a gap: the lowest bin of the exposed lies above most of the holdout."""
    told = run([0.0] * 6, sharp=(0.5, 0.5, 0.2, 0.1, 0.1, 0.1))
    assert all(e.crossing is Crossing.NONE for e in told)
    assert told[-1].effect is not None
    assert abs(told[-1].effect) < 0.03


def test_growth_at_the_margin_alarms_no_more_often_than_periods_may_spend() -> None:
    """30 courses of 4 compared periods, .01 each: 1.2 alarms expected at most, each twice in a row."""
    rate = run([0.0])[0].margin  # learning: none yet
    assert rate is None
    edge = run([0.0, 0.0])[1].margin
    assert edge is not None
    alarms = sum(
        any(e.crossing is not Crossing.NONE for e in run([0.0, *[0.95 * edge] * 4], seed=s, page=0.0025))
        for s in range(30)
    )
    assert alarms <= 1.2 + 3 * np.sqrt(1.2)


def test_the_interval_holds_the_growth_and_can_be_computed_again() -> None:
    held = 0
    for seed in range(40):
        told = run([0.0, 0.03], seed=seed)[1]
        assert told.interval is not None
        assert told.effect is not None
        assert interval(told) == pytest.approx((told.interval.low, told.interval.high))
        assert figures("calibration_gap", told)[0] == pytest.approx(told.effect)
        held += told.interval.low <= 0.03 <= told.interval.high
    assert held / 40 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 40)


def test_scores_that_held_out_people_lack_make_it_not_computable() -> None:
    told = run([0.0, 0.0], scores="exposed")
    assert {e.standing for e in told} == {Standing.NOT_COMPUTABLE}
    assert "no item shown to held-out people carries a score" in told[0].reason


def test_scores_that_have_nothing_in_common_are_insufficient() -> None:
    rows = slates(np.random.default_rng(1), 0.0)
    items = rows.fields["items"]
    assert isinstance(items, Ragged)
    score = items.fields["score"]
    assert isinstance(score, Numeric)
    apart = Numeric(score.values + np.repeat(rows.cohort == 0, SLOTS) * 5.0)
    rows = rows.having(items=Ragged(items.starts, {**items.fields, "score": apart}))
    a = DETECTOR.fold(10**6, DETECTOR.empty(10**6), rows)
    p = CalibrationGapParams()
    _, (told,) = DETECTOR.close([p], DETECTOR.start([p]), [a], Tick.plain(0, DAY, page=1e-3, warn=4e-3))
    assert (told.standing, told.reason[:12]) == (Standing.INSUFFICIENT, "at no score ")


def test_a_capped_sample_is_the_same_for_any_cut_and_keeps_whole_units() -> None:
    rows, cap = slates(np.random.default_rng(2), 0.0), 1_000
    whole = scored.of(rows, cap)
    parts = [scored.of(rows.take(np.arange(len(rows)) % 7 == k), cap) for k in range(7)]
    merged = scored.empty()
    for part in reversed(parts):
        merged = scored.merge(merged, part, cap)
    for name in ("arm", "unit", "score", "came", "below", "shown"):
        assert np.array_equal(getattr(whole, name), getattr(merged, name))
    _, sizes = np.unique(whole.unit, return_counts=True)
    assert set(sizes.tolist()) == {SLOTS}
    assert (np.bincount(whole.arm) <= cap).all()

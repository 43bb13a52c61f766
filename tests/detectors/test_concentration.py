"""Concentration: what it must tell, what it must not, and how often it errs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detectors import exposures
from detectors.arms import ArmsState
from detectors.columns import Columns, Hash, Ints, Ragged
from detectors.concentration import Concentration, ConcentrationParams
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.snapshot import pack_record, pack_row, unpack_record, unpack_rows
from tests.figures import Figure

DAY = 86_400_000
DETECTOR = Concentration()
SMALL = ConcentrationParams(max_items=1_000)
SLATE = 10


def shown(rng: np.random.Generator, choice: Ints, cohort: Ints, taste: int = 1, slate: int = SLATE) -> Columns:
    """One slate a unit: unit u chooses among items 1 .. choice[u]; each chosen item takes `taste` places (clustering)."""
    n = len(choice)
    item = 1 + np.floor(rng.random((n, slate // taste)) * choice[:, None]).astype(np.uint64)
    return Columns(
        np.zeros(n, np.int64),
        np.arange(1, n + 1, dtype=np.uint64),
        cohort.astype(np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"items": Ragged(np.arange(n + 1) * slate, {"item": Hash(np.repeat(item, taste, axis=1).ravel())})},
    )


def cohorts(units: int, every: int = 4) -> Ints:
    """One unit in `every` is held out."""
    held: Ints = (np.arange(units) % every == 0).astype(np.int64)
    return held


def run(
    choices: Sequence[tuple[int, int]],
    p: ConcentrationParams | None = None,
    *,
    seed: int = 1,
    units: int = 2_000,
    cohort: Ints | None = None,
    gated: Sequence[int] = (),
    rearm: Sequence[int] = (),
    page: float = 1e-3,
    warn: float = 4e-3,
) -> list[Evidence]:
    """One period for each (choice of the exposed, choice of the holdout)."""
    p = p or ConcentrationParams()
    rng, told, state = np.random.default_rng(seed), [], DETECTOR.start([p])
    cohort = cohorts(units) if cohort is None else cohort
    for period, (exposed, holdout) in enumerate(choices, start=1):
        rows = shown(rng, np.where(cohort == 0, exposed, holdout), cohort)
        prep = DETECTOR.prepare(p, state, 0)
        a = DETECTOR.fold(prep, DETECTOR.empty(prep), rows)
        tick = Tick.plain(
            period * DAY, (period + 1) * DAY, page=page, warn=warn, gated=period in gated, rearm=period in rearm
        )
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
    return told


def crossings(told: Sequence[Evidence]) -> list[tuple[int, str]]:
    return [(i, str(e.crossing)) for i, e in enumerate(told, start=1) if e.crossing is not Crossing.NONE]


def test_a_gap_that_was_there_at_the_baseline_stays_silent() -> None:
    told = run([(100, 400)] * 10)
    assert crossings(told) == []
    assert told[-1].standing is Standing.OK
    assert told[-1].detail["effective_items_exposed"] == pytest.approx(100, rel=0.1)
    assert told[-1].effect == pytest.approx(0.0, abs=0.1)


def test_both_cohorts_narrowing_alike_stay_silent_and_are_told_in_the_detail() -> None:
    told = run([(200, 200)] * 4 + [(100, 100)] * 4)
    assert crossings(told) == []
    assert told[-1].detail["narrowed"] == ["exposed", "holdout"]
    assert told[-1].arms == pytest.approx({"exposed": 0.5, "holdout": 0.5}, rel=0.1)


def test_the_exposed_narrowing_by_half_page_in_the_second_period_after() -> None:
    told = run([(200, 200)] * 4 + [(100, 200)] * 3)
    assert crossings(told) == [(6, "page")]
    page = told[5]
    assert page.change_at == 5 * DAY
    assert page.detail["narrowed"] == ["exposed"]
    assert page.n == {"exposed": 1_500, "holdout": 500}
    assert page.interval is not None
    assert page.interval.low < -0.5 < page.interval.high < -0.3
    assert page.reason.startswith("exposure narrows: exposed people see 5")
    assert "quality" not in page.reason


def test_only_the_holdout_widening_is_told_as_such() -> None:
    told = run([(200, 200)] * 4 + [(200, 400)] * 3)
    assert crossings(told) == [(6, "page")]
    assert told[5].detail["narrowed"] == []
    assert told[5].detail["holdout_low"] > 0.5


def test_one_narrow_period_alone_is_not_told() -> None:
    assert crossings(run([(200, 200)] * 4 + [(100, 200), (200, 200)] * 3)) == []


def test_a_narrow_feed_that_widens_again_recovers_after_two_periods() -> None:
    told = run([(200, 200)] * 3 + [(100, 200)] * 4 + [(200, 200)] * 3)
    assert crossings(told) == [(5, "page"), (9, "recovered")]
    assert told[6].mode is Mode.RECOVERING
    assert told[6].spend == 0.0
    assert told[8].change_at == 4 * DAY
    assert told[9].change_at is None


def test_a_narrowing_to_a_fifth_becomes_critical_only_after_it_paged() -> None:
    told = run([(200, 200)] * 3 + [(40, 200)] * 4)
    assert crossings(told) == [(5, "page"), (6, "critical")]


def test_a_fall_that_is_clear_enough_for_a_warning_only_warns() -> None:
    told = run([(200, 200)] * 3 + [(132, 200)] * 3, ConcentrationParams(min_units=100), units=600, page=1e-9, warn=0.05)
    assert [name for _, name in crossings(told)] == ["warn"]


@pytest.mark.parametrize(
    ("cohort", "sentence"),
    [
        (cohorts(1_000, every=10), "100 held-out units in this period; at least 200 are needed"),
        (cohorts(200, every=2), "100 exposed units in this period; at least 200 are needed"),
    ],
)
def test_too_few_units_are_insufficient_with_their_number(cohort: Ints, sentence: str) -> None:
    told = run([(50, 50)] * 4, cohort=cohort)
    assert {e.standing for e in told} == {Standing.INSUFFICIENT}
    assert told[-1].reason == sentence
    assert told[-1].mode is Mode.LEARNING


def test_a_holdout_too_small_for_any_statement_is_insufficient_with_its_interval_and_never_ok() -> None:
    p = ConcentrationParams(min_units=20, min_exposures=100, page_if_items_fall_by=0.2)
    few, many = (run([(100, 100)] * 6, p, cohort=(np.arange(2_000) < held).astype(np.int64))[3:] for held in (21, 600))
    assert {e.standing for e in few} == {Standing.INSUFFICIENT}
    assert few[0].reason.startswith(
        "21 held-out units and 1,979 exposed units are too few for any statement on this period: "
    )
    assert few[0].reason.endswith("and -20 % would be tolerated")
    assert few[0].interval is not None
    assert few[0].interval.low < -0.2
    assert {e.standing for e in many} == {Standing.OK}


def test_even_a_small_holdout_is_enough_for_a_narrowing_that_is_large() -> None:
    p = ConcentrationParams(min_units=20, min_exposures=100)
    told = run([(100, 100)] * 4 + [(4, 100)] * 3, p, cohort=(np.arange(2_000) < 21).astype(np.int64))
    assert [str(e.crossing) for e in told if e.crossing is not Crossing.NONE] == ["page", "critical"]


def test_too_few_items_shown_are_insufficient_with_their_number() -> None:
    told = run([(50, 50)], ConcentrationParams(min_exposures=10_000))
    assert told[0].reason == "5,000 items shown to held-out units; at least 10,000 are needed"


def test_items_that_nobody_sees_twice_are_insufficient() -> None:
    told = run([(10**15, 10**15)])
    assert told[0].standing is Standing.INSUFFICIENT
    assert "too few of them twice" in told[0].reason


def test_a_period_in_which_nothing_was_shown_is_stale_and_breaks_nothing() -> None:
    p = ConcentrationParams()
    _, (evidence,) = DETECTOR.close(
        [p], DETECTOR.start([p]), [exposures.empty()], Tick.plain(1, 2, page=1e-3, warn=1e-3)
    )
    assert (evidence.standing, evidence.reason) == (Standing.STALE, "no items were shown in this period")


def test_without_a_holdout_the_own_baseline_is_used_and_only_an_association_is_claimed() -> None:
    told = run([(200, 200)] * 4 + [(100, 100)] * 2, cohort=np.zeros(2_000, np.int64))
    assert crossings(told) == [(6, "page")]
    assert told[5].n == {"exposed": 2_000}
    assert "association only" in told[5].reason
    assert "association only" in told[5].detail["associated_only"]


def test_a_holdout_that_comes_later_starts_a_contrast_with_a_new_baseline() -> None:
    p, rng = ConcentrationParams(), np.random.default_rng(4)
    state, modes = DETECTOR.start([p]), []
    for period in range(1, 9):
        cohort = cohorts(2_000) if period > 4 else np.zeros(2_000, np.int64)
        a = DETECTOR.fold(p, exposures.empty(), shown(rng, np.full(2_000, 200), cohort))
        state, (evidence,) = DETECTOR.close([p], state, [a], Tick.plain(period, period + 1, page=1e-3, warn=1e-3))
        modes.append(str(evidence.mode))
    assert modes == ["learning"] * 2 + ["watching"] * 2 + ["learning"] * 2 + ["watching"] * 2
    assert list(evidence.n) == ["exposed", "holdout"]


def test_a_holdout_that_vanishes_is_insufficient_not_an_own_baseline() -> None:
    p, rng = ConcentrationParams(learn_periods=1), np.random.default_rng(4)
    state = DETECTOR.start([p])
    for cohort in (cohorts(2_000), np.zeros(2_000, np.int64)):
        a = DETECTOR.fold(p, exposures.empty(), shown(rng, np.full(2_000, 200), cohort))
        state, (evidence,) = DETECTOR.close([p], state, [a], Tick.plain(1, 2, page=1e-3, warn=1e-3))
    assert evidence.standing is Standing.INSUFFICIENT
    assert evidence.reason.startswith("nobody of the holdout")


def test_a_failed_gate_is_blind_and_breaks_the_run_of_narrow_periods() -> None:
    told = run([(200, 200)] * 3 + [(100, 200)] * 4, gated=[5])
    assert told[4].standing is Standing.BLIND
    assert crossings(told) == [(7, "page")]


def test_a_person_who_rearms_closes_the_alert_and_the_run_starts_anew() -> None:
    told = run([(200, 200)] * 3 + [(100, 200)] * 5, rearm=[6])
    assert crossings(told) == [(5, "page"), (6, "recovered"), (7, "page")]


def test_the_statistic_does_not_depend_on_cut_or_order_even_beyond_the_cap() -> None:
    rng = np.random.default_rng(8)
    rows = shown(rng, np.full(900, 5_000), cohorts(900))
    whole = DETECTOR.fold(SMALL, exposures.empty(), rows)
    assert len(whole.items) == 1_000
    parts = exposures.empty()
    for index in np.array_split(rng.permutation(900), 8):
        parts = DETECTOR.merge(SMALL, DETECTOR.fold(SMALL, exposures.empty(), rows.take(index)), parts)
    assert pack_record(parts) == pack_record(whole)
    assert pack_record(unpack_record(exposures.Exposures, pack_record(whole))) == pack_record(whole)


def test_a_million_items_take_tens_of_megabytes_and_parts_of_a_period_add_up(figure: Figure) -> None:
    rng, p, everything = np.random.default_rng(12), ConcentrationParams(), 10**6
    item = rng.permutation(everything).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
    units = everything // 50
    rows = Columns(
        np.zeros(units, np.int64),
        np.arange(1, units + 1, dtype=np.uint64),
        cohorts(units).astype(np.int8),
        np.zeros(units, np.int32),
        np.arange(units),
        {"items": Ragged(np.arange(units + 1) * 50, {"item": Hash(item)})},
    )
    parts = [DETECTOR.fold(p, exposures.empty(), rows.take(part)) for part in np.array_split(np.arange(units), 2)]
    whole = DETECTOR.merge(p, *parts)
    assert len(whole.items) == everything
    assert whole.counts.sum() == everything
    megabytes = len(pack_record(whole)) / 1e6
    figure(
        "concentration: a period with a million items", megabytes, "MB", everything, target=50.0, met=megabytes <= 50
    )
    assert megabytes <= 50


def test_beyond_the_cap_the_estimate_stays_within_the_sketchs_error_and_says_so() -> None:
    rng = np.random.default_rng(9)
    rows = shown(rng, np.full(8_000, 20_000), cohorts(8_000))
    exact, capped = (
        exposures.reading(DETECTOR.fold(ConcentrationParams(max_items=cap), exposures.empty(), rows))
        for cap in (10**6, 1_000)
    )
    assert exact.detail["folded_exposures"] == 0
    assert capped.detail["folded_exposures"] > 70_000
    assert capped.logs == pytest.approx(exact.logs, abs=0.15)
    told = run([(3_000, 3_000)] * 4, ConcentrationParams(max_items=1_000))
    assert "beyond the cap" in told[-1].detail["folded"]


def test_a_watch_alone_and_in_a_bank_and_after_a_restart_give_the_same_numbers() -> None:
    ps = [ConcentrationParams(), ConcentrationParams(page_if_items_fall_by=0.1), ConcentrationParams(learn_periods=1)]
    rng, cohort = np.random.default_rng(10), cohorts(1_000)
    bank = DETECTOR.start(ps)
    alone = [DETECTOR.start([p]) for p in ps]
    for period in range(1, 7):
        stats = [
            DETECTOR.fold(p, exposures.empty(), shown(rng, np.where(cohort == 0, 300 // period, 300), cohort))
            for p in ps
        ]
        bank, together = DETECTOR.close(
            ps, bank, stats, Tick.plain(period, period + 1, page=1e-2, warn=4e-2, watches=3)
        )
        for i, p in enumerate(ps):
            restored = unpack_rows(ArmsState, [pack_row(alone[i], 0)])
            alone[i], (one,) = DETECTOR.close(
                [p], restored, [stats[i]], Tick.plain(period, period + 1, page=1e-2, warn=4e-2)
            )
            assert one == together[i]


def test_rows_without_unit_item_or_cohort_are_left_out() -> None:
    rows = shown(np.random.default_rng(3), np.full(40, 5), cohorts(40, every=2))
    none = Columns(rows.time, np.zeros(40, np.uint64), rows.cohort, rows.partition, rows.offset, rows.fields)
    other = Columns(rows.time, rows.unit, np.full(40, 2, np.int8), rows.partition, rows.offset, rows.fields)
    missing = rows.having(items=Ragged(np.arange(41), {"item": Hash(np.zeros(40, np.uint64))}))
    for left_out in (none, other, missing):
        assert DETECTOR.size(DETECTOR.fold(SMALL, exposures.empty(), left_out)) == 0
    assert DETECTOR.size(DETECTOR.fold(SMALL, exposures.empty(), rows)) == 20


def test_bootstrap_errors_agree_with_monte_carlo_when_units_are_clustered() -> None:
    rng, cohort = np.random.default_rng(12), cohorts(800, every=2)
    logs, errors = [], []
    for _ in range(120):
        n = len(cohort)
        rows = shown(rng, rng.choice([20, 200], n), cohort, taste=5)
        rows = Columns(
            rows.time,
            rng.integers(1, 2**63, n).astype(np.uint64),
            rows.cohort,
            rows.partition,
            rows.offset,
            rows.fields,
        )
        spread = exposures.reading(exposures.of(rows, "items", 10**6))
        logs.append(spread.logs)
        errors.append(np.std(spread.replicates, axis=1, ddof=1))
    truth = np.std(logs, axis=0, ddof=1)
    assert np.mean(errors, axis=0) / truth == pytest.approx(1.0, abs=0.2)


TIES = 0.3**2 * 9 / 1_999
"""Share of the pairs of 2,000 exposures that are both one unit's favourite, where 3 in 10 exposures are."""


def same_item(choice: float) -> float:
    """Chance that two exposures show the same item, if item floor(choice * u^1.5) is shown for a uniform u."""
    edges = np.minimum(np.arange(np.ceil(choice) + 1) / choice, 1.0) ** (2 / 3)
    return TIES + (1 - TIES) * float(np.sum(np.diff(edges) ** 2))


def test_at_the_margin_bounds_err_no_more_often_than_they_say_and_false_pages_stay_within_the_spend() -> None:
    p, spend, runs, judged = ConcentrationParams(min_units=100, min_exposures=100, learn_periods=2), 0.05, 150, 3
    rng, cohort = np.random.default_rng(13), cohorts(400, every=2)
    grid = np.linspace(120.0, 200.0, 801)
    narrowed = grid[np.argmin([abs(same_item(200.0) / same_item(choice) - 0.7) for choice in grid])]
    pages = below = covered = 0
    for _ in range(runs):
        units = rng.integers(1, 2**63, 400).astype(np.uint64)
        favourite = rng.random((400, 1))
        state = DETECTOR.start([p])
        for period in range(1, 3 + judged):
            choice = np.where((cohort == 0) & (period > 2), narrowed, 200.0)[:, None]
            place = np.where(rng.random((400, SLATE)) < 0.3, favourite, rng.random((400, SLATE)))
            item = 1 + np.floor(choice * place**1.5).astype(np.uint64)
            rows = Columns(
                np.zeros(400, np.int64),
                units,
                cohort.astype(np.int8),
                np.zeros(400, np.int32),
                np.arange(400),
                {"items": Ragged(np.arange(401) * SLATE, {"item": Hash(item.ravel())})},
            )
            a = DETECTOR.fold(p, exposures.empty(), rows)
            state, (evidence,) = DETECTOR.close([p], state, [a], Tick.plain(period, period + 1, page=spend, warn=0.0))
            pages += evidence.crossing is Crossing.PAGE
            if evidence.interval is not None and period == 3:
                below += int(state.below[0, 1])
                covered += evidence.interval.low <= -0.30 <= evidence.interval.high
    bound = judged * spend
    assert below / runs <= spend + 3 * np.sqrt(spend * (1 - spend) / runs)
    assert pages / runs <= bound + 3 * np.sqrt(bound * (1 - bound) / runs)
    assert covered / runs >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / runs)

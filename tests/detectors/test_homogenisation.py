"""What people have in common: without pairs what pairs would say, random items left out, and few false alarms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from detectors import overlap, showings
from detectors.columns import Columns, Flag, Hash, Ints, Ragged, flag
from detectors.concentration import Concentration, ConcentrationParams
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence
from detectors.homogenisation import Homogenisation, HomogenisationParams
from detectors.snapshot import pack_record

DAY = 86_400_000
DETECTOR = Homogenisation()


def slates(rng: np.random.Generator, choice: Ints, cohort: Ints, explored: int = 0, catalogue: int = 400) -> Columns:
    """One slate of 10 a unit out of 1 .. choice[u]; the last `explored` places are drawn from the whole catalogue."""
    n = len(choice)
    item = 1 + np.floor(rng.random((n, 10)) * choice[:, None]).astype(np.uint64)
    drawn = np.zeros((n, 10), np.bool_)
    if explored:
        item[:, -explored:] = rng.integers(1, catalogue + 1, (n, explored))
        drawn[:, -explored:] = True
    items: dict[str, Hash | Flag] = {"item": Hash(item.ravel()), "explored": flag(drawn.ravel())}
    unit = np.arange(1, n + 1, dtype=np.uint64)
    return Columns(
        np.zeros(n, np.int64),
        unit,
        cohort.astype(np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"items": Ragged(np.arange(n + 1) * 10, items)},
    )


def held_out(units: int) -> Ints:
    """One unit in four."""
    held: Ints = (np.arange(units) % 4 == 0).astype(np.int64)
    return held


def run(
    choices: list[tuple[int, int]], p: HomogenisationParams | None = None, seed: int = 1, page: float = 1e-3
) -> list[Evidence]:
    p = p or HomogenisationParams()
    rng, state, told, cohort = np.random.default_rng(seed), DETECTOR.start([p]), [], held_out(1_600)
    for period, (exposed, holdout) in enumerate(choices, start=1):
        a = overlap.of(slates(rng, np.where(cohort == 0, exposed, holdout), cohort), p.max_pairs)
        tick = Tick.plain(period * DAY, (period + 1) * DAY, page=page, warn=4 * page)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
    return told


def test_the_overlap_is_that_of_all_pairs_of_people() -> None:
    rng = np.random.default_rng(4)
    rows = slates(rng, np.full(60, 40), np.zeros(60, np.int64))
    sets = [set(rows.fields["items"].fields["item"].values[u * 10 : u * 10 + 10].tolist()) for u in range(60)]  # type: ignore[union-attr]
    common = np.mean([len(a & b) for a, b in itertools.combinations(sets, 2)])
    k = np.mean([len(s) for s in sets])
    got = overlap.reading(overlap.of(rows, 10**6))
    assert np.exp(-got.logs[0]) == pytest.approx(common / k)
    assert got.detail["items_per_unit_exposed"] == pytest.approx(k)


def test_a_sample_of_units_is_unbiased_and_its_error_is_the_bootstraps() -> None:
    rng, logs, errors = np.random.default_rng(6), [], []
    for _ in range(60):
        got = overlap.reading(overlap.of(slates(rng, np.full(1_500, 100), np.zeros(1_500, np.int64)), 3_000))
        assert got.detail["sampled"]
        assert got.units[0] < 330
        logs.append(got.logs[0])
        errors.append(np.std(got.replicates[0], ddof=1))
    whole = overlap.reading(overlap.of(slates(rng, np.full(1_500, 100), np.zeros(1_500, np.int64)), 10**6))
    assert np.mean(logs) == pytest.approx(whole.logs[0], abs=4 * np.std(logs) / np.sqrt(60) + 0.01)
    assert np.mean(errors) == pytest.approx(np.std(logs, ddof=1), rel=0.35)


def test_capped_merging_does_not_depend_on_cut_or_order() -> None:
    rng = np.random.default_rng(7)
    rows = slates(rng, np.full(900, 200), held_out(900))
    whole = pack_record(overlap.of(rows, 1_000))
    for _ in range(10):
        owner = rng.integers(0, 5, len(rows))
        a = overlap.empty()
        for part in rng.permutation(5):
            a = overlap.merge(overlap.of(rows.take(owner == part), 1_000), a, 1_000)
        assert pack_record(a) == whole


def test_people_who_come_to_see_the_same_are_told_in_the_second_period() -> None:
    told = run([(200, 200)] * 4 + [(60, 200)] * 3)
    assert [(i, str(e.crossing)) for i, e in enumerate(told, 1) if e.crossing is not Crossing.NONE] == [(6, "page")]
    page = told[5]
    assert page.interval is not None
    assert page.effect is not None
    assert 1.0 < page.interval.low < page.effect < page.interval.high
    assert page.detail["narrowed"] == ["exposed"]
    assert page.reason.startswith("people come to see the same: exposed people have 2")
    assert "more items in common" in page.reason
    assert "quality" not in page.reason


def test_what_both_cohorts_do_and_what_was_always_there_stays_silent() -> None:
    for choices in ([(60, 200)] * 8, [(200, 200)] * 4 + [(60, 60)] * 4, [(200, 200)] * 4 + [(140, 200)] * 4):
        assert all(e.crossing is Crossing.NONE for e in run(choices))


def test_false_alarms_at_the_margin_are_within_what_periods_may_spend() -> None:
    """At the tolerated growth itself: 60 courses of 6 judged periods at .01 each may alarm 3.6 times."""
    alarms = 0
    for seed in range(60):
        told = run([(200, 200)] * 2 + [(100, 200)] * 6, HomogenisationParams(learn_periods=2), seed, page=0.01 / 4)
        alarms += any(e.crossing in (Crossing.WARN, Crossing.PAGE) for e in told)
    assert alarms <= 3.6 + 3 * np.sqrt(3.6)


def test_random_items_of_the_exposed_hide_nothing() -> None:
    """Half of every slate at random would make a policy of 20 items look wide; left out, both figures see the 20."""
    rng = np.random.default_rng(5)
    rows = slates(rng, np.full(2_000, 20), held_out(2_000), explored=5)
    shown = showings.of(rows)
    chosen = showings.chosen(shown)
    assert len(chosen.item) == 1_500 * 5 + 500 * 10
    assert shown.marked.all()
    narrow = Concentration()
    prep = narrow.prepare(ConcentrationParams(), narrow.start([ConcentrationParams()]), 0)
    _, (evidence,) = narrow.close(
        [ConcentrationParams()],
        narrow.start([ConcentrationParams()]),
        [narrow.fold(prep, narrow.empty(prep), rows)],
        Tick.plain(0, DAY, page=1e-3, warn=4e-3),
    )
    assert evidence.detail["effective_items_exposed"] == pytest.approx(20, rel=0.02)

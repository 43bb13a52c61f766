"""Promises of the comparison by group, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np

from detectors.cohort_by_group import CohortByGroup, CohortByGroupParams
from detectors.cohort_by_group.tallies import ByGroup
from detectors.columns import Category, Cohort, Columns, Floats, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence
from detectors.math import fixed
from detectors.named import identities

DETECTOR = CohortByGroup()
NAMES = tuple(f"g{n:02d}" for n in range(20))
IDS, NAMED = identities(
    Columns(
        np.zeros(20, np.int64), np.zeros(20, np.uint64), np.zeros(20, np.int8), np.zeros(20, np.int32), np.arange(20),
        {"g": Category(np.arange(20, dtype=np.int32), NAMES)},
    ), "g",
)  # fmt: skip
ORDER = np.argsort(IDS)
TWELVE = (np.arange(20) < 12).astype(np.float64)


def window(rng: np.random.Generator, sizes: Floats, rates: Floats, share: float) -> ByGroup:
    """People of each of 20 groups fall into arms by a fair coin; `rates` (20, 2): chance of yes, exposed and held out."""
    held_out = rng.binomial(sizes.astype(np.int64), share)
    exposed = sizes.astype(np.int64) - held_out
    yes = np.stack([rng.binomial(exposed, rates[:, 0]), rng.binomial(held_out, rates[:, 1])], axis=1) * fixed.ONE
    sums = np.stack([exposed, yes[:, 0], yes[:, 0], held_out, yes[:, 1], yes[:, 1]], axis=1)
    present = (sums[:, 0] + sums[:, 3] > 0)[ORDER]
    return ByGroup(IDS[ORDER][present], sums[ORDER][present], NAMED)


def run(
    rates: Floats, sizes: Floats, *, watches: int, spend: float, seed: int, share: float = 0.5
) -> list[list[Evidence]]:
    """`rates` (T, 20, 2)."""
    rng = np.random.default_rng(seed)
    ps = [CohortByGroupParams(holdout_share=share, by="g", learn_units=2_000)] * watches
    state, told = DETECTOR.start(ps), []
    for t, now in enumerate(rates):
        stats = [window(rng, sizes, now, share) for _ in ps]
        tick = Tick.plain(t, t + 1, page=spend, warn=spend, watches=watches)
        state, evidence = DETECTOR.close(ps, state, stats, tick)
        told.append(evidence)
    return told


def pages(told: list[list[Evidence]]) -> list[tuple[int, int, Evidence]]:
    return [(t, w, e) for t, row in enumerate(told) for w, e in enumerate(row) if e.crossing is Crossing.PAGE]


def test_groups_at_the_edge_of_what_is_tolerated_alarm_no_more_than_one_watch_may_spend() -> None:
    watches, windows, spend = 60, 60, 0.1
    rates = np.broadcast_to([0.27, 0.30], (windows, 20, 2))
    for share in (0.5, 0.05):
        told = run(rates, np.full(20, 100.0), watches=watches, spend=spend / windows, seed=19, share=share)
        assert len(pages(told)) / watches <= spend + 3 * np.sqrt(spend / watches)


def test_one_group_of_twelve_that_loses_half_is_found_and_named_while_the_whole_gains() -> None:
    rates = np.tile(np.array([0.32, 0.30]), (80, 20, 1))
    rates[30:, 3, 0] = 0.15
    told = run(rates, TWELVE * 100, watches=20, spend=1e-5, seed=20)
    first = {w: (t, e) for t, w, e in reversed(pages(told))}
    assert len(first) == 20
    assert {e.detail["group"] for _, e in first.values()} == {"g03"}
    assert np.median([t - 29 for t, _ in first.values()]) <= 15
    for _, evidence in first.values():
        assert evidence.interval is not None
        assert evidence.interval.low < -0.05


def test_the_end_of_the_harm_in_the_accused_group_is_told() -> None:
    rates = np.tile(np.array([0.30, 0.30]), (160, 20, 1))
    rates[30:60, 3, 0] = 0.10
    told = run(rates, TWELVE * 200, watches=10, spend=1e-4, seed=21)
    ended = [any(row[w].crossing is Crossing.RECOVERED for row in told[60:]) for w in range(10)]
    assert all(ended)
    assert not any(e.crossing is Crossing.RECOVERED for row in told[:60] for e in row)


def test_an_alert_does_not_end_while_another_group_is_harmed() -> None:
    rates, sizes = np.tile(np.array([0.30, 0.30]), (280, 20, 1)), np.zeros(20)
    sizes[:4] = 400
    rates[30:60, 3, 0] = 0.10
    rates[50:150, 1, 0] = 0.10
    told = run(rates, sizes, watches=8, spend=1e-4, seed=24)
    assert not any(e.crossing is Crossing.RECOVERED for row in told[:150] for e in row)
    assert all(any(row[w].crossing is Crossing.RECOVERED for row in told[150:]) for w in range(8))


def test_groups_of_enough_people_for_which_there_is_no_place_are_counted_and_told_and_are_not_called_small() -> None:
    told = run(np.full((3, 20, 2), 0.3), np.full(20, 200.0), watches=1, spend=1e-6, seed=23)
    assert "folded_exposures" not in told[0][0].detail
    detail = told[-1][0].detail
    assert (detail["too_small"], detail["folded_exposures"]) == ([], 5 * 200)
    assert "only the 15 largest have a place" in detail["folded"]


def test_a_group_of_twenty_people_is_named_as_too_small() -> None:
    sizes = np.zeros(20)
    sizes[:3] = [500, 400, 2]
    told = run(np.full((12, 20, 2), 0.3), sizes, watches=1, spend=1e-4, seed=22)
    detail = told[-1][0].detail
    assert detail["too_small"] == ["g02"]
    assert {"g00", "g01", "other groups"} == set(detail["groups"])


def test_values_between_no_and_yes_never_give_more_evidence_than_they_hold() -> None:
    rng = np.random.default_rng(23)
    rows = Columns(
        np.zeros(400, np.int64), np.arange(1, 401, dtype=np.uint64),
        np.where(rng.random(400) < 0.5, Cohort.EXPOSED, Cohort.HOLDOUT).astype(np.int8), np.zeros(400, np.int32),
        np.arange(400), {
            "value": Numeric(rng.random(400)), "first": flag(np.ones(400, np.bool_)),
            "g": Category(np.zeros(400, np.int32), ("a",)),
        },
    )  # fmt: skip
    tally = DETECTOR.fold("g", DETECTOR.empty("g"), rows)
    exposed, held_out = tally.sums[0, 0], tally.sums[0, 3]
    assert exposed + held_out == 400
    assert (
        tally.sums[0, 1] / fixed.ONE == np.round(rows.numbers("value")[rows.cohort == 0] * fixed.ONE).sum() / fixed.ONE
    )

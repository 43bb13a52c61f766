"""Promises of the shadow, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Bools, Category, Columns, Floats, Hash, Ints, Vector, flag
from detectors.evidence import Crossing, Evidence, Verdict
from detectors.shadow import Compare, Shadow, ShadowParams
from tests.detectors.coverage import missed_at_any_look, most_missed
from tests.detectors.releases import crossings, tick

DETECTOR = Shadow()
COUNTRIES = ("DE", "FR", *(f"x{i}" for i in range(250)))


def rows(request: Ints, answer: Floats, shadow: Bools, country: Ints | None = None) -> Columns:
    n = len(request)
    where = np.zeros(n, np.int32) if country is None else country.astype(np.int32)
    return Columns(
        np.zeros(n, np.int64),
        request.astype(np.uint64) + np.uint64(1),
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {
            "answer": Vector(answer.reshape(n, -1).astype(np.float32)),
            "request_id": Hash(request.astype(np.uint64) + np.uint64(1)),
            "shadow": flag(shadow),
            "first": flag(~shadow),
            "features.country": Category(where, COUNTRIES),
        },
    )


def both(request: Ints, live: Floats, shadow: Floats, country: Ints | None = None) -> Columns:
    side = np.repeat([False, True], len(request))
    where = None if country is None else np.tile(country, 2)
    return rows(np.tile(request, 2), np.concatenate([live, shadow]), side, where)


def close(p: ShadowParams, parts: list[Columns]) -> list[Evidence]:
    state, told = DETECTOR.start([p]), []
    for window, part in enumerate(parts):
        state, (evidence,) = DETECTOR.close([p], state, [DETECTOR.fold(p, DETECTOR.empty(p), part)], tick(window, 1))
        told.append(evidence)
    return told


@pytest.mark.parametrize("compare", list(Compare))
def test_a_shadow_at_the_edge_of_what_is_tolerated_is_held_or_promoted_no_more_often_than_alpha(
    compare: Compare,
) -> None:
    rng, runs, windows, n = np.random.default_rng(121), 120, 20, 80
    p = ShadowParams(compare=compare, tolerated=0.1, alpha=0.05, at_most=10**12)
    ps, state, told = [p] * runs, DETECTOR.start([p] * runs), []
    for window in range(windows):
        stats = []
        for _ in range(runs):
            live = (rng.random(n) < 0.2).astype(np.float64)
            moved = rng.random(n) < 0.1 if compare is Compare.ANSWER else (live == 0) & (rng.random(n) < 0.125)
            other = np.where(moved, 1 - live, live)
            stats.append(DETECTOR.fold(p, DETECTOR.empty(p), both(np.arange(n) + n * window, live, other)))
        state, evidence = DETECTOR.close(ps, state, stats, tick(window, runs))
        told.append(evidence)
    bound = p.alpha + 3 * np.sqrt(p.alpha / runs)
    promoted = np.array([[e.verdict is Verdict.PROMOTE for e in row] for row in told])
    told_held = crossings(told, Crossing.WARN).any(axis=0) & ~promoted.any(axis=0)
    assert told_held.mean() <= bound
    assert promoted.any(axis=0).mean() <= bound
    assert missed_at_any_look(told, 0.1) <= most_missed(0.95, runs)


def test_a_slower_shadow_is_held_and_a_shadow_as_fast_is_promoted() -> None:
    rng, p = np.random.default_rng(122), ShadowParams(compare=Compare.MORE, tolerated=0.02)
    latency = rng.lognormal(np.log(200), 0.5, (40, 500))
    limit = np.quantile(latency, 0.95)
    slower = close(
        p, [both(np.arange(500) + 500 * t, 1.0 * (x > limit), 1.0 * (1.3 * x > limit)) for t, x in enumerate(latency)]
    )
    (end,) = [e for e in slower if e.crossing is Crossing.WARN]
    assert end.verdict is Verdict.HOLD
    assert end.arms["shadow"] > 2 * end.arms["live"] > 0.05
    same = close(
        p, [both(np.arange(500) + 500 * t, 1.0 * (x > limit), 1.0 * (x > limit)) for t, x in enumerate(latency)]
    )
    assert same[-1].verdict is Verdict.PROMOTE


def test_where_they_disagree_is_named() -> None:
    rng, p = np.random.default_rng(123), ShadowParams(by=("features.country",))
    parts = []
    for window in range(10):
        live, country = rng.random(200), rng.integers(0, 2, 200)
        moved = (country == 1) & (rng.random(200) < 0.1)
        parts.append(both(np.arange(200) + 200 * window, live, np.where(moved, 1 - live, live), country))
    (end,) = [e for e in close(p, parts) if e.crossing is Crossing.WARN]
    assert end.detail["where"][0]["value"] == "FR"
    assert "most where features.country is FR" in end.reason


def test_more_labels_than_have_a_place_are_counted_and_told_the_commonest_stay() -> None:
    p, country = ShadowParams(by=("features.country",)), np.concatenate([np.arange(250), np.full(50, 249)])
    (crowded,) = close(p, [both(np.arange(300), np.zeros(300), np.where(country == 249, 1.0, 0.0), country)])
    assert crowded.detail["folded_exposures"] == 50
    assert "the first 200 labels" in crowded.detail["folded"]
    assert [each["value"] for each in crowded.detail["where"]] == ["x247"]
    (alone,) = close(p, [both(np.arange(100), np.zeros(100), np.zeros(100), np.arange(100))])
    assert alone.detail["folded_exposures"] == 0


def test_answers_without_a_partner_are_counted_once_their_partner_could_have_come() -> None:
    p, request = ShadowParams(), np.arange(100)
    live = rows(request[:90], np.ones(90), np.zeros(90, np.bool_))
    shadow = rows(request[20:], np.ones(80), np.ones(80, np.bool_))
    later = [both(np.array([1_000 + t]), np.ones(1), np.ones(1)) for t in range(2)]
    split = close(p, [live, shadow, *later])  # the border of a window runs between the two answers
    assert [e.n["pairs"] for e in split] == [0, 70, 71, 72]
    assert [e.detail["unmatched_shadow"] for e in split] == [0, 0, 10, 10]
    assert split[-1].detail["unmatched_live"] == 20


def test_lists_disagree_where_too_few_items_are_common() -> None:
    p, request = ShadowParams(least_overlap=0.5), np.arange(3)
    live = np.array([[1.0, 2, 3, 4]] * 3)
    shadow = np.array([[4.0, 3, 2, 1], [1, 2, 7, 8], [1, 6, 7, 8]])
    (evidence,) = close(p, [both(request, live, shadow)])
    assert evidence.effect == pytest.approx(1 / 3)


def test_a_unit_votes_once() -> None:
    p, answer = ShadowParams(), np.ones(50)
    part = both(np.arange(50), answer, 1 - answer)
    again = part.having(
        first=flag(np.zeros(100, np.bool_)), request_id=Hash(np.tile(np.arange(100, 150, dtype=np.uint64), 2))
    )
    told = close(p, [part, again])
    assert [e.n["pairs"] for e in told] == [50, 50]

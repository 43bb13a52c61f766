"""Shares of a team's budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.detector import Family
from monitor.watch.spend import WEIGHTS, shares

ANY = st.lists(st.none() | st.sampled_from(Family), max_size=30)


@given(ANY)
def test_shares_are_not_negative_and_add_up_to_the_budget_or_to_nothing(families: list[Family | None]) -> None:
    got = shares(families)
    spenders = [f for f in families if f in WEIGHTS]
    assert len(got) == len(families)
    assert all((share > 0) == (f in WEIGHTS) for f, share in zip(families, got, strict=True))
    assert sum(got) == pytest.approx(1.0 if spenders else 0.0, abs=1e-12)


@given(ANY)
def test_inside_a_family_watches_share_alike_and_families_by_their_weights(families: list[Family | None]) -> None:
    by_family: dict[Family, list[float]] = {}
    for family, share in zip(families, shares(families), strict=True):
        if family is not None and family in WEIGHTS:
            by_family.setdefault(family, []).append(share)
    assert all(len(set(own)) == 1 for own in by_family.values())
    rates = [sum(own) / WEIGHTS[family] for family, own in by_family.items()]
    assert rates == pytest.approx([rates[0]] * len(rates) if rates else [])


def test_a_hint_and_a_watch_that_may_not_spend_get_nothing() -> None:
    assert shares([Family.HINT, None, Family.SHIFT]) == [0.0, 0.0, 1.0]


def test_every_family_but_hints_has_a_weight() -> None:
    assert set(Family) - set(WEIGHTS) == {Family.HINT, Family.QUALITY}


def test_more_watches_of_one_family_cost_the_others_nothing() -> None:
    few, many = shares([Family.COHORT, Family.SHIFT]), shares([Family.COHORT, *[Family.SHIFT] * 50])
    assert many[0] == pytest.approx(few[0])

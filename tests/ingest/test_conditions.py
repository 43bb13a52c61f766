"""`where`: what meets a condition."""

from __future__ import annotations

import pytest

from monitor.ingest.conditions import compiled
from monitor.ingest.mapping import Condition, Scalar


@pytest.mark.parametrize(
    ("one_of", "value", "met"),
    [
        (("a", "b"), "a", True),
        (("a", "b"), "c", False),
        ((1,), 1, True),
        ((1,), 1.0, True),
        ((1,), True, False),
        ((1,), "1", False),
        ((True,), True, True),
        ((True,), 1, False),
        ((True,), "true", False),
        (("1",), 1, False),
        ((None,), None, True),
        (("a",), None, False),
        ((), None, True),
        ((), "anything", True),
        ((), [], False),
        (("a",), ["a"], False),
        (("a",), {"a": 1}, False),
    ],
)
def test_a_value_is_one_of_those_of_its_own_type(one_of: tuple[Scalar, ...], value: object, met: bool) -> None:
    assert compiled(Condition(("x",), one_of))(value) is met


@pytest.mark.parametrize(
    ("value", "met"), [(2, True), (3.5, True), (5, True), (1.9, False), (5.1, False), ("3", False), (True, False)]
)
def test_bounds_include_their_ends_and_are_met_by_numbers_only(value: object, met: bool) -> None:
    assert compiled(Condition(("x",), at_least=2, at_most=5))(value) is met


def test_nothing_missing_meets_a_bound() -> None:
    assert compiled(Condition(("x",), at_least=0))(None) is False
    assert compiled(Condition(("x",), (None, 5), at_most=9))(None) is False

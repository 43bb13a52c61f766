"""Sums by key against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.math import keyed

pairs = st.lists(st.tuples(st.integers(0, 2**64 - 1) | st.integers(0, 5), st.integers(-(10**9), 10**9)), max_size=40)


def _sums(rows: list[tuple[int, int]]) -> keyed.KeyedSums:
    keys = np.array([k for k, _ in rows], np.uint64)
    return keyed.add(keyed.nothing(2), keys, np.array([[v, 1] for _, v in rows], np.int64).reshape(-1, 2))


@given(rows=pairs)
def test_sums_by_key_are_those_of_a_dictionary_and_keys_ascend(rows: list[tuple[int, int]]) -> None:
    expected: dict[int, list[int]] = {}
    for key, value in rows:
        total = expected.setdefault(key, [0, 0])
        total[0] += value
        total[1] += 1
    result = _sums(rows)
    assert result.keys.tolist() == sorted(expected)
    assert result.sums.tolist() == [expected[k] for k in sorted(expected)]


@given(a=pairs, b=pairs)
def test_merging_is_adding_and_does_not_depend_on_the_order(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    together = _sums(a + b)
    for merged in (keyed.merge(_sums(a), _sums(b)), keyed.merge(_sums(b), _sums(a))):
        assert merged.keys.tolist() == together.keys.tolist()
        assert merged.sums.tolist() == together.sums.tolist()


def test_rows_of_keys_that_are_absent_are_minus_one() -> None:
    sums = _sums([(5, 1), (9, 1)])
    assert keyed.rows_of(sums, np.array([9, 4, 5, 10], np.uint64)).tolist() == [1, -1, 0, -1]
    assert keyed.rows_of(keyed.nothing(1), np.array([1], np.uint64)).tolist() == [-1]
    assert len(keyed.nothing(3)) == 0

"""The sample of units: uniform, canonical, and blind to the cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.columns import Columns, Floats, Hashes
from detectors.math.unit_sample import UnitSample, merge, mixed, nobody, of_rows, rekeyed


def _rows(unit: Hashes) -> Columns:
    n = len(unit)
    zeros = np.zeros(n, np.int64)
    return Columns(zeros, unit, zeros.astype(np.int8), zeros.astype(np.int32), np.arange(n))


def _plain(a: UnitSample) -> tuple[list[int], list[int], list[float]]:
    return a.keys.tolist(), a.ties.tolist(), a.values.tolist()


@given(units=st.lists(st.integers(0, 12), min_size=1, max_size=40), cut=st.integers(0, 40), capacity=st.integers(1, 8))
def test_sampling_parts_and_merging_is_sampling_the_whole(units: list[int], cut: int, capacity: int) -> None:
    unit = np.array(units, np.uint64)
    values: Floats = np.arange(len(units), dtype=np.float64)
    rows = _rows(unit)
    parts = [np.arange(len(units)) < cut, np.arange(len(units)) >= cut]
    a, b = (of_rows(rows.take(part), values[part], capacity) for part in parts)
    whole = of_rows(rows, values, capacity)
    assert _plain(merge(a, b, capacity)) == _plain(merge(b, a, capacity)) == _plain(whole)
    assert _plain(merge(whole, whole, capacity)) == _plain(whole)
    assert _plain(merge(nobody(), whole, capacity)) == _plain(whole)
    assert len(whole) == min(len(set(units) - {0}), capacity)


@given(units=st.lists(st.integers(1, 12), max_size=40), ties=st.integers(1, 9), capacity=st.integers(1, 15))
def test_of_the_rows_of_a_unit_the_smallest_stands_for_it(units: list[int], ties: int, capacity: int) -> None:
    entries = [(unit, i * 7 % ties, -float(i % 3)) for i, unit in enumerate(units)]
    keys, hashes, values = (list(column) for column in zip(*entries, strict=True)) if entries else ([], [], [])
    given = UnitSample(np.array(keys, np.uint64), np.array(hashes, np.uint64), np.array(values, np.float64))
    smallest = {unit: min(row for row in entries if row[0] == unit) for unit in sorted(set(units))}
    expected = list(smallest.values())[:capacity]
    assert list(zip(*_plain(merge(given, nobody(), capacity)), strict=True)) == expected


def test_a_unit_with_many_rows_is_no_likelier_to_be_sampled() -> None:
    unit = np.concatenate([np.repeat(np.arange(1, 501), 20), np.arange(501, 1_001)]).astype(np.uint64)
    sample = of_rows(_rows(unit), (unit <= 500).astype(np.float64), 400)
    assert abs(sample.values.mean() - 0.5) < 3 * np.sqrt(0.25 / 400)


def test_the_row_that_stands_for_a_unit_is_drawn_evenly() -> None:
    unit = np.repeat(np.arange(1, 2_001), 2).astype(np.uint64)
    sample = of_rows(_rows(unit), np.tile([0.0, 1.0], 2_000), 2_000)
    assert abs(sample.values.mean() - 0.5) < 3 * np.sqrt(0.25 / 2_000)


def test_mixing_never_gives_two_units_one_key_and_depends_on_the_salt() -> None:
    ids = np.arange(100_000, dtype=np.uint64)
    assert len(np.unique(mixed(ids))) == len(ids)
    assert not np.any(mixed(ids, 1) == mixed(ids, 2))


def test_a_unit_of_two_windows_counts_as_two_under_different_salts() -> None:
    sample = of_rows(_rows(np.arange(1, 11, dtype=np.uint64)), np.arange(10.0), 10)
    both = merge(rekeyed(sample, 1), rekeyed(sample, 2), 100)
    assert len(both) == 20
    assert np.all(np.diff(both.keys.astype(object)) > 0)

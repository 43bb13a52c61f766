"""Sums by unit: the same as a dictionary's, however often stored, and however small the table."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Cohort
from detectors.math.unit_sample import mixed
from detectors.snapshot import pack, pack_record, unpack_record
from monitor.join import rounds
from monitor.join.sums import Changes, Page, Run, SumTable

SLOT = 10
Rows = list[tuple[int, int]]
WINDOWS = st.lists(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=12), max_size=40)


def add(table: SumTable, number: int, given_rows: Rows) -> Changes:
    unit = mixed(np.array([u for u, _ in given_rows], np.uint64))
    cohort = np.array([u % 2 for u, _ in given_rows], np.int8)
    return table.add(unit, cohort, np.array([v for _, v in given_rows], np.int64), number * SLOT)


def stored_in(stored: dict[str, bytes], table: SumTable) -> int:
    """Keep what the table writes; bytes written."""
    written = 0
    for key, data in table.pages().items():
        if data is None:
            stored.pop(key, None)
        else:
            written, stored[key] = written + len(data), data
    return written


@settings(max_examples=60, deadline=None)
@given(WINDOWS, st.sets(st.integers(0, 39)))
def test_changes_are_those_of_a_dictionary_however_often_the_table_is_stored(
    windows: list[Rows], restarts: set[int]
) -> None:
    table, plain, stored, began = SumTable("sums", 10**6, 5 * SLOT), {}, {}, None  # type: ignore[var-annotated]
    for number, given_rows in enumerate(windows):
        changes = add(table, number, given_rows)
        began = number if began is None and given_rows else began
        expected: dict[int, list[int]] = {}
        for unit, value in given_rows:
            had = plain.setdefault(unit, [0, 0, 0, 0])
            expected.setdefault(unit, list(had))
            place = 2 if number < (began or 0) + 5 else 0
            had[place] += 1
            had[place + 1] += value
        names = {int(mixed(np.array([u], np.uint64))[0]): u for u in range(31)}
        got = {
            names[int(u)]: (b.tolist(), a.tolist())
            for u, b, a in zip(changes.unit, changes.before, changes.after, strict=True)
        }
        assert got == {unit: (before, plain[unit]) for unit, before in expected.items()}
        assert table.units == len(plain)
        if number in restarts:
            for key, data in table.pages().items():
                stored.pop(key, None) if data is None else stored.update({key: data})
            table = SumTable("sums", 10**6, 5 * SLOT)
            table.restore(stored)


@settings(max_examples=60, deadline=None)
@given(
    WINDOWS,
    st.sampled_from([3, 8, 20]),
    st.sets(st.integers(0, 39)),
    st.dictionaries(st.integers(0, 39), st.integers(1, 30)),
)
def test_a_small_table_keeps_held_out_units_first_and_what_it_tells_adds_up_to_what_it_holds_also_stored_and_erased(
    windows: list[Rows], cap: int, restarts: set[int], erased: dict[int, int]
) -> None:
    with patch.object(rounds, "PAGE_ROWS", 4):
        table, held, stored, gone = SumTable("sums", cap, 0), {}, {}, set[int]()  # type: ignore[var-annotated]
        for number, given_rows in enumerate(windows):
            changes = add(table, number, given_rows)
            assert len(np.unique(changes.unit)) == len(changes.unit)
            for unit, before, after in zip(changes.unit.tolist(), changes.before, changes.after, strict=True):
                assert held.get(unit, [0] * 4) == before.tolist()
                held[unit] = after.tolist()
            held = {unit: sums for unit, sums in held.items() if any(sums)}
            assert len(held) == table.units <= cap
            if number in erased:
                unit = int(mixed(np.array([erased[number]], np.uint64))[0])
                gone |= {unit} if unit in held else set()
                held.pop(unit, None)
                table.erase(unit)
            stored_in(stored, table)
            if number in erased:
                assert all(unit.to_bytes(8, "little") not in page for page in stored.values())
            if number in restarts:
                table = SumTable("sums", cap, 0)
                table.restore(stored)
                assert table.units == len(held)
            assert not gone & held.keys()


@settings(max_examples=40, deadline=None)
@given(WINDOWS, st.lists(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), max_size=12), max_size=5))
def test_what_earlier_releases_stored_is_added_up_and_goes_away_by_itself(
    windows: list[Rows], earlier: list[Rows]
) -> None:
    with patch.object(rounds, "PAGE_ROWS", 4):
        stored, plain = {"meta": pack([0, 0, 0, len({u for rows in earlier for u, _ in rows})])}, dict[int, int]()
        for number, given_rows in enumerate(earlier):
            unit, place = np.unique(mixed(np.array([u for u, _ in given_rows], np.uint64)), return_inverse=True)
            sums = np.zeros((len(unit), 4), np.int64)
            sums[:, 0] = np.bincount(place, minlength=len(unit))
            sums[:, 1] = np.bincount(place, [v for _, v in given_rows], len(unit)).astype(np.int64)
            stored[f"{number + 1:09d}"] = pack_record(Run(unit, (unit % 2).astype(np.int8), sums))
            for u, v in given_rows:
                plain[u] = plain.get(u, 0) + v
        for number, given_rows in enumerate(windows):
            table = SumTable("sums", 10**6, 0)
            table.restore(stored)
            assert table.units == len(plain)
            changes = add(table, number, given_rows)
            known = {int(mixed(np.array([u], np.uint64))[0]): value for u, value in plain.items()}
            assert changes.before[:, 1].tolist() == [known.get(unit, 0) for unit in changes.unit.tolist()]
            for u, v in given_rows:
                plain[u] = plain.get(u, 0) + v
            stored_in(stored, table)
        for _ in range(3 if plain else 0):
            add(table := restored(stored), 99, [(u, 1) for u in plain])
            stored_in(stored, table)
        assert not [key for key in stored if key.isdigit()] or not plain


def restored(stored: dict[str, bytes]) -> SumTable:
    table = SumTable("sums", 10**6, 0)
    table.restore(stored)
    return table


def test_of_many_exposed_a_share_is_kept_and_everybody_held_out() -> None:
    table = SumTable("sums", 1_000, 0)
    unit = mixed(np.arange(1, 20_001, dtype=np.uint64))
    cohort = np.where(np.arange(20_000) % 50 == 0, Cohort.HOLDOUT, Cohort.EXPOSED).astype(np.int8)
    changes = table.add(unit, cohort, np.ones(20_000, np.int64), 0)
    assert (changes.cohort == Cohort.HOLDOUT).sum() == 400
    kept = (changes.cohort == Cohort.EXPOSED).sum()
    assert kept == pytest.approx(19_600 / 2**table.halved, rel=0.2)
    assert 100 < kept <= 600
    assert table.folded == 20_000 - len(changes.unit), "those that the share leaves out are counted"


def test_a_unit_keeps_the_cohort_it_was_first_seen_in() -> None:
    table = SumTable("sums", 100, 0)
    unit, one = np.array([7], np.uint64), np.ones(1, np.int64)
    table.add(unit, np.array([Cohort.HOLDOUT], np.int8), one, 0)
    assert table.add(unit, np.array([Cohort.EXPOSED], np.int8), one, SLOT).cohort.tolist() == [Cohort.HOLDOUT]


def test_what_a_window_writes_does_not_grow_with_the_table_and_no_window_writes_much_more() -> None:
    table, written, rng = SumTable("sums", 10**7, 0), [], np.random.default_rng(8)
    stored: dict[str, bytes] = {}
    for number in range(80):
        new, old = np.arange(2_000) + number * 2_000, rng.integers(0, 2_000 * (number + 1), 2_000)
        unit = mixed(np.concatenate([new, old]).astype(np.uint64))
        table.add(unit, np.zeros(4_000, np.int8), np.ones(4_000, np.int64), number)
        written.append(stored_in(stored, table))
    early, late = np.array(written[10:30]), np.array(written[-20:])
    assert table.units == 160_000
    assert late.mean() < 1.1 * early.mean()
    assert late.max() < 4 * np.median(late)
    rows = sum(len(unpack_record(Page, data).unit) for key, data in stored.items() if key != "meta")
    assert rows < 2.2 * table.units
    restored = SumTable("sums", 10**7, 0)
    restored.restore(stored)
    unit = mixed(np.arange(160_000, dtype=np.uint64))
    again = [each.add(unit, np.zeros(160_000, np.int8), np.ones(160_000, np.int64), 999) for each in (table, restored)]
    assert (again[0].before == again[1].before).all()
    assert again[0].before.sum() == 2 * 80 * 4_000


def test_of_the_same_units_again_and_again_no_more_than_two_rows_each_are_held() -> None:
    table, stored = SumTable("sums", 10**6, 0), {}  # type: ignore[var-annotated]
    rng = np.random.default_rng(3)
    for number in range(200):
        add(table, number, [(int(u), 1) for u in rng.integers(1, 500, 100)])
        stored_in(stored, table)
    rows = [len(unpack_record(Page, data).unit) for key, data in stored.items() if key != "meta"]
    assert table.units == 499
    assert sum(rows) <= 2 * table.units


def test_a_unit_that_is_erased_is_unknown_and_not_taken_in_again_here_and_after_a_restart() -> None:
    table = SumTable("sums", 10**6, 0)
    units, cohort = np.arange(1, 41, dtype=np.uint64), np.zeros(40, np.int8)
    pages: dict[str, bytes | None] = {}
    for slot in range(3):
        table.add(units[slot:], cohort[slot:], np.ones(40 - slot, np.int64), slot)
        pages |= table.pages()
    table.erase(7)
    table.erase(99)
    pages |= table.pages()
    restored = SumTable("sums", 10**6, 0)
    restored.restore({key: data for key, data in pages.items() if data is not None})
    for each in (table, restored):
        assert each.units == 39
        changes = each.add(units[5:8], cohort[5:8], np.ones(3, np.int64), 9)
        assert (changes.unit.tolist(), changes.before[:, 0].tolist()) == ([6, 8], [3, 3])
        assert (each.units, each.folded) == (39, 0)

"""The table of units, against a dictionary that keeps everything."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Cohort
from detectors.math.unit_sample import mixed
from monitor.join.units import UnitTable
from tests.join.rows import hashes

SLOT, EPOCH = 10, 50
WINDOWS = st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), max_size=8), max_size=40)


def observed(table: UnitTable, slot: int, *rows: tuple[int, int]) -> None:
    table.observe(hashes([u for u, _ in rows]), np.array([c for _, c in rows], np.int8), slot)


def answer(table: UnitTable, slot: int, units: list[int]) -> list[tuple[int, int] | None]:
    """(first slot, first cohort) of each unit, None if it is not known."""
    seen = table.lookup(hashes(units), slot)
    told = zip(seen.slot.tolist(), seen.cohort.tolist(), seen.known.tolist(), strict=True)
    return [(slot, cohort) if known else None for slot, cohort, known in told]


@dataclass
class Plain:
    """One dictionary an epoch, nothing else."""

    cap: int
    epoch_ms: int | None
    folded: int = 0
    epochs: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)

    def at(self, slot: int) -> dict[int, tuple[int, int]]:
        """Units of the epoch of a slot."""
        return self.epochs.setdefault(slot // self.epoch_ms if self.epoch_ms else 0, {})

    def observe(self, slot: int, rows: list[tuple[int, int]]) -> None:
        """Record new units with the cohort of their first row, those with the smallest hash first."""
        known, new = self.at(slot), dict[int, int]()
        for unit, cohort in rows:
            if unit and unit not in known:
                new.setdefault(unit, cohort)
        room = max(self.cap - len(known), 0)
        ordered = sorted(new, key=lambda u: int(hashes([u])[0]))
        self.folded += len(ordered[room:])
        known.update({unit: (slot, new[unit]) for unit in ordered[:room]})


@settings(max_examples=60)
@given(WINDOWS, st.sampled_from([None, EPOCH]), st.sampled_from([5, 1_000]), st.sets(st.integers(0, 39)))
def test_a_table_answers_like_a_dictionary_however_often_it_is_stored_and_taken_up_again(
    windows: list[list[tuple[int, int]]], epoch: int | None, cap: int, restarts: set[int]
) -> None:
    table, plain = UnitTable("units", cap, epoch), Plain(cap, epoch)
    stored: dict[str, bytes] = {}
    for number, rows in enumerate(windows):
        slot = number * SLOT
        observed(table, slot, *rows)
        plain.observe(slot, rows)
        if number in restarts:
            for key, data in table.pages().items():
                if data is None:
                    stored.pop(key, None)
                else:
                    stored[key] = data
            fresh = UnitTable("units", cap, epoch)
            fresh.restore(stored)
            fresh.folded, table = table.folded, fresh
        known = plain.at(slot)
        assert answer(table, slot, list(range(41))) == [known.get(unit) for unit in range(41)]
    assert table.folded == plain.folded


def test_a_unit_keeps_the_window_and_the_cohort_of_its_first_row() -> None:
    table = UnitTable("units", 100)
    observed(table, 0, (7, Cohort.HOLDOUT), (7, Cohort.EXPOSED))
    observed(table, 10, (7, Cohort.EXPOSED))
    assert answer(table, 10, [7]) == [(0, Cohort.HOLDOUT)]


def test_a_missing_unit_is_never_known() -> None:
    table = UnitTable("units", 100)
    observed(table, 0, (0, Cohort.HOLDOUT))
    assert (answer(table, 0, [0]), len(table)) == ([None], 0)


def test_an_unknown_unit_has_no_window_and_no_cohort() -> None:
    seen = UnitTable("units", 100).lookup(hashes([3]), 0)
    assert (seen.slot.tolist(), seen.cohort.tolist(), seen.known.tolist()) == ([-1], [Cohort.UNASSIGNED], [False])


def test_units_beyond_the_cap_are_counted_in_every_window_and_never_known() -> None:
    table = UnitTable("units", 2)
    observed(table, 0, (1, 0), (2, 0), (3, 0))
    observed(table, 10, (1, 0), (2, 0), (3, 0))
    assert (len(table), table.folded) == (2, 2)
    assert sum(told is None for told in answer(table, 10, [1, 2, 3])) == 1


def test_every_epoch_enrols_anew() -> None:
    table = UnitTable("units", 100, EPOCH)
    observed(table, 0, (7, Cohort.HOLDOUT))
    observed(table, EPOCH, (7, Cohort.EXPOSED))
    assert answer(table, 0, [7]) == [(0, Cohort.HOLDOUT)]
    assert answer(table, EPOCH, [7]) == [(EPOCH, Cohort.EXPOSED)]


def test_the_last_but_one_epoch_is_dropped_whole_with_its_pages() -> None:
    table = UnitTable("units", 100, EPOCH)
    observed(table, 0, (7, 0))
    first = set(table.pages())
    observed(table, EPOCH, (8, 0))
    table.pages()
    observed(table, 2 * EPOCH, (9, 0))
    assert {key for key, data in table.pages().items() if data is None} == first
    assert (answer(table, 0, [7]), len(table)) == ([None], 2)


def test_nothing_changed_means_no_pages() -> None:
    table = UnitTable("units", 100)
    observed(table, 0, (7, 0))
    table.pages()
    observed(table, 10, (7, 1))
    assert table.pages() == {}


def test_what_a_window_writes_does_not_grow_with_the_table() -> None:
    table, written = UnitTable("units", 10**7), []
    for number in range(80):
        unit = mixed(np.arange(5_000, dtype=np.uint64) + np.uint64(number * 5_000))
        table.observe(unit, np.zeros(5_000, np.int8), number)
        written.append(sum(len(data) for data in table.pages().values() if data is not None))
    assert len(table) == 400_000
    assert max(written[-20:]) <= 1.1 * max(written[:20])


def test_small_windows_are_gathered_a_few_times_each_into_few_pages() -> None:
    table, written, windows = UnitTable("units", 10**6), 0, 512
    stored: dict[str, bytes] = {}
    for number in range(windows):
        observed(table, number, *((number * 20 + i + 1, 0) for i in range(20)))
        for key, data in table.pages().items():
            if data is None:
                stored.pop(key, None)
            else:
                written, stored[key] = written + len(data), data
    assert len(table) == windows * 20
    assert written < 4.5 * sum(map(len, stored.values()))
    assert len(stored) <= 7 * 4


def test_an_erased_unit_that_comes_back_does_not_count_its_coin_twice_and_a_new_coin_counts() -> None:
    table = UnitTable("units", 100, EPOCH)
    observed(table, 0, (1, 0), (2, 1))
    table.erase(int(hashes([1])[0]))
    pages = table.pages()
    assert int(hashes([1])[0]).to_bytes(8, "little") not in b"".join(page or b"" for page in pages.values())
    again = UnitTable("units", 100, EPOCH)
    again.restore({key: page for key, page in pages.items() if page is not None})
    for each in (table, again):
        observed(each, SLOT, (1, 0), (3, 0))
        assert answer(each, SLOT, [1, 2, 3]) == [None, (0, 1), (SLOT, 0)]
        observed(each, EPOCH, (1, 1))
        assert answer(each, EPOCH, [1]) == [(EPOCH, 1)]

"""Generations that wait, are sealed, and are dropped."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Category, Columns, Flag, Hash, Numeric, Ragged, Vector, concat, flag
from detectors.snapshot import SnapshotError, pack
from monitor.join.pending import Pending, pack_rows, unpack_rows
from tests.join.rows import hashes, rows

SLOT = 100
NOTHING = hashes([])


def told(got: Columns) -> list[tuple[int, int]]:
    """(time, id) of every row."""
    return list(zip(got.time.tolist(), got.hashes("id").tolist(), strict=True))


def ids(*values: int) -> list[int]:
    return [int(h) for h in hashes(values)]


def waiting(*parts: Columns) -> Pending:
    pending = Pending(SLOT)
    for part in parts:
        pending.append("s", part)
    return pending


def test_rows_are_split_by_the_window_they_fall_into() -> None:
    pending = Pending(SLOT)
    split = pending.append("s", rows([100, 299, 199, 200], id=[1, 2, 3, 4]))
    assert {slot: part.time.tolist() for slot, part in split.items()} == {100: [100, 199], 200: [299, 200]}
    assert (pending.slots("s"), pending.slots("other"), len(pending)) == ([100, 200], [], 4)


def test_no_rows_make_no_generation() -> None:
    pending = Pending(SLOT)
    assert (pending.append("s", rows([], id=[])), pending.slots("s")) == ({}, [])


def test_a_sealed_generation_is_in_order_of_time_then_identity_then_coordinates() -> None:
    pending = waiting(rows([5, 3, 5], id=[2, 9, 1], offset=[0, 1, 2]))
    got, dropped = pending.seal("s", 0, "id", NOTHING)
    assert (told(got), dropped) == (sorted(zip([3, 5, 5], ids(9, 1, 2), strict=True)), 0)


def test_of_rows_with_one_identity_the_earliest_stays() -> None:
    got, dropped = waiting(rows([5, 3, 4], id=[1, 1, 1])).seal("s", 0, "id", NOTHING)
    assert (got.time.tolist(), dropped) == ([3], 2)


def test_of_copies_at_one_time_the_first_in_the_log_stays() -> None:
    copies = rows([3, 3, 3], id=[1, 1, 1], partition=[1, 0, 0], offset=[0, 8, 7], value=[1.0, 2.0, 3.0])
    got, _ = waiting(copies).seal("s", 0, "id", NOTHING)
    assert got.numbers("value").tolist() == [3.0]


def test_rows_whose_identity_is_taken_are_left_out() -> None:
    got, dropped = waiting(rows([1, 2, 3], id=[1, 2, 3])).seal("s", 0, "id", np.sort(hashes([2, 50])))
    assert (told(got), dropped) == ([(1, ids(1)[0]), (3, ids(3)[0])], 1)


def test_a_generation_of_nothing_is_sealed_to_nothing() -> None:
    pending = Pending(SLOT)
    got, dropped = pending.seal("s", 0, "id", NOTHING)
    assert (len(got), dropped, pending.sealed("s", 0)) == (0, 0, None)


def test_a_sealed_generation_can_be_read_until_it_is_dropped() -> None:
    pending = waiting(rows([1], id=[1]))
    assert pending.sealed("s", 0) is None
    got, _ = pending.seal("s", 0, "id", NOTHING)
    assert pending.sealed("s", 0) is got
    assert pending.slots("s") == [0]
    assert pending.drop("s", 0)
    assert (pending.sealed("s", 0), pending.slots("s"), len(pending)) == (None, [], 0)


def test_derived_columns_are_put_onto_a_sealed_generation() -> None:
    pending = waiting(rows([1], id=[1]))
    got, _ = pending.seal("s", 0, "id", NOTHING)
    pending.replace("s", 0, got.having(first=flag(np.ones(1, np.bool_))))
    again = pending.sealed("s", 0)
    assert again is not None
    assert again.flags("first").tolist() == [True]


def test_dropping_tells_whether_anything_had_been_stored_there() -> None:
    pending = waiting(rows([1], id=[1]))
    pending.seal("s", 0, "id", hashes([1]))
    assert pending.drop("s", 0)
    assert not pending.drop("s", 0)
    assert len(pending) == 0


def test_between_reads_every_row_from_start_up_to_but_not_including_end() -> None:
    pending = waiting(rows([99, 100, 250], id=[1, 2, 3]), rows([301, 300, 299], id=[4, 5, 6]))
    got = pending.between("s", 100, 301)
    assert got is not None
    assert sorted(got.time.tolist()) == [100, 250, 299, 300]


def test_between_of_windows_without_rows_is_none() -> None:
    assert waiting(rows([99], id=[1])).between("s", 100, 300) is None


def test_between_may_begin_before_time_zero() -> None:
    got = waiting(rows([5], id=[1])).between("s", -150, 10)
    assert got is not None
    assert got.time.tolist() == [5]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 6)), max_size=12).flatmap(
        lambda r: st.tuples(st.permutations(list(enumerate(r))), st.lists(st.integers(0, len(r)), max_size=3))
    ),
    st.sets(st.integers(1, 6), max_size=2),
)
def test_neither_order_nor_cuts_of_arrival_change_what_is_sealed(
    arrival: tuple[list[tuple[int, tuple[int, int]]], list[int]], gone: set[int]
) -> None:
    order, cuts = arrival
    taken = np.sort(hashes(sorted(gone)))

    def sealed(records: list[tuple[int, tuple[int, int]]], edges: list[int]) -> tuple[bytes, int, int]:
        parts = [records[start:end] for start, end in pairwise(edges)]
        pending = waiting(
            *(rows([t for _, (t, _) in p], id=[i for _, (_, i) in p], offset=[o for o, _ in p]) for p in parts)
        )
        got, dropped = pending.seal("s", 0, "id", taken)
        assert len(pending) == len(got)
        return pack_rows(got), len(got), dropped

    n = len(order)
    once = sealed(sorted(order), [0, n])
    assert sealed(list(order), [0, *sorted(cuts), n]) == once
    expected = {i for _, (_, i) in order} - gone
    assert (once[1], once[2]) == (len(expected), n - len(expected))


def every_kind() -> Columns:
    return rows([1, 2], id=[1, 0], items=[[3, 0], []], value=[1.5, float("nan")]).having(
        clicked=Flag(np.array([True, False]), np.array([False, True])),
        version=Category(np.array([1, -1], np.int32), ("a", "b")),
        embedding=Vector(np.array([[1, 2], [np.nan, np.nan]], np.float32)),
    )


def test_rows_of_every_kind_come_back_from_bytes_as_they_were() -> None:
    given_rows = every_kind()
    got = unpack_rows(pack_rows(given_rows))
    assert pack_rows(got) == pack_rows(given_rows)
    assert {name: type(c) for name, c in got.fields.items()} == {
        "id": Hash,
        "items": Ragged,
        "value": Numeric,
        "clicked": Flag,
        "version": Category,
        "embedding": Vector,
    }
    assert concat([got, given_rows]).hashes("id").tolist() == 2 * given_rows.hashes("id").tolist()


def test_rows_read_from_bytes_can_be_taken_and_joined_with_others() -> None:
    got = unpack_rows(pack_rows(every_kind())).take(np.array([1, 0]))
    version, items = got.fields["version"], got.fields["items"]
    assert isinstance(version, Category)
    assert isinstance(items, Ragged)
    assert ([*version.codes], version.labels, [*items.starts]) == ([-1, 1], ("a", "b"), [0, 0, 2])


@pytest.mark.parametrize(
    "damaged",
    [b"", b"\xc1", pack_rows(every_kind())[:-3], pack([1]), pack({"fields": {}}), pack({"fields": {"id": []}})],
)
def test_damaged_bytes_are_refused_as_such(damaged: bytes) -> None:
    with pytest.raises(SnapshotError):
        unpack_rows(damaged)


def test_rows_that_leave_a_sealed_generation_wait_no_longer() -> None:
    pending = waiting(rows([10, 20, 30], id=[1, 2, 3]))
    sealed, _ = pending.seal("s", 0, "id", NOTHING)
    pending.replace("s", 0, sealed.take(np.array([True, False, False])))
    assert len(pending) == 1
    pending.drop("s", 0)
    assert len(pending) == 0

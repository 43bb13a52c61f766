"""The join, against a slow one that tries every pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Columns
from monitor.join.joiner import Joined, Match, Window, join
from monitor.join.joiner import came as came_of
from tests.join.rows import rows

WITHIN, EARLY = 30, 5
WINDOW = Window(WITHIN, EARLY)
SECOND, DAY = 1_000, 86_400_000


@dataclass(frozen=True)
class Shown:
    """A prediction, as plain data."""

    time: int
    unit: int
    id: int
    items: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Came:
    """An outcome, as plain data."""

    time: int
    unit: int
    id: int
    item: int
    event: int
    value: float | None = None
    offset: int = 0


def predictions(shown: list[Shown], *, slates: bool = True) -> Columns:
    time, unit, own = [s.time for s in shown], [s.unit for s in shown], [s.id for s in shown]
    if slates:
        return rows(time, unit, id=own, items=[s.items for s in shown])
    return rows(time, unit, id=own, item=[s.items[0] for s in shown])


def outcomes(came: list[Came]) -> Columns:
    return rows(
        [c.time for c in came],
        [c.unit for c in came],
        offset=[c.offset for c in came],
        id=[c.id for c in came],
        item=[c.item for c in came],
        event=[c.event for c in came],
        value=[float("nan") if c.value is None else c.value for c in came],
    )


def joined(match: Match, shown: list[Shown], came: list[Came], later: list[Shown] | None = None) -> Joined:
    return join(match, WINDOW, predictions(shown), predictions(later) if later else None, outcomes(came))


def owners(match: Match, shown: list[Shown], later: list[Shown], c: Came) -> list[int]:
    """Rows that an outcome counts for."""
    if match is Match.UNIT:
        return [i for i, s in enumerate(shown) if s.unit == c.unit != 0 and s.time <= c.time <= s.time + WITHIN]
    if match is Match.ID:
        of = [i for i, s in enumerate(shown) if s.id == c.id != 0]
    elif match is Match.ID_ITEM:
        of = [i for i, s in enumerate(shown) if s.id == c.id != 0 and c.item and c.item in s.items]
    else:
        begun = [
            (s.time, i)
            for i, s in enumerate(shown + later)
            if s.unit == c.unit != 0 and c.item and c.item in s.items and s.time <= c.time + EARLY
        ]
        of = [max(begun)[1]] if begun else []
    return [i for i in of if i < len(shown) and -EARLY <= c.time - shown[i].time <= WITHIN]


def slowly(
    match: Match, shown: list[Shown], came: list[Came], later: list[Shown]
) -> tuple[list[int], list[float], int]:
    """Counts, totals and outcomes used."""
    count, total, used = [0] * len(shown), [Fraction()] * len(shown), 0
    for c in once(came):
        rows_of = owners(match, shown, later, c)
        used += bool(rows_of)
        for i in rows_of:
            count[i] += 1
            total[i] += Fraction(1 if c.value is None else c.value)
    return count, [float(t) for t in total], used


UNITS, ITEMS = st.integers(0, 3), st.integers(0, 3)
VALUES = st.none() | st.integers(-4, 20).map(lambda v: v / 4)
CAME = st.lists(
    st.builds(Came, st.integers(-10, 90), UNITS, st.integers(0, 8), ITEMS, st.integers(1, 12), VALUES),
    max_size=14,
).map(lambda cs: [Came(c.time, c.unit, c.id, c.item, c.event, c.value, offset) for offset, c in enumerate(cs)])


def slates(low: int, high: int, ids: st.SearchStrategy[int], most: int) -> st.SearchStrategy[list[Shown]]:
    one = st.builds(Shown, st.integers(low, high), UNITS, ids, st.lists(ITEMS, max_size=3))
    return st.lists(one, max_size=most, unique_by=lambda s: s.id)


SHOWN, LATER = slates(0, 39, st.integers(1, 8), 7), slates(40, 90, st.integers(9, 20), 4)


@pytest.mark.parametrize("match", Match)
@settings(max_examples=300)
@given(data=st.data())
def test_the_join_agrees_with_trying_every_pair(match: Match, data: st.DataObject) -> None:
    shown, came = data.draw(SHOWN), data.draw(CAME)
    later = data.draw(LATER) if match is Match.UNIT_ITEM else []
    got = joined(match, shown, came, later)
    assert (got.count.tolist(), got.total.tolist(), got.used) == slowly(match, shown, came, later)


@pytest.mark.parametrize("match", Match)
@settings(max_examples=100)
@given(data=st.data())
def test_the_order_of_outcomes_changes_no_bit_of_what_is_joined(match: Match, data: st.DataObject) -> None:
    shown = data.draw(SHOWN)
    came = [Came(c.time, c.unit, c.id, c.item, c.event, 0.1 * c.offset, c.offset) for c in data.draw(CAME)]
    one, other = joined(match, shown, came), joined(match, shown, data.draw(st.permutations(came)))
    assert one.count.tolist() == other.count.tolist()
    assert (one.total.tobytes(), one.used) == (other.total.tobytes(), other.used)


def once(came: list[Came]) -> list[Came]:
    """Of the copies of an outcome the earliest."""
    first: dict[int, Came] = {}
    for c in sorted(came, key=lambda c: (c.time, c.offset)):
        first.setdefault(c.event, c)
    return list(first.values())


@pytest.mark.parametrize("match", [Match.ID_ITEM, Match.UNIT_ITEM])
@settings(max_examples=200)
@given(data=st.data())
def test_the_items_that_brought_an_outcome_are_those_that_trying_every_pair_finds(
    match: Match, data: st.DataObject
) -> None:
    shown, came = data.draw(SHOWN), data.draw(CAME)
    later = data.draw(LATER) if match is Match.UNIT_ITEM else []
    brought = came_of(match, WINDOW, predictions(shown), predictions(later) if later else None, outcomes(came))
    elements = [(i, item) for i, s in enumerate(shown) for item in s.items]
    assert len(brought) == len(elements)
    got = {element for element, did in zip(elements, brought.tolist(), strict=True) if did}
    assert got == {(i, c.item) for c in once(came) for i in owners(match, shown, later, c)}


def test_what_a_prediction_of_one_item_brought_is_found_by_its_id_and_never_by_the_unit_alone() -> None:
    shown = predictions([Shown(10, 1, 1, [7]), Shown(11, 1, 2, [8])], slates=False)
    assert came_of(Match.ID, WINDOW, shown, None, outcomes([Came(12, 1, 2, 0, 1)])).tolist() == [False, True]
    with pytest.raises(ValueError, match="do not say which item"):
        came_of(Match.UNIT, WINDOW, shown, None, outcomes([Came(12, 1, 0, 0, 1)]))


@settings(max_examples=200)
@given(SHOWN, LATER, CAME)
def test_an_outcome_of_unit_and_item_belongs_to_one_window_only(
    shown: list[Shown], later: list[Shown], came: list[Came]
) -> None:
    first = joined(Match.UNIT_ITEM, shown, came, later)
    second = joined(Match.UNIT_ITEM, later, came)
    whole = joined(Match.UNIT_ITEM, shown + later, came)
    assert [*first.count, *second.count] == whole.count.tolist()
    assert first.used + second.used == whole.used


@pytest.mark.parametrize(("delay", "counts"), [(-6, 0), (-5, 1), (0, 1), (30, 1), (31, 0)])
@pytest.mark.parametrize("match", [Match.ID, Match.ID_ITEM, Match.UNIT_ITEM])
def test_an_outcome_may_come_a_little_early_and_up_to_within_later(match: Match, delay: int, counts: int) -> None:
    got = joined(match, [Shown(100, 1, 1, [2])], [Came(100 + delay, 1, 1, 2, 1)])
    assert (got.count.tolist(), got.used) == ([counts], counts)


@pytest.mark.parametrize(("delay", "counts"), [(-1, 0), (0, 1), (30, 1), (31, 0)])
def test_by_unit_an_outcome_must_not_come_before(delay: int, counts: int) -> None:
    got = joined(Match.UNIT, [Shown(100, 1, 1)], [Came(100 + delay, 1, 0, 0, 1)])
    assert (got.count.tolist(), got.used) == ([counts], counts)


def test_by_unit_an_outcome_counts_for_every_prediction_it_follows_and_is_used_once() -> None:
    got = joined(Match.UNIT, [Shown(1, 1, 1), Shown(2, 1, 2), Shown(3, 2, 3)], [Came(5, 1, 0, 0, 1, 2.5)])
    assert (got.count.tolist(), got.total.tolist(), got.used) == ([1, 1, 0], [2.5, 2.5, 0.0], 1)


@pytest.mark.parametrize("match", Match)
def test_what_is_missing_matches_nothing(match: Match) -> None:
    got = joined(match, [Shown(1, 0, 0, [0, 2])], [Came(2, 0, 0, 0, 1), Came(2, 0, 0, 2, 2)])
    assert (got.count.tolist(), got.used) == ([0], 0)


def test_a_later_showing_takes_the_outcome_away() -> None:
    shown, later = [Shown(10, 1, 1, [7])], [Shown(35, 1, 2, [8, 7])]
    before, after = Came(29, 1, 0, 7, 1), Came(36, 1, 0, 7, 2)
    assert joined(Match.UNIT_ITEM, shown, [before, after], later).count.tolist() == [1]
    assert joined(Match.UNIT_ITEM, later, [before, after]).count.tolist() == [1]


def test_another_item_of_the_same_unit_takes_nothing_away() -> None:
    assert joined(Match.UNIT_ITEM, [Shown(10, 1, 1, [7])], [Came(36, 1, 0, 7, 1)], [Shown(35, 1, 2, [8])]).used == 1


def test_an_item_that_stands_twice_in_a_slate_is_one_showing() -> None:
    for match in (Match.ID_ITEM, Match.UNIT_ITEM):
        assert joined(match, [Shown(10, 1, 1, [7, 7])], [Came(12, 1, 1, 7, 1)]).count.tolist() == [1]


@pytest.mark.parametrize("match", [Match.ID_ITEM, Match.UNIT_ITEM])
def test_a_prediction_that_shows_one_item_is_a_slate_of_one(match: Match) -> None:
    shown = [Shown(10, 1, 1, [7]), Shown(11, 1, 2, [8])]
    came = outcomes([Came(12, 1, 1, 7, 1), Came(12, 1, 2, 7, 2)])
    one, many = (join(match, WINDOW, predictions(shown, slates=s), None, came) for s in (False, True))
    assert one.count.tolist() == many.count.tolist() == ([1, 0] if match is Match.ID_ITEM else [2, 0])


def test_of_copies_of_an_outcome_the_earliest_counts() -> None:
    copies = [Came(40, 1, 1, 0, 9, 8.0), Came(20, 1, 1, 0, 9, 2.0), Came(20, 1, 1, 0, 9, 4.0, offset=1)]
    got = joined(Match.ID, [Shown(15, 1, 1)], copies)
    assert (got.count.tolist(), got.total.tolist(), got.used) == ([1], [2.0], 1)


def test_a_missing_value_counts_as_one_and_zero_as_zero() -> None:
    got = joined(Match.ID, [Shown(1, 1, 1)], [Came(2, 1, 1, 0, 1, None), Came(2, 1, 1, 0, 2, 0.0)])
    assert (got.count.tolist(), got.total.tolist()) == ([2], [1.0])


def test_outcomes_without_a_value_column_count_as_one_each() -> None:
    came = rows([2, 3], [1, 1], id=[1, 1], event=[1, 2])
    assert join(Match.ID, WINDOW, predictions([Shown(1, 1, 1)]), None, came).total.tolist() == [2.0]


@pytest.mark.parametrize("match", Match)
def test_nothing_joined_with_anything_is_nothing(match: Match) -> None:
    none, some = predictions([]), predictions([Shown(1, 1, 1, [])])
    came = outcomes([Came(2, 1, 1, 1, 1)])
    for got in (join(match, WINDOW, none, None, came), join(match, WINDOW, none, some, came)):
        assert (len(got.count), len(got.total), got.used) == (0, 0, 0)
    for nobody in (None, came.take(np.zeros(1, np.bool_))):
        got = join(match, WINDOW, some, some, nobody)
        assert (got.count.tolist(), got.total.tolist(), got.used) == ([0], [0.0], 0)


@pytest.mark.parametrize("match", [Match.UNIT, Match.UNIT_ITEM])
def test_a_million_units_over_ninety_days_are_joined_without_overflow(match: Match) -> None:
    n, within = 1_000_000, 90 * DAY
    time = 1_760_000_000_000 + np.arange(n) % SECOND
    shown = rows(time.tolist(), list(range(1, n + 1)), id=range(1, n + 1), item=[5] * n)
    place = np.arange(0, n, 5)
    again = shown.take(place)
    came = rows((again.time + within).tolist(), (place + 1).tolist(), item=[5] * len(place), event=(place + 1).tolist())
    got = join(match, Window(within, 2 * 60 * SECOND), shown, None, came)
    assert got.used == len(place)
    assert np.array_equal(np.flatnonzero(got.count), place)


@pytest.mark.parametrize("match", [Match.UNIT, Match.UNIT_ITEM])
def test_more_keys_and_time_than_fit_an_integer_are_refused_rather_than_joined_wrongly(match: Match) -> None:
    n = 4
    shown = rows([0] * n, range(1, n + 1), id=range(1, n + 1), item=[5] * n)
    came = rows([1] * n, range(1, n + 1), item=[5] * n, event=range(1, n + 1))
    with pytest.raises(OverflowError, match="shorten the outcome's `within`"):
        join(match, Window(2**61, 2**61), shown, None, came)

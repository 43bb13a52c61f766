"""Who won an interleaved list."""

from __future__ import annotations

import numpy as np

from detectors.columns import Columns, Hash, Ragged
from monitor.join.credit import credit
from monitor.join.joiner import Window

WINDOW = Window(within=1_000, early=100)


def rows(times: list[int], **fields: object) -> Columns:
    n = len(times)
    return Columns(
        np.array(times, np.int64),
        np.ones(n, np.uint64),
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        fields,  # type: ignore[arg-type]  # columns, by name
    )


def ids(*values: int) -> Hash:
    return Hash(np.array(values, np.uint64))


SLATES = rows([0, 0, 0], id=ids(1, 2, 3), items=Ragged(np.array([0, 2, 4, 6]), {"item": ids(11, 12, 11, 12, 13, 14)}))
TEAM = np.array([1.0, -1.0, 1.0, -1.0, 1.0, 0.0])


def outcomes(*each: tuple[int, int, int, int]) -> Columns:
    """(event, slate, item, time)."""
    event, slate, item, times = zip(*each, strict=True)
    return rows(list(times), event=ids(*event), id=ids(*slate), item=ids(*item))


def test_the_team_with_more_outcomes_wins_and_alike_is_a_tie() -> None:
    found = credit(WINDOW, SLATES, outcomes((1, 1, 11, 5), (2, 2, 11, 5), (3, 2, 12, 6), (4, 3, 14, 5)), TEAM)
    assert found.tolist() == [1.0, 0.0, 0.0]


def test_an_outcome_that_is_sent_twice_counts_once() -> None:
    found = credit(WINDOW, SLATES, outcomes((1, 1, 11, 5), (2, 1, 12, 5), (2, 1, 12, 5)), TEAM)
    assert found.tolist() == [0.0, 0.0, 0.0]


def test_outcomes_out_of_time_or_of_items_that_were_not_shown_win_nothing() -> None:
    found = credit(WINDOW, SLATES, outcomes((1, 1, 11, 1_001), (2, 2, 99, 5), (3, 3, 13, -101), (4, 9, 11, 5)), TEAM)
    assert found.tolist() == [0.0, 0.0, 0.0]


def test_without_outcomes_nobody_wins() -> None:
    assert credit(WINDOW, SLATES, None, TEAM).tolist() == [0.0, 0.0, 0.0]

"""What is shown most: chance alone is no turnover, whatever the traffic; what is planted is found; a collapsed catalogue is no churn."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import overlap
from detectors.churn import Churn, ChurnParams
from detectors.columns import Columns, Hash, Hashes, Ints, Ragged, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.math import bootstrap
from detectors.turnover import Turnover, between
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.simulate.closed_loop.world import periods

DAY = 86_400_000
TOP = 40
DETECTOR = Churn()
CATALOGUE = np.arange(1, 401, dtype=np.uint64)


def slates(item: Hashes, first: int = 1, held_out: Ints | None = None, drawn: int = 0) -> Columns:
    """Slates (n, k) of units from `first` on; the last `drawn` places are random."""
    n, k = item.shape
    explored = np.zeros((n, k), np.bool_)
    explored[:, k - drawn :] = True
    return Columns(
        np.zeros(n, np.int64),
        np.arange(first, first + n, dtype=np.uint64),
        np.zeros(n, np.int8) if held_out is None else held_out.astype(np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"items": Ragged(np.arange(n + 1) * k, {"item": Hash(item.ravel()), "explored": flag(explored.ravel())})},
    )


def shown(rng: np.random.Generator, ranking: Hashes, units: int, first: int = 1) -> overlap.Seen:
    """Ten items each, the likelier the earlier they stand in `ranking`; every second one out of two that are the unit's own for good."""
    item = ranking[np.minimum(rng.exponential(40.0, (units, 10)), len(ranking) - 1).astype(np.intp)]
    own = CATALOGUE[((first + np.arange(units))[:, None] * 7 + rng.integers(0, 2, (units, 10))) % 60]
    return overlap.of(slates(np.where(rng.random((units, 10)) < 0.5, own, item), first), 10**6)


def turnovers(replaced: int, units: tuple[int, int], runs: int, seed: int) -> list[Turnover]:
    """Of two periods of the same people between which as many of the items shown most gave way to rare ones."""
    rng, told = np.random.default_rng(seed), []
    for run in range(runs):
        before = np.concatenate([CATALOGUE[60:], CATALOGUE[:60]])
        before[:340] = rng.permutation(before[:340])
        now, out, into = before.copy(), rng.permutation(30)[:replaced], 250 + rng.permutation(90)[:replaced]
        now[out], now[into] = before[into], before[out]
        first = 1 + run * 10_000
        told.append(between(shown(rng, before, units[0], first), shown(rng, now, units[1], first), 0, TOP))
    return told


@pytest.mark.parametrize(("units", "seed"), [((250, 250), 1), ((250, 1_500), 2), ((1_500, 250), 3)])
def test_where_nothing_changes_there_is_no_turnover_however_few_people_come(units: tuple[int, int], seed: int) -> None:
    told = turnovers(0, units, 120, seed)
    shares = np.array([t.share for t in told])
    error = shares.std(ddof=1) / np.sqrt(len(shares))
    assert np.mean([t.uncorrected for t in told]) > 0.15
    assert error < 0.008
    assert abs(shares.mean()) < 3.0 * error


def test_what_gives_way_is_found_at_its_size_and_the_bound_is_seldom_above_it() -> None:
    told = turnovers(0, (300, 300), 150, 4)
    above = np.mean([t.share - bootstrap.quantile(0.05) * bootstrap.standard_error(t.replicates) > 0.0 for t in told])
    assert above < 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / len(told))
    small, large = turnovers(20, (300, 300), 60, 5), turnovers(20, (6_000, 6_000), 6, 5)
    shares, truth = np.array([t.share for t in small]), np.mean([t.share for t in large])
    assert truth > 0.5
    assert shares.mean() == pytest.approx(truth, abs=0.08)
    assert abs(shares.mean() - truth) < abs(np.mean([t.uncorrected for t in small]) - truth) / 1.5


def run(days: list[Columns | None], p: ChurnParams | None = None, gated: tuple[int, ...] = ()) -> list[Evidence]:
    p = p or ChurnParams()
    state, told = DETECTOR.start([p]), []
    for day, rows in enumerate(days):
        a = DETECTOR.empty(p.max_pairs) if rows is None else DETECTOR.fold(p.max_pairs, DETECTOR.empty(0), rows)
        tick = Tick.plain(day * DAY, (day + 1) * DAY, page=0.0, warn=0.0, gated=day in gated)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        told.append(evidence)
    return told


def daily(rng: np.random.Generator, rankings: list[Hashes], units: int = 500) -> list[Columns | None]:
    return [slates(r[np.minimum(rng.exponential(40.0, (units, 10)), len(r) - 1).astype(np.intp)]) for r in rankings]


def test_replacing_is_told_in_the_second_period_of_it_and_over_when_it_stops() -> None:
    rng = np.random.default_rng(6)
    other = [np.concatenate([rng.permutation(CATALOGUE[:120]), CATALOGUE[120:]]) for _ in range(4)]
    told = run(daily(rng, [CATALOGUE] * 3 + other + [other[-1]] * 3))
    assert [
        (i, e.crossing, e.change_at and e.change_at // DAY) for i, e in enumerate(told) if e.crossing != "none"
    ] == [
        (4, Crossing.WARN, 3),
        (8, Crossing.RECOVERED, 3),
    ]
    assert "of the 40 items shown most" in told[4].reason
    assert told[4].detail["left_the_catalogue"] < 0.1


def test_a_catalogue_that_is_renewed_every_day_is_told_to_nobody() -> None:
    rng = np.random.default_rng(7)
    told = run(daily(rng, [CATALOGUE + np.uint64(1_000 * day) for day in range(6)]))
    assert {e.crossing for e in told} == {Crossing.NONE}
    assert told[-1].effect == pytest.approx(1.0)
    assert (told[-1].detail["left_the_catalogue"], told[-1].detail["new_to_the_catalogue"]) == (1.0, 1.0)


def test_a_period_that_does_not_count_is_no_past_to_compare_with() -> None:
    rng = np.random.default_rng(8)
    days = daily(rng, [CATALOGUE] * 6)
    days[2] = None
    told = run(days, gated=(4,))
    assert [e.standing for e in told] == [
        Standing.INSUFFICIENT,
        Standing.OK,
        Standing.INSUFFICIENT,
        Standing.INSUFFICIENT,
        Standing.BLIND,
        Standing.INSUFFICIENT,
    ]
    assert "the period before could not be counted" in told[3].reason


def test_too_few_items_or_showings_are_said_with_figures() -> None:
    rng = np.random.default_rng(9)
    few = run(daily(rng, [CATALOGUE[:60]] * 2))[-1]
    assert (few.standing, few.effect) == (Standing.INSUFFICIENT, None)
    assert (
        "60 different items in half of what was shown; to tell the 40 shown most, at least 80 are needed" in few.reason
    )
    alike = run([slates(rng.choice(CATALOGUE, (300, 10))) for _ in range(2)])[-1]
    assert alike.standing is Standing.INSUFFICIENT
    assert "two halves of a period's people agree on" in alike.reason


def test_random_items_and_those_of_the_held_out_are_not_the_models() -> None:
    rng = np.random.default_rng(10)
    held = (np.arange(900) % 3 == 0).astype(np.int64)
    days = []
    for _ in range(3):
        item = CATALOGUE[np.minimum(rng.exponential(40.0, (900, 10)), 399).astype(np.intp)]
        item[:, 9:] = rng.permutation(CATALOGUE)[:900][:1]
        theirs = rng.permutation(CATALOGUE)[np.minimum(rng.exponential(40.0, (900, 10)), 399).astype(np.intp)]
        days.append(slates(np.where(held[:, None] == 1, theirs, item), held_out=held, drawn=1))
    last = run(list(days))[-1]
    assert last.effect == pytest.approx(0.0, abs=0.15)
    assert last.detail["churn_holdout"] > 0.7
    assert last.n == {"exposed": 600}


def test_a_closed_loop_shows_no_churn_once_chance_is_taken_out() -> None:
    days = []
    for w in periods(0, Mode.CLOSED, Shape(people=2_500, periods=14, holdout=0.2)):
        ours = np.flatnonzero(~w.held_out)
        days.append(slates(w.items[ours].astype(np.uint64) + np.uint64(1), drawn=1))
    told = [e for e in run(list(days)) if e.standing is Standing.OK][-3:]
    assert np.mean([e.detail["uncorrected"] for e in told]) > 0.3
    assert np.mean([e.effect for e in told]) == pytest.approx(0.0, abs=0.1)

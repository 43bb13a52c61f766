"""`make mutate`: each rule of the statistics is broken once, and the test that guards it must then fail.

Every guard is run once as it is, where it must pass, and once in a process of its own in which one function was replaced by
one that breaks the rule. The table stands in CONTRIBUTING.md; a test holds the two against each other.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from detectors import engine, two_arms
from detectors.columns import Columns, Floats, flag
from detectors.increments import block, ipw
from detectors.math import intervals
from detectors.numeric_shift import bets, reading
from detectors.shares import watch


@dataclass(frozen=True)
class Mutation:
    """What is broken, in words; where (`module`, name of the function); by what; and the test that must notice."""

    rule: str
    broken: str
    place: Any
    name: str
    replace: Callable[..., Any]
    guard: str


def _every_row_counts(a: two_arms.Tally, rows: Columns) -> two_arms.Tally:
    return _add(a, rows.having(first=flag(np.ones(len(rows), np.bool_))))


def _rows_vote(readings: Any, cuts: Floats) -> Floats:
    """Histograms of rows instead of units: a unit votes as often as it comes."""
    result = np.zeros((len(readings), reading.WIDTH))
    for row, a in enumerate(readings):
        bins = (a.keys & np.uint64(31)).astype(np.intp)
        result[row, :-1] = np.bincount(bins, a.counts[:, 0], reading.MISSING + 1)
        result[row, -1] = a.counts.sum()
    return result if any(len(a.keys) for a in readings) else _histograms(readings, cuts)


def _in_linear_space(log_m: Floats, log_l: Floats, log_spend: Floats, rows: Any) -> Floats:
    advanced = np.log((np.exp(log_m) + np.exp(log_spend)[:, None]) * np.exp(log_l))
    return np.where(rows[:, None], advanced, log_m)


def _spend_that_follows(log_m: Floats, log_l: Floats, log_spend: Floats, rows: Any) -> Floats:
    """As much is spent as was promised, on average, but more where the window speaks against the null."""
    return np.where(rows[:, None], np.logaddexp(log_m, log_spend[:, None] + log_l) + log_l, log_m)


def _spend_after(log_m: Floats, log_l: Floats, log_spend: Floats, rows: Any) -> Floats:
    return np.where(rows[:, None], np.logaddexp(log_m + log_l, log_spend[:, None]), log_m)


def _no_cohort_margin(
    entries: ipw.Entries,
    watches: int,
    share: Floats,
    centre: Floats,
    margin: Floats,
    good: Floats,
    units: Floats | None = None,
) -> Floats:
    return _ipw(entries, watches, share, centre, np.zeros_like(margin), good, units)


def _no_shift_margin(reference: Floats, margin: Floats, used: Any) -> Any:
    return _bounds(reference, np.zeros_like(margin), used)


def _own_variance(totals: Floats) -> Floats:
    m1, m0 = two_arms.means(totals)
    n1, n0 = np.maximum(totals[:, two_arms.N1], 1.0), np.maximum(totals[:, two_arms.N0], 1.0)
    v1 = np.maximum(totals[:, two_arms.Q1] / n1 - m1**2, 0.0)
    v0 = np.maximum(totals[:, two_arms.Q0] / n0 - m0**2, 0.0)
    result: Floats = np.sqrt(v1 / n1 + v0 / n0)
    return result


def _naive_radius(se: Floats, tau: Floats, alpha: Any) -> Floats:  # noqa: ARG001 - the fixed-time interval
    return 1.96 * se


def _error_of_now_alone(tally: Floats, reference: Floats) -> Floats:  # noqa: ARG001
    return watch.standard_error(tally)


def _gaussian(z: Floats, kappa: Floats) -> Floats:  # noqa: ARG001 - assumes variance 1 and normal tails
    lam = np.array([0.05, 0.1, 0.2, 0.4, 0.8])
    return lam * z[:, None] - lam**2 / 2.0


_add, _histograms, _ipw, _bounds = two_arms.add, reading.histograms, ipw.log_increments, bets.bounds

_COHORT, _SHIFT, _ENGINE = (f"tests/detectors/test_{n}.py::" for n in ("cohort_bounded", "numeric_shift", "engine"))

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "a unit counts once in a comparison of cohorts",
        "every event counts",
        two_arms,
        "add",
        _every_row_counts,
        f"{_COHORT}test_many_events_of_one_unit_count_once",
    ),
    Mutation(
        "a unit has one vote in a distribution",
        "every row votes",
        reading,
        "histograms",
        _rows_vote,
        f"{_SHIFT}test_units_with_many_rows_do_not_alarm_where_their_rows_one_by_one_would",
    ),
    Mutation(
        "evidence is kept as logarithms",
        "linear space",
        engine,
        "_accumulate",
        _in_linear_space,
        f"{_ENGINE}test_windows_of_a_million_units_do_not_overflow",
    ),
    Mutation(
        "harm within the margin is no harm",
        "no margin between cohorts",
        ipw,
        "log_increments",
        _no_cohort_margin,
        f"{_COHORT}test_a_harm_exactly_at_the_margin_is_still_the_null",
    ),
    Mutation(
        "a shift within the margin is no shift",
        "no margin around the reference",
        bets,
        "bounds",
        _no_shift_margin,
        f"{_SHIFT}test_a_shift_inside_the_margin_does_not_alarm",
    ),
    Mutation(
        "a small arm's variance is pooled",
        "each arm's own variance",
        two_arms,
        "standard_error",
        _own_variance,
        "tests/detectors/test_two_arms.py::test_a_small_arms_own_variance_is_not_trusted",
    ),
    Mutation(
        "the spend is fixed before the window",
        "the spend follows what the window says",
        engine,
        "_accumulate",
        _spend_that_follows,
        f"{_ENGINE}test_the_expected_number_of_false_pages_stays_within_the_spend_at_the_edge_of_the_null",
    ),
    Mutation(
        "the spend comes before the increment",
        "the spend is added after it",
        engine,
        "_accumulate",
        _spend_after,
        f"{_ENGINE}test_critical_relabels_an_open_page_and_never_opens_one",
    ),
    Mutation(
        "an interval holds at every look",
        "the fixed-time interval at every look",
        intervals,
        "normal_mixture_radius",
        _naive_radius,
        "tests/detectors/test_intervals.py::test_the_normal_mixture_interval_covers_at_every_look_together",
    ),
    Mutation(
        "what was learned has an error of its own",
        "the reference is taken for the truth",
        watch,
        "error_of_change",
        _error_of_now_alone,
        "tests/detectors/test_tail_collapse.py::test_a_tail_at_half_its_reference_alarms_no_more_often_than_promised",
    ),
    Mutation(
        "blocks have a long-run variance and any tails",
        "independent normal blocks",
        block,
        "log_increments",
        _gaussian,
        "tests/detectors/test_block.py::test_two_hundred_watches_in_four_weeks_alarm_no_more_often_than_they_spend",
    ),
)


class _Breaker:
    """A pytest plugin that replaces the function before tests are collected."""

    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation

    def pytest_configure(self) -> None:
        setattr(self._mutation.place, self._mutation.name, self._mutation.replace)


def noticed(index: int) -> bool:
    """Whether the guard of `MUTATIONS[index]` fails, in a process of its own, once its rule is broken."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.mutations", str(index)], capture_output=True, check=False
    )
    return run.returncode == pytest.ExitCode.TESTS_FAILED


def main() -> int:
    """All guards as they are, then each with its rule broken; 1 if one passes that should fail, or the other way."""
    guards = list(dict.fromkeys(m.guard for m in MUTATIONS))
    if pytest.main(["-q", "-p", "no:cacheprovider", *guards]) != pytest.ExitCode.OK:
        return 1
    table = Table("rule", "broken once", "guard", "noticed")
    seen = [noticed(i) for i in range(len(MUTATIONS))]
    for mutation, was in zip(MUTATIONS, seen, strict=True):
        table.add_row(mutation.rule, mutation.broken, mutation.guard.split("::")[1], "yes" if was else "NO")
    Console().print(table)
    return 0 if all(seen) else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        mutation = MUTATIONS[int(sys.argv[1])]
        sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", mutation.guard], plugins=[_Breaker(mutation)]))
    sys.exit(main())

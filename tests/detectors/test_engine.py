"""The bank: its promise as a rate, its delays, and what opens, ends and restarts an alert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors import engine
from detectors.columns import Floats
from detectors.detector import Tick
from detectors.engine import Bank, Increments, Verdict
from detectors.evidence import Crossing, Mode, Standing
from detectors.increments import bernoulli

HOUR = 3_600_000
ALTERNATIVES = np.array([0.12, 0.14, 0.18, 0.26])
WEIGHTS = np.full(4, -np.log(4))


def _tick(window: int, watches: int = 1, page: float = 1e-3, *, gated: bool = False, rearm: bool = False) -> Tick:
    start = window * HOUR
    return Tick.plain(start, start + HOUR, page=page, warn=4 * page, watches=watches, gated=gated, rearm=rearm)


def _increments(yes: Floats, units: float) -> Increments:
    """Is more than 10 % yes? Critical: more than 30 %. Mirror: still more than 10 %."""
    k, n = yes[:, None], np.array(units)
    return Increments(
        bernoulli.log_increments(k, n, np.array(0.1), ALTERNATIVES),
        bernoulli.log_increments(k, n, np.array(0.3), ALTERNATIVES + 0.2),
        bernoulli.log_increments(k, n, np.array(0.1), np.array([0.08, 0.06, 0.04, 0.02])),
    )


def _watching(watches: int = 1) -> Bank:
    everyone = np.ones(watches, np.bool_)
    return engine.begin(engine.start(watches, 4), everyone, np.zeros(watches, np.int64))


def _step(
    bank: Bank, yes: Floats, tick: Tick, *, n: float = 500.0, informative: bool = True, clear: bool = True
) -> tuple[Bank, Verdict]:
    w = len(yes)
    return engine.advance(bank, _increments(yes, n), WEIGHTS, tick, np.full(w, informative), np.full(w, clear))


def _alarm(yes: float = 120.0) -> tuple[Bank, int]:
    """A bank with an open alert, and the window after it opened."""
    bank = _watching()
    for window in range(20):
        bank, verdict = _step(bank, np.array([yes]), _tick(window))
        if verdict.crossing[0] is Crossing.PAGE:
            return bank, window + 1
    raise AssertionError("no alarm in 20 windows")


def test_the_expected_number_of_false_pages_stays_within_the_spend_at_the_edge_of_the_null() -> None:
    """T1: 1,000 streams of 1,000 windows, 5 % promised over all of them, mean exactly at the margin."""
    streams, windows, bound = 1_000, 1_000, 0.05
    rng, bank = np.random.default_rng(101), _watching(streams)
    pages = 0
    for window in range(windows):
        yes = rng.binomial(50, 0.1, streams).astype(np.float64)
        bank, verdict = _step(bank, yes, _tick(window, streams, page=bound / windows), n=50.0)
        pages += sum(c is Crossing.PAGE for c in verdict.crossing)
    assert bank.spent_page.max() <= bound + 1e-9
    assert pages / streams <= bound + 3 * np.sqrt(bound / streams)


def test_unequal_and_random_spends_fixed_before_the_window_keep_the_promise_too() -> None:
    streams, windows = 2_000, 300
    rng, bank, promised = np.random.default_rng(102), _watching(streams), 0.0
    pages = 0
    for window in range(windows):
        spend = float(rng.exponential(0.05 / windows))
        promised += spend
        yes = rng.binomial(50, 0.1, streams).astype(np.float64)
        bank, verdict = _step(bank, yes, _tick(window, streams, page=spend), n=50.0)
        pages += sum(c is Crossing.PAGE for c in verdict.crossing)
    assert pages / streams <= promised + 3 * np.sqrt(promised / streams)


@pytest.mark.parametrize(("rate", "at_most"), [(0.14, 12.0), (0.18, 4.0), (0.26, 2.0)])
def test_a_real_change_is_found_soon(rate: float, at_most: float) -> None:
    streams = 100
    rng, bank, first = np.random.default_rng(103), _watching(streams), np.full(streams, np.inf)
    for window in range(60):
        yes = rng.binomial(500, 0.1 if window < 30 else rate, streams).astype(np.float64)
        bank, verdict = _step(bank, yes, _tick(window, streams, page=5e-5))
        hit = np.array([c is Crossing.PAGE for c in verdict.crossing])
        first = np.where(hit & np.isinf(first), window, first)
    assert np.median(first) - 29 <= at_most


def test_the_change_is_dated_to_within_a_few_windows() -> None:
    streams = 100
    rng, bank, errors = np.random.default_rng(104), _watching(streams), []
    for window in range(80):
        yes = rng.binomial(500, 0.08 if window < 50 else 0.15, streams).astype(np.float64)
        bank, verdict = _step(bank, yes, _tick(window, streams, page=5e-5))
        errors += [
            abs(int(at) - 50 * HOUR) / HOUR
            for at, c in zip(verdict.change_at, verdict.crossing, strict=True)
            if c is Crossing.PAGE
        ]
    assert len(errors) >= 95
    assert np.median(errors) <= 2


def test_warn_comes_no_later_than_page_and_an_open_alert_does_not_page_twice() -> None:
    rng, bank, told = np.random.default_rng(105), _watching(), []
    for window in range(40):
        bank, verdict = _step(bank, rng.binomial(500, 0.13, 1).astype(np.float64), _tick(window), clear=False)
        told.append(verdict.crossing[0])
    raised = [c for c in told if c is not Crossing.NONE]
    assert raised in ([Crossing.WARN, Crossing.PAGE], [Crossing.PAGE])
    assert told[-1] is Crossing.NONE


def test_critical_relabels_an_open_page_and_never_opens_one() -> None:
    bank = _watching()
    told = []
    for window in range(4):
        bank, verdict = _step(bank, np.array([300.0]), _tick(window))
        told.append(verdict.crossing[0])
    assert told == [Crossing.PAGE, Crossing.CRITICAL, Crossing.NONE, Crossing.NONE]


def test_an_alert_ends_by_evidence_only_when_the_interval_agrees() -> None:
    bank, window = _alarm()
    stuck, _ = bank, None
    for later in range(window, window + 12):
        stuck, verdict = _step(stuck, np.array([25.0]), _tick(later), clear=False)
        assert verdict.crossing[0] is Crossing.NONE
    for later in range(window, window + 12):
        bank, verdict = _step(bank, np.array([25.0]), _tick(later), clear=True)
        if verdict.closed[0]:
            break
    assert verdict.crossing[0] is Crossing.RECOVERED
    assert engine.modes(bank) == [Mode.WATCHING]
    assert np.isneginf(bank.page).all()
    assert bank.level[0] == 0


def test_silence_never_ends_an_alert_and_costs_nothing() -> None:
    bank, window = _alarm()
    spent = float(bank.spent_page[0])
    for later in range(window, window + 200):
        bank, verdict = _step(bank, np.zeros(1), _tick(later), n=0.0, informative=False)
        assert verdict.crossing[0] is Crossing.NONE
    assert engine.modes(bank) == [Mode.RECOVERING]
    assert bank.spent_page[0] == spent


def test_a_long_silence_while_watching_never_alarms() -> None:
    bank = _watching()
    bank, _ = _step(bank, np.array([55.0]), _tick(0))
    for window in range(1, 500):
        bank, verdict = _step(bank, np.zeros(1), _tick(window, page=0.1), n=0.0, informative=False)
        assert verdict.crossing[0] is Crossing.NONE
    assert bank.spent_page[0] == pytest.approx(1e-3)


def test_the_spend_of_an_open_page_is_not_used() -> None:
    bank, window = _alarm()
    spent = float(bank.spent_page[0])
    bank, _ = _step(bank, np.array([120.0]), _tick(window))
    assert bank.spent_page[0] == spent


def test_while_a_gate_fails_evidence_stands_still_and_restarts_when_it_recovers() -> None:
    bank = _watching()
    for window in range(3):
        bank, _ = _step(bank, np.array([56.0]), _tick(window, page=1e-6))
    gated, verdict = _step(bank, np.array([400.0]), _tick(3, page=1e-6, gated=True))
    assert verdict.crossing[0] is Crossing.NONE
    assert gated.page.tolist() == bank.page.tolist()
    assert engine.evidence(verdict, _tick(3, gated=True), engine.modes(gated), 0).standing is Standing.BLIND
    free, verdict = _step(gated, np.array([50.0]), _tick(4, page=1e-6))
    assert verdict.restarted[0]
    alone, _ = _step(replace(_watching(), windows=bank.windows), np.array([50.0]), _tick(4, page=1e-6))
    assert free.page.tolist() == alone.page.tolist()


def test_an_alert_stays_open_through_a_failing_gate() -> None:
    bank, window = _alarm()
    bank, _ = _step(bank, np.array([50.0]), _tick(window, gated=True))
    bank, verdict = _step(bank, np.array([50.0]), _tick(window + 1), clear=False)
    assert verdict.crossing[0] is Crossing.NONE
    assert engine.modes(bank) == [Mode.RECOVERING]


def test_a_person_can_end_an_alert_by_rearming() -> None:
    bank, window = _alarm()
    bank, verdict = _step(bank, np.array([50.0]), _tick(window, page=1e-9, rearm=True))
    assert verdict.crossing[0] is Crossing.RECOVERED
    assert verdict.closed[0]
    assert engine.modes(bank) == [Mode.WATCHING]
    assert bank.opened_at[0] == 0


def test_windows_of_a_million_units_do_not_overflow() -> None:
    bank = _watching()
    for window in range(50):
        bank, verdict = _step(bank, np.array([500_000.0]), _tick(window), n=1_000_000.0, clear=False)
        assert np.isfinite(verdict.log10_e[0])
        assert not np.isnan(bank.page).any()
        assert not np.isnan(bank.recovery).any()


def test_a_learning_watch_neither_spends_nor_alarms() -> None:
    bank = engine.start(1, 4)
    for window in range(10):
        bank, verdict = _step(bank, np.array([400.0]), _tick(window))
        assert verdict.crossing[0] is Crossing.NONE
    assert bank.spent_page[0] == 0.0
    assert engine.modes(bank) == [Mode.LEARNING]


def test_a_watch_without_spend_never_alarms_and_shows_no_threshold() -> None:
    bank = _watching()
    for window in range(10):
        tick = _tick(window, page=0.0)
        bank, verdict = _step(bank, np.array([400.0]), tick)
        assert verdict.crossing[0] is Crossing.NONE
        told = engine.evidence(verdict, tick, engine.modes(bank), 0)
        assert told.threshold is None
        assert told.log10_e is None


def test_a_dropped_bet_has_no_say() -> None:
    bank = _watching()
    weights = np.array([-np.inf, -np.inf, -np.inf, 0.0])
    increments = _increments(np.array([65.0]), 500.0)
    only, _ = engine.advance(bank, increments, weights, _tick(0), np.ones(1, np.bool_), np.ones(1, np.bool_))
    assert engine.modes(only) == [Mode.WATCHING]
    poisoned = replace(increments, null=np.where(np.isfinite(weights), increments.null, 600.0))
    same, verdict = engine.advance(bank, poisoned, weights, _tick(0), np.ones(1, np.bool_), np.ones(1, np.bool_))
    assert verdict.crossing[0] is Crossing.NONE
    assert same.page[0, 3] == only.page[0, 3]


def test_an_alert_that_lasted_long_ends_as_soon_as_one_that_did_not() -> None:
    ends = []
    for lasted in (2, 300):
        bank, window = _alarm()
        for later in range(window, window + lasted):
            bank, _ = _step(bank, np.array([80.0]), _tick(later))
        for calm in range(1, 30):
            bank, verdict = _step(bank, np.array([25.0]), _tick(window + lasted + calm))
            if verdict.closed[0]:
                assert verdict.calm_windows[0] == calm
                break
        ends.append(calm)
    assert ends[0] <= 5
    assert ends[1] <= ends[0] + 5


def test_an_alert_whose_harm_goes_on_at_the_margin_is_seldom_resolved() -> None:
    streams = 1_000
    rng, bank = np.random.default_rng(106), _watching(streams)
    bank, verdict = _step(bank, np.full(streams, 150.0), _tick(0, streams))
    assert verdict.opened.all()
    resolved = 0
    for window in range(1, 300):
        yes = rng.binomial(500, 0.1, streams).astype(np.float64)
        bank, verdict = _step(bank, yes, _tick(window, streams, page=1e-12))
        resolved += int(verdict.closed.sum())
    assert resolved / streams <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / streams)

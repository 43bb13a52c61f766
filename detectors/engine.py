"""The budgeted e-process bank: one engine for every watch that has a null hypothesis.

A row is a watch, a column is a bet. Every window brings log e-increments, L >= 0 with E[L | past] <= 1 under the watch's
null, and a spend `a` fixed before the window opened:

    M <- (M + a) * L           alarm when the mixture  sum_g w_g M_g  reaches 1

With spends that add up to B over a horizon H, the expected number of false alarms in any time T is at most B T / H, whatever
the dependence between watches and however often they look: between alarms M minus the spend so far is a supermartingale, each
alarm has M >= 1, and expectations add (Shin, Ramdas and Rinaldo 2024, "E-detectors", with thresholds turned into spends).
Everything is kept as logarithms.

Three engines run side by side on the same bets. `warn` and `page` differ only in what they may spend. `critical` tests three
times the margin; it can relabel an open page and never opens one. While an alert is open a fourth, `recovery`, tests the null
"still worse than the margin"; the alert ends by evidence, not by silence. Its stakes, .05 in all, are spread over the windows
since the alarm (6 / (pi k)^2 of it in the k-th): a mixture over starting times, so evidence need not first win back what a
long harm has cost it, and still P(resolved while the harm has never ended) <= .05, by Ville's inequality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats, Ints
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing

RECOVERY_LEVEL = 0.05
"""Chance that an alert is resolved although the effect is still worse than its margin."""

_CAP = 700.0
LEARNING, WATCHING, RECOVERING = 0, 1, 2
_MODES = (Mode.LEARNING, Mode.WATCHING, Mode.RECOVERING)
_NONE, _WARN, _PAGE, _CRITICAL = 0, 1, 2, 3
_CROSSINGS = (Crossing.NONE, Crossing.RECOVERED, Crossing.CRITICAL, Crossing.PAGE, Crossing.WARN)


@dataclass(frozen=True)
class Bank:
    """State of W watches with G bets each.

    warn, page, critical, recovery   log e-detectors, (W, G), -inf when empty.
    drift, since, since_window       per bet, (W, G): a CUSUM of the page increments, and when it was last at rest (event
                                     time ms, and count of windows): where its change most likely began.
    mode, level                      (W,): LEARNING, WATCHING or RECOVERING; 0 nothing open, 1 warn, 2 page, 3 critical.
    opened_at                        (W,): event time ms of the alarm, 0 if none is open.
    windows                          (W,): windows with data since watching began.
    calm, calm_window                per bet, (W, G): the same for `recovery`, while an alert is open.
    open_windows                     (W,): windows with data since the alarm.
    gated                            (W,): a gate failed in the last window.
    spent_page, spent_warn           (W,): expected false alarms spent so far.
    """

    warn: Floats
    page: Floats
    critical: Floats
    recovery: Floats
    drift: Floats
    since: Ints
    since_window: Ints
    mode: npt.NDArray[np.int8]
    level: npt.NDArray[np.int8]
    opened_at: Ints
    windows: Ints
    calm: Floats
    calm_window: Ints
    open_windows: Ints
    gated: Bools
    spent_page: Floats
    spent_warn: Floats


@dataclass(frozen=True)
class Increments:
    """Log e-increments of one window, each (W, G).

    null       against "no worse than the margin".
    critical   against "no worse than three margins".
    worse      against "still worse than the margin": the mirrored bets.
    """

    null: Floats
    critical: Floats
    worse: Floats


@dataclass(frozen=True)
class Verdict:
    """What the window did, each (W,).

    crossing     names of the bounds crossed.
    opened       an alarm began in this window; closed: it ended, by evidence or because a person re-armed the watch.
    restarted    evidence was thrown away (a gate recovered, or a person re-armed the watch).
    log10_e      evidence against the null since the last reset, in units of this window's page spend (of its warning spend
                 where the watch may not page); `threshold` is what it must reach. Both NaN where nothing may be spent.
    change_at    most likely start of the change, event time ms; change_windows: windows with data since then.
    calm_windows windows with data since the recovery most likely began.
    """

    crossing: list[Crossing]
    opened: Bools
    closed: Bools
    restarted: Bools
    log10_e: Floats
    threshold: Floats
    change_at: Ints
    change_windows: Ints
    calm_windows: Ints

    @property
    def ended(self) -> Bools:
        """An alert ended, or evidence was thrown away, (W,)."""
        return self.closed | self.restarted

    @property
    def lasted(self) -> Ints:
        """Windows since the change most likely began, or, where an alert ends, since the recovery did, (W,); at least 1."""
        return np.maximum(np.where(self.closed, self.calm_windows, self.change_windows), 1)


def start(watches: int, bets: int) -> Bank:
    """W watches that have seen nothing: learning."""
    empty = np.full((watches, bets), -np.inf)
    return Bank(
        warn=empty,
        page=empty.copy(),
        critical=empty.copy(),
        recovery=empty.copy(),
        drift=np.zeros((watches, bets)),
        since=np.zeros((watches, bets), np.int64),
        since_window=np.zeros((watches, bets), np.int64),
        mode=np.full(watches, LEARNING, np.int8),
        level=np.zeros(watches, np.int8),
        opened_at=np.zeros(watches, np.int64),
        windows=np.zeros(watches, np.int64),
        calm=np.zeros((watches, bets)),
        calm_window=np.zeros((watches, bets), np.int64),
        open_windows=np.zeros(watches, np.int64),
        gated=np.zeros(watches, np.bool_),
        spent_page=np.zeros(watches),
        spent_warn=np.zeros(watches),
    )


def begin(bank: Bank, rows: Bools, at: Ints) -> Bank:
    """Rows whose reference is ready start to watch at event time `at` (W,)."""
    rows = rows & (bank.mode == LEARNING)
    return replace(
        bank,
        mode=np.where(rows, np.int8(WATCHING), bank.mode),
        since=np.where(rows[:, None], at[:, None], bank.since),
    )


def give_on(bank: Bank, bets: Bools, at: Ints) -> Bank:
    """Bets (W, G) that are about something else from event time `at` (W,) on: what they have gathered is thrown away.

    They go on with the spend of the windows to come. Evidence only falls, so the promise holds whoever chooses, and when, as long
    as the choice is made before the window's outcome is known.
    """
    return replace(
        bank,
        warn=np.where(bets, -np.inf, bank.warn),
        page=np.where(bets, -np.inf, bank.page),
        critical=np.where(bets, -np.inf, bank.critical),
        drift=np.where(bets, 0.0, bank.drift),
        since=np.where(bets, at[:, None], bank.since),
        since_window=np.where(bets, bank.windows[:, None], bank.since_window),
    )


def modes(bank: Bank) -> list[Mode]:
    """The mode of every row, in words."""
    return [_MODES[m] for m in bank.mode]


def advance(
    bank: Bank,
    increments: Increments,
    log_weights: Floats,
    tick: Tick,
    informative: Bools,
    clear: Bools,
    claims: int = 1,
) -> tuple[Bank, Verdict]:
    """One window for all W watches.

    log_weights   (G,) or (W, G), each row summing to at most 1 in plain space; -inf drops a bet.
    informative   (W,): the window has data; one without spends nothing and changes no evidence.
    clear         (W,): nothing else speaks against recovery; an alert ends only when the recovery engine agrees with it.
    claims        the bets are so many equal blocks, each about a claim of its own, with weights summing to at most 1: an alarm
                  says that all claims hold, so each block's mixture must have crossed, at the full level (an
                  intersection-union test: Berger 1982, Technometrics 24(4)); it ends when any of them has ended.
    """
    bank, closed_by_hand, restarted = _restart(bank, tick)
    live = informative & ~tick.gated & (bank.mode != LEARNING)
    open_ = bank.mode == RECOVERING
    runs_warn = live & ~open_
    runs_page = live & (bank.level < _PAGE)
    log_page, log_warn = _log(tick.page), _log(tick.warn)

    warn = _accumulate(bank.warn, increments.null, log_warn, runs_warn)
    page = _accumulate(bank.page, increments.null, log_page, runs_page)
    critical = _accumulate(bank.critical, increments.critical, log_page, live)
    waits = live & open_
    open_windows = bank.open_windows + waits
    stake = np.log(RECOVERY_LEVEL * 6.0 / (np.pi * np.maximum(open_windows, 1)) ** 2)
    recovery = _accumulate(bank.recovery, increments.worse, stake, waits)
    calm, at_rest = _drift(bank.calm, increments.worse, waits)
    calm_window = np.where(at_rest, (bank.windows + 1)[:, None], bank.calm_window)

    total_page = _least(page + log_weights, claims)
    hit_page = runs_page & (total_page >= 0)
    total_warn = _least(warn + log_weights, claims)
    hit_warn = runs_warn & ~hit_page & (total_warn >= 0)
    hit_critical = live & (bank.level == _PAGE) & (_least(critical + log_weights, claims) >= 0)
    ended = np.logaddexp.reduce(recovery + log_weights, axis=-1) - np.log(claims)
    recovered = waits & clear & ~hit_page & (ended >= 0)

    drift, rested = _drift(bank.drift, increments.null, runs_page)
    since = np.where(rested, tick.end[:, None], bank.since)
    since_window = np.where(rested, (bank.windows + 1)[:, None], bank.since_window)
    windows = bank.windows + live
    pages = tick.page > 0
    pick, best = np.arange(len(windows)), _loudest(np.where(pages[:, None], page, warn) + log_weights, claims)
    change_at = since[pick[:, None], best].max(axis=1)
    change_windows = windows - since_window[pick[:, None], best].max(axis=1)
    calm_windows = windows - calm_window[pick, np.argmax(recovery + log_weights, axis=-1)]

    opened = (hit_page | hit_warn) & ~open_
    level = np.where(hit_critical, _CRITICAL, np.where(hit_page, _PAGE, np.where(hit_warn, _WARN, bank.level)))
    level = np.where(recovered, _NONE, level).astype(np.int8)
    after = replace(
        bank,
        warn=_reset(warn, recovered),
        page=_reset(page, recovered),
        critical=_reset(critical, recovered),
        recovery=_reset(recovery, opened | recovered),
        drift=np.where(recovered[:, None], 0.0, drift),
        since=np.where(recovered[:, None], tick.end[:, None], since),
        since_window=np.where(recovered[:, None], windows[:, None], since_window),
        mode=np.where(opened, RECOVERING, np.where(recovered, WATCHING, bank.mode)).astype(np.int8),
        level=level,
        opened_at=np.where(opened, tick.end, np.where(recovered, 0, bank.opened_at)),
        windows=windows,
        calm=np.where(opened[:, None], 0.0, calm),
        calm_window=np.where(opened[:, None], windows[:, None], calm_window),
        open_windows=np.where(opened, 0, open_windows),
        spent_page=bank.spent_page + np.where(runs_page, tick.page, 0.0),
        spent_warn=bank.spent_warn + np.where(runs_warn, tick.warn, 0.0),
    )
    crossed = np.select([recovered | closed_by_hand, hit_critical, hit_page, hit_warn], [1, 2, 3, 4], default=0)
    log_spend = np.where(pages, log_page, log_warn)
    spending = np.isfinite(log_spend)
    with np.errstate(invalid="ignore"):
        log10_e = np.where(spending, (np.where(pages, total_page, total_warn) - log_spend) / np.log(10), np.nan)
    return after, Verdict(
        crossing=[_CROSSINGS[which] for which in crossed.tolist()],
        opened=opened,
        closed=recovered | closed_by_hand,
        restarted=restarted,
        log10_e=log10_e,
        threshold=np.where(spending, -log_spend / np.log(10), np.nan),
        change_at=change_at,
        change_windows=change_windows,
        calm_windows=calm_windows,
    )


def evidence(verdict: Verdict, tick: Tick, mode: Sequence[Mode], row: int) -> Evidence:
    """What the engine itself knows of one watch; the detector adds size, counts and words."""
    watching = mode[row] is not Mode.LEARNING
    gated = bool(tick.gated[row])
    judged = watching and not gated and bool(np.isfinite(verdict.threshold[row]))
    finite = bool(np.isfinite(verdict.log10_e[row]))
    return Evidence(
        mode=mode[row],
        standing=Standing.BLIND if gated else Standing.OK,
        crossing=verdict.crossing[row],
        log10_e=float(verdict.log10_e[row]) if judged and finite else None,
        threshold=float(verdict.threshold[row]) if judged else None,
        spend=float(tick.page[row]) if judged else 0.0,
        change_at=int(verdict.change_at[row]) if watching else None,
    )


def _restart(bank: Bank, tick: Tick) -> tuple[Bank, Bools, Bools]:
    """Throw evidence away where a gate has recovered or a person asks for it; close alerts that are re-armed by hand."""
    recovered_gate = bank.gated & ~tick.gated
    rows = recovered_gate | tick.rearm
    closed = tick.rearm & (bank.mode == RECOVERING)
    return (
        replace(
            bank,
            warn=_reset(bank.warn, rows),
            page=_reset(bank.page, rows),
            critical=_reset(bank.critical, rows),
            recovery=_reset(bank.recovery, rows),
            open_windows=np.where(rows, 0, bank.open_windows),
            calm=np.where(rows[:, None], 0.0, bank.calm),
            calm_window=np.where(rows[:, None], bank.windows[:, None], bank.calm_window),
            drift=np.where(rows[:, None], 0.0, bank.drift),
            since=np.where(rows[:, None], tick.start[:, None], bank.since),
            since_window=np.where(rows[:, None], bank.windows[:, None], bank.since_window),
            mode=np.where(closed, np.int8(WATCHING), bank.mode),
            level=np.where(closed, np.int8(_NONE), bank.level),
            opened_at=np.where(closed, 0, bank.opened_at),
            gated=tick.gated.copy(),
        ),
        closed,
        rows,
    )


def _accumulate(log_m: Floats, log_l: Floats, log_spend: Floats, rows: Bools) -> Floats:
    advanced = np.minimum(np.logaddexp(log_m, log_spend[:, None]) + log_l, _CAP)
    return np.where(rows[:, None], advanced, log_m)


def _least(log_m: Floats, claims: int) -> Floats:
    """Log of the smallest of the blocks' mixtures, (W,)."""
    mixtures: Floats = np.logaddexp.reduce(_blocks(log_m, claims), axis=-1)
    return np.asarray(mixtures.min(axis=-1))


def _loudest(log_m: Floats, claims: int) -> Ints:
    """The largest bet of each block, (W, claims)."""
    return np.asarray(np.argmax(_blocks(log_m, claims), axis=-1) + np.arange(claims) * (log_m.shape[-1] // claims))


def _blocks(log_m: Floats, claims: int) -> Floats:
    return log_m.reshape(log_m.shape[0], claims, -1)


def _drift(drift: Floats, log_l: Floats, rows: Bools) -> tuple[Floats, Bools]:
    """The CUSUM of the increments of the given rows, and where it came to rest in this window."""
    moved = np.where(rows[:, None], np.maximum(drift, 0.0) + log_l, drift)
    return moved, rows[:, None] & (moved <= 0)


def _reset(log_m: Floats, rows: Bools) -> Floats:
    return np.where(rows[:, None], -np.inf, log_m)


def _log(spend: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(spend)

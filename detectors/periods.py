"""The rule by which a loop detector alarms: a bound crossed in two periods in a row, each at an error equal to what it may spend.

Periods are few (a retrain cycle, or a day), so a false alarm in a period costs at most that period's spend, and expectations
add: Bonferroni over periods, with the spends as weights; the second period is a bonus. The alert ends when the opposite bound
has been clear in two periods.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats, Ints
from detectors.detector import Tick
from detectors.evidence import Crossing, Mode

RECOVERY_LEVEL = 0.05
"""Error of the bound that must be clear, in two periods after the alarm, for the alert to end."""

LEARNING, WATCHING, RECOVERING = 0, 1, 2
MODES = (Mode.LEARNING, Mode.WATCHING, Mode.RECOVERING)
WARN, PAGE, CRITICAL = 1, 2, 3

_PERIODS = 2


@dataclass(frozen=True)
class PeriodState:
    """W watches.

    mode         (W,): learning, watching or recovering.
    level        (W,): bounds crossed by the open alert: 0 none, 1 warn, 2 page, 3 critical.
    below        (W, 3) periods in a row beyond the margin at warn's and page's error, and beyond three margins.
    above        (W,) periods in a row that speak for recovery.
    since        (W,) start of the first period of the run that `below` counts, event time ms; 0 if there is none.
    """

    mode: npt.NDArray[np.int8]
    level: npt.NDArray[np.int8]
    below: Ints
    above: Ints
    since: Ints


S = TypeVar("S", bound=PeriodState)


def start(kind: type[S], watches: int, mode: int, **own: Any) -> S:
    """Watches in `mode` that have judged no period; `own` are the fields that `kind` has beside those of every period."""
    return kind(
        mode=np.full(watches, mode, np.int8),
        level=np.zeros(watches, np.int8),
        below=np.zeros((watches, 3), np.int64),
        above=np.zeros(watches, np.int64),
        since=np.zeros(watches, np.int64),
        **own,
    )


def errors(tick: Tick) -> Floats:
    """(W, 3) errors of one-sided bounds in this period: of a warning, of a page, and of three margins."""
    return np.stack([tick.warn, tick.page, tick.page], axis=1)


def rearm(s: S, tick: Tick) -> tuple[S, Bools]:
    """A gate that fails, or a person, breaks every run of periods; a person also closes an open alert: (state, closed)."""
    closed = tick.rearm & (s.mode == RECOVERING)
    broken = tick.gated | tick.rearm
    return (
        replace(
            s,
            mode=np.where(closed, np.int8(WATCHING), s.mode),
            level=np.where(closed, np.int8(0), s.level),
            below=np.where(broken[:, None], 0, s.below),
            above=np.where(broken, 0, s.above),
            since=np.where(broken & ((s.level == 0) | closed), 0, s.since),
        ),
        closed,
    )


def judge(s: S, low: Bools, clear: Bools, tick: Tick, live: Bools) -> tuple[S, npt.NDArray[np.str_]]:
    """Advance by a period: (state, which bound each watch crossed, as `Crossing`).

    low     (W, 3) the bound at each of `errors` lies beyond the margin; clear (W,): that of recovery does not.
    live    (W,) watches that could judge this period, and do not learn; the others stand still.
    """
    below = np.where(live[:, None], np.where(low, s.below + 1, 0), s.below)
    open_ = s.mode == RECOVERING
    above = np.where(live & open_, np.where(clear, s.above + 1, 0), s.above)
    hit = live[:, None] & (below >= _PERIODS)

    recovered = live & open_ & (above >= _PERIODS)
    to_critical = hit[:, 2] & (s.level == PAGE)
    to_page = hit[:, 1] & (s.level < PAGE)
    to_warn = hit[:, 0] & (s.level == 0) & ~to_page
    names = np.select(
        [recovered, to_critical, to_page, to_warn],
        [Crossing.RECOVERED, Crossing.CRITICAL, Crossing.PAGE, Crossing.WARN],
        default=Crossing.NONE,
    )
    level = np.select([recovered, to_critical, to_page, to_warn], [0, CRITICAL, PAGE, WARN], default=s.level).astype(
        np.int8
    )
    run = below.max(axis=1)
    since = np.where(live & (run == 1), tick.start, np.where(live & (run == 0) & ~open_, 0, s.since))
    since = np.where(open_, s.since, since)
    return (
        replace(
            s,
            mode=np.where(to_warn | to_page, RECOVERING, np.where(recovered, WATCHING, s.mode)).astype(np.int8),
            level=level,
            below=np.where(recovered[:, None], 0, below),
            above=np.where(recovered, 0, above),
            since=np.where(recovered, 0, since),
        ),
        names,
    )

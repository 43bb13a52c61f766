"""One comparison, two tests, three ends: it is harmful, it is sound, or time is up.

`harm` tests "no worse than tolerated", `sound` tests "worse than tolerated" (or, where a preference is asked for, "no better").
Both are one-shot (`detectors.one_shot`) and are looked at after every window. Whichever null falls first decides; harm that
shows later still counts. So P(called harmful | it is not) and P(called sound | it is not) are each at most the level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import msgspec
import numpy as np
import numpy.typing as npt

from detectors import one_shot
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing, Verdict


class End(IntEnum):
    """How a comparison stands."""

    OPEN = 0
    HARMFUL = 1
    SOUND = 2
    EXPIRED = 3


@dataclass(frozen=True)
class ThreeWay:
    """W comparisons.

    started   (W,): event time, ms, at which the first window with data began; `one_shot.NEVER` before.
    end       (W,): see `End`.
    open      (W,): an alert tells of the end, and has not been closed.
    gated     (W,): a gate failed in the last window.
    """

    harm: one_shot.OneShot
    sound: one_shot.OneShot
    started: Ints
    end: npt.NDArray[np.int8]
    open: Bools
    gated: Bools


@dataclass(frozen=True)
class Step:
    """What a window did, each (W,): bounds crossed, and the logs of the evidence of both tests."""

    crossing: list[Crossing]
    log_harm: Floats
    log_sound: Floats


def start(comparisons: int, bets: int) -> ThreeWay:
    """W comparisons that have seen nothing, with G bets a side."""
    return ThreeWay(
        one_shot.start(comparisons, bets),
        one_shot.start(comparisons, bets),
        np.full(comparisons, one_shot.NEVER, np.int64),
        np.zeros(comparisons, np.int8),
        np.zeros(comparisons, np.bool_),
        np.zeros(comparisons, np.bool_),
    )


def restarts(s: ThreeWay, tick: Tick) -> Bools:
    """Comparisons that begin anew in this window, (W,): a person asks, or a gate recovered before there was a verdict."""
    recovered: Bools = s.gated & ~tick.gated & (s.end == End.OPEN)
    return recovered | tick.rearm


def advance(
    s: ThreeWay,
    harm: Floats,
    sound: Floats,
    tick: Tick,
    *,
    informative: Bools,
    level: Floats,
    at_most: Ints,
    harm_lasts: bool,
) -> tuple[ThreeWay, Step]:
    """One window: log e-increments `harm` and `sound` (W, G).

    informative   (W,): the window has data; one without changes nothing.
    level         (W,) of each test; at_most (W,): ms of event time after which a comparison without verdict ends.
    harm_lasts    harm pages and stays open until a person re-arms the watch; else it is told once, like every other end.
    """
    again = restarts(s, tick)
    closed_by_hand = tick.rearm & s.open
    s = _cleared(s, again)
    live = informative & ~tick.gated
    started = np.where(live & (s.started == one_shot.NEVER), tick.start, s.started)
    harm_test = one_shot.advance(s.harm, harm, live, tick.end, level)
    sound_test = one_shot.advance(s.sound, sound, live, tick.end, level)
    still_open = s.end == End.OPEN
    end = np.select(
        [
            one_shot.crossed(harm_test),
            ~still_open,
            one_shot.crossed(sound_test),
            live & (tick.end - started >= at_most),
        ],
        [np.int8(End.HARMFUL), s.end, np.int8(End.SOUND), np.int8(End.EXPIRED)],
        default=np.int8(End.OPEN),
    ).astype(np.int8)
    told = end != s.end
    lasts = (end == End.HARMFUL) & harm_lasts
    closes = s.open & live & ~told & ~lasts
    names = np.select(
        [told & lasts, told, closes | closed_by_hand],
        [Crossing.PAGE, Crossing.WARN, Crossing.RECOVERED],
        default=Crossing.NONE,
    )
    after = ThreeWay(harm_test, sound_test, started, end, (s.open & ~closes) | told, tick.gated.copy())
    return after, Step(
        [Crossing(name) for name in names], one_shot.log_values(harm_test), one_shot.log_values(sound_test)
    )


def _cleared(s: ThreeWay, rows: Bools) -> ThreeWay:
    """The rows begin anew."""
    fresh = start(len(rows), s.harm.log_e.shape[1])
    return replace(
        s,
        harm=_chosen(rows, fresh.harm, s.harm),
        sound=_chosen(rows, fresh.sound, s.sound),
        started=np.where(rows, fresh.started, s.started),
        end=np.where(rows, fresh.end, s.end),
        open=s.open & ~rows,
    )


def _chosen(rows: Bools, yes: one_shot.OneShot, no: one_shot.OneShot) -> one_shot.OneShot:
    return one_shot.OneShot(np.where(rows[:, None], yes.log_e, no.log_e), np.where(rows, yes.crossed_at, no.crossed_at))


def evidence(
    s: ThreeWay, step: Step, tick: Tick, row: int, *, level: float, informative: bool, verdicts: Sequence[Verdict]
) -> Evidence:
    """What is known of one comparison before its size and its words; `verdicts` names the ends, by `End`.

    Standing: ok once there is a verdict; before that insufficient, and stale for a window that brought nobody.
    """
    end = End(int(s.end[row]))
    standing = Standing.OK
    if tick.gated[row]:
        standing = Standing.BLIND
    elif step.crossing[row] is Crossing.NONE and not informative:
        standing = Standing.STALE
    elif end is End.OPEN and step.crossing[row] is Crossing.NONE:
        standing = Standing.INSUFFICIENT
    return Evidence(
        mode=Mode.RECOVERING if s.open[row] else Mode.WATCHING,
        standing=standing,
        crossing=step.crossing[row],
        log10_e=float(max(step.log_harm[row], step.log_sound[row]) / np.log(10)) if not tick.gated[row] else None,
        threshold=float(-np.log10(level)),
        verdict=verdicts[end],
        detail={"ended": end is not End.OPEN}
        | ({"started_at": int(s.started[row])} if s.started[row] != one_shot.NEVER else {}),
    )


def said(base: Evidence, reason: str) -> Evidence:
    """`base` with its reason: for a window that brought nobody, that; for a blind one, the gate's name is for others."""
    if base.standing is Standing.STALE:
        reason = f"no new unit came in this window; {reason}"
    return msgspec.structs.replace(base, reason=reason)

"""Event time per stream and partition: what is late, what is ahead, and how far the whole model has come.

Lateness is judged record by record against the partition's own past, never against other partitions: so neither the size of
a poll nor the order in which partitions are read can change which records count. The watermark is the minimum over the
partitions that are not idle; nothing that is not late in its own partition can be older than it.

A sparse stream on a busy topic would hold everything back. So the topic's other records, those that its mapping leaves out,
move its clock, too: as far as they have come, less the longest that a row of the stream ever came behind them.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from detectors.columns import Bools, Ints

_P = TypeVar("_P", bound=Hashable)

NEVER = -(1 << 62)
"""The clock of a partition that has shown no event yet."""
UNSEEN_LAG = 86_400_000
"""How far behind its topic's other records a stream is believed to be before its first row says so, ms."""
_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a stream has come in one partition, ms of event time.

    clock   nothing older than this, less the lateness, is expected.
    beside  the largest time of records beside the stream: of the same partition, and not the stream's; or NEVER.
    lag     the longest that a row came behind them; None while that is unknown.
    """

    clock: int = NEVER
    beside: int = NEVER
    lag: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One block's rows: which are ahead of their arrival, which are late, and the stream's pace afterwards.

    seen, allowed   before each row and after the last: the clock as far as rows moved it, and how far it follows behind the
                    records beside the stream.
    front           the largest time beside the stream before the block, or NEVER.
    """

    ahead: Bools
    late: Bools
    pace: Pace
    seen: Ints
    allowed: Ints
    front: int

    def at(self, wanted: Ints, rows: Ints, beside: Ints, times: Ints) -> Ints:
        """The stream's clock just before the `wanted` offsets of the block.

        From the offsets of its rows, and offsets and times of the believed records beside; all offsets ascend.
        """
        row = np.searchsorted(rows, wanted)
        fronts = np.maximum.accumulate(np.concatenate([np.array([self.front]), times]))
        told = fronts[np.searchsorted(beside, wanted)] - self.allowed[row]
        reached: Ints = np.maximum(np.maximum(self.seen[row], told), NEVER)
        return reached


@dataclass(frozen=True, slots=True)
class Beside:
    """Records beside a stream in one block.

    before  for each row of the stream, the largest time of those that came before it, or NEVER.
    all     the largest time of all, or NEVER.
    """

    before: Ints
    all: int

    @classmethod
    def of(cls, offsets: Ints, times: Ints, rows: Ints) -> Beside:
        """From the records' offsets (ascending) and times, and the offsets of the stream's rows."""
        if not len(times):
            return cls(np.full(len(rows), NEVER, np.int64), NEVER)
        largest = np.concatenate([[NEVER], np.maximum.accumulate(times)])
        return cls(largest[np.searchsorted(offsets, rows)], int(largest[-1]))


def ahead_of(time: Ints, arrived: Ints, future: int) -> Bools:
    """Which times lie more than `future` ms after their arrival; an arrival <= 0 is unknown, and nothing is ahead of it."""
    ahead: Bools = (arrived > 0) & (time > arrived + future)
    return ahead


def judge(time: Ints, arrived: Ints, pace: Pace, beside: Beside | None = None, *, lateness: int, future: int) -> Judged:
    """Judge a stream's rows in offset order.

    time, arrived   event time and arrival of each row, ms; see `ahead_of`.
    pace            how far the stream had come before.
    beside          the other records of the same block, without those that are ahead.
    lateness        ms a row may lag behind the stream's clock.
    future          ms a row may run ahead of its arrival; rows further ahead never move the clock.
    """
    ahead = ahead_of(time, arrived, future)
    if beside is None or (beside.all == NEVER and pace.beside == NEVER):
        seen = np.maximum.accumulate(np.concatenate([np.array([pace.clock]), np.where(ahead, NEVER, time)]))
        after = Pace(int(seen[-1]), pace.beside, pace.lag)
        return Judged(ahead, ~ahead & (time < seen[1:] - lateness), after, seen, np.zeros(len(seen), np.int64), NEVER)
    front = np.maximum(beside.before, pace.beside)
    told = np.where(ahead | (front == NEVER), _UNKNOWN, np.maximum(front - time, 0))
    known = _UNKNOWN if pace.lag is None else pace.lag
    lags = np.maximum.accumulate(np.concatenate([[known], told]))
    allowed = np.where(lags == _UNKNOWN, UNSEEN_LAG, lags)
    reached = np.maximum(np.where(ahead, NEVER, time), front - allowed[:-1])
    seen = np.maximum.accumulate(np.concatenate([[pace.clock], reached]))
    last = max(beside.all, pace.beside)
    clock = max(int(seen[-1]), last - int(allowed[-1]))
    lag = int(lags[-1])
    after = Pace(clock, last, None if lag == _UNKNOWN else lag)
    return Judged(ahead, ~ahead & (time < seen[1:] - lateness), after, seen, allowed, pace.beside)


def watermark(clocks: Mapping[_P, int], partitions: Collection[_P], idle: Collection[_P], lateness: int) -> int | None:
    """No event older than this is still expected; None while some partition that is not idle has shown no event.

    `idle` partitions are left out, unless all are: then nothing is known to move time on, and the answer is None too.
    """
    known = [clocks.get(p, NEVER) for p in set(partitions) - set(idle)]
    if not known or min(known) == NEVER:
        return None
    return min(known) - lateness

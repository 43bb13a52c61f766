"""Event time per partition: what is late, what is ahead, and how far the whole model has come.

Lateness is judged record by record against the partition's own past, never against other partitions: so neither the size of
a poll nor the order in which partitions are read can change which records count. The watermark is the minimum over the
partitions that are not idle; nothing that is not late in its own partition can be older than it.
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


@dataclass(frozen=True, slots=True)
class Judged:
    """One block's rows: which are ahead of the broker's clock, which are late, and the partition's clock afterwards."""

    ahead: Bools
    late: Bools
    clock: int


def judge(time: Ints, arrived: Ints, clock: int, *, lateness: int, future: int) -> Judged:
    """Judge rows in offset order.

    time, arrived   event time and broker time of each row, ms; a broker time <= 0 is unknown, such rows are never ahead.
    clock           the partition's largest event time so far, or NEVER.
    lateness        ms a row may lag behind its partition's clock.
    future          ms a row may run ahead of the broker's clock; rows further ahead never move the partition's clock.
    """
    ahead = (arrived > 0) & (time > arrived + future)
    seen = np.maximum.accumulate(np.maximum(np.where(ahead, NEVER, time), clock)) if len(time) else time
    late = ~ahead & (time < seen - lateness)
    return Judged(ahead, late, int(seen[-1]) if len(seen) else clock)


def watermark(clocks: Mapping[_P, int], partitions: Collection[_P], idle: Collection[_P], lateness: int) -> int | None:
    """No event older than this is still expected; None while some partition that is not idle has shown no event.

    `idle` partitions are left out, unless all are: then nothing is known to move time on, and the answer is None too.
    """
    known = [clocks.get(p, NEVER) for p in set(partitions) - set(idle)]
    if not known or min(known) == NEVER:
        return None
    return min(known) - lateness

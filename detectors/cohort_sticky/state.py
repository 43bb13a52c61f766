"""Parameters of `cohort_sticky`, and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from detectors import engine
from detectors.cohort_sticky.moments import WIDTH
from detectors.columns import Floats, Ints
from detectors.detector import Params

SCALES = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
"""Effects that are bet on, in margins."""

BETS = len(SCALES)


class CohortStickyParams(Params):
    """Parameters of `cohort_sticky`."""

    better: Annotated[Literal["higher", "lower"], Field(description="whether a higher value is better or worse")] = (
        "higher"
    )
    page_if_worse_by: Annotated[
        float, Field(gt=0, lt=10, description="tolerated harm, as a share of the mean seen before watching began")
    ] = 0.02
    learn_days: Annotated[
        float,
        Field(gt=0, le=365, description="days of each person's past that what they do later is measured against"),
    ] = 14.0
    min_holdout: Annotated[
        int, Field(ge=20, description="held-out people seen since watching began before anything is judged")
    ] = 200


@dataclass(frozen=True)
class CohortStickyState:
    """W watches; each (W,) unless said.

    began            start of the first window with people, ms; -1 before.
    total            (W, 2, WIDTH) sums over people.
    log_e            (W, 3, BETS) log evidence so far: against the null, against three margins, against "still worse".
    margin, baseline fixed when watching begins.
    """

    bank: engine.Bank
    began: Ints
    total: Floats
    log_e: Floats
    margin: Floats
    baseline: Floats


def start(watches: int) -> CohortStickyState:
    """Nobody seen: learning."""
    w = watches
    return CohortStickyState(
        bank=engine.start(w, BETS),
        began=np.full(w, -1, np.int64),
        total=np.zeros((w, 2, WIDTH)),
        log_e=np.zeros((w, 3, BETS)),
        margin=np.zeros(w),
        baseline=np.zeros(w),
    )

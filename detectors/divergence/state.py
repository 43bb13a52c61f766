"""Parameters of `divergence`, what a window brings, and what is remembered."""

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
CLAIMS = 3
"""Engagement is above the holdout's; quality is below it; and quality's gap has fallen since before watching began."""

QUALITY, ENGAGEMENT = 0, 1


class DivergenceParams(Params):
    """Parameters of `divergence`."""

    engagement: Annotated[str, Field(min_length=1, description="name of the metric that the model is trained to raise")]
    engagement_better: Annotated[
        Literal["higher", "lower"], Field(description="which way engagement is raised; of quality see `better`")
    ] = "higher"
    better: Annotated[Literal["higher", "lower"], Field(description="whether a higher quality is better or worse")] = (
        "higher"
    )
    page_if_worse_by: Annotated[
        float,
        Field(gt=0, lt=10, description="tolerated fall of quality, as a share of its mean before watching began"),
    ] = 0.02
    learn_days: Annotated[
        float, Field(gt=0, le=365, description="days whose gap between the cohorts is the one that was always there")
    ] = 7.0
    min_holdout: Annotated[
        int, Field(ge=20, description="held-out people seen since watching began before anything is judged")
    ] = 200


@dataclass(frozen=True)
class Changes:
    """What a window changes, of quality and of engagement: `low`, `high` (2, 2, WIDTH) limbs, `units` (2, 2) that came."""

    low: Ints
    high: Ints
    units: Ints


@dataclass(frozen=True)
class DivergenceState:
    """W watches; each (W,) unless said.

    began       start of the first window with people, ms; -1 before.
    total       (W, 2, 2, WIDTH) sums over people, of quality and of engagement.
    log_e       (W, 3, CLAIMS * BETS) log evidence so far: against the nulls, against three margins, against "still so".
    margin      tolerated fall of quality; scale: the same share of engagement. Fixed when watching begins.
    """

    bank: engine.Bank
    began: Ints
    total: Floats
    log_e: Floats
    margin: Floats
    scale: Floats


def start(watches: int) -> DivergenceState:
    """Nobody seen: learning."""
    w = watches
    return DivergenceState(
        bank=engine.start(w, CLAIMS * BETS),
        began=np.full(w, -1, np.int64),
        total=np.zeros((w, 2, 2, WIDTH)),
        log_e=np.zeros((w, 3, CLAIMS * BETS)),
        margin=np.zeros(w),
        scale=np.zeros(w),
    )

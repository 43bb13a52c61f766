"""Parameters of `cohort_block`, and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import engine
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Params
from detectors.increments import block
from detectors.math import dyadic, scales

DAY = 86_400_000
CALIBRATION_DAYS = 28.0
"""What a watch must have learned from before it may page."""

MIN_BLOCKS = 5
WIDTH = 6
BLOCKS, DIFFERENCE, MEAN1, MEAN0, UNITS1, UNITS0 = range(WIDTH)
"""Sums over windows: 1, exposed minus holdout, the two means, and units of the two cohorts."""


class CohortBlockParams(Params):
    """Parameters of `cohort_block`."""

    better: Annotated[Literal["higher", "lower"], Field(description="whether a higher value is better or worse")] = (
        "higher"
    )
    page_if_worse_by: Annotated[
        float,
        Field(gt=0, lt=10, description="tolerated harm, as a share of the mean of both cohorts seen while learning"),
    ] = 0.02
    per: Annotated[
        Literal["unit", "prediction"],
        Field(description="unit: every unit of a window counts alike; prediction: a ratio of totals"),
    ] = "unit"
    against: Annotated[
        Literal["learned", "holdout"],
        Field(
            description=(
                "learned: harm is a change of the difference that was there while learning, as cohorts of the same people "
                "differ by chance; holdout: harm is any difference, beyond what chance makes of cohorts of this size"
            )
        ),
    ] = "learned"
    learn_days: Annotated[
        float, Field(gt=0, le=365, description="days that the spread is learned from; with fewer than 28 it only warns")
    ] = CALIBRATION_DAYS
    min_holdout: Annotated[
        int, Field(ge=1, description="held-out units, summed over windows, before anything is judged")
    ] = 500
    cap_quantile: Annotated[
        float,
        Field(gt=0.5, le=1, description="values are cut off at this quantile of the nonzero values of both cohorts"),
    ] = 0.99
    sample_units: Annotated[
        int, Field(ge=20, le=100_000, description="units with a nonzero value that the cut is learned from")
    ] = 1_000


@dataclass(frozen=True)
class CohortBlockState:
    """W watches; each (W,) unless said.

    sample, sampled     bytes of the sample that the cut will come from, and windows it has gathered.
    low, high           where values are cut off; NaN until they are known. 0 lies between.
    began               start of the first block, ms; -1 before.
    seen                moments of the blocks while learning.
    learned             (W, WIDTH) sums of the blocks while learning; spread: sum of the variance between units.
    first               (W, 2) units of each cohort enrolled while learning.
    trial               (W, BETS) evidence of the dry run over the second half of learning; tried: 0 not yet, 1 running,
                        2 it alarmed; rule: (W, 4) centre, s, kappa and margin of the dry run.
    centre, s, kappa    the frozen calibration: where the null lies, one block's deviation, what repeats do to it.
    slow, margin        what stays all day, and the margin tested; baseline: the learned mean.
    quiet               may warn only.
    total, fresh        (W, WIDTH) sums since watching began, and since the alert opened.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    sample: npt.NDArray[Any]
    sampled: Ints
    low: Floats
    high: Floats
    began: Ints
    seen: scales.Scales
    learned: Floats
    spread: Floats
    first: Floats
    trial: Floats
    tried: Ints
    rule: Floats
    centre: Floats
    s: Floats
    kappa: Floats
    slow: Floats
    margin: Floats
    baseline: Floats
    quiet: Bools
    total: Floats
    fresh: Floats


def start(watches: int) -> CohortBlockState:
    """Nothing seen: learning."""
    w, zeros = watches, np.zeros(watches)
    return CohortBlockState(
        bank=engine.start(w, block.BETS),
        spans=dyadic.start(w, WIDTH),
        sample=np.full(w, b"", object),
        sampled=np.zeros(w, np.int64),
        low=np.full(w, np.nan),
        high=np.full(w, np.nan),
        began=np.full(w, -1, np.int64),
        seen=scales.start(w),
        learned=np.zeros((w, WIDTH)),
        spread=zeros,
        first=np.zeros((w, 2)),
        trial=np.full((w, block.BETS), -np.inf),
        tried=np.zeros(w, np.int64),
        rule=np.zeros((w, 4)),
        centre=zeros.copy(),
        s=zeros.copy(),
        kappa=np.ones(w),
        slow=zeros.copy(),
        margin=zeros.copy(),
        baseline=zeros.copy(),
        quiet=np.zeros(w, np.bool_),
        total=np.zeros((w, WIDTH)),
        fresh=np.zeros((w, WIDTH)),
    )

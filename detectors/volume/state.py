"""Parameters and memory of `volume`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from detectors import engine
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Params
from detectors.increments import block
from detectors.math import dyadic, scales
from detectors.math.scales import Scales
from detectors.volume import rates
from detectors.volume.rates import Rates

DAY = 86_400_000
CALIBRATION_DAYS = 28
"""Days of learning without which a watch does not page."""

WINDOWS, DIFFERENCE, COUNT, EXPECTED = range(4)
WIDTH = 4
"""Sums over windows: their number, the log of what came over what was expected, and both."""

BETS = 2 * block.BETS


class VolumeParams(Params):
    """Parameters of `volume`."""

    change_by: Annotated[
        float, Field(gt=0, le=10, description="tolerated change of the volume, as a part of the usual one, either way")
    ] = 0.3
    learn_days: Annotated[
        float,
        Field(
            gt=0,
            le=90,
            description="days of learning: one half the usual volume, one half its spread; pages from 28 on",
        ),
    ] = 28


@dataclass(frozen=True)
class VolumeState:
    """W watches; sums are (W, WIDTH).

    rates        the usual volume; they go on learning while nothing is amiss.
    began        (W,) start of the first window, ms; -1 before it. learned (W,) windows in `seen`.
    seen         moments of the log ratio over the second half of learning.
    s, kappa, margin   (W,) fixed when watching begins; the margin is of the log ratio.
    side         (W,) +1 or -1: which way the open alert went.
    total, fresh       since watching began or evidence was thrown away; since the open alert began. spans: the last windows.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    rates: Rates
    seen: Scales
    began: Ints
    learned: Ints
    s: Floats
    kappa: Floats
    margin: Floats
    side: Floats
    total: Floats
    fresh: Floats
    quiet: Bools


def start(watches: int) -> VolumeState:
    """Nothing seen: learning."""
    zeros, sums = np.zeros(watches), np.zeros((watches, WIDTH))
    return VolumeState(
        bank=engine.start(watches, BETS),
        spans=dyadic.start(watches, WIDTH),
        rates=rates.start(watches),
        seen=scales.start(watches),
        began=np.full(watches, -1, np.int64),
        learned=np.zeros(watches, np.int64),
        s=zeros,
        kappa=np.ones(watches),
        margin=zeros.copy(),
        side=np.ones(watches),
        total=sums,
        fresh=sums.copy(),
        quiet=np.zeros(watches, np.bool_),
    )

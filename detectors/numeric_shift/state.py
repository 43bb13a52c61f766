"""Parameters and memory of `numeric_shift`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import engine
from detectors.columns import Floats, Ints
from detectors.detector import Params
from detectors.math import dyadic
from detectors.math.unit_sample import UnitSample, nobody
from detectors.numeric_shift.bets import BETS
from detectors.numeric_shift.reading import CUTS, WIDTH
from detectors.snapshot import pack_record, unpack_record

DAY = 86_400_000

PARTS = 8
"""Parts of the week that a reference is kept for; see `detectors.numeric_shift.season`."""

REFERENCE_LEVEL = 0.001
"""Chance that the reference is further from the truth than `reference_error`."""


class NumericShiftParams(Params):
    """Parameters of `numeric_shift`."""

    eps: Annotated[
        float, Field(gt=0, le=0.3, description="tolerated Kolmogorov-Smirnov distance from the reference, a share")
    ] = 0.05
    sample_units: Annotated[
        int, Field(ge=100, le=20_000, description="units, one vote each, from which the cuts are taken")
    ] = 4_000
    learn_units: Annotated[
        int, Field(ge=100, description="units, one vote each a window, behind the reference shares at the cuts")
    ] = 20_000
    learn_windows: Annotated[
        int, Field(ge=1, description="windows with data behind the reference shares at the cuts")
    ] = 24
    learn_days: Annotated[
        float,
        Field(
            ge=0,
            le=90,
            description="days the reference covers at least; from 14 on it is kept by part of the day and weekend",
        ),
    ] = 0
    min_units: Annotated[
        int, Field(ge=1, description="units a window needs; a smaller one is merged with the next")
    ] = 200


@dataclass(frozen=True)
class Quarters:
    """What the learning windows say of restlessness, for W watches.

    since     (W,) start of the first learning window with data, ms; -1 before it.
    number    (W,) the quarter of a day that `sums` (W, 2 WIDTH) belongs to; see `season.beside`.
    restless  (W,) largest distance, beyond chance, of a quarter from what had been learned before.
    """

    since: Ints
    number: Ints
    sums: Floats
    restless: Floats


def no_quarters(watches: int) -> Quarters:
    """Nothing seen."""
    none = np.full(watches, -1, np.int64)
    return Quarters(none, none.copy(), np.zeros((watches, 2 * WIDTH)), np.zeros(watches))


@dataclass(frozen=True)
class NumericShiftState:
    """W watches. A histogram is WIDTH sums: bins, missing, number of units.

    sample      (W,) bytes of a `UnitSample`, empty once the cuts are known; sampled (W,) windows in it.
    cuts        (W, CUTS) NaN while unknown, and where unused; cut (W,) whether they are known.
    reference   (W, WIDTH) and reference_windows (W,): what the learning windows saw at the cuts; frozen when watching begins.
    parts       (W, PARTS, WIDTH) the reference by part of the week; quarters: how restless it was.
    total       (W, 2 WIDTH) since watching began or evidence was last thrown away, beside what the reference expects of as
                many votes; fresh since the open alert began.
    spans       the same of the last windows.
    worst       (W,) the pair (boundary x SIDES + side) that was worst when the open alert began.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    sample: npt.NDArray[Any]
    sampled: Ints
    cuts: Floats
    cut: npt.NDArray[np.bool_]
    reference: Floats
    reference_windows: Ints
    parts: Floats
    quarters: Quarters
    total: Floats
    fresh: Floats
    worst: Ints


def start(watches: int) -> NumericShiftState:
    """Nothing seen: learning."""
    both = np.zeros((watches, 2 * WIDTH))
    return NumericShiftState(
        bank=engine.start(watches, BETS),
        spans=dyadic.start(watches, 2 * WIDTH),
        sample=np.full(watches, b"", object),
        sampled=np.zeros(watches, np.int64),
        cuts=np.full((watches, CUTS), np.nan),
        cut=np.zeros(watches, np.bool_),
        reference=np.zeros((watches, WIDTH)),
        reference_windows=np.zeros(watches, np.int64),
        parts=np.zeros((watches, PARTS, WIDTH)),
        quarters=no_quarters(watches),
        total=both,
        fresh=both.copy(),
        worst=np.zeros(watches, np.int64),
    )


def packed(sample: UnitSample) -> bytes:
    """A sample as a cell of the state."""
    return pack_record(sample)


def unpacked(cell: bytes) -> UnitSample:
    """The sample of a cell."""
    return unpack_record(UnitSample, cell) if cell else nobody()


def reference_error(reference: Floats, tables: Floats | float = 1.0) -> Floats:
    """How far the frozen shares may be from the truth, (W,): Dvoretzky, Kiefer, Wolfowitz and Massart at level .001.

    tables   (W,) how many histograms must all be right.
    """
    result: Floats = np.sqrt(np.log(2.0 * tables / REFERENCE_LEVEL) / (2.0 * np.maximum(reference[:, -1], 1.0)))
    return result

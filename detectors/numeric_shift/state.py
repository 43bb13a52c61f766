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
    min_units: Annotated[
        int, Field(ge=1, description="units a window needs; a smaller one is merged with the next")
    ] = 200


@dataclass(frozen=True)
class NumericShiftState:
    """W watches. A histogram is WIDTH sums: bins, missing, number of units.

    sample      (W,) bytes of a `UnitSample`, empty once the cuts are known; sampled (W,) windows in it.
    cuts        (W, CUTS) NaN while unknown, and where unused; cut (W,) whether they are known.
    reference   (W, WIDTH) and reference_windows (W,): what the learning windows saw at the cuts; frozen when watching begins.
    total       (W, WIDTH) since watching began or evidence was last thrown away; fresh since the open alert began.
    spans       histograms of the last windows.
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
    total: Floats
    fresh: Floats
    worst: Ints


def start(watches: int) -> NumericShiftState:
    """Nothing seen: learning."""
    zeros = np.zeros((watches, WIDTH))
    return NumericShiftState(
        bank=engine.start(watches, BETS),
        spans=dyadic.start(watches, WIDTH),
        sample=np.full(watches, b"", object),
        sampled=np.zeros(watches, np.int64),
        cuts=np.full((watches, CUTS), np.nan),
        cut=np.zeros(watches, np.bool_),
        reference=zeros,
        reference_windows=np.zeros(watches, np.int64),
        total=zeros.copy(),
        fresh=zeros.copy(),
        worst=np.zeros(watches, np.int64),
    )


def packed(sample: UnitSample) -> bytes:
    """A sample as a cell of the state."""
    return pack_record(sample)


def unpacked(cell: bytes) -> UnitSample:
    """The sample of a cell."""
    return unpack_record(UnitSample, cell) if cell else nobody()


def reference_error(reference: Floats) -> Floats:
    """How far the frozen shares may be from the truth, (W,): Dvoretzky, Kiefer, Wolfowitz and Massart at level .001."""
    result: Floats = np.sqrt(np.log(2.0 / REFERENCE_LEVEL) / (2.0 * np.maximum(reference[:, -1], 1.0)))
    return result

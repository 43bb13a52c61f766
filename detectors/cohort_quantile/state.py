"""Parameters of `cohort_quantile`, what it remembers, and what follows from that alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import engine
from detectors.columns import Floats, Ints
from detectors.detector import Params
from detectors.increments import ipw
from detectors.math import dyadic, unit_sample
from detectors.math.unit_sample import UnitSample
from detectors.snapshot import unpack_record

LEVEL = 0.95
QUANTILES = (0.5, 0.95, 0.99)
NAMES = ("q50", "q95", "q99")
CUTS = len(QUANTILES)
BETS = CUTS * ipw.BETS
RAREST = 0.001
"""Where fewer were beyond a cut (many equal values), the margin is that of this share."""

WIDTH = 2 * (1 + CUTS)
"""For the exposed, then for the holdout: units, and units beyond each cut."""


class CohortQuantileParams(Params):
    """Parameters of `cohort_quantile`."""

    holdout_share: Annotated[float, Field(gt=0, lt=1, description="planned share of the holdout among both cohorts")]
    better: Annotated[
        Literal["lower", "higher"],
        Field(description="lower: more beyond a quantile is worse (a latency); higher: fewer is worse (an amount)"),
    ] = "lower"
    page_if_worse_by: Annotated[
        float, Field(gt=0, lt=10, description="tolerated excess beyond a quantile, as a share of what is beyond it")
    ] = 0.1
    learn_units: Annotated[
        int, Field(ge=100, le=100_000, description="units, both cohorts together, that the quantiles are learned from")
    ] = 5_000
    min_holdout: Annotated[int, Field(ge=1, description="held-out units before anything is judged")] = 50


@dataclass(frozen=True)
class CohortQuantileState:
    """W watches.

    sample        (W,) bytes of the sample that the cuts will come from; windows (W,) it has gathered; held (W,) units of it.
    cuts, usual   (W, 3) the cuts, NaN while learning, and the share that was beyond them.
    total, fresh  (W, WIDTH): units since watching began, and since the alert opened.
    worst         (W,) the cut that had moved most when the alert opened.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    sample: npt.NDArray[Any]
    windows: Ints
    held: Ints
    cuts: Floats
    usual: Floats
    total: Floats
    fresh: Floats
    worst: Ints


def signs(ps: Sequence[CohortQuantileParams]) -> Floats:
    """+1 where more beyond a cut is better, (W,)."""
    return np.array([1.0 if p.better == "higher" else -1.0 for p in ps])


def margins(ps: Sequence[CohortQuantileParams], s: CohortQuantileState) -> Floats:
    """Tolerated difference of the shares beyond each cut, (W, 3)."""
    margins: Floats = np.array([p.page_if_worse_by for p in ps])[:, None] * np.maximum(s.usual, RAREST)
    return margins


def unpacked(cell: bytes) -> UnitSample:
    """The sample in a cell of the state."""
    return unpack_record(UnitSample, cell) if cell else unit_sample.nobody()


def shares(sums: Floats) -> tuple[Floats, Floats]:
    """Of the exposed and of the holdout beyond each cut, each (..., 3)."""
    exposed, held = sums[..., : 1 + CUTS], sums[..., 1 + CUTS :]
    return exposed[..., 1:] / np.maximum(exposed[..., :1], 1.0), held[..., 1:] / np.maximum(held[..., :1], 1.0)


def moved_most(sums: Floats, signs: Floats) -> Ints:
    """The cut at which the exposed are worst off by most standard deviations of a share, (W,)."""
    exposed, held = shares(sums)
    scale = np.sqrt(np.maximum((exposed + held) / 2.0, 1e-6))
    result: Ints = np.argmax(signs[:, None] * (held - exposed) / scale, axis=-1)
    return result

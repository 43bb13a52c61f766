"""Parameters and memory of `embedding_shift`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors.columns import Ints
from detectors.detector import Params
from detectors.embedding_shift.lens import Lens
from detectors.embedding_shift.reading import CELLS, Table, no_table
from detectors.math.unit_sample import UnitSample, nobody
from detectors.shares import watch
from detectors.shares.watch import ShareWatch
from detectors.snapshot import pack_record, unpack_record


class EmbeddingShiftParams(Params):
    """Parameters of `embedding_shift`."""

    eps: Annotated[
        float,
        Field(
            gt=0,
            le=0.3,
            description="tolerated Kolmogorov-Smirnov distance from the reference in every channel, a share",
        ),
    ] = 0.05
    seed: Annotated[int, Field(ge=0, description="of the sixteen random projections")] = 0
    sample_units: Annotated[
        int,
        Field(ge=100, le=5_000, description="units, one vector each, from which mean, deviations and cuts are taken"),
    ] = 1_000
    learn_units: Annotated[
        int, Field(ge=100, description="units, one vote each a window, behind the reference shares")
    ] = 20_000
    learn_windows: Annotated[int, Field(ge=1, description="windows with data behind the reference shares")] = 6
    min_units: Annotated[
        int, Field(ge=1, description="units a window needs; a smaller one is merged with the next")
    ] = 200


@dataclass(frozen=True)
class Gathered:
    """What the learning windows sampled."""

    sample: UnitSample
    table: Table


@dataclass(frozen=True)
class EmbeddingShiftState:
    """W watches. `gathered` (W,) bytes of a `Gathered`, `lens` (W,) bytes of the `Lens` that came of it, else empty.

    sampled   (W,) windows in the sample; known (W,) whether the lens is known.
    """

    shares: ShareWatch
    gathered: npt.NDArray[Any]
    sampled: Ints
    lens: npt.NDArray[Any]
    known: npt.NDArray[np.bool_]


def start(watches: int) -> EmbeddingShiftState:
    """Nothing seen: learning."""
    return EmbeddingShiftState(
        shares=watch.start(watches, CELLS),
        gathered=np.full(watches, b"", object),
        sampled=np.zeros(watches, np.int64),
        lens=np.full(watches, b"", object),
        known=np.zeros(watches, np.bool_),
    )


def packed(record: Gathered | Lens) -> bytes:
    """What was gathered, or the lens, as a cell of the state."""
    return pack_record(record)


def gathered(cell: bytes) -> Gathered:
    """What was gathered so far."""
    return unpack_record(Gathered, cell) if cell else Gathered(nobody(), no_table())


def lens(cell: bytes) -> Lens | None:
    """The lens, None while it is unknown."""
    return unpack_record(Lens, cell) if cell else None

"""Parameters and memory of `category_shift`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors.category_shift.reading import CELLS, Cells
from detectors.columns import Ints
from detectors.detector import Params
from detectors.math.unit_sample import UnitSample, nobody
from detectors.named import Named, nameless
from detectors.shares import watch
from detectors.shares.watch import ShareWatch
from detectors.snapshot import pack_record, unpack_record


class CategoryShiftParams(Params):
    """Parameters of `category_shift`."""

    eps: Annotated[
        float, Field(gt=0, le=0.3, description="tolerated difference of a category's share from the reference, a share")
    ] = 0.02
    relative: Annotated[
        float,
        Field(ge=0, le=2, description="tolerated difference as a part of the share itself; the larger of both counts"),
    ] = 0.25
    unseen: Annotated[
        float,
        Field(
            gt=0,
            le=0.3,
            description="tolerated share of categories that the reference never saw; at least twice its own",
        ),
    ] = 0.005
    sample_units: Annotated[
        int, Field(ge=100, le=20_000, description="units, one vote each, from which the categories are taken")
    ] = 4_000
    learn_units: Annotated[
        int, Field(ge=100, description="units, one vote each a window, behind the reference shares")
    ] = 20_000
    learn_windows: Annotated[int, Field(ge=1, description="windows with data behind the reference shares")] = 24
    min_units: Annotated[
        int, Field(ge=1, description="units a window needs; a smaller one is merged with the next")
    ] = 200


@dataclass(frozen=True)
class Gathered:
    """What the learning windows sampled: identities by unit, and their texts."""

    sample: UnitSample
    named: Named


@dataclass(frozen=True)
class CategoryShiftState:
    """W watches. `gathered` (W,) bytes of a `Gathered`, `cells` (W,) bytes of the `Cells` that came of it, else empty.

    sampled   (W,) windows in the sample; known (W,) whether the cells are known.
    """

    shares: ShareWatch
    gathered: npt.NDArray[Any]
    sampled: Ints
    cells: npt.NDArray[Any]
    known: npt.NDArray[np.bool_]


def start(watches: int) -> CategoryShiftState:
    """Nothing seen: learning."""
    return CategoryShiftState(
        shares=watch.start(watches, CELLS),
        gathered=np.full(watches, b"", object),
        sampled=np.zeros(watches, np.int64),
        cells=np.full(watches, b"", object),
        known=np.zeros(watches, np.bool_),
    )


def packed(record: Gathered | Cells) -> bytes:
    """What was gathered, or the cells, as a cell of the state."""
    return pack_record(record)


def gathered(cell: bytes) -> Gathered:
    """What was gathered so far."""
    return unpack_record(Gathered, cell) if cell else Gathered(nobody(), nameless())


def cells(cell: bytes) -> Cells | None:
    """The cells of the reference, None while they are unknown."""
    return unpack_record(Cells, cell) if cell else None

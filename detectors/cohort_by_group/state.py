"""Parameters and memory of `cohort_by_group`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import engine
from detectors.cohort_by_group.tallies import GROUPS, ByGroup, Groups, nobody
from detectors.columns import Floats, Ints
from detectors.detector import Params
from detectors.increments import ratio
from detectors.math import dyadic
from detectors.snapshot import pack_record, unpack_record


class CohortByGroupParams(Params):
    """Parameters of `cohort_by_group`."""

    holdout_share: Annotated[float, Field(gt=0, lt=1, description="planned share of the holdout among both cohorts")]
    by: Annotated[str, Field(min_length=1, description="the category column that says which group a row belongs to")]
    better: Annotated[Literal["higher", "lower"], Field(description="whether a higher value is better or worse")] = (
        "higher"
    )
    page_if_worse_by: Annotated[
        float, Field(gt=0, lt=1, description="tolerated harm in a group, as a share of its own mean among the held out")
    ] = 0.1
    learn_units: Annotated[
        int, Field(ge=100, description="units, both cohorts together, out of which the groups are taken")
    ] = 20_000
    min_holdout: Annotated[
        int, Field(ge=1, description="units of a group in its smaller cohort; smaller groups are watched together")
    ] = 50


@dataclass(frozen=True)
class CohortByGroupState:
    """W watches.

    gathered (W,) bytes of a `ByGroup` while learning, groups (W,) bytes of the `Groups` that came of it, else empty.
    total, fresh   (W, GROUPS, 6) since watching began, and since the open alert began; spans: the last windows, flat.
    accused        (W,) the group of the open alert, -1 if there is none.
    """

    bank: engine.Bank
    gathered: npt.NDArray[Any]
    groups: npt.NDArray[Any]
    total: Floats
    fresh: Floats
    spans: dyadic.Spans
    accused: Ints


def start(watches: int) -> CohortByGroupState:
    """Nothing seen: learning."""
    return CohortByGroupState(
        bank=engine.start(watches, GROUPS * ratio.BETS),
        gathered=np.full(watches, b"", object),
        groups=np.full(watches, b"", object),
        total=np.zeros((watches, GROUPS, 6)),
        fresh=np.zeros((watches, GROUPS, 6)),
        spans=dyadic.start(watches, GROUPS * 6),
        accused=np.full(watches, -1, np.int64),
    )


def packed(record: ByGroup | Groups) -> bytes:
    """As a cell of the state."""
    return pack_record(record)


def gathered(cell: bytes) -> ByGroup:
    """What was gathered so far."""
    return unpack_record(ByGroup, cell) if cell else nobody()


def groups(cell: bytes) -> Groups | None:
    """The groups, None while they are unknown."""
    return unpack_record(Groups, cell) if cell else None

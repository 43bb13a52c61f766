"""The cohort of each row, from a field of the event or from a hash rule."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detectors.columns import Cohort
from monitor.ingest.categories import text_of
from monitor.ingest.mapping import CohortField, CohortHash

Cohorts = npt.NDArray[np.int8]


def by_field(rule: CohortField, values: Sequence[object]) -> Cohorts:
    """Cohorts, int8 of shape (n,), from the values at the rule's path. What is no arm is UNASSIGNED, whatever it is."""
    arms = dict(rule.arms)

    def arm(value: object) -> Cohort:
        text = text_of(value) if isinstance(value, str | int | float | bool) else None
        return Cohort.UNASSIGNED if text is None else arms.get(text, Cohort.UNASSIGNED)

    return np.fromiter(
        (arms.get(v, Cohort.UNASSIGNED) if type(v) is str else arm(v) for v in values), np.int8, len(values)
    )


def by_hash(rule: CohortHash, units: Sequence[str | int | None]) -> Cohorts:
    """Cohorts, int8 of shape (n,), from the text of the unit; a missing or empty unit is UNASSIGNED."""
    known = _Assigned(rule)
    return np.fromiter((known[unit] for unit in units), np.int8, len(units))


def assigned(rule: CohortHash, unit: str | int) -> Cohort:
    """The cohort of one unit: HOLDOUT with probability `rule.share`, else EXPOSED.

    >>> assigned(CohortHash("salt", 0.5), "u-1") == assigned(CohortHash("salt", 0.5), "u-1")
    True
    """
    digest = hashlib.sha256(f"{rule.salt}:{unit}".encode()).digest()
    return Cohort.HOLDOUT if int.from_bytes(digest[:8], "big") / 2**64 < rule.share else Cohort.EXPOSED


class _Assigned(dict[str | int | None, Cohort]):
    """Each unit of a block is hashed once."""

    def __init__(self, rule: CohortHash) -> None:
        super().__init__({None: Cohort.UNASSIGNED, "": Cohort.UNASSIGNED})
        self._rule = rule

    def __missing__(self, unit: str | int) -> Cohort:
        self[unit] = cohort = assigned(self._rule, unit)
        return cohort

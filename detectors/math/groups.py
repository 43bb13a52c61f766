"""Random groups of units: the error of any ratio of sums, however often the same units come back.

Every unit belongs for ever to one of 20 groups, drawn from its hash alone. Sums are kept by group; leaving out one group after
another gives 20 replicates of a figure, and their spread its standard error (the delete-a-group jackknife). What is compared
over time keeps its units in their groups, so a change since the past is judged with what the same people have in common.
The spread has 19 degrees of freedom: quantiles are Student's, `bootstrap.quantile`. Asymptotic in the units of a group.

Source: Wolter 2007, "Introduction to Variance Estimation", ch. 2 and 4; Kott 2001, J. Official Statistics 17 (delete-a-group).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.columns import Floats, Hashes
from detectors.math.unit_sample import mixed

GROUPS = 20

_SALT = 0x6F72_6967_696E


def of_units(units: Hashes) -> npt.NDArray[np.intp]:
    """The group of each unit (n,), in [0, GROUPS)."""
    return (mixed(mixed(units, _SALT)) % np.uint64(GROUPS)).astype(np.intp)


def means(sums: Floats) -> Floats:
    """The mean of each cell over all groups, (..., K), from sums (..., GROUPS, K + 1), the last being votes. NaN without votes."""
    return _ratios(sums.sum(axis=-2))


def without_each(sums: Floats) -> Floats:
    """The same with each group left out in turn, (..., GROUPS, K)."""
    return _ratios(sums.sum(axis=-2, keepdims=True) - sums)


def standard_error(replicates: Floats) -> Floats:
    """Standard error (..., K) of a figure from its values with each group left out, (..., GROUPS, K). NaN if one is not finite."""
    finite = np.asarray(np.isfinite(replicates).all(axis=-2))
    held = np.where(finite[..., None, :], replicates, 0.0)
    spread = ((held - held.mean(axis=-2, keepdims=True)) ** 2).sum(axis=-2)
    return np.where(finite, np.sqrt(spread * (GROUPS - 1) / GROUPS), np.nan)


def _ratios(totals: Floats) -> Floats:
    votes = totals[..., -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(votes > 1e-9, totals[..., :-1] / votes, np.nan)

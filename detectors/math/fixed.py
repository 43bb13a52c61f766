"""Fixed-point numbers: a float in [0, 1] as an integer multiple of 2^-20, so that sums are exact and order-free."""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats, Ints

ONE = 1 << 20
"""The integer that stands for 1."""


def to_fixed(values: Floats) -> Ints:
    """Values clipped to [0, 1] and rounded to the grid (error at most 2^-21). NaN is not allowed."""
    return np.rint(np.clip(values, 0.0, 1.0) * ONE).astype(np.int64)


def from_fixed(values: Ints) -> Floats:
    """The floats that the integers stand for, exact."""
    return values / float(ONE)

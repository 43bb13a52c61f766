"""Items drawn at random in the lists of the exposed, as what the policy's choice is compared with: no cohort of people is needed.

Where every item may be drawn alike, draws count as they are. Where their chances differ, each counts (1 / J) / p, with p the logged
chance of that draw (`items.propensity`) and J how many items may be drawn: so weighted, draws stand for a catalogue shown alike.
A draw counts at most `LARGEST` times; n of them are then worth (sum w)^2 / sum w^2 draws, and too few are refused.

Source: Kong 1992 (effective sample size); Bottou et al. 2013, JMLR 14 (cut weights).
"""

from __future__ import annotations

import numpy as np

from detectors import showings
from detectors.columns import Columns, Floats, Ints
from detectors.showings import Showings

LARGEST = 20.0
"""A draw stands for at most as much as this many draws of a catalogue that is drawn alike."""

ONE = 256
"""The integer that stands for the weight 1, so that sums are exact."""

LEFT_OUT = 0.1
"""Share of the draws that may carry no propensity: the others cannot stand for more."""


def weights(chance: Floats, catalogue: int) -> Floats:
    """What draws (n,) of chances in (0, 1] count, in (0, LARGEST]; NaN where the chance is not known.

    >>> weights(np.array([0.01, 0.005, 5e-324]), 100).tolist()
    [1.0, 2.0, 20.0]
    """
    known = chance > 0.0
    with np.errstate(over="ignore"):  # of a chance next to nothing
        counted: Floats = np.minimum(1.0 / (catalogue * np.where(known, chance, 1.0)), LARGEST)
    return np.where(known, counted, np.nan)


def against(shown: Showings, rows: Columns, catalogue: int) -> tuple[Showings, Ints, int]:
    """What the policy chose for the exposed (arm 0) and what was drawn at random for them (arm 1); weights (n,), fixed point.

    catalogue   how many items may be drawn; 0 where all are drawn alike, and every weight is 1.

    Draws whose chance is not known are left out; how many these are is told last.
    """
    own = shown.take(shown.arm == 0)
    own = Showings(own.owner, own.element, own.item, own.explored.astype(np.int64), own.explored, own.marked)
    if not catalogue:
        return own, np.ones(len(own.item), np.int64), 0
    counted = np.where(own.explored, weights(showings.numbers(rows, own, "propensity"), catalogue), 1.0)
    known = np.isfinite(counted)
    fixed = np.maximum(np.rint(counted[known] * ONE), 1.0).astype(np.int64)
    return own.take(known), fixed, int((~known).sum())


def worth(weight: float, squares: float) -> float:
    """How many draws that count alike these are worth, from the sums of their weights and of the squares of these."""
    return weight**2 / squares if squares > 0.0 else 0.0

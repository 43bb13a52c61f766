"""Pairs of one period: what the push changed of their exposure, and what came of it after the retrainings.

Shares are counted in untilted requests only, since those show what the policy does by itself; the exposure that the next
model learns from is everything: untilted, tilted and explored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats, Ints

MIN_EXPECTED = 30
"""Untilted exposures that both items of a pair must have had in the period before: below, logarithms of counts are biased.

Measured at a gain of 1.17 with 4,000 items: bias -.068 and coverage .35 without the rule, -.011 and .95 with it.
"""


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs of one period.

    sign      (P,) +1 if the first of the pair was lifted, -1 if the second.
    weight    (P,) fourth root of the product of the two shares.
    exposure  (P,) change of the log of total exposure by the push, first minus second.
    response  (P, L) change of the log of the policy's share 1 .. L periods later, first minus second.
    """

    sign: Floats
    weight: Floats
    exposure: Floats
    response: Floats


def log_shares(counts: Ints) -> Floats:
    """Logarithms of the shares of (J,) counts, half an exposure added to each."""
    return np.asarray(np.log((counts + 0.5) / (counts.sum() + 0.5 * len(counts))))


def eligible(before: Ints, first: Ints, second: Ints, least: int = MIN_EXPECTED) -> Bools:
    """(P,) which pairs may be measured: both items had at least `least` untilted exposures in the period `before` (J,).

    The past alone decides: what a push does to the counts of its own period must not choose who is looked at.
    """
    enough: Bools = np.minimum(before[first], before[second]) >= least
    return enough


def measured(untilted: Ints, total: Ints, later: Sequence[Ints], first: Ints, second: Ints, sign: Floats) -> Pairs:
    """What the pairs (`first`, `second`: item numbers, (P,)) show.

    untilted, total   (J,) exposures in the period of the push: in untilted requests, and in all.
    later             L arrays (J,): untilted exposures 1 .. L periods after.
    """
    own = log_shares(untilted)
    pushed = log_shares(total) - own
    moved = np.stack([log_shares(counts) - own for counts in later], axis=1)
    return Pairs(
        sign=sign,
        weight=np.exp((own[first] + own[second]) / 4.0),
        exposure=pushed[first] - pushed[second],
        response=moved[first] - moved[second],
    )

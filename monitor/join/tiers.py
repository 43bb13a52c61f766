"""When runs that were written one by one are written together: few runs, and each unit written a few times, ever.

A run's tier is the logarithm of its length to base eight. A new run takes the smaller ones before it along, and the eighth of a
tier gathers the seven before it. From two thousand rows on a run stays as it is: what is written for a unit and how much at a
time do not grow with the table (O'Neil et al. 1996, "The log-structured merge-tree", stopped at a tier).
"""

from __future__ import annotations

from collections.abc import Sequence

_FAN = 8
_LAST = 4


def of(rows: int) -> int:
    """The tier of a run of so many rows.

    >>> [of(rows) for rows in (1, 3, 4, 31, 32, 255, 256, 2047, 2048, 10**6)]
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    """
    return min(rows.bit_length() // 3, _LAST)


def gathered(lengths: Sequence[int], new: int) -> int:
    """How many of the last runs, of these lengths, are written together with a new one of `new` rows.

    >>> gathered([5000, 3, 2], 20), gathered([5000, 3, 2], 1), gathered([1] * 7, 1), gathered([2048] * 7, 2048)
    (2, 0, 7, 0)
    """
    rows, taken = new, 0
    while True:
        tier = of(rows)
        smaller = _trailing(lengths, taken, tier - 1)
        same = _trailing(lengths, taken + smaller, tier) if tier < _LAST else 0
        more = smaller + (same if same >= _FAN - 1 else 0)
        if not more:
            return taken
        rows += sum(lengths[len(lengths) - taken - more : len(lengths) - taken])
        taken += more


def _trailing(lengths: Sequence[int], taken: int, tier: int) -> int:
    """How many runs before the last `taken` are of this tier or below, without one above between."""
    count = 0
    while taken + count < len(lengths) and of(lengths[-1 - taken - count]) <= tier:
        count += 1
    return count

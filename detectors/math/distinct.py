"""How many different ones: exact while few, estimated within about 0.4 % beyond, in bounded memory.

The smallest of the mixed hashes are kept. Which these are depends only on the set that was seen, so any cut, order and
partitioning gives the same array; and one that is kept in the end was never dropped on the way.

Source: Bar-Yossef, Jayram, Kumar, Sivakumar and Trevisan 2002, "Counting distinct elements in a data stream".
"""

from __future__ import annotations

import numpy as np

from detectors.columns import Hashes

KEPT = 1 << 16


def add(kept: Hashes, mixed: Hashes) -> Hashes:
    """`kept` (ascending) with `mixed` hashes (any order, repeats allowed) added."""
    return np.union1d(kept, mixed)[:KEPT] if len(mixed) else kept


def count(kept: Hashes) -> int:
    """How many different hashes were added: exact below KEPT, else an estimate with standard error KEPT ** -0.5 of itself."""
    if len(kept) < KEPT:
        return len(kept)
    return round((KEPT - 1) / (float(kept[-1]) / 2.0**64))

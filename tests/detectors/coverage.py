"""How often an interval that claims to hold at every look does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.evidence import Evidence


def missed_at_any_look(told: Sequence[Sequence[Evidence]], truth: float, kind: str = "since_start") -> float:
    """Of streams (T, W), the share in which an interval of that kind did not hold the truth; each has shown one."""
    missed, shown = (np.zeros(len(told[0]), np.bool_) for _ in range(2))
    for row in told:
        for i, interval in enumerate(e.interval for e in row):
            if interval is not None and interval.kind == kind:
                shown[i] = True
                missed[i] |= not interval.low <= truth <= interval.high
    assert shown.all()
    return float(missed.mean())


def most_missed(level: float, streams: int) -> float:
    """What may be missed of so many streams by intervals of that level: their error and three Monte Carlo errors."""
    return float(1.0 - level + 3.0 * np.sqrt(level * (1.0 - level) / streams))

"""Who may spend how much of a team's budget of false alarms.

A team states how many false pages it may be woken by; all its watches share that. Families of detectors have fixed weights,
families that a team does not have give theirs to the others, and inside a family watches share alike. The shares are fixed
when a plan is made, before any data: adding or removing a watch takes effect with the next plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from detectors.detector import Family

WEIGHTS: dict[Family, float] = {
    Family.COHORT: 0.4,
    Family.SHIFT: 0.2,
    Family.LOOP: 0.2,
    Family.INTEGRITY: 0.1,
    Family.DEPLOYMENT: 0.1,
    Family.FRESHNESS: 0.1,
}
"""Relative weights of the families; hints spend nothing, for they promise nothing, nor do limits, for they leave nothing to chance."""


def shares(families: Sequence[Family | None]) -> list[float]:
    """The share of a team's budget that each of its watches gets: non-negative, adding up to 1 (or 0 if none may spend).

    None stands for a watch that may not spend of this budget.

    >>> [round(s, 3) for s in shares([Family.COHORT, Family.COHORT, Family.INTEGRITY, Family.HINT])]
    [0.4, 0.4, 0.2, 0.0]
    """
    count = Counter(f for f in families if f in WEIGHTS)
    total = sum(WEIGHTS[f] for f in count)
    return [WEIGHTS[f] / total / count[f] if f in WEIGHTS else 0.0 for f in families]

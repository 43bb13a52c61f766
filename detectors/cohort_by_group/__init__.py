"""B1 by group: is any group of people worse off with the model than held out, though the whole may be better?

Groups are the values of a category that a person has: a country, a platform. The 15 largest that hold enough people when
learning ends are watched by themselves, everybody else together as `other groups`. A unit votes once, as in `cohort_bounded`.

Null: in every group the exposed are worse than the held out by at most `page_if_worse_by`, as a share of the group's own mean.
One engine bets on all groups; the average of their bets is valid against the intersection, whatever they have in common, so
sixteen groups cost one watch's budget. The group whose bets speak loudest is named. Groups that are too small to judge are
named, too: nothing is said of them.

Source: I3 with a relative margin (`increments.ratio`) in the engine of `detectors.engine`.

>>> import numpy as np
>>> from detectors.columns import Category, Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, CohortByGroup()
>>> p = CohortByGroupParams(holdout_share=0.5, by="segments.country", learn_units=4_000)
>>> state, told = detector.start([p]), []
>>> for window in range(40):
...     country, cohort = rng.integers(0, 4, 1_000).astype(np.int32), (rng.random(1_000) < 0.5).astype(np.int8)
...     hurt = (country == 3) & (window >= 20)                             # from window 20 one of four loses 15 points
...     chance = np.where(cohort == 0, np.where(hurt, 0.15, 0.36), 0.30)   # while the others are better off than held out
...     rows = Columns(np.full(1_000, window * hour), np.arange(1, 1_001, dtype=np.uint64), cohort, np.zeros(1_000, np.int32),
...                    np.arange(1_000), {"value": Numeric((rng.random(1_000) < chance) * 1.0), "first": flag(np.ones(1_000, bool)),
...                                       "segments.country": Category(country, ("at", "be", "ch", "dk"))})
...     a = detector.fold(p.by, detector.empty(p.by), rows)
...     state, evidence = detector.close([p], state, [a], Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4))
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].detail["group"]))
>>> [(what, group) for _, what, group in told]
[('page', 'dk'), ('critical', 'dk')]
"""

from detectors.cohort_by_group.detector import CohortByGroup
from detectors.cohort_by_group.state import CohortByGroupParams

__all__ = ["CohortByGroup", "CohortByGroupParams"]

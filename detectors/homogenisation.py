"""C3: do people come to see the same things, measured against the holdout and against their own baseline?

Concentration asks how few items all exposures fall on; this asks how much of what one person sees another sees too. The two part
where everybody is shown little, but each something else. The figure is the share of items that two people have in common; the rule, the
baseline and what may be claimed without a holdout are those of `detectors.arms`.

Null: that share, among the exposed relative to the holdout, has grown by no more than `page_if_overlap_grows_by`. Like
concentration a risk, not a harm: it warns, and pages only where the config says so.

Source: Chaney, Stewart and Engelhardt 2018, RecSys (homogenisation in loops). Asymptotic.

>>> import numpy as np
>>> from detectors.columns import Columns, Hash, Ragged
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, day, detector, p = np.random.default_rng(11), 86_400_000, Homogenisation(), HomogenisationParams()
>>> state, told = detector.start([p]), []
>>> for period in range(8):
...     unit = np.arange(1, 2_001, dtype=np.uint64)
...     cohort = (unit % 4 == 0).astype(np.int8)                          # 0 exposed, 1 holdout
...     choice = np.where((cohort == 0) & (period >= 5), 60, 200)         # from period 5 the exposed choose among 60
...     item = rng.integers(1, choice[:, None] + 1, (2_000, 10)).astype(np.uint64)
...     rows = Columns(np.full(2_000, period * day), unit, cohort, np.zeros(2_000, np.int32), np.arange(2_000),
...                    {"items": Ragged(np.arange(2_001) * 10, {"item": Hash(item.ravel())})})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=1e-3, warn=4e-3))
...     if evidence.crossing is not Crossing.NONE:
...         told.append((period, str(evidence.crossing), round(evidence.effect), evidence.change_at // day))
>>> told
[(6, 'page', 2, 5)]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from detectors import arms, overlap
from detectors.arms import ArmsParams, ArmsState
from detectors.arms_report import Words
from detectors.columns import Columns
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence

_WORDS = Words(
    figure="overlap",
    compared="have {change} items in common than at the baseline",
    alarm="people come to see the same",
    over="people no longer see the same",
    told_as=-1,
)


class HomogenisationParams(ArmsParams):
    """Parameters of `homogenisation`."""

    page_if_overlap_grows_by: Annotated[
        float,
        Field(
            gt=0, le=20, description="tolerated growth of what two people have in common, as a share of the baseline"
        ),
    ] = 1.0
    max_pairs: Annotated[
        int,
        Field(
            ge=1_000,
            le=5_000_000,
            description="units and their distinct items kept of a cohort in a period, 24 bytes each",
        ),
    ] = 200_000

    @property
    def margin(self) -> float:
        """Tolerated growth of the overlap."""
        return self.page_if_overlap_grows_by

    @property
    def log_margin(self) -> float:
        """The overlap's inverse falls."""
        return -float(np.log1p(self.page_if_overlap_grows_by))


class Homogenisation:
    """See the module's text."""

    name = "homogenisation"
    family = Family.LOOP
    hint = False
    params = HomogenisationParams
    statistic = overlap.Seen
    state = ArmsState

    def needs(self, p: HomogenisationParams) -> Needs:
        """`items`, a list with the field `item` (identity) and, where items are drawn at random, `explored`."""
        return Needs(Stream.PREDICTIONS, ("items",), contrast=True, gated=True)

    def start(self, ps: Sequence[HomogenisationParams]) -> ArmsState:
        """Learning."""
        return arms.start(len(ps))

    def prepare(self, p: HomogenisationParams, s: ArmsState, row: int) -> int:
        """The cap on pairs."""
        return p.max_pairs

    def empty(self, prep: int) -> overlap.Seen:
        """Nobody was shown anything."""
        return overlap.empty()

    def fold(self, prep: int, a: overlap.Seen, rows: Columns) -> overlap.Seen:
        """Add what exposed and held-out units were shown."""
        return overlap.merge(a, overlap.of(rows, prep), prep)

    def merge(self, prep: int, a: overlap.Seen, b: overlap.Seen) -> overlap.Seen:
        """Sets unite; see `detectors.overlap`."""
        return overlap.merge(a, b, prep)

    def size(self, a: overlap.Seen) -> int:
        """Sampled units of the smaller arm; of the exposed where nobody is held out."""
        exposed, holdout = (int(n) for n in overlap.units(a))
        return min(exposed, holdout) if holdout else exposed

    def close(
        self, ps: Sequence[HomogenisationParams], s: ArmsState, stats: Sequence[overlap.Seen], tick: Tick
    ) -> tuple[ArmsState, list[Evidence]]:
        """Advance by one period."""
        return arms.close(ps, s, [overlap.reading(a) for a in stats], tick, _WORDS)

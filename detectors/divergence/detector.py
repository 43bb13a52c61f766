"""C8: does engagement rise above the holdout's while quality falls below it? The one detector that may say that quality fell.

Three claims are tested side by side, each at the full level, and an alarm says that all of them hold (an intersection-union
test, so no level is shared out):

1. engagement of the exposed is above that of the holdout;
2. their quality is below the holdout's by more than the margin, `page_if_worse_by` times the mean before watching began;
3. the quality gap has fallen by more than that margin since before watching began (`learn_days`).

The third sets what the model came to do apart from what it always did: a feed of click bait draws clicks and displeases from
its first day. All three speak of the mean over the whole time since watching began, of people rather than events, and hold at
every look for some hundred held-out people (asymptotic).

Sources: Berger 1982, Technometrics 24(4), "Multiparameter hypothesis testing and acceptance sampling" (intersection-union);
Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, Annals of Statistics (the evidence, `increments.mixture`).

>>> import numpy as np
>>> from detectors.cohort_sticky.moments import GRID, HAD, HAS
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, day, detector, people = np.random.default_rng(7), 86_400_000, Divergence(), 4_000
>>> p = DivergenceParams(engagement="clicks", learn_days=7)
>>> state, told = detector.start([p]), []
>>> cohort, sums = (rng.random(people) < 0.2).astype(np.int8), {False: np.zeros((people, 4)), True: np.zeros((people, 4))}
>>> for window in range(25):
...     came, late, a = rng.random(people) < 0.7, (cohort == 0) & (window >= 7), detector.empty(None)
...     for beside, chance in ((False, np.where(late, 0.45, 0.5)), (True, np.where(cohort == 0, 0.4, 0.3))):
...         had, column = sums[beside].copy(), 2 if window < 7 else 0
...         sums[beside][:, column] += came
...         sums[beside][:, column + 1] += GRID * (came & (rng.random(people) < chance))
...         pairs = ((HAD, had), (HAS, sums[beside]))
...         fields = {name: Numeric(x[came, i]) for names, x in pairs for i, name in enumerate(names)}
...         rows = Columns(np.full(came.sum(), window * day), np.flatnonzero(came).astype(np.uint64) + np.uint64(1), cohort[came],
...                        np.zeros(came.sum(), np.int32), np.arange(came.sum()), fields | {"beside": flag(np.full(came.sum(), beside))})
...         a = detector.fold(None, a, rows)
...     state, evidence = detector.close([p], state, [a], Tick.plain(window * day, (window + 1) * day, page=1e-3, warn=4e-3))
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), round(evidence[0].effect, 2)))
>>> told
[(12, 'warn', -0.05), (16, 'page', -0.05)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors import engine
from detectors.cohort_sticky import moments
from detectors.cohort_sticky.moments import HAD, HAS
from detectors.columns import Bools, Columns, Floats
from detectors.detector import Family, Needs, Stream, Tick
from detectors.divergence import gaps, report
from detectors.divergence.gaps import Gaps
from detectors.divergence.state import (
    BETS,
    CLAIMS,
    ENGAGEMENT,
    QUALITY,
    SCALES,
    Changes,
    DivergenceParams,
    DivergenceState,
    start,
)
from detectors.evidence import Evidence
from detectors.increments import mixture

_DAY = 86_400_000
_LOG_WEIGHTS = np.full(CLAIMS * BETS, -np.log(BETS))


class Divergence:
    """See the module's text."""

    name = "divergence"
    family = Family.LOOP
    hint = False
    params = DivergenceParams
    statistic = Changes
    state = DivergenceState

    def needs(self, p: DivergenceParams) -> Needs:
        """One row a unit that came, with its sums before and after; those of engagement are marked `beside`."""
        return Needs(
            Stream.OUTCOMES,
            (*HAD, *HAS, "beside"),
            contrast=True,
            gated=True,
            past=round(p.learn_days * _DAY),
            beside=p.engagement,
        )

    def start(self, ps: Sequence[DivergenceParams]) -> DivergenceState:
        """Learning which gap was always there."""
        return start(len(ps))

    def prepare(self, p: DivergenceParams, s: DivergenceState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Changes:
        """Nobody came."""
        none = moments.nothing()
        return _stacked([none, none])

    def fold(self, prep: None, a: Changes, rows: Columns) -> Changes:
        """Add units that came, each once a window and metric."""
        beside = rows.flags("beside")
        return _stacked(
            [
                moments.fold(_one(a, which), rows.take(beside == (which == ENGAGEMENT)))
                for which in (QUALITY, ENGAGEMENT)
            ]
        )

    def merge(self, prep: None, a: Changes, b: Changes) -> Changes:
        """Changes add."""
        return Changes(a.low + b.low, a.high + b.high, a.units + b.units)

    def size(self, a: Changes) -> int:
        """Units of the smaller cohort whose quality is known."""
        return int(a.units[QUALITY].min())

    def close(
        self, ps: Sequence[DivergenceParams], s: DivergenceState, stats: Sequence[Changes], tick: Tick
    ) -> tuple[DivergenceState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        informative = np.array([bool(a.units.sum()) for a in stats])
        counted = ~tick.gated & informative
        window = np.array([[moments.sums(_one(a, which)) for which in (QUALITY, ENGAGEMENT)] for a in stats])
        total = np.where(counted[:, None, None, None], s.total + window, s.total)
        quality, engagement = gaps.of(total[:, QUALITY]), gaps.of(total[:, ENGAGEMENT])
        held = np.minimum(quality.units[:, 1], engagement.units[:, 1])
        enough = held >= np.array([p.min_holdout for p in ps])
        judged = counted & enough & (s.bank.mode != engine.LEARNING)
        log_e = np.where(judged[:, None, None], _log_evidence(ps, quality, engagement, s), s.log_e)
        step = log_e - s.log_e
        increments = engine.Increments(null=step[:, 0], critical=step[:, 1], worse=step[:, 2])
        bank, verdict = engine.advance(
            s.bank, increments, _LOG_WEIGHTS, tick, judged, np.ones(len(ps), np.bool_), CLAIMS
        )
        after = replace(
            s, bank=bank, began=np.where(counted & (s.began < 0), tick.start, s.began), total=total, log_e=log_e
        )
        after = _begin(ps, after, counted, (quality, engagement), tick)
        return after, report.report(ps, after, (quality, engagement), (enough, informative), verdict, tick)


def _one(a: Changes, which: int) -> moments.Change:
    return moments.Change(a.low[which], a.high[which], a.units[which])


def _stacked(parts: Sequence[moments.Change]) -> Changes:
    return Changes(
        np.stack([p.low for p in parts]), np.stack([p.high for p in parts]), np.stack([p.units for p in parts])
    )


def _log_evidence(ps: Sequence[DivergenceParams], quality: Gaps, engagement: Gaps, s: DivergenceState) -> Floats:
    """(W, 3, CLAIMS * BETS): against the nulls, against three margins, and the mirror; each claim's bets side by side."""
    raised = np.array([1.0 if p.engagement_better == "higher" else -1.0 for p in ps]) * engagement.level.estimate
    bad = np.array([-1.0 if p.better == "higher" else 1.0 for p in ps])
    worse, fallen = bad * quality.level.estimate, bad * quality.change.estimate
    errors = (engagement.level.se, quality.level.se, quality.change.se)
    scales = [np.maximum(x, 1e-12)[:, None] * SCALES for x in (s.scale, s.margin, s.margin)]
    edges = (
        (raised, worse - s.margin, fallen - s.margin),
        (raised, worse - 3.0 * s.margin, fallen - 3.0 * s.margin),
        (-raised, s.margin - worse, s.margin - fallen),
    )
    return np.stack(
        [
            np.concatenate([mixture.log_evidence(*each) for each in zip(beyond, errors, scales, strict=True)], axis=1)
            for beyond in edges
        ],
        axis=1,
    )


def _begin(
    ps: Sequence[DivergenceParams], s: DivergenceState, counted: Bools, seen: tuple[Gaps, Gaps], tick: Tick
) -> DivergenceState:
    """Watching begins when `learn_days` are complete and both metrics have a mean: from then on, people's sums are new ones."""
    days = np.where(s.began < 0, 0.0, (tick.end - s.began) / _DAY)
    means = np.stack([moments.former_mean(s.total[:, which]) for which in (QUALITY, ENGAGEMENT)])
    compared = np.minimum(*(x.former.min(axis=1) for x in seen)) > 0
    ready = counted & (s.bank.mode == engine.LEARNING) & compared & (days >= np.array([p.learn_days for p in ps]))
    margin, scale = np.array([p.page_if_worse_by for p in ps]) * means
    return replace(
        s,
        bank=engine.begin(s.bank, ready, tick.end),
        margin=np.where(ready, margin, s.margin),
        scale=np.where(ready, scale, s.scale),
    )

"""U3: is the exposed cohort worse off than the holdout, when the same people stay held out and come back?

Somebody who comes fifty times is one person, not fifty: an analysis of single events would call chance differences between the
cohorts effects, and go on doing so however much data there is. Here everything is summed by person, each person's sums are set
against what the same person did before watching began, and the error is taken over persons. That finds what only long-standing
people feel, where `cohort_bounded` sees each of them once. The promise is asymptotic: it needs some hundred held-out people.

Null: the effect, over the whole time since watching began, is no worse than the margin: `page_if_worse_by` times the mean
before. What was different already while learning is taken off, as far as people stay as they were.

>>> import numpy as np
>>> from detectors.cohort_sticky.moments import GRID, HAD, HAS
>>> from detectors.columns import Columns, Numeric
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, day, detector = np.random.default_rng(7), 86_400_000, CohortSticky()
>>> p, people = CohortStickyParams(learn_days=14), 4_000
>>> state, told = detector.start([p]), []
>>> cohort, level = (rng.random(people) < 0.2).astype(np.int8), rng.beta(1, 4, people)   # each has a level of their own
>>> sums = np.zeros((people, 4))
>>> for window in range(40):
...     came = rng.random(people) < 0.5
...     yes = rng.random(people) < level * np.where((cohort == 0) & (window >= 14), 0.8, 1.0)
...     had, column = sums.copy(), 2 if window < 14 else 0
...     sums[:, column] += came
...     sums[:, column + 1] += GRID * (came & yes)
...     fields = {name: Numeric(x[came, i]) for names, x in ((HAD, had), (HAS, sums)) for i, name in enumerate(names)}
...     rows = Columns(np.full(came.sum(), window * day), np.flatnonzero(came).astype(np.uint64) + np.uint64(1), cohort[came],
...                    np.zeros(came.sum(), np.int32), np.arange(came.sum()), fields)
...     a = detector.fold(None, detector.empty(None), rows)
...     state, evidence = detector.close([p], state, [a], Tick.plain(window * day, (window + 1) * day, page=1e-3, warn=4e-3))
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), round(evidence[0].effect, 2)))
>>> told
[(22, 'page', -0.04), (28, 'critical', -0.04)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors import engine
from detectors.cohort_sticky import moments, report
from detectors.cohort_sticky.moments import HAD, HAS, Change
from detectors.cohort_sticky.state import BETS, SCALES, CohortStickyParams, CohortStickyState, start
from detectors.columns import Columns, Floats
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Evidence
from detectors.increments import mixture

_DAY = 86_400_000
_LOG_WEIGHTS = np.full(BETS, -np.log(BETS))


class CohortSticky:
    """See the module's text."""

    name = "cohort_sticky"
    family = Family.COHORT
    hint = False
    params = CohortStickyParams
    statistic = Change
    state = CohortStickyState

    def needs(self, p: CohortStickyParams) -> Needs:
        """One row a unit that came, with its sums before and after; those before `learn_days` have passed as its past."""
        return Needs(Stream.OUTCOMES, (*HAD, *HAS), contrast=True, gated=True, past=round(p.learn_days * _DAY))

    def start(self, ps: Sequence[CohortStickyParams]) -> CohortStickyState:
        """Learning what people do."""
        return start(len(ps))

    def prepare(self, p: CohortStickyParams, s: CohortStickyState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Change:
        """Nobody came."""
        return moments.nothing()

    def fold(self, prep: None, a: Change, rows: Columns) -> Change:
        """Add units that came, each once a window."""
        return moments.fold(a, rows)

    def merge(self, prep: None, a: Change, b: Change) -> Change:
        """Changes add."""
        return moments.merge(a, b)

    def size(self, a: Change) -> int:
        """Units of the smaller cohort that came."""
        return int(a.units.min())

    def close(
        self, ps: Sequence[CohortStickyParams], s: CohortStickyState, stats: Sequence[Change], tick: Tick
    ) -> tuple[CohortStickyState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        live = ~tick.gated
        informative = np.array([bool(a.units.sum()) for a in stats])
        counted = live & informative
        total = np.where(counted[:, None, None], s.total + np.array([moments.sums(a) for a in stats]), s.total)
        seen = moments.contrast(total)
        enough = seen.units[:, 1] >= np.array([p.min_holdout for p in ps])
        judged = counted & enough & (s.bank.mode != engine.LEARNING)
        log_e = np.where(judged[:, None, None], _log_evidence(ps, seen, s.margin), s.log_e)
        step = log_e - s.log_e
        increments = engine.Increments(null=step[:, 0], critical=step[:, 1], worse=step[:, 2])
        bank, verdict = engine.advance(s.bank, increments, _LOG_WEIGHTS, tick, judged, np.ones(len(ps), np.bool_))
        after = replace(
            s, bank=bank, began=np.where(counted & (s.began < 0), tick.start, s.began), total=total, log_e=log_e
        )
        after = _begin(ps, after, counted, tick)
        return after, report.report(ps, after, seen, enough, informative, verdict, tick)


def _log_evidence(ps: Sequence[CohortStickyParams], seen: moments.Contrast, margin: Floats) -> Floats:
    """(W, 3, BETS): against the null, against three margins, and the mirror."""
    harm = np.array([-1.0 if p.better == "higher" else 1.0 for p in ps]) * seen.effect
    tau = np.maximum(margin, 1e-12)[:, None] * SCALES
    edges = (harm - margin, harm - 3.0 * margin, margin - harm)
    return np.stack([mixture.log_evidence(beyond, seen.se, tau) for beyond in edges], axis=1)


def _begin(
    ps: Sequence[CohortStickyParams],
    s: CohortStickyState,
    counted: np.ndarray[tuple[int], np.dtype[np.bool_]],
    tick: Tick,
) -> CohortStickyState:
    """Watching begins when the past of `learn_days` is complete: from the next window on, people's sums are new ones."""
    days = np.where(s.began < 0, 0.0, (tick.end - s.began) / _DAY)
    ready = counted & (s.bank.mode == engine.LEARNING) & (days >= np.array([p.learn_days for p in ps]))
    baseline = moments.former_mean(s.total)
    margin = np.array([p.page_if_worse_by for p in ps]) * baseline
    return replace(
        s,
        bank=engine.begin(s.bank, ready, tick.end),
        baseline=np.where(ready, baseline, s.baseline),
        margin=np.where(ready, margin, s.margin),
    )

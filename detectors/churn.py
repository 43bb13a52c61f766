"""C10: does the model keep replacing what it shows most? An insight, which never pages.

Of the `top` items shown most to exposed people, the share that gave way to others since the period before (a retraining, or a
day), less what chance alone replaces: see `detectors.turnover`. In a catalogue that stays, much of it says that retraining decides
by its own noise what people see.

It is no sign of a closed loop. In simulated loops the share without correction rose above .3, but only because few items came to
have nearly all showings, so that chance decided who else was among the 40; corrected it stayed at 0, whatever was trained on what.

It is told when the lower bound of that share, less the share that left the catalogue, lies above `at_most` in two periods in a
row. An item left the catalogue if nobody was shown it any more; the sample that says so holds no random items. Nothing is promised:
a model that learns something new replaces items as well. Errors come from a Poisson bootstrap over units. What held-out people are
shown is told beside it where enough of it is known. Periods must follow each other: after one that cannot be counted it starts anew.

Source: Spearman 1904, American Journal of Psychology 15 (correction for attenuation); Chamandy, Muralidharan, Najmi and Naidu
2012 (the bootstrap).

>>> import numpy as np
>>> from detectors.columns import Columns, Hash, Ragged
>>> from detectors.detector import Tick
>>> rng, day, detector, p = np.random.default_rng(5), 86_400_000, Churn(), ChurnParams()
>>> state, told, liked = detector.start([p]), [], np.arange(1, 401, dtype=np.uint64)
>>> for period in range(8):
...     if period >= 4:
...         liked = rng.permutation(liked)                                     # from period 4 on other items every day
...     item = liked[np.minimum(rng.exponential(40.0, 6_000), 399).astype(int)]
...     rows = Columns(np.full(600, period * day), np.arange(1, 601, dtype=np.uint64), np.zeros(600, np.int8), np.zeros(600, np.int32),
...                    np.arange(600), {"items": Ragged(np.arange(601) * 10, {"item": Hash(item)})})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     state, (e,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=0.0, warn=0.0))
...     if e.crossing is not e.crossing.NONE:
...         told.append((period, str(e.crossing), round(e.effect, 1), e.change_at // day))
>>> told
[(5, 'warn', 0.9, 4)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import overlap, periods
from detectors.columns import Columns, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Standing
from detectors.math import bootstrap
from detectors.overlap import Seen
from detectors.periods import WATCHING, PeriodState
from detectors.snapshot import pack_record, unpack_record
from detectors.turnover import Turnover, between

LEVEL = 0.9
AGREEMENT = 0.5
"""Least share of the top items that two halves of a period have in common: below it too little is known to correct for chance."""


class ChurnParams(Params):
    """Parameters of `churn`."""

    top: Annotated[int, Field(ge=10, le=10_000, description="items shown most that are compared")] = 40
    at_most: Annotated[
        float, Field(gt=0, lt=1, description="share of them that may give way to others from one period to the next")
    ] = 0.25
    min_units: Annotated[int, Field(ge=20, description="exposed units before a period counts")] = 200
    max_pairs: Annotated[
        int,
        Field(
            ge=1_000,
            le=5_000_000,
            description="units and their distinct items kept of a cohort in a period, 24 bytes each",
        ),
    ] = 100_000


@dataclass(frozen=True)
class ChurnState(PeriodState):
    """W watches. before (W,): packed `Seen` of the last period that counted, empty if none did; until (W,): its end, event time ms."""

    before: npt.NDArray[np.object_]
    until: Ints


class Churn:
    """See the module's text."""

    name = "churn"
    family = Family.HINT
    hint = True
    params = ChurnParams
    statistic = Seen
    state = ChurnState

    def needs(self, p: ChurnParams) -> Needs:
        """`items`, a list with the field `item` (identity) and, where items are drawn at random, `explored`."""
        return Needs(Stream.PREDICTIONS, ("items",), gated=True)

    def start(self, ps: Sequence[ChurnParams]) -> ChurnState:
        """Nothing was shown before."""
        w = len(ps)
        return periods.start(
            ChurnState,
            w,
            WATCHING,
            before=np.full(w, b"", object),
            until=np.zeros(w, np.int64),
        )

    def prepare(self, p: ChurnParams, s: ChurnState, row: int) -> int:
        """The cap on pairs."""
        return p.max_pairs

    def empty(self, prep: int) -> Seen:
        """Nobody was shown anything."""
        return overlap.empty()

    def fold(self, prep: int, a: Seen, rows: Columns) -> Seen:
        """Add what exposed and held-out units were shown."""
        return overlap.merge(a, overlap.of(rows, prep), prep)

    def merge(self, prep: int, a: Seen, b: Seen) -> Seen:
        """Sets unite; see `detectors.overlap`."""
        return overlap.merge(a, b, prep)

    def size(self, a: Seen) -> int:
        """Sampled exposed units."""
        return int(overlap.units(a)[0])

    def close(
        self, ps: Sequence[ChurnParams], s: ChurnState, stats: Sequence[Seen], tick: Tick
    ) -> tuple[ChurnState, list[Evidence]]:
        """Advance by one period."""
        s, by_hand = periods.rearm(s, tick)
        counted = np.array([self.size(a) >= p.min_units for p, a in zip(ps, stats, strict=True)]) & ~tick.gated
        follows = counted & (s.until == tick.start) & np.array([bool(held) for held in s.before])
        pasts = [unpack_record(Seen, s.before[i]) if ok else None for i, ok in enumerate(follows)]
        figures = [
            None if past is None else between(past, a, 0, p.top) for p, past, a in zip(ps, pasts, stats, strict=True)
        ]
        lacking = [
            _lacking(p, self.size(a), figure, gated=bool(gated))
            for p, a, figure, gated in zip(ps, stats, figures, tick.gated, strict=True)
        ]
        live = np.array([standing is Standing.OK for standing, _ in lacking])
        share, se, gone = (
            np.array(column) for column in zip(*(_judged(p, f) for p, f in zip(ps, figures, strict=True)), strict=True)
        )
        most = np.array([p.at_most for p in ps])
        churns = share - gone - _radius(se) > most
        low = np.stack([churns, np.zeros_like(churns), np.zeros_like(churns)], axis=1)
        after, crossed = periods.judge(s, low, share - gone < most, tick, live)
        before = s.before.copy()
        for i in np.flatnonzero(counted).tolist():
            before[i] = pack_record(stats[i])
        after = replace(after, before=before, until=np.where(counted, tick.end, s.until))
        level = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
        told = [
            _tell(
                p,
                a,
                Crossing(level[i]),
                lacking[i],
                figures[i],
                _of_holdout(p, pasts[i], a),
                int((s if level[i] == Crossing.RECOVERED else after).since[i]) or None,
                after,
                i,
            )
            for i, (p, a) in enumerate(zip(ps, stats, strict=True))
        ]
        return after, told


def _lacking(p: ChurnParams, units: int, figure: Turnover | None, *, gated: bool) -> tuple[Standing, str]:
    if gated:
        return Standing.BLIND, "the holdout is not sound"
    if units < p.min_units:
        return Standing.INSUFFICIENT, f"{units:,} exposed units in this period; at least {p.min_units:,} are needed"
    if figure is None:
        return Standing.INSUFFICIENT, "the period before could not be counted, so there is nothing to compare with"
    if figure.items < 2 * p.top:
        return (
            Standing.INSUFFICIENT,
            f"{figure.items:,} different items in half of what was shown; to tell the {p.top:,} shown most, "
            f"at least {2 * p.top:,} are needed",
        )
    if not figure.agreement >= AGREEMENT:
        return (
            Standing.INSUFFICIENT,
            f"two halves of a period's people agree on {figure.agreement:.0%} of the {p.top:,} items shown most; "
            f"at least {AGREEMENT:.0%} is needed to tell turnover from chance",
        )
    return Standing.OK, ""


def _judged(p: ChurnParams, figure: Turnover | None) -> tuple[float, float, float]:
    """Turnover, its standard error (at least what one item more would change) and the share that left the catalogue."""
    if figure is None or not np.isfinite(figure.share):
        return 0.0, np.inf, 0.0
    se = float(bootstrap.standard_error(figure.replicates))
    return figure.share, max(se, 0.5 / p.top) if np.isfinite(se) else np.inf, figure.gone


def _radius(se: Any) -> Any:
    return bootstrap.quantile((1.0 - LEVEL) / 2.0) * se


def _of_holdout(p: ChurnParams, past: Seen | None, now: Seen) -> float | None:
    """Turnover of what held-out people are shown most, where enough of it is known."""
    if past is None or overlap.units(now)[1] < p.min_units or overlap.units(past)[1] < p.min_units:
        return None
    figure = between(past, now, 1, p.top)
    return figure.share if figure.items >= 2 * p.top and figure.agreement >= AGREEMENT else None


def _tell(
    p: ChurnParams,
    a: Seen,
    crossing: Crossing,
    lacking: tuple[Standing, str],
    figure: Turnover | None,
    holdout: float | None,
    change_at: int | None,
    after: ChurnState,
    row: int,
) -> Evidence:
    standing, reason = lacking
    known = figure if standing is Standing.OK else None
    share, se, gone = _judged(p, known)
    radius = float(_radius(se)) if known is not None else 0.0
    if known is not None and crossing in (Crossing.WARN, Crossing.RECOVERED):
        again = "" if crossing is Crossing.WARN else " again no more than is expected"
        reason = (
            f"of the {p.top:,} items shown most {share:.0%} gave way to others since the period before{again}, beyond what "
            f"chance replaces; up to {p.at_most:.0%} is expected, and {gone:.0%} are shown to nobody any more"
        )
    told: dict[str, Any] = {}
    if known is not None:
        told = {
            "top": p.top,
            "uncorrected": known.uncorrected,
            "agreement_of_halves": known.agreement,
            "left_the_catalogue": known.gone,
            "new_to_the_catalogue": known.new,
            "showings_of_a_half": known.showings,
            "sampled": bool(a.below[0] < overlap.EVERYBODY),
        }
        if holdout is not None:
            told["churn_holdout"] = holdout
    return Evidence(
        mode=periods.MODES[after.mode[row]],
        standing=standing,
        crossing=crossing,
        n={"exposed": int(overlap.units(a)[0])},
        arms={"churn": share} if known is not None else {},
        effect=share if known is not None else None,
        unit="share of the items shown most",
        interval=Interval(
            low=share - radius,
            high=min(share + radius, 1.0),
            level=LEVEL,
            kind="recent",
            formula="student",
            inputs={"se": se, "alpha": 1.0 - LEVEL, "at_most": 1.0},
        )
        if known is not None and np.isfinite(se)
        else None,
        margin=p.at_most,
        change_at=change_at,
        exact=False,
        reason=reason,
        detail=told,
    )

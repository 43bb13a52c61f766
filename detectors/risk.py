"""A4: has the loss of predictions whose outcomes are known risen by more than a tolerated part of what it was?

A prediction is judged once, when its attribution window has passed; a unit votes once a day, with its average loss between 0
and 1. First ten score bins are taken from a sample of predictions, then the reference risk is measured; both are frozen.

Null: the mean loss is at most the reference risk's upper bound (at level .001), and `page_if_worse_by` of the risk on top. Exact
for votes that are independent given the past, whatever the distribution of losses.

Labels may be missing, and count as unknown. Their coverage is told by score bin; where two bins differ by more than five points
the labelled are not like the others, and the watch is blind until they are again.

Source: Podkopaev and Ramdas 2022, ICLR ("Tracking the risk of a deployed model"); bets after Waudby-Smith and Ramdas 2024, JRSS-B.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, Risk()
>>> p = RiskParams(sample_units=1_000, learn_units=5_000, learn_windows=5)
>>> state, told = detector.start([p]), []
>>> for window in range(40):
...     chance = rng.beta(1, 8, 1_000)
...     truth = (rng.random(1_000) < chance * (1.0 if window < 12 else 1.6)) * 1.0      # from window 12 more come true
...     rows = Columns(np.full(1_000, window * hour), rng.integers(1, 2**63, 1_000).astype(np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000),
...                    {"probability": Numeric(chance), "value": Numeric(truth), "voting": flag(np.ones(1_000, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].effect > 0.02))
>>> told
[(14, 'page', True)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
import numpy as np
from pydantic import Field

from detectors import engine, views
from detectors.by_reading import ByReading
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Evidence, Interval, Mode, Standing
from detectors.increments import bounded
from detectors.increments.ipw import sum_by_watch
from detectors.labelled import learning, losses, reading
from detectors.labelled.learning import Labels
from detectors.labelled.reading import Reading, Ruler
from detectors.math import dyadic
from detectors.math.intervals import bounded_mean_bounds, empirical_bernstein_radius, normal_mixture_radius
from detectors.views import LEVEL, Views

REFERENCE_LEVEL = 0.002
"""Chance that the reference risk lies outside the interval whose upper end is tested; half of it lies above."""

_CRITICAL = 3.0
_N, _S, _Q = range(3)
_LOG_WEIGHTS = np.full(bounded.BETS, -np.log(bounded.BETS))
_SMALLEST, _LARGEST = 1e-6, 1.0 - 1e-6


class RiskParams(Params):
    """Parameters of `risk`."""

    loss: Annotated[
        losses.Name,
        Field(
            description="squared difference; log loss, cut off at 5 and divided by it; whether the side of one half is wrong; "
            "difference in units of `scale`, at most 1"
        ),
    ] = "brier"
    prediction: Annotated[
        Literal["probability", "score"], Field(description="the column that claims to know the outcome")
    ] = "probability"
    scale: Annotated[float, Field(gt=0, description="difference that counts as a loss of 1; for loss: absolute")] = 1.0
    page_if_worse_by: Annotated[
        float, Field(gt=0, le=10, description="tolerated rise, as a part of the reference risk")
    ] = 0.1
    sample_units: Annotated[
        int, Field(ge=100, le=20_000, description="units, one vote each, from which the score bins are taken")
    ] = 2_000
    learn_units: Annotated[
        int, Field(ge=100, description="units, one vote each a window, behind the reference risk")
    ] = 20_000
    learn_windows: Annotated[int, Field(ge=1, description="windows with labels behind the reference risk")] = 24
    min_units: Annotated[
        int, Field(ge=1, description="labelled units a window needs; a smaller one is merged with the next")
    ] = 100


@dataclass(frozen=True)
class RiskState:
    """W watches. Sums are (votes, sum, sum of squares) of losses, each (W, 3).

    reference, reference_windows (W,)   what the learning windows saw; frozen when watching begins.
    total, fresh                        since watching began or evidence was thrown away; since the open alert began.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    labels: Labels
    reference: Floats
    reference_windows: Ints
    total: Floats
    fresh: Floats


class Risk(ByReading[Ruler, Reading]):
    """See the module's text."""

    name = "risk"
    family = Family.SHIFT
    hint = False
    params = RiskParams
    statistic = Reading
    reader = reading
    state = RiskState

    def needs(self, p: RiskParams) -> Needs:
        """`value`, what came of it (missing: unknown); the prediction; `voting`: the unit's first window of the day."""
        return Needs(Stream.OUTCOMES, ("value", p.prediction, "voting"))

    def start(self, ps: Sequence[RiskParams]) -> RiskState:
        """Learning, without bins."""
        w, sums = len(ps), np.zeros((len(ps), 3))
        return RiskState(
            engine.start(w, bounded.BETS),
            dyadic.start(w, 3),
            learning.start(w),
            sums,
            np.zeros(w, np.int64),
            sums.copy(),
            sums.copy(),
        )

    def prepare(self, p: RiskParams, s: RiskState, row: int) -> Ruler:
        """The score bins, once they are known, and the loss."""
        return Ruler(learning.cuts(s.labels, row), p.sample_units, p.prediction, losses.named(p.loss, p.scale))

    def close(
        self, ps: Sequence[RiskParams], s: RiskState, stats: Sequence[Reading], tick: Tick
    ) -> tuple[RiskState, list[Evidence]]:
        """Advance; see `detectors.engine`. Whether labels are biased is judged by the windows before this one."""
        live, blind = ~tick.gated, learning.biased(s.labels)
        votes = reading.by_unit(stats)
        window = sum_by_watch(
            np.stack([np.ones_like(votes.loss), votes.loss, votes.loss**2], axis=1), votes.row, len(ps)
        )
        informative = window[:, _N] > 0
        watching = s.bank.mode != engine.LEARNING
        base, margin = upper_bound(s.reference), margins(ps, s.reference)
        limit = np.clip(base + margin, _SMALLEST, _LARGEST)
        worst = np.clip(base + _CRITICAL * margin, _SMALLEST, _LARGEST)
        increments = engine.Increments(
            null=bounded.log_increments(votes.loss, votes.row, limit, 1.0),
            critical=bounded.log_increments(votes.loss, votes.row, worst, 1.0),
            worse=bounded.log_increments(votes.loss, votes.row, limit, -1.0),
        )
        judged = live & ~blind
        spans = dyadic.push(s.spans, window, judged & informative & watching)
        tick = replace(tick, gated=tick.gated | blind)
        bank, verdict = engine.advance(
            s.bank, increments, _LOG_WEIGHTS, tick, informative, _below(s, spans, limit, margin)
        )
        seen = views.of(s, spans, window, judged & watching, verdict)
        after = replace(s, bank=bank, labels=learning.count(s.labels, stats, live), **views.kept(seen, spans, verdict))
        after = _learn(ps, after, stats, window, judged & ~watching, tick)
        return after, _report(ps, after, seen, window, blind, verdict, tick)


def upper_bound(reference: Floats) -> Floats:
    """Upper end of where the reference risk lies, (W,), of sums (W, 3): the better of two bounds, each at half the level."""
    n, mean, variance = _moments(reference)
    _, by_hoeffding = bounded_mean_bounds(mean, n, REFERENCE_LEVEL / 2.0)
    by_bernstein = mean + empirical_bernstein_radius(variance, n, 1.0, REFERENCE_LEVEL / 2.0)
    return np.minimum(by_hoeffding, by_bernstein)


def margins(ps: Sequence[RiskParams], reference: Floats) -> Floats:
    """Tolerated rise of the risk, absolute, (W,)."""
    return np.array([p.page_if_worse_by for p in ps]) * _moments(reference)[1]


def _moments(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Number, mean and variance, each (W,)."""
    n = sums[:, _N]
    mean = sums[:, _S] / np.maximum(n, 1.0)
    return n, mean, np.maximum(sums[:, _Q] / np.maximum(n, 1.0) - mean**2, 0.0)


def _standard_error(sums: Floats) -> Floats:
    n, _, variance = _moments(sums)
    result: Floats = np.sqrt((variance + 1.0 / (n + 1.0) ** 2) / np.maximum(n, 1.0))
    return result


def _radius(sums: Floats, margin: Floats, alpha: Floats | float) -> Floats:
    n, _, _ = _moments(sums)
    return np.where(n > 1, normal_mixture_radius(_standard_error(sums), np.maximum(margin, _SMALLEST), alpha), np.inf)


def _below(s: RiskState, spans: dyadic.Spans, limit: Floats, margin: Floats) -> Bools:
    """Whether the risk lies, with its interval, below the limit since recovery most likely began, (W,)."""
    row, best = np.arange(len(limit)), np.argmax(s.bank.recovery + _LOG_WEIGHTS, axis=1)
    calm, _, offered = dyadic.at_least(spans, np.maximum(s.bank.windows + 1 - s.bank.calm_window[row, best], 1))
    below: Bools = _moments(calm)[1] + _radius(calm, margin, (1.0 - LEVEL) / offered) < limit
    return below


def _learn(
    ps: Sequence[RiskParams], s: RiskState, stats: Sequence[Reading], window: Floats, rows: Bools, tick: Tick
) -> RiskState:
    """First the sample gives the bins, then the reference fills, then watching begins."""
    reference = np.where(rows[:, None], s.reference + window, s.reference)
    windows = s.reference_windows + (rows & (window[:, _N] > 0))
    ready = (
        rows
        & (reference[:, _N] >= np.array([p.learn_units for p in ps]))
        & (windows >= np.array([p.learn_windows for p in ps]))
    )
    return replace(
        s,
        bank=engine.begin(s.bank, ready, tick.end),
        labels=learning.gather(s.labels, stats, [p.sample_units for p in ps], rows),
        reference=reference,
        reference_windows=windows,
    )


def _report(
    ps: Sequence[RiskParams],
    s: RiskState,
    seen: Views,
    window: Floats,
    blind: Bools,
    verdict: engine.Verdict,
    tick: Tick,
) -> list[Evidence]:
    modes, margin, limit = engine.modes(s.bank), margins(ps, s.reference), upper_bound(s.reference)
    told = []
    for row, p in enumerate(ps):
        base = engine.evidence(verdict, tick, modes, row)
        if blind[row]:
            base = msgspec.structs.replace(base, reason=learning.why_biased(s.labels, row))
        shown, bounds = seen.told(base, row), (float(margin[row]), float(limit[row]))
        told.append(_evidence(p, s, base, shown, bounds, window[row, _N], row))
    return told


def _evidence(
    p: RiskParams,
    s: RiskState,
    base: Evidence,
    shown: tuple[str, Floats, float],
    bounds: tuple[float, float],
    came: float,
    row: int,
) -> Evidence:
    """`shown`: see `Views.told`; `bounds`: the margin, and the largest mean loss of the null without it."""
    (kind, sums, alpha), (margin, limit) = shown, bounds
    n, reference = int(sums[_N]), s.reference[row]
    now, before = float(sums[_S]) / max(n, 1), float(reference[_S]) / max(float(reference[_N]), 1.0)
    learns = base.mode is Mode.LEARNING
    standing, reason = base.standing, base.reason
    if standing is Standing.OK and learns:
        standing, reason = Standing.INSUFFICIENT, _progress(p, s, row)
    elif standing is Standing.OK and not came:
        standing, reason = Standing.STALE, "no prediction of this window has a label"
    known = n > 0 and not learns
    se, tau = np.hypot(*_standard_error(np.stack([sums, reference]))), np.maximum(margin, _SMALLEST)
    half = float(normal_mixture_radius(se, tau, alpha)) if n > 1 else np.inf
    return msgspec.structs.replace(
        base,
        standing=standing,
        reason=reason,
        n={"now": 0 if learns else n, "reference": int(reference[_N])},
        arms={"reference": before, "now": now} if known else {},
        effect=now - before if known else None,
        relative=now / before - 1.0 if known and before > 0 else None,
        unit="share" if p.loss == "error" else "loss",
        interval=Interval(
            low=max(now - before - half, -before),
            high=min(now - before + half, 1.0 - before),
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={"se": float(se), "tau": float(tau), "alpha": alpha}
            | {"at_least": -before, "at_most": 1.0 - before},
        )
        if known and np.isfinite(half)
        else None,
        margin=None if learns else margin,
        detail={"loss": p.loss, "page_if_worse_by": p.page_if_worse_by, "reference_upper_bound": limit}
        | {"now_sum": float(sums[_S]), "now_squares": float(sums[_Q]), "reference_sum": float(reference[_S])}
        | learning.figures(s.labels, row),
    )


def _progress(p: RiskParams, s: RiskState, row: int) -> str:
    if not s.labels.known[row]:
        return f"learning the score bins: {learning.sampled_units(s.labels, row):,} of {p.sample_units:,} units"
    n, windows = int(s.reference[row, _N]), int(s.reference_windows[row])
    return f"learning: {n:,} of {p.learn_units:,} labelled units, {windows:,} of {p.learn_windows:,} windows"

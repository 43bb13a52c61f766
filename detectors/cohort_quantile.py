"""B4: do more of the exposed than of the holdout lie beyond the usual median, 95th or 99th percentile of a value?

The cuts are learned from both cohorts together and then frozen. A unit votes once, with the value of its first prediction (of
its randomisation): beyond each cut, or not. That is a share, bounded whatever the value's tails, so the evidence is exact: it
rests on the assignment coin alone.

Null: at every cut, the share of the exposed beyond it exceeds the holdout's (or, where higher is better, falls short of it) by
no more than `page_if_worse_by` of the share that was beyond it while learning. The three tests are averaged, which needs no
correction.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, CohortQuantile()
>>> p = CohortQuantileParams(holdout_share=0.5, learn_units=2_000)
>>> state, told = detector.start([p]), []
>>> for window in range(30):
...     cohort = (rng.random(1_000) < 0.5).astype(np.int8)
...     slow = (cohort == 0) & (window >= 15) & (rng.random(1_000) < 0.05)     # one exposed answer in twenty takes long
...     value = rng.lognormal(3.0, 0.5, 1_000) * np.where(slow, 5.0, 1.0)
...     rows = Columns(np.full(1_000, window * hour), np.arange(1, 1_001, dtype=np.uint64), cohort, np.zeros(1_000, np.int32),
...                    np.arange(1_000), {"value": Numeric(value), "first": flag(np.ones(1_000, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].unit))
>>> told[0]
(16, 'page', 'share beyond q99')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import engine
from detectors.columns import Cohort, Columns, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.increments import ipw
from detectors.math import dyadic, unit_sample
from detectors.math.intervals import empirical_cdf_radius, normal_mixture_radius
from detectors.math.unit_sample import UnitSample
from detectors.snapshot import pack_record, unpack_record

LEVEL = 0.95
QUANTILES = (0.5, 0.95, 0.99)
NAMES = ("q50", "q95", "q99")
_CUTS = len(QUANTILES)
_BETS = _CUTS * ipw.BETS
_LOG_WEIGHTS = np.full(_BETS, -np.log(_BETS))
_RAREST = 0.001
"""Where fewer were beyond a cut (many equal values), the margin is that of this share."""

_WIDTH = 2 * (1 + _CUTS)
"""For the exposed, then for the holdout: units, and units beyond each cut."""


class CohortQuantileParams(Params):
    """Parameters of `cohort_quantile`."""

    holdout_share: Annotated[float, Field(gt=0, lt=1, description="planned share of the holdout among both cohorts")]
    better: Annotated[
        Literal["lower", "higher"],
        Field(description="lower: more beyond a quantile is worse (a latency); higher: fewer is worse (an amount)"),
    ] = "lower"
    page_if_worse_by: Annotated[
        float, Field(gt=0, lt=10, description="tolerated excess beyond a quantile, as a share of what is beyond it")
    ] = 0.1
    learn_units: Annotated[
        int, Field(ge=100, le=100_000, description="units, both cohorts together, that the quantiles are learned from")
    ] = 5_000
    min_holdout: Annotated[int, Field(ge=1, description="held-out units before anything is judged")] = 50


@dataclass(frozen=True)
class Beyond:
    """First-seen units: a sample of values while the cuts are unknown, then `counts` (_WIDTH,); `held` units while learning."""

    counts: Ints
    keys: npt.NDArray[np.uint64]
    ties: npt.NDArray[np.uint64]
    values: Floats
    held: Ints


@dataclass(frozen=True)
class Ruler:
    """The frozen cuts (3,), None while learning, and the sample's size."""

    cuts: Floats | None
    capacity: int


@dataclass(frozen=True)
class CohortQuantileState:
    """W watches.

    sample        (W,) bytes of the sample that the cuts will come from; windows (W,) it has gathered; held (W,) units of it.
    cuts, usual   (W, 3) the cuts, NaN while learning, and the share that was beyond them.
    total, fresh  (W, _WIDTH): units since watching began, and since the alert opened.
    worst         (W,) the cut that had moved most when the alert opened.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    sample: npt.NDArray[Any]
    windows: Ints
    held: Ints
    cuts: Floats
    usual: Floats
    total: Floats
    fresh: Floats
    worst: Ints


class CohortQuantile:
    """See the module's text."""

    name = "cohort_quantile"
    family = Family.COHORT
    hint = False
    params = CohortQuantileParams
    statistic = Beyond
    state = CohortQuantileState

    def needs(self, p: CohortQuantileParams) -> Needs:  # noqa: ARG002 - the same for all parameters
        """`value`, any number (missing is left out), and `first`: the unit's enrolment row."""
        return Needs(Stream.OUTCOMES, ("value", "first"), contrast=True, gated=True)

    def start(self, ps: Sequence[CohortQuantileParams]) -> CohortQuantileState:
        """Learning, without cuts."""
        w = len(ps)
        return CohortQuantileState(
            bank=engine.start(w, _BETS),
            spans=dyadic.start(w, _WIDTH),
            sample=np.full(w, b"", object),
            windows=np.zeros(w, np.int64),
            held=np.zeros(w, np.int64),
            cuts=np.full((w, _CUTS), np.nan),
            usual=np.zeros((w, _CUTS)),
            total=np.zeros((w, _WIDTH)),
            fresh=np.zeros((w, _WIDTH)),
            worst=np.zeros(w, np.int64),
        )

    def prepare(self, p: CohortQuantileParams, s: CohortQuantileState, row: int) -> Ruler:
        """The cuts, once they are known."""
        known = not np.isnan(s.cuts[row]).any()
        return Ruler(s.cuts[row] if known else None, p.learn_units)

    def empty(self, prep: Ruler) -> Beyond:  # noqa: ARG002
        """No units."""
        return _beyond(np.zeros(_WIDTH, np.int64), unit_sample.nobody(), 0)

    def fold(self, prep: Ruler, a: Beyond, rows: Columns) -> Beyond:
        """Add enrolment rows of exposed and held-out units that have a value."""
        value = rows.numbers("value")
        mine = rows.take(rows.flags("first") & (rows.cohort <= Cohort.HOLDOUT) & (rows.unit != 0) & np.isfinite(value))
        if prep.cuts is None:
            sample = unit_sample.of_rows(mine, mine.numbers("value"), prep.capacity)
            held = int((mine.cohort == Cohort.HOLDOUT).sum())
            return self.merge(prep, a, _beyond(np.zeros(_WIDTH, np.int64), sample, held))
        beyond = mine.numbers("value")[:, None] > prep.cuts
        votes = np.concatenate([np.ones((len(mine), 1), np.int64), beyond], axis=1)
        exposed = (mine.cohort == Cohort.EXPOSED)[:, None]
        counts = np.concatenate([(votes * exposed).sum(axis=0), (votes * ~exposed).sum(axis=0)]).astype(np.int64)
        return replace(a, counts=a.counts + counts)

    def merge(self, prep: Ruler, a: Beyond, b: Beyond) -> Beyond:
        """Counts add; of two samples the smallest keys stay."""
        sample = unit_sample.merge(_sample(a), _sample(b), prep.capacity)
        return _beyond(a.counts + b.counts, sample, int(a.held[0] + b.held[0]))

    def size(self, a: Beyond) -> int:
        """Units of the smaller cohort; of both together while the cuts are being learned."""
        return max(int(min(a.counts[0], a.counts[1 + _CUTS])), len(a.keys))

    def close(
        self, ps: Sequence[CohortQuantileParams], s: CohortQuantileState, stats: Sequence[Beyond], tick: Tick
    ) -> tuple[CohortQuantileState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        w, live = len(ps), ~tick.gated
        watching = s.bank.mode != engine.LEARNING
        window = np.array([a.counts for a in stats], np.float64) * watching[:, None]
        informative = (window[:, 0] + window[:, 1 + _CUTS]) > 0
        open_ = s.bank.mode == engine.RECOVERING
        fresh = np.where((open_ & live)[:, None], s.fresh + window, s.fresh)
        spans = dyadic.push(s.spans, window, live & informative)
        increments = _increments(ps, s, window)
        bank, verdict = engine.advance(s.bank, increments, _LOG_WEIGHTS, tick, informative, np.ones(w, np.bool_))

        total = np.where(live[:, None], s.total + window, s.total)
        total = np.where((verdict.restarted & live)[:, None], window, total)
        lasted = np.where(verdict.closed, verdict.calm_windows, verdict.change_windows)
        recent, _, offered = dyadic.at_least(spans, np.maximum(lasted, 1))
        ended = verdict.closed | verdict.restarted
        after = replace(
            s,
            bank=bank,
            spans=dyadic.clear(spans, ended),
            total=total,
            fresh=np.where((verdict.opened | ended)[:, None], 0.0, fresh),
            worst=np.where(verdict.opened, _moved_most(recent, _signs(ps)), s.worst),
        )
        after = _learn(ps, after, stats, live & ~watching, tick)
        views = {"since_start": (total, np.ones(w)), "recent": (recent, offered), "fresh": (fresh, np.ones(w))}
        modes = engine.modes(after.bank)
        return after, [
            _evidence(
                ps[i],
                after,
                i,
                {kind: (sums[i], float(looks[i])) for kind, (sums, looks) in views.items()},
                _stale(engine.evidence(verdict, tick, modes, i), bool(informative[i])),
            )
            for i in range(w)
        ]


def _beyond(counts: Ints, sample: UnitSample, held: int) -> Beyond:
    return Beyond(counts, sample.keys, sample.ties, sample.values, np.array([held]))


def _sample(a: Beyond) -> UnitSample:
    return UnitSample(a.keys, a.ties, a.values)


def _increments(ps: Sequence[CohortQuantileParams], s: CohortQuantileState, window: Floats) -> engine.Increments:
    """Per cut the increments of a bounded value: 1 beyond the cut, else 0. Cut j owns the bets j BETS to (j + 1) BETS."""
    w = len(ps)
    share = np.repeat([1.0 - p.holdout_share for p in ps], _CUTS)
    usual, margin = s.usual.ravel(), _margins(ps, s).ravel()
    exposed, held = window[:, : 1 + _CUTS], window[:, 1 + _CUTS :]
    groups = np.stack([exposed[:, 1:], exposed[:, :1] - exposed[:, 1:], held[:, 1:], held[:, :1] - held[:, 1:]], axis=2)
    entries = ipw.Entries(
        watch=np.repeat(np.arange(w * _CUTS), 4),
        value=np.tile([1.0, 0.0, 1.0, 0.0], w * _CUTS),
        exposed=np.tile([True, True, False, False], w * _CUTS),
        count=groups.ravel(),
    )
    good = np.repeat(_signs(ps), _CUTS)

    def against(tolerance: Floats) -> Floats:
        return ipw.log_increments(entries, w * _CUTS, share, usual, tolerance, good).reshape(w, _BETS)

    still = ipw.log_increments_worse(entries, w * _CUTS, share, usual, margin, good).reshape(w, _CUTS, ipw.BETS)
    return engine.Increments(
        null=against(margin),
        critical=against(3.0 * margin),
        worse=np.tile(still[np.arange(w), s.worst], (1, _CUTS)),
    )


def _signs(ps: Sequence[CohortQuantileParams]) -> Floats:
    """+1 where more beyond a cut is better, (W,)."""
    return np.array([1.0 if p.better == "higher" else -1.0 for p in ps])


def _margins(ps: Sequence[CohortQuantileParams], s: CohortQuantileState) -> Floats:
    """Tolerated difference of the shares beyond each cut, (W, 3)."""
    margins: Floats = np.array([p.page_if_worse_by for p in ps])[:, None] * np.maximum(s.usual, _RAREST)
    return margins


def _learn(
    ps: Sequence[CohortQuantileParams],
    s: CohortQuantileState,
    stats: Sequence[Beyond],
    learning: npt.NDArray[np.bool_],
    tick: Tick,
) -> CohortQuantileState:
    """The sample fills; when it is full and the holdout large enough, it gives the cuts and watching begins."""
    sample, windows, held, cuts, usual = (x.copy() for x in (s.sample, s.windows, s.held, s.cuts, s.usual))
    ready = np.zeros(len(ps), np.bool_)
    for row, p in enumerate(ps):
        if not learning[row] or not len(stats[row].keys):
            continue
        windows[row] += 1
        held[row] += stats[row].held[0]
        mine = unit_sample.rekeyed(_sample(stats[row]), int(windows[row]))
        gathered = unit_sample.merge(_unpacked(sample[row]), mine, p.learn_units)
        ready[row] = len(gathered) >= p.learn_units and held[row] >= p.min_holdout
        if ready[row]:
            cuts[row] = np.quantile(gathered.values, QUANTILES)
            usual[row] = (gathered.values[:, None] > cuts[row]).mean(axis=0)
        sample[row] = b"" if ready[row] else pack_record(gathered)
    bank = engine.begin(s.bank, ready, tick.end)
    return replace(s, bank=bank, sample=sample, windows=windows, held=held, cuts=cuts, usual=usual)


def _unpacked(cell: bytes) -> UnitSample:
    return unpack_record(UnitSample, cell) if cell else unit_sample.nobody()


def _shares(sums: Floats) -> tuple[Floats, Floats]:
    """Of the exposed and of the holdout beyond each cut, each (..., 3)."""
    exposed, held = sums[..., : 1 + _CUTS], sums[..., 1 + _CUTS :]
    return exposed[..., 1:] / np.maximum(exposed[..., :1], 1.0), held[..., 1:] / np.maximum(held[..., :1], 1.0)


def _moved_most(sums: Floats, signs: Floats) -> Ints:
    """The cut at which the exposed are worst off by most standard deviations of a share, (W,)."""
    exposed, held = _shares(sums)
    scale = np.sqrt(np.maximum((exposed + held) / 2.0, 1e-6))
    result: Ints = np.argmax(signs[:, None] * (held - exposed) / scale, axis=-1)
    return result


def _standard_error(sums: Floats, cut: int) -> float:
    """Of the difference of shares: the larger of the pooled and the separate one; see `cohort_bounded`."""
    n1, n0 = max(sums[0], 1.0), max(sums[1 + _CUTS], 1.0)
    k1, k0 = sums[1 + cut], sums[2 + _CUTS + cut]
    both, p1, p0 = (k1 + k0) / (n1 + n0), k1 / n1, k0 / n0
    pooled = both * (1.0 - both) * (1.0 / n1 + 1.0 / n0)
    return float(np.sqrt(max(pooled, p1 * (1.0 - p1) / n1 + p0 * (1.0 - p0) / n0)))


def _stale(base: Evidence, informative: bool) -> Evidence:
    """A window that brought nobody new is no verdict, and is not shown as one."""
    judged = base.mode is not Mode.LEARNING and base.standing is Standing.OK and base.crossing is Crossing.NONE
    if informative or not judged:
        return base
    return msgspec.structs.replace(base, standing=Standing.STALE, reason="no new unit came in this window")


def _evidence(
    p: CohortQuantileParams,
    s: CohortQuantileState,
    row: int,
    views: dict[str, tuple[Floats, float]],
    base: Evidence,
) -> Evidence:
    if base.mode is Mode.LEARNING:
        return _learning(p, s, row, base)
    kind = "since_start"
    if base.crossing is not Crossing.NONE:
        kind = "recent"
    elif base.mode is Mode.RECOVERING:
        kind = "fresh"
    if min(views[kind][0][0], views[kind][0][1 + _CUTS]) < 1:
        kind = "since_start"
    sums, looks = views[kind]
    n1, n0 = int(sums[0]), int(sums[1 + _CUTS])
    cut = int(s.worst[row]) if base.mode is Mode.RECOVERING else int(_moved_most(sums[None], _signs([p]))[0])
    beyond1, beyond0 = (shares[cut] for shares in _shares(sums))
    margin = p.page_if_worse_by * max(float(s.usual[row, cut]), _RAREST)
    known = n1 > 0 and n0 > 0
    effect = float(beyond1 - beyond0) if known else None
    alpha = (1.0 - LEVEL) / _CUTS / looks
    se = np.array([_standard_error(sums, cut)])
    radius = float(normal_mixture_radius(se, np.maximum(margin, se), alpha)[0]) if known else np.inf
    band = empirical_cdf_radius(np.array([n1, n0], np.float64), (1.0 - LEVEL) / 2.0)
    return msgspec.structs.replace(
        base,
        n={"exposed": n1, "holdout": n0},
        arms={"exposed": float(beyond1), "holdout": float(beyond0)} if known else {},
        effect=effect,
        relative=effect / float(beyond0) if effect is not None and beyond0 > 0 else None,
        interval=Interval(low=effect - radius, high=effect + radius, level=LEVEL, kind=kind)
        if effect is not None and np.isfinite(radius)
        else None,
        unit=f"share beyond {NAMES[cut]}",
        margin=margin,
        detail={f"cut_{name}": float(v) for name, v in zip(NAMES, s.cuts[row], strict=True)}
        | {f"exposed_beyond_{name}": int(v) for name, v in zip(NAMES, sums[1 : 1 + _CUTS], strict=True)}
        | {f"holdout_beyond_{name}": int(v) for name, v in zip(NAMES, sums[2 + _CUTS :], strict=True)}
        | {f"band_{arm}": float(v) for arm, v in zip(("exposed", "holdout"), band, strict=True) if np.isfinite(v)}
        | {"page_if_worse_by": p.page_if_worse_by, "better": p.better},
    )


def _learning(p: CohortQuantileParams, s: CohortQuantileState, row: int, base: Evidence) -> Evidence:
    gathered, held = len(_unpacked(s.sample[row])), int(s.held[row])
    if base.standing is not Standing.OK:
        return msgspec.structs.replace(base, n={"both": gathered})
    return msgspec.structs.replace(
        base,
        standing=Standing.INSUFFICIENT,
        reason=f"learning the quantiles: {gathered:,} of {p.learn_units:,} units, {held:,} of {p.min_holdout:,} held out",
        n={"both": gathered},
    )

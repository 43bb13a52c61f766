"""Loop gain as a watch: pushes of one period, measured against what the policy does after the next retrainings.

Every period closes the measurement of the one `training_periods` before it, so that all lags that the next model learns from are
summed. The alarm follows the rule of `detectors.periods`: the one-sided bound of the TOTAL gain beyond a threshold, in two periods
in a row, at an error equal to each period's spend. Warn: above half of `page_if_gain_above`. Page: above it, or above .5 where the
estimate is .9 or more. Critical: above 1, from where on a loop runs away. The bound is that of Anderson and Rubin: asymptotic in
pairs times periods. The interval shown is valid at every look: of coins it uses the coins alone, else it is a normal mixture.

Where nothing may be tilted, `instrument: exploration` takes the luck of the random slots for the push. It is weaker, and rests on an
assumption: that a showing drawn at random teaches the model as much as one that it chose. Of a model trained on draws alone it tells
how that answers draws, which is no feeding on itself. So a config's watch by it warns, and does not page.

Nothing is claimed where pushes were not felt (first-stage F below 10), where the effective number of pairs is small, or where the
feed has collapsed to less than a fifth of the effective items it began with ("saturated"): there a gain cannot be told from that of
a loop that has already run its course, and concentration tells the rest. As long as the interval holds both a gain that is tolerated
and one that would page, the watch is `insufficient`, and says how much more it takes.

>>> from detectors.columns import Hash, Numeric, Ragged, flag
>>> rng, day, detector, p = np.random.default_rng(11), 86_400_000, LoopGain(), LoopGainParams()
>>> state, share, told, number = detector.start([p]), np.full(200, 1 / 200), [], np.arange(200) // 2 + 1
>>> for period in range(6):
...     pair = number * np.repeat(rng.choice([-1, 1], 100), 2) * np.tile([1, -1], 100)            # a coin a pair
...     pushed, tilted = share * np.exp(0.3 * np.sign(pair)), rng.random(20_000) < 0.5
...     items = [rng.choice(200, (20_000, 5), p=weights / weights.sum()) for weights in (share, pushed)]
...     item = np.where(tilted[:, None], items[1], items[0]).ravel()
...     slates = Ragged(np.arange(20_001) * 5, {"item": Hash(item.astype(np.uint64) + np.uint64(1)), "pair": Numeric(pair[item] * 1.0)})
...     rows = Columns(np.full(20_000, period * day), np.arange(1, 20_001, dtype=np.uint64), np.zeros(20_000, np.int8),
...                    np.zeros(20_000, np.int32), np.arange(20_000), {"items": slates, "tilted": flag(tilted)})
...     share = share * (np.bincount(item, minlength=200) / 100_000 / share) ** 0.8               # 80 % of a push comes back
...     share /= share.sum()
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=1e-3, warn=4e-3))
...     if evidence.crossing is not Crossing.NONE:
...         told.append((period, str(evidence.crossing)))
>>> told, evidence.interval.low < 0.8 < evidence.interval.high, evidence.interval.low > 0.5
([(3, 'page')], True, True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import ndtri

from detectors import periods
from detectors.columns import Columns, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence
from detectors.loop_gain import estimate, table
from detectors.loop_gain.estimate import Sums
from detectors.loop_gain.pairs import MIN_EXPECTED, Pairs, drawn, eligible, measured
from detectors.loop_gain.report import WARNS, Basis, Told, tell
from detectors.loop_gain.table import ALL, UNTILTED, Table
from detectors.math import distinct, diversity
from detectors.periods import PAGE, WATCHING, PeriodState

SATURATED = 0.2
"""Share of the first period's effective items below which the feed has collapsed."""

NEARLY_ONE, NEAR, RUNAWAY = 0.9, 0.5, 1.0
"""An estimate near a runaway, the lower bound at which that pages, and the one from which a loop runs away."""

MAX_LAGS = 14
_Z = MAX_LAGS + 1


class LoopGainParams(Params):
    """Parameters of `loop_gain`."""

    page_if_gain_above: Annotated[
        float, Field(gt=0, lt=1, description="total gain that pages, at .6 a loop multiplies by 2.5; half of it warns")
    ] = 0.6
    instrument: Annotated[
        Literal["tilt", "exploration"],
        Field(
            description="what pushes: pairs tilted by coins, or the luck of slots that are filled at random, uniformly"
        ),
    ] = "tilt"
    training_periods: Annotated[
        int, Field(ge=1, le=MAX_LAGS, description="periods of logs that each model is trained on: lags that are summed")
    ] = 1
    min_pairs: Annotated[
        int, Field(ge=2, description="effective number of pairs (or items) before a gain is claimed")
    ] = 20
    min_exposures: Annotated[
        int, Field(ge=1, description="untilted showings of both items of a pair in the period before")
    ] = MIN_EXPECTED
    max_items: Annotated[
        int,
        Field(ge=1_000, le=1_000_000, description="items counted in a period, 48 bytes each; beyond, a sample by hash"),
    ] = 200_000


@dataclass(frozen=True)
class LoopGainState(PeriodState):
    """W watches.

    kept            (W,) packed tables of the last training_periods + 1 periods, the oldest first.
    linear, square  (W, z), (W, z, z) sums of `detectors.loop_gain.estimate`, in the first training_periods + 1 places.
    measured        (W, 2) pairs, and periods, measured so far; spread (W, 2) see `detectors.loop_gain.estimate.spread`.
    first_items     (W,) effective items of the first period, NaN before.
    first           (W, z, z) square sums of the first period that had pairs; 0 before.
    """

    kept: npt.NDArray[np.object_]
    linear: Floats
    square: Floats
    measured: Ints
    spread: Floats
    first_items: Floats
    first: Floats


class LoopGain:
    """See the module's text."""

    name = "loop_gain"
    family = Family.LOOP
    hint = False
    params = LoopGainParams
    statistic = Table
    state = LoopGainState

    def needs(self, p: LoopGainParams) -> Needs:
        """`items` with the fields `item` (identity) and, where items are drawn at random, `explored`; `tilted` and `pair` for coins."""
        return Needs(Stream.PREDICTIONS, ("items", "tilted") if p.instrument == "tilt" else ("items",), gated=True)

    def start(self, ps: Sequence[LoopGainParams]) -> LoopGainState:
        """Watching at once: there is nothing to be learned first."""
        w = len(ps)
        kept = np.empty(w, object)
        kept[:] = [[] for _ in ps]
        return periods.start(
            LoopGainState,
            w,
            WATCHING,
            kept=kept,
            linear=np.zeros((w, _Z)),
            square=np.zeros((w, _Z, _Z)),
            measured=np.zeros((w, 2), np.int64),
            spread=np.zeros((w, 2)),
            first_items=np.full(w, np.nan),
            first=np.zeros((w, _Z, _Z)),
        )

    def prepare(self, p: LoopGainParams, s: LoopGainState, row: int) -> int:
        """The cap on items."""
        return p.max_items

    def empty(self, prep: int) -> Table:
        """Nothing was shown."""
        return table.empty()

    def fold(self, prep: int, a: Table, rows: Columns) -> Table:
        """Add what exposed units were shown."""
        return table.merge(a, table.of(rows, prep), prep)

    def merge(self, prep: int, a: Table, b: Table) -> Table:
        """Counts add."""
        return table.merge(a, b, prep)

    def size(self, a: Table) -> int:
        """Exposed units."""
        return distinct.count(a.units)

    def close(
        self, ps: Sequence[LoopGainParams], s: LoopGainState, stats: Sequence[Table], tick: Tick
    ) -> tuple[LoopGainState, list[Evidence]]:
        """Advance by one period."""
        s, by_hand = periods.rearm(s, tick)
        rows = [_advance(p, s, i, a, gated=bool(tick.gated[i])) for i, (p, a) in enumerate(zip(ps, stats, strict=True))]
        s_after = _with(s, rows)
        live = np.array([row.told.claimed for row in rows])
        gain, se = (np.array(column) for column in zip(*((r.told.gain, r.told.se) for r in rows), strict=True))
        page = np.array([p.page_if_gain_above for p in ps])
        error = periods.errors(tick)
        bound = np.stack([_lower(row.told, e) for row, e in zip(rows, error, strict=True)])
        with np.errstate(invalid="ignore"):
            paging = np.where(gain >= NEARLY_ONE, np.minimum(page, NEAR), page)
            over = bound > np.stack([WARNS * page, paging, np.full(len(ps), RUNAWAY)], axis=1)
            clear = gain - ndtri(periods.RECOVERY_LEVEL) * se < WARNS * page
        after, crossed = periods.judge(s_after, over, clear, tick, live)
        level = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
        told = [
            tell(
                row.told,
                mode=periods.MODES[after.mode[i]],
                crossing=Crossing(level[i]),
                page=p.page_if_gain_above,
                spend=float(tick.page[i]) if row.told.claimed and s.level[i] < PAGE else 0.0,
                change_at=int((s if level[i] == Crossing.RECOVERED else after).since[i]) or None,
            )
            for i, (p, row) in enumerate(zip(ps, rows, strict=True))
        ]
        return after, told


@dataclass(frozen=True)
class _Row:
    """What becomes of one watch."""

    kept: list[bytes]
    sums: Sums
    measured: Ints
    spread: Floats
    first_items: float
    first: Floats
    told: Told


def _advance(p: LoopGainParams, s: LoopGainState, i: int, a: Table, *, gated: bool) -> _Row:
    lags = p.training_periods
    sums = Sums(s.linear[i, : lags + 1], s.square[i, : lags + 1, : lags + 1])
    kept, count, spread = list(s.kept[i]), s.measured[i], s.spread[i]
    first_items, first = float(s.first_items[i]), s.first[i, : lags + 1, : lags + 1]
    exposures, units = int(a.counts[:, ALL].sum()), distinct.count(a.units)
    lacking = _lacking(p, a, gated=gated)
    if lacking:
        kept = [] if gated or exposures else kept
        return _Row(kept, sums, count, spread, first_items, first, Told.nothing(lacking, exposures, units, gated))
    items = _effective(a.counts[:, UNTILTED])
    first_items = items if np.isnan(first_items) else first_items
    saturated = items < SATURATED * first_items
    if len(kept) == lags + 1 and not saturated:
        pairs = _pairs(p, kept, a) if p.instrument == "tilt" else _luck(p, kept, a)
        if pairs is not None:
            found = estimate.sums(pairs)
            sums, spread = sums + found, spread + estimate.spread(pairs)
            count = count + np.array([len(pairs.sign), 1])
            first = first if first.any() else found.square
    kept = [*kept, table.pack(a)][-(lags + 1) :]
    told = Told.of(
        sums,
        first,
        Basis(units, exposures, int(count[0]), int(count[1]), estimate.effective(spread)),
        least=p.min_pairs,
        page=p.page_if_gain_above,
        coins=p.instrument == "tilt",
        saturated=saturated,
    )
    return _Row(kept, sums, count, spread, first_items, first, told)


def _pairs(p: LoopGainParams, kept: Sequence[bytes], now: Table) -> Pairs | None:
    """Of the period before the last `training_periods` ones; its predecessor says which pairs were well seen. None if none was."""
    before, own, *between = (table.unpack(data) for data in kept)
    later = [*between, table.unpack(table.pack(now))]
    first, second = table.matched(own)
    least = eligible(table.counts_of(before, own.keys, UNTILTED), first, second, p.min_exposures)
    first, second = first[least], second[least]
    if not len(first):
        return None
    # the first of a pair is the one with the smaller row, so that its sign is a coin and not always +1
    swapped = first > second
    return measured(
        own.sums[:, UNTILTED],
        own.sums[:, ALL],
        [table.counts_of(after, own.keys, UNTILTED) for after in later],
        np.where(swapped, second, first),
        np.where(swapped, first, second),
        np.where(swapped, -1.0, 1.0),
    )


def _luck(p: LoopGainParams, kept: Sequence[bytes], now: Table) -> Pairs | None:
    """The same where the random slots push: of the items that the policy showed often enough the period before."""
    before, own, *between = (table.unpack(data) for data in kept)
    later = [*between, table.unpack(table.pack(now))]
    items = np.flatnonzero(table.counts_of(before, own.keys, UNTILTED) >= p.min_exposures)
    return drawn(
        own.sums[:, UNTILTED],
        own.sums[:, ALL],
        [table.counts_of(after, own.keys, UNTILTED) for after in later],
        items,
    )


def _lower(told: Told, errors: Floats) -> Floats:
    """One-sided lower bounds of the total gain at the given errors."""
    if not told.claimed:
        return np.full(len(errors), -np.inf)
    return np.array([estimate.anderson_rubin(told.sums, 2.0 * e)[0] if e > 0 else -np.inf for e in errors])


def _lacking(p: LoopGainParams, a: Table, *, gated: bool) -> str:
    if gated:
        return "the holdout is not sound"
    shown = int(a.counts[:, ALL].sum())
    if p.instrument == "exploration":
        if not shown:
            return "no items were shown to exposed units in this period"
        drawn_at_random = shown > a.counts[:, UNTILTED].sum()
        return "" if drawn_at_random else "no item was drawn at random in this period, so nothing was pushed"
    if not shown:
        return "no items were shown to exposed units in this period, or no request told whether it was tilted"
    if not a.tilted.all():
        return f"{'no' if not a.tilted[1] else 'every'} request was tilted in this period; both kinds are needed"
    return ""


def _effective(counts: Ints) -> float:
    total, squares = float(counts.sum()), float(np.sum(counts.astype(np.float64) ** 2))
    hhi = diversity.unbiased_hhi(np.array(squares), np.array(total), np.array(total))
    return float(np.exp(diversity.log_effective_items(hhi)))


def _with(s: LoopGainState, rows: Sequence[_Row]) -> LoopGainState:
    kept = np.empty(len(rows), object)
    kept[:] = [row.kept for row in rows]
    linear, square, first = np.zeros_like(s.linear), np.zeros_like(s.square), np.zeros_like(s.first)
    for i, row in enumerate(rows):
        z = len(row.sums.linear)
        linear[i, :z], square[i, :z, :z], first[i, :z, :z] = row.sums.linear, row.sums.square, row.first
    return replace(
        s,
        kept=kept,
        linear=linear,
        square=square,
        measured=np.stack([row.measured for row in rows]),
        spread=np.stack([row.spread for row in rows]),
        first_items=np.array([row.first_items for row in rows]),
        first=first,
    )

"""B7: do logged propensities say by which chances items were in fact drawn?

A draw of chance p stands for w = q / p draws by the chances q that are to be stood for: 1 / J of J items, or what each draw tells
(`items.target`). If the logged p are true, the mean of w is 1 whatever they are; logged a fifth too large it is .8. A draw counts
at most `largest` times.

A unit votes once a day, in its first window (`voting`), with the mean over its draws there. Draws are the items marked
`items.explored`; where nothing tells which those are, every item with a propensity.

Null: the mean lies within `page_if_off_by` of 1. Exact for votes that are independent given the past: each side is bet on by
`increments.bounded`, with half of the stakes. With cut weights a mean below 1 says that the propensities are wrong or that a
part of the catalogue is drawn so rarely (less than once in `largest` times as often as all alike) that no weight can stand for
it; either way, what is weighted by them cannot be trusted, and stays blind while this alarm is open.

Source: Horvitz and Thompson 1952, JASA 47 (the identity); Waudby-Smith and Ramdas 2024, JRSS-B (the bets).

>>> import numpy as np
>>> from detectors.columns import Columns, Hash, Numeric, Ragged, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector, told = np.random.default_rng(7), 3_600_000, PropensityCheck(), []
>>> p = PropensityCheckParams(catalogue=50)
>>> state, chance = detector.start([p]), np.linspace(1.0, 3.0, 50) / 100.0
>>> for window in range(12):
...     drawn = rng.choice(50, 1_000, p=chance)
...     logged = chance[drawn] * (0.8 if window >= 6 else 1.0)             # from window 6 on logged a fifth too small
...     items = {"item": Hash(drawn.astype(np.uint64) + np.uint64(1)), "propensity": Numeric(logged)}
...     rows = Columns(np.full(1_000, window * hour), np.arange(1, 1_001, dtype=np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000),
...                    {"voting": flag(np.ones(1_000, bool)), "items": Ragged(np.arange(1_001), items)})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, (said,) = detector.close([p], state, [a], tick)
...     if said.crossing is not Crossing.NONE:
...         told.append((window, str(said.crossing), round(said.effect, 2)))
>>> told
[(6, 'page', 0.22), (7, 'critical', 0.23)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import engine, showings
from detectors.columns import Bools, Columns, Flag, Floats, Hashes, Ints, Ragged
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.draws import LEFT_OUT
from detectors.evidence import Crossing, Evidence, Interval, Standing
from detectors.increments import bounded
from detectors.increments.ipw import sum_by_watch
from detectors.math import dyadic, keyed
from detectors.math.intervals import normal_mixture_radius
from detectors.math.unit_sample import mixed
from detectors.views import LEVEL, Views

_ONE = 1 << 16
_CRITICAL = 3.0
_BETS = 2 * bounded.BETS
_LOG_WEIGHTS = np.full(_BETS, -np.log(_BETS))
_N, _S, _Q = range(3)


class PropensityCheckParams(Params):
    """Parameters of `propensity_check`."""

    catalogue: Annotated[
        int,
        Field(ge=0, description="how many items may be drawn; 0: each draw tells its own target chance, items.target"),
    ] = 0
    page_if_off_by: Annotated[
        float, Field(gt=0, lt=0.3, description="tolerated difference of the draws' mean weight from 1")
    ] = 0.05
    largest: Annotated[float, Field(ge=2, le=1_000, description="a draw counts at most this many times")] = 20.0


@dataclass(frozen=True)
class Drawn:
    """One window's voters: `units` (n,) mixed ids, ascending; `sums` (n, 3) draws, their weight in fixed point, those cut.

    unknown   (1,) draws that carry no propensity.
    """

    units: Hashes
    sums: Ints
    unknown: Ints


@dataclass(frozen=True)
class PropensityState:
    """W watches. Sums are (votes, sum, sum of squares), (W, 3): `total` since the start, `fresh` since the open alert began.

    side   (W,) 1 where the open alert says that the mean is above 1, -1 where it is below.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    total: Floats
    fresh: Floats
    side: npt.NDArray[np.int8]


class PropensityCheck:
    """See the module's text."""

    name = "propensity_check"
    family = Family.INTEGRITY
    hint = False
    params = PropensityCheckParams
    statistic = Drawn
    state = PropensityState

    def needs(self, p: PropensityCheckParams) -> Needs:
        """`items`, a list with the fields `item` and `propensity`, and `explored` and `target` where there are; `voting`."""
        return Needs(Stream.PREDICTIONS, ("items", "voting"))

    def start(self, ps: Sequence[PropensityCheckParams]) -> PropensityState:
        """Watching from the first window: there is nothing to learn."""
        w, sums = len(ps), np.zeros((len(ps), 3))
        return PropensityState(engine.start(w, _BETS), dyadic.start(w, 3), sums, sums.copy(), np.ones(w, np.int8))

    def prepare(self, p: PropensityCheckParams, s: PropensityState, row: int) -> PropensityCheckParams:
        """What a draw counts."""
        return p

    def empty(self, prep: PropensityCheckParams) -> Drawn:
        """No draws."""
        none = keyed.nothing(3)
        return Drawn(none.keys, none.sums, np.zeros(1, np.int64))

    def fold(self, prep: PropensityCheckParams, a: Drawn, rows: Columns) -> Drawn:
        """Add the draws of the voting rows."""
        voters = rows.take(rows.flags("voting") & (rows.unit != 0))
        shown, items = showings.of(voters), voters.fields["items"]
        if isinstance(items, Ragged) and isinstance(items.fields.get("explored"), Flag):
            shown = shown.take(shown.explored)
        chance = showings.numbers(voters, shown, "propensity")
        even = (
            np.full(len(chance), 1.0 / prep.catalogue) if prep.catalogue else showings.numbers(voters, shown, "target")
        )
        known = (chance > 0.0) & np.isfinite(even)
        with np.errstate(over="ignore"):  # of a chance next to nothing
            weight = even[known] / chance[known]
        cut = weight > prep.largest
        counted = np.rint(np.where(cut, prep.largest, weight) * _ONE).astype(np.int64)
        values = np.stack([np.ones_like(counted), counted, cut.astype(np.int64)], axis=1)
        sums = keyed.add(keyed.KeyedSums(a.units, a.sums), mixed(voters.unit[shown.owner[known]]), values)
        return Drawn(sums.keys, sums.sums, a.unknown + int((~known).sum()))

    def merge(self, prep: PropensityCheckParams, a: Drawn, b: Drawn) -> Drawn:
        """Sums add."""
        sums = keyed.merge(keyed.KeyedSums(a.units, a.sums), keyed.KeyedSums(b.units, b.sums))
        return Drawn(sums.keys, sums.sums, a.unknown + b.unknown)

    def size(self, a: Drawn) -> int:
        """Units with a vote."""
        return len(a.units)

    def close(
        self, ps: Sequence[PropensityCheckParams], s: PropensityState, stats: Sequence[Drawn], tick: Tick
    ) -> tuple[PropensityState, list[Evidence]]:
        """Advance; see `detectors.engine`. A window in which propensities are missing changes nothing."""
        complete = np.array([a.unknown[0] <= LEFT_OUT * (a.unknown[0] + a.sums[:, 0].sum()) for a in stats])
        row = np.repeat(np.arange(len(ps)), [len(a.units) for a in stats])
        votes = np.concatenate([a.sums[:, 1] / a.sums[:, 0] / _ONE for a in stats])
        votes, row = votes[complete[row]], row[complete[row]]
        window = sum_by_watch(np.stack([np.ones_like(votes), votes, votes**2], axis=1), row, len(ps))
        informative, live = window[:, _N] > 0, ~tick.gated
        margin, largest = (np.array([getattr(p, name) for p in ps]) for name in ("page_if_off_by", "largest"))
        share = votes / largest[row]
        rising = s.side > 0
        mirrored = [bounded.log_increments(share, row, (1.0 + sign * margin) / largest, -sign) for sign in (1.0, -1.0)]
        still = np.where(rising[:, None], *mirrored)
        increments = engine.Increments(
            null=_both(share, row, margin, largest),
            critical=_both(share, row, _CRITICAL * margin, largest),
            worse=np.concatenate([still, still], axis=1),
        )
        begun = replace(s, bank=engine.begin(s.bank, s.bank.mode == engine.LEARNING, tick.start))
        open_ = (begun.bank.mode == engine.RECOVERING) & live
        fresh = np.where(open_[:, None], s.fresh + window, s.fresh)
        spans = dyadic.push(s.spans, window, live & informative)
        clear = _within(begun, spans, margin)
        bank, verdict = engine.advance(begun.bank, increments, _LOG_WEIGHTS, tick, informative, clear)
        total = np.where(live[:, None], s.total + window, s.total)
        recent, _, offered = dyadic.at_least(spans, verdict.lasted)
        after = PropensityState(
            bank,
            dyadic.clear(spans, verdict.ended),
            np.where(verdict.ended[:, None], 0.0, total),
            np.where((verdict.opened | verdict.ended)[:, None], 0.0, fresh),
            np.where(verdict.opened, np.where(_moments(recent)[0] >= 1.0, 1, -1), s.side).astype(np.int8),
        )
        shown = Views(total, recent, offered, fresh)
        modes = engine.modes(bank)
        bases = [engine.evidence(verdict, tick, modes, i) for i in range(len(ps))]
        told = [
            _evidence(p, a, bases[i], shown.told(bases[i], i)) for i, (p, a) in enumerate(zip(ps, stats, strict=True))
        ]
        return after, told


def _both(share: Floats, row: npt.NDArray[np.intp], margin: Floats, largest: Floats) -> Floats:
    """Against "the mean is at most 1 + margin", then against "it is at least 1 - margin"; (W, 2 BETS)."""
    sides = [bounded.log_increments(share, row, (1.0 + sign * margin) / largest, sign) for sign in (1.0, -1.0)]
    return np.concatenate(sides, axis=1)


def _moments(sums: Floats) -> tuple[Floats, Floats]:
    """Mean of the votes and its standard error, each of the shape of (..., 3) sums without its last axis; 1 without votes."""
    n = np.maximum(sums[..., _N], 1.0)
    mean = np.where(sums[..., _N] > 0, sums[..., _S] / n, 1.0)
    variance = np.maximum(sums[..., _Q] / n - mean**2, 0.0)
    return mean, np.sqrt((variance + 1.0 / (n + 1.0) ** 2) / n)


def _within(s: PropensityState, spans: dyadic.Spans, margin: Floats) -> Bools:
    """Whether the mean lies, with its interval, within the margin since recovery most likely began, (W,)."""
    row, best = np.arange(len(margin)), np.argmax(s.bank.recovery + _LOG_WEIGHTS, axis=1)
    calm, _, offered = dyadic.at_least(spans, np.maximum(s.bank.windows + 1 - s.bank.calm_window[row, best], 1))
    mean, se = _moments(calm)
    within: Bools = np.abs(mean - 1.0) + normal_mixture_radius(se, margin, (1.0 - LEVEL) / offered) < margin
    return within


def _evidence(p: PropensityCheckParams, a: Drawn, base: Evidence, shown: tuple[str, Floats, float]) -> Evidence:
    kind, sums, alpha = shown
    mean, se = (float(each) for each in _moments(sums))
    known, n = bool(sums[_N] > 0), int(sums[_N])
    radius = float(normal_mixture_radius(np.array([se]), np.array([p.page_if_off_by]), np.array([alpha]))[0])
    standing, reason = _standing(p, a, base, mean)
    drawn = int(a.sums[:, 0].sum())
    return msgspec.structs.replace(
        base,
        standing=standing,
        reason=reason,
        n={"now": n},
        arms={"expected": 1.0, "now": mean} if known else {},
        effect=mean - 1.0 if known else None,
        relative=mean - 1.0 if known else None,
        unit="share",
        interval=Interval(
            low=max(mean - 1.0 - radius, -1.0),
            high=min(mean - 1.0 + radius, p.largest - 1.0),
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={"se": se, "tau": p.page_if_off_by, "alpha": alpha, "at_least": -1.0, "at_most": p.largest - 1.0},
        )
        if known
        else None,
        margin=p.page_if_off_by,
        detail={"draws": drawn, "draws_cut": int(a.sums[:, 2].sum()), "draws_without_propensity": int(a.unknown[0])}
        | {"votes_sum": float(sums[_S]), "votes_squares": float(sums[_Q])},
    )


def _standing(p: PropensityCheckParams, a: Drawn, base: Evidence, mean: float) -> tuple[Standing, str]:
    if base.standing is not Standing.OK:
        return base.standing, base.reason
    drawn, unknown = int(a.sums[:, 0].sum()), int(a.unknown[0])
    if not drawn + unknown:
        return Standing.STALE, "nothing was drawn at random in this window"
    if unknown > LEFT_OUT * (drawn + unknown):
        lacking = "items.propensity" if p.catalogue else "items.propensity or items.target"
        return Standing.NOT_COMPUTABLE, f"{unknown:,} of {drawn + unknown:,} draws tell no chance above 0 ({lacking})"
    if base.crossing is Crossing.NONE:
        return Standing.OK, ""
    catalogue = f" of the {p.catalogue:,} items that may be drawn" if p.catalogue else " of what they are to stand for"
    return Standing.OK, f"by their logged chances the draws stand for {mean:.1%}{catalogue}".replace("%", " %")

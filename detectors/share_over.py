"""A5: is more than the allowed share of values over a limit? A service level: at most 5 % of answers take longer than 800 ms.

There is nothing to learn: the promise is the null. A unit votes once a day, in its first window (`voting`), with the part of its
rows that are over the limit; missing values have no vote.

Null: at most `at_most` of the votes are over `limit`. Exact for votes that are independent given the past. Critical: three times
as many.

Source: as `detectors.category_shift`.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector, told = np.random.default_rng(7), 3_600_000, ShareOver(), []
>>> p = ShareOverParams(limit=800.0, at_most=0.05)
>>> state = detector.start([p])
>>> for window in range(15):
...     took = rng.lognormal(6.0, 0.4 if window < 10 else 0.55, 1_000)     # 4.4 % over the limit, from window 10 on 10.8 %
...     rows = Columns(np.full(1_000, window * hour), rng.integers(1, 2**63, 1_000).astype(np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000), {"value": Numeric(took), "voting": flag(np.ones(1_000, bool))})
...     a = detector.fold(p.limit, detector.empty(p.limit), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing)))
>>> told
[(10, 'page')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from pydantic import Field

from detectors import engine
from detectors.columns import Columns, Hashes, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Evidence, Standing
from detectors.math import keyed
from detectors.math.unit_sample import mixed
from detectors.shares import report, watch
from detectors.shares.watch import Learning, ShareWatch

_KNOWN = 1e12
"""Votes of a reference whose share, nought, is not in doubt."""


class ShareOverParams(Params):
    """Parameters of `share_over`."""

    limit: Annotated[float, Field(allow_inf_nan=False, description="value that is still good, in the column's unit")]
    at_most: Annotated[float, Field(ge=0.001, le=0.3, description="allowed share of values over the limit")]
    min_units: Annotated[
        int, Field(ge=1, description="units a window needs; a smaller one is merged with the next")
    ] = 100


@dataclass(frozen=True)
class Over:
    """One window's rows: `units` (n,) mixed ids, ascending; `sums` (n, 2) rows with a value, and those over the limit."""

    units: Hashes
    sums: Ints


class ShareOver:
    """See the module's text."""

    name = "share_over"
    family = Family.SHIFT
    hint = False
    params = ShareOverParams
    statistic = Over
    state = ShareWatch

    def needs(self, p: ShareOverParams) -> Needs:
        """`value`, any number; `voting`: the unit's first window of the day."""
        return Needs(Stream.PREDICTIONS, ("value", "voting"))

    def start(self, ps: Sequence[ShareOverParams]) -> ShareWatch:
        """Watching from the first window."""
        fresh = watch.start(len(ps), 1)
        return replace(fresh, reference=np.tile([0.0, _KNOWN], (len(ps), 1)))

    def prepare(self, p: ShareOverParams, s: ShareWatch, row: int) -> float:
        """The limit."""
        return p.limit

    def empty(self, prep: float) -> Over:
        """No rows."""
        none = keyed.nothing(2)
        return Over(none.keys, none.sums)

    def fold(self, prep: float, a: Over, rows: Columns) -> Over:
        """Add the voting rows that have a value."""
        value = rows.numbers("value")
        told = rows.flags("voting") & (rows.unit != 0) & ~np.isnan(value)
        counts = np.stack([np.ones(int(told.sum())), value[told] > prep], axis=1).astype(np.int64)
        sums = keyed.add(keyed.KeyedSums(a.units, a.sums), mixed(rows.unit[told]), counts)
        return Over(sums.keys, sums.sums)

    def merge(self, prep: float, a: Over, b: Over) -> Over:
        """Counts add."""
        sums = keyed.merge(keyed.KeyedSums(a.units, a.sums), keyed.KeyedSums(b.units, b.sums))
        return Over(sums.keys, sums.sums)

    def size(self, a: Over) -> int:
        """Units with a vote."""
        return len(a.units)

    def close(
        self, ps: Sequence[ShareOverParams], s: ShareWatch, stats: Sequence[Over], tick: Tick
    ) -> tuple[ShareWatch, list[Evidence]]:
        """Advance; see `detectors.engine` and `detectors.shares.watch`, whose reference is a share of nought here."""
        window = np.array([[(a.sums[:, 1] / a.sums[:, 0]).sum(), len(a.units)] for a in stats], np.float64)
        allowed = np.array([[p.at_most] for p in ps])
        nothing = np.zeros(len(ps))
        learning = Learning(nothing, nothing)
        begun = replace(s, bank=engine.begin(s.bank, s.bank.mode == engine.LEARNING, tick.start))
        used = np.ones((len(ps), 1), np.bool_)
        after, verdict, views = watch.close(begun, window, allowed, used, learning, tick)
        told = report.report(after, views, verdict, allowed, learning, tick, lambda row, _: f"over {ps[row].limit:g}")
        return after, [_against_the_promise(p, evidence) for p, evidence in zip(ps, told, strict=True)]


def _against_the_promise(p: ShareOverParams, said: Evidence) -> Evidence:
    """The same figures, beside what is allowed instead of beside a share of nought."""
    now, interval = said.arms.get("now"), said.interval
    if interval is not None:
        interval = msgspec.structs.replace(interval, low=interval.low - p.at_most, high=interval.high - p.at_most)
    spoken = said.standing is Standing.OK and now is not None
    return msgspec.structs.replace(
        said,
        n={"now": said.n["now"]},
        arms={"allowed": p.at_most, "now": now} if now is not None else {},
        effect=now - p.at_most if now is not None else None,
        relative=now / p.at_most - 1.0 if now is not None else None,
        interval=interval,
        reason=f"{now:.2%} are over {p.limit:g}; {p.at_most:.2%} are allowed" if spoken else said.reason,
        detail=said.detail | {"limit": p.limit},
    )

"""A2 of two categories, for many fields at once: has a field begun to be missing, or ceased to be?

A unit votes once a day, in its first window (`voting`), for each field with the part of its rows that lack it. All fields of a
model are one watch: a break of a producer mostly takes several of them, and is told once.

Null: for every field the missing share lies within `eps` of the reference, and its error. Exact for votes that are independent
given the past. A field that is missing no more is told like one that is.

Source: as `detectors.category_shift`.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, MissingRate()
>>> p = MissingRateParams(fields=("age", "amount"), learn_units=5_000, learn_windows=5)
>>> state, told = detector.start([p]), []
>>> for window in range(15):
...     lost = 0.08 if window >= 10 else 0.01                              # from window 10 more amounts are missing
...     columns = {"age": rng.normal(size=1_000), "amount": np.where(rng.random(1_000) < lost, np.nan, 1.0)}
...     rows = Columns(np.full(1_000, window * hour), rng.integers(1, 2**63, 1_000).astype(np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000),
...                    {"voting": flag(np.ones(1_000, bool))} | {name: Numeric(values) for name, values in columns.items()})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), evidence[0].detail["cell"]))
>>> told
[(10, 'page', 'amount missing')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from detectors.columns import Bools, Category, Column, Columns, Flag, Hash, Hashes, Ints, Numeric, Ragged, Vector
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Evidence
from detectors.math import keyed
from detectors.math.unit_sample import mixed
from detectors.shares import report, watch
from detectors.shares.watch import Learning, ShareWatch

FIELDS = 48
"""Most fields of one watch."""


class MissingRateParams(Params):
    """Parameters of `missing_rate`."""

    fields: Annotated[
        tuple[str, ...],
        Field(min_length=1, max_length=FIELDS, description="columns of the predictions; at most 48"),
    ]
    eps: Annotated[
        float, Field(gt=0, le=0.3, description="tolerated difference of the missing share from the reference, a share")
    ] = 0.02
    learn_units: Annotated[
        int, Field(ge=100, description="units, one vote each a window, behind the reference shares")
    ] = 20_000
    learn_windows: Annotated[int, Field(ge=1, description="windows with data behind the reference shares")] = 24
    min_units: Annotated[
        int, Field(ge=1, description="units a window needs; a smaller one is merged with the next")
    ] = 200


@dataclass(frozen=True)
class Missed:
    """One window's rows: `units` (n,) mixed ids, ascending; `sums` (n, 1 + FIELDS) rows, and rows that lack each field."""

    units: Hashes
    sums: Ints


class MissingRate:
    """See the module's text."""

    name = "missing_rate"
    family = Family.SHIFT
    hint = False
    params = MissingRateParams
    statistic = Missed
    state = ShareWatch

    def needs(self, p: MissingRateParams) -> Needs:
        """The fields themselves, of whatever kind; `voting`: the unit's first window of the day."""
        return Needs(Stream.PREDICTIONS, (*p.fields, "voting"))

    def start(self, ps: Sequence[MissingRateParams]) -> ShareWatch:
        """Learning."""
        return watch.start(len(ps), FIELDS)

    def prepare(self, p: MissingRateParams, s: ShareWatch, row: int) -> tuple[str, ...]:
        """The fields."""
        return p.fields

    def empty(self, prep: tuple[str, ...]) -> Missed:
        """No rows."""
        none = keyed.nothing(1 + FIELDS)
        return Missed(none.keys, none.sums)

    def fold(self, prep: tuple[str, ...], a: Missed, rows: Columns) -> Missed:
        """Add the voting rows; a field that the rows do not have is missing in all of them."""
        voters = rows.take(rows.flags("voting") & (rows.unit != 0))
        counts = np.zeros((len(voters), 1 + FIELDS), np.int64)
        counts[:, 0] = 1
        for place, name in enumerate(prep, 1):
            column = voters.fields.get(name)
            counts[:, place] = True if column is None else missing(column)
        sums = keyed.add(keyed.KeyedSums(a.units, a.sums), mixed(voters.unit), counts)
        return Missed(sums.keys, sums.sums)

    def merge(self, prep: tuple[str, ...], a: Missed, b: Missed) -> Missed:
        """Counts add."""
        sums = keyed.merge(keyed.KeyedSums(a.units, a.sums), keyed.KeyedSums(b.units, b.sums))
        return Missed(sums.keys, sums.sums)

    def size(self, a: Missed) -> int:
        """Units with a vote."""
        return len(a.units)

    def close(
        self, ps: Sequence[MissingRateParams], s: ShareWatch, stats: Sequence[Missed], tick: Tick
    ) -> tuple[ShareWatch, list[Evidence]]:
        """Advance; see `detectors.engine` and `detectors.shares.watch`."""
        window = np.zeros((len(ps), FIELDS + 1))
        for row, a in enumerate(stats):
            window[row, :-1] = (a.sums[:, 1:] / a.sums[:, :1]).sum(axis=0)
            window[row, -1] = len(a.units)
        used = np.arange(FIELDS) < np.array([len(p.fields) for p in ps])[:, None]
        margin = np.where(used, np.array([p.eps for p in ps])[:, None], 1.0)
        learning = Learning(
            np.array([float(p.learn_units) for p in ps]), np.array([float(p.learn_windows) for p in ps])
        )
        after, verdict, views = watch.close(s, window, margin, used, learning, tick)
        told = report.report(
            after, views, verdict, margin, learning, tick, lambda row, cell: f"{ps[row].fields[cell]} missing"
        )
        return after, told


def missing(column: Column) -> Bools:
    """Which rows lack a value: NaN or infinite, never told, no category, no identity, no whole vector, or no items."""
    match column:
        case Numeric():
            lost: Bools = ~np.isfinite(column.values)
        case Flag():
            lost = column.missing
        case Category():
            lost = column.codes < 0
        case Hash():
            lost = column.values == 0
        case Vector():
            lost = np.any(~np.isfinite(column.values), axis=1)
        case Ragged():
            lost = np.diff(column.starts) == 0
    return lost

"""B6: is the holdout mixed up with the exposed? People seen in both cohorts, or held-out people whom the model served.

A unit votes once a day, in its first window (`voting`), with yes if any of its rows there is marked. A healthy holdout has next
to none; `at_most` is what nobody need care about, and how much a comparison may be diluted: with a share c of the holdout
exposed, an effect shrinks to 1 - c of itself (`detail["dilution"]`).

Null: the chance of a mark is at most `at_most` for the units of every window. Exact for votes that are independent given the
past; a unit that stays marked votes again every day, so an open alarm says how many there are, not how many are new.

Source: I1 (`increments.bernoulli`) in the engine of `detectors.engine`.

>>> import numpy as np
>>> from detectors.columns import Columns, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, Contamination()
>>> p = ContaminationParams()
>>> state, told = detector.start([p]), []
>>> for window in range(40):
...     rate = 0.01 if 20 <= window < 30 else 0.0005                       # for ten windows one in a hundred is leaked to
...     rows = Columns(np.full(2_000, window * hour), np.arange(1, 2_001, dtype=np.uint64), np.ones(2_000, np.int8),
...                    np.zeros(2_000, np.int32), np.arange(2_000),
...                    {"voting": flag(np.ones(2_000, bool)), "value": flag(rng.random(2_000) < rate)})
...     a = detector.fold(None, detector.empty(None), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing)))
>>> told
[(20, 'page'), (35, 'recovered')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from pydantic import Field

from detectors import engine
from detectors.columns import Bools, Columns, Floats, Hashes, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode
from detectors.increments import bernoulli
from detectors.math import dyadic, keyed
from detectors.math.intervals import share_sequence
from detectors.math.unit_sample import mixed

LEVEL = 0.95
BETS_WORSE = np.array([1.5, 2.0, 4.0, 8.0, 16.0, 50.0])
_BETTER = np.array([0.75, 0.5, 0.25, 0.1, 0.02, 0.002])
_LOG_WEIGHTS = np.full(len(BETS_WORSE), -np.log(len(BETS_WORSE)))
_LARGEST = 0.999
_SUMS = ("units", "marked")


class ContaminationParams(Params):
    """Parameters of `contamination`."""

    at_most: Annotated[
        float, Field(gt=0, le=0.1, description="share of units a day that may be mixed up; nobody is told below it")
    ] = 0.002


@dataclass(frozen=True)
class Marked:
    """One window's voters: `units` (n,) mixed ids, ascending; `sums` (n, 2) rows, and rows that are marked."""

    units: Hashes
    sums: Ints


@dataclass(frozen=True)
class ContaminationState:
    """W watches. Sums are (units, marked units), (W, 2): `total` since the start, `fresh` since the open alert began."""

    bank: engine.Bank
    spans: dyadic.Spans
    total: Floats
    fresh: Floats


class Contamination:
    """See the module's text."""

    name = "contamination"
    family = Family.INTEGRITY
    hint = False
    params = ContaminationParams
    statistic = Marked
    state = ContaminationState

    def needs(self, p: ContaminationParams) -> Needs:
        """`value`: the mark; `voting`: the unit's first window of the day."""
        return Needs(Stream.PREDICTIONS, ("value", "voting"), contrast=True)

    def start(self, ps: Sequence[ContaminationParams]) -> ContaminationState:
        """Watching from the first window: there is nothing to learn."""
        w = len(ps)
        bank = engine.start(w, len(BETS_WORSE))
        return ContaminationState(bank, dyadic.start(w, 2), np.zeros((w, 2)), np.zeros((w, 2)))

    def prepare(self, p: ContaminationParams, s: ContaminationState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Marked:
        """No units."""
        none = keyed.nothing(2)
        return Marked(none.keys, none.sums)

    def fold(self, prep: None, a: Marked, rows: Columns) -> Marked:
        """Add the voting rows."""
        voters = rows.take(rows.flags("voting") & (rows.unit != 0))
        marks = np.stack([np.ones(len(voters), np.int64), voters.flags("value").astype(np.int64)], axis=1)
        sums = keyed.add(keyed.KeyedSums(a.units, a.sums), mixed(voters.unit), marks)
        return Marked(sums.keys, sums.sums)

    def merge(self, prep: None, a: Marked, b: Marked) -> Marked:
        """Counts add."""
        sums = keyed.merge(keyed.KeyedSums(a.units, a.sums), keyed.KeyedSums(b.units, b.sums))
        return Marked(sums.keys, sums.sums)

    def size(self, a: Marked) -> int:
        """Units with a vote."""
        return len(a.units)

    def close(
        self, ps: Sequence[ContaminationParams], s: ContaminationState, stats: Sequence[Marked], tick: Tick
    ) -> tuple[ContaminationState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        null = np.array([[p.at_most] for p in ps])
        window = np.array([[len(a.units), np.count_nonzero(a.sums[:, 1])] for a in stats], np.float64)
        started = replace(s, bank=engine.begin(s.bank, s.bank.mode == engine.LEARNING, tick.start))
        n, yes = window[:, :1], window[:, 1:]
        increments = engine.Increments(
            null=bernoulli.log_increments(yes, n, null, np.minimum(null * BETS_WORSE, _LARGEST)),
            critical=np.full((len(ps), len(BETS_WORSE)), -np.inf),  # a gate is open or shut: there is no worse
            worse=bernoulli.log_increments(yes, n, null, null * _BETTER),
        )
        live, informative = ~tick.gated, window[:, 0] > 0
        fresh = np.where(((started.bank.mode == engine.RECOVERING) & live)[:, None], s.fresh + window, s.fresh)
        everyone: Bools = np.ones(len(ps), np.bool_)
        bank, verdict = engine.advance(started.bank, increments, _LOG_WEIGHTS, tick, informative, everyone)
        total = np.where(live[:, None], s.total + window, s.total)
        spans = dyadic.push(s.spans, window, live & informative)
        seen = ContaminationState(bank, spans, total, fresh)
        after = ContaminationState(
            bank,
            dyadic.clear(spans, verdict.ended),
            np.where(verdict.ended[:, None], 0.0, total),
            np.where((verdict.opened | verdict.ended)[:, None], 0.0, fresh),
        )
        return after, _report(ps, seen, verdict, tick)


def _report(
    ps: Sequence[ContaminationParams], s: ContaminationState, verdict: engine.Verdict, tick: Tick
) -> list[Evidence]:
    """`s` still holds what an alert that ended in this window was resolved by."""
    recent, _, offered = dyadic.at_least(s.spans, verdict.lasted)
    once = np.ones_like(offered)
    views = {"since_start": (s.total, once), "recent": (recent, offered), "fresh": (s.fresh, once)}
    between = {
        kind: share_sequence(sums[:, 1], sums[:, 0], (1.0 - LEVEL) / tried) for kind, (sums, tried) in views.items()
    }
    modes, told = engine.modes(s.bank), []
    for i, p in enumerate(ps):
        base = engine.evidence(verdict, tick, modes, i)
        kind = "since_start"
        if base.crossing is not Crossing.NONE:
            kind = "recent"
        elif base.mode is Mode.RECOVERING and s.fresh[i, 0] > 0:
            kind = "fresh"
        units, marked = views[kind][0][i].tolist()
        share = marked / units if units else None
        low, high = (float(bound[i]) for bound in between[kind])
        told.append(
            msgspec.structs.replace(
                base,
                n={"units": int(units), "mixed up": int(marked)},
                arms={} if share is None else {"mixed up": share},
                effect=share,
                interval=None
                if share is None
                else Interval(
                    low=low,
                    high=high,
                    level=LEVEL,
                    kind=kind,
                    formula="share_sequence",
                    inputs={"yes": marked, "n": units, "alpha": (1.0 - LEVEL) / float(views[kind][1][i])},
                ),
                unit="share of units",
                margin=p.at_most,
                detail={"at_most": p.at_most, "dilution": share or 0.0}
                | {
                    f"{name}_{what}": float(v)
                    for name, (sums, _) in views.items()
                    for what, v in zip(_SUMS, sums[i], strict=True)
                },
            )
        )
    return told

"""A detector of the river library as a hint: it shows where to look, and pages only where the config insists.

These detectors have no stated rate of false alarms per watch, no size of effect with an interval, and no test of recovery.
On heavy tails and on events that come in clusters most of them alarm without a change. So each window feeds them a bounded
number of units with one value each (a row of the unit drawn by hash), in an order that only depends on the units and the
window. Detectors of binary data (DDM, EDDM, FHDDM, HDDM_A, HDDM_W) are fed whether the value is at least one half.

A hint opens when river reports a drift and ends after `calm_windows` windows without another report: by silence, not by
evidence. The memory is river's own attributes as plain values; the version of river belongs to the fingerprint.

Sources: Bifet and Gavalda 2007 (ADWIN); Page 1954; Raab et al. 2020 (KSWIN); Gama et al. 2004 (DDM); Baena-Garcia et al. 2006
(EDDM); Pesaranghader and Viktor 2016 (FHDDM); Frias-Blanco et al. 2015 (HDDM); Montiel et al. 2021 (river).

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric
>>> from detectors.detector import Tick
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, RiverHint()
>>> p = RiverHintParams(algorithm="ADWIN", settings={"delta": 0.002}, calm_windows=5)
>>> state, told = detector.start([p]), []
>>> for window in range(20):
...     value = (rng.random(400) < (0.3 if window >= 10 else 0.1)) * 1.0
...     rows = Columns(np.full(400, window * hour), rng.integers(1, 2**63, 400).astype(np.uint64), np.zeros(400, np.int8),
...                    np.zeros(400, np.int32), np.arange(400), {"value": Numeric(value)})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     state, evidence = detector.close([p], state, [a], Tick.plain(window * hour, (window + 1) * hour, page=0.0, warn=0.0))
...     if str(evidence[0].crossing) != "none":
...         told.append((window, str(evidence[0].crossing), round(evidence[0].effect, 1)))
>>> told
[(10, 'warn', 0.2), (15, 'recovered', 0.2)]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from river.__version__ import __version__ as river_version

from detectors.columns import Columns, Floats
from detectors.detector import Family, Needs, Stream, Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.math import unit_sample
from detectors.math.unit_sample import UnitSample
from detectors.river_bank.memory import freeze
from detectors.river_bank.state import (
    Hint,
    RiverHintParams,
    RiverHintState,
    Values,
    fed,
    hint_of,
    remembered,
    state_of,
    unfed,
)


class RiverHint:
    """See the module's text."""

    name = "river_hint"
    family = Family.HINT
    hint = True
    fingerprint_extra: str = river_version
    """Memory written by another version of river is not read."""
    params = RiverHintParams
    statistic = Values
    state = RiverHintState

    def needs(self, p: RiverHintParams) -> Needs:
        """`value`, any number; missing and infinite ones are left out."""
        return Needs(Stream.PREDICTIONS, ("value",))

    def start(self, ps: Sequence[RiverHintParams]) -> RiverHintState:
        """Nothing fed."""
        return state_of([unfed(p) for p in ps])

    def prepare(self, p: RiverHintParams, s: RiverHintState, row: int) -> int:
        """How many units a window keeps."""
        return p.max_values

    def empty(self, prep: int) -> Values:
        """No units."""
        return _values(unit_sample.nobody())

    def fold(self, prep: int, a: Values, rows: Columns) -> Values:
        """Add rows that have a value."""
        finite = rows.take(np.isfinite(rows.numbers("value")))
        return _values(unit_sample.merge(_sample(a), unit_sample.of_rows(finite, finite.numbers("value"), prep), prep))

    def merge(self, prep: int, a: Values, b: Values) -> Values:
        """The units with the smallest keys stay."""
        return _values(unit_sample.merge(_sample(a), _sample(b), prep))

    def size(self, a: Values) -> int:
        """Units to be fed."""
        return len(a.keys)

    def close(
        self, ps: Sequence[RiverHintParams], s: RiverHintState, stats: Sequence[Values], tick: Tick
    ) -> tuple[RiverHintState, list[Evidence]]:
        """Feed each watch its window, one watch after the other: river has no arrays."""
        hints, told = [], []
        for row, p in enumerate(ps):
            hint, crossing = hint_of(s, row), Crossing.NONE
            if tick.rearm[row]:
                crossing = Crossing.NONE if hint.opened_at is None else Crossing.RECOVERED
                hint = unfed(p)
            values = _in_order(p, stats[row], int(tick.start[row]))
            if tick.gated[row] or not len(values):
                after, seen = hint, crossing
            else:
                after, seen = _advance(p, hint, values, int(tick.start[row]))
            crossing = seen if crossing is Crossing.NONE else crossing
            last = after if after.opened_at is not None else hint
            told.append(_evidence(p, after, last, len(values), crossing, gated=bool(tick.gated[row])))
            hints.append(after)
        return state_of(hints), told


def _in_order(p: RiverHintParams, a: Values, start: int) -> Floats:
    """A window's values in an order that differs from window to window, so that a fixed set of units makes no pattern."""
    return fed(p, a.values[np.argsort(unit_sample.mixed(a.keys, start))])


def _advance(p: RiverHintParams, hint: Hint, values: Floats, start: int) -> tuple[Hint, Crossing]:
    """One window with data."""
    detector, drifted = remembered(p, hint.memory), False
    for value in values.tolist():
        detector.update(value)
        drifted = drifted or bool(detector.drift_detected)
    fed_now = (len(values), math.fsum(values))
    hint = replace(hint, memory=freeze(detector))
    if drifted:
        opened = replace(hint, opened_at=start, calm=0, before=hint.since, after=fed_now, since=fed_now)
        return opened, Crossing.WARN if hint.opened_at is None else Crossing.NONE
    hint = replace(hint, since=_plus(hint.since, fed_now))
    if hint.opened_at is None:
        return hint, Crossing.NONE
    hint = replace(hint, calm=hint.calm + 1, after=_plus(hint.after, fed_now))
    if hint.calm < p.calm_windows:
        return hint, Crossing.NONE
    return replace(hint, opened_at=None), Crossing.RECOVERED


def _evidence(p: RiverHintParams, hint: Hint, last: Hint, n: int, crossing: Crossing, *, gated: bool) -> Evidence:
    """`last` is the hint that is open, or was until this window; it carries the figures of a change."""
    changed = last.opened_at is not None and last.before[0] > 0 and last.after[0] > 0
    before, after = (_mean(last.before), _mean(last.after)) if changed else (0.0, 0.0)
    standing, reason = Standing.OK, ""
    if gated:
        standing, reason = Standing.BLIND, "a gate fails: the window was not fed"
    elif not n:
        standing, reason = Standing.STALE, "no units with a value in this window"
    elif crossing is Crossing.RECOVERED:
        reason = f"{p.calm_windows} windows without another report; a hint has no test of recovery"
    elif hint.opened_at is not None:
        reason = f"{p.algorithm} reports a drift; a hint has no stated rate of false alarms"
    return Evidence(
        mode=Mode.WATCHING if hint.opened_at is None else Mode.RECOVERING,
        standing=standing,
        crossing=crossing,
        n={"before": last.before[0], "after": last.after[0]} if changed else {"units": n},
        arms={"before": before, "after": after} if changed else {},
        effect=after - before if changed else None,
        relative=(after - before) / abs(before) if changed and before else None,
        unit="per unit",
        change_at=last.opened_at,
        exact=False,
        reason=reason,
        detail={"algorithm": str(p.algorithm), "river": river_version, "fed": n, "calm_windows": hint.calm},
    )


def _mean(pair: tuple[int, float]) -> float:
    return pair[1] / pair[0]


def _plus(a: tuple[int, float], b: tuple[int, float]) -> tuple[int, float]:
    return a[0] + b[0], a[1] + b[1]


def _sample(a: Values) -> UnitSample:
    return UnitSample(a.keys, a.ties, a.values)


def _values(sample: UnitSample) -> Values:
    return Values(sample.keys, sample.ties, sample.values)

"""How well will these predictions turn out, before anybody knows? A hint from the probabilities themselves.

Predictions whose outcomes are known say how often each height of the probability comes true: recalibrated (isotonic, 40 bins of
log odds) and frozen. Applied to the predictions that come now, that gives the accuracy (at one half) and the area under the ROC
curve to be expected of them. A unit votes once a day.

It assumes that a prediction of a given height comes true as often as it did (no concept drift): it sees that cases have become
harder, and never that the world has changed its answers. Every finding says so. No error rate is promised: it warns when the
expected accuracy lies more than `worse_by` below the reference, beyond 3.5 standard errors, in two windows running, and ends after two
without. Whether it came true is judged by `detectors.risk`, later.

Source: confidence-based performance estimation, Garg, Balakrishnan, Lipton, Neyshabur and Sedghi 2022, ICLR (average confidence,
section 3); isotonic recalibration, Zadrozny and Elkan 2002, KDD.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, EstimatedPerformance()
>>> p = EstimatedPerformanceParams(learn_units=5_000, learn_windows=4)
>>> state, told = detector.start([p]), []
>>> for window in range(16):
...     sure = 0.5 if window < 10 else 3.0                                     # from window 10 cases are closer to call
...     chance = rng.beta(sure, sure, 2_000)
...     known = np.arange(2_000) < 1_000                                       # half of the rows are old ones, now with outcomes
...     chance[known] = rng.beta(0.5, 0.5, 1_000)
...     truth = np.where(known, (rng.random(2_000) < chance) * 1.0, np.nan)
...     rows = Columns(np.full(2_000, window * hour), rng.integers(1, 2**63, 2_000).astype(np.uint64), np.zeros(2_000, np.int8),
...                    np.zeros(2_000, np.int32), np.arange(2_000), {"probability": Numeric(chance), "value": Numeric(truth),
...                    "voting": flag(np.ones(2_000, bool)), "matured": flag(known)})
...     a = detector.fold(None, detector.empty(None), rows)
...     state, evidence = detector.close([p], state, [a], Tick.plain(window * hour, (window + 1) * hour, page=0.0, warn=0.0))
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), round(evidence[0].arms["now"], 2)))
>>> told
[(11, 'warn', 0.64)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from detectors.columns import Bools, Columns, Floats, Hashes, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.math import ballots, fixed, keyed
from detectors.math.confidence import BINS, Curve, accuracy, area, bin_of, curve_of

ASSUMES = "expected, not measured: it assumes that a prediction comes true as often as its like did in the reference (no concept drift)"

_BITS = 6
_ERRORS = 3.5
_RUNNING = 2


class EstimatedPerformanceParams(Params):
    """Parameters of `estimated_performance`."""

    worse_by: Annotated[
        float, Field(gt=0, lt=1, description="fall of the expected accuracy that is hinted at, a share")
    ] = 0.02
    learn_units: Annotated[
        int, Field(ge=100, description="units with a label, one vote each a window, behind the recalibration")
    ] = 20_000
    learn_windows: Annotated[int, Field(ge=1, description="windows with labels behind the recalibration")] = 24
    min_units: Annotated[
        int, Field(ge=1, description="units a window needs; a smaller one is merged with the next")
    ] = 200


@dataclass(frozen=True)
class Seen:
    """One window: rows by unit and bin, of predictions; the same of matured ones with a label, with the sum of outcomes.

    keys, counts   (n,), (n, 1); old, sums (m,), (m, 2) rows and fixed-point outcomes. See `detectors.math.ballots`.
    """

    keys: Hashes
    counts: Ints
    old: Hashes
    sums: Ints


@dataclass(frozen=True)
class EstimatedPerformanceState:
    """W watches.

    votes, true   (W, BINS) votes with a label while learning, and the sum of their outcomes; windows (W,) that brought some.
    known         (W,) the recalibration is frozen.
    opened_at     (W,) ms, -1 if no hint is open; running (W,) windows in a row that speak for a change of that.
    """

    votes: Floats
    true: Floats
    windows: Ints
    known: Bools
    opened_at: Ints
    running: Ints


class EstimatedPerformance:
    """See the module's text."""

    name = "estimated_performance"
    family = Family.HINT
    hint = True
    params = EstimatedPerformanceParams
    statistic = Seen
    state = EstimatedPerformanceState

    def needs(self, p: EstimatedPerformanceParams) -> Needs:
        """`probability` and `voting` of predictions as they come; and once more at maturity (`matured`), with `value`."""
        return Needs(Stream.PREDICTIONS, ("probability", "voting", "matured", "value"))

    def start(self, ps: Sequence[EstimatedPerformanceParams]) -> EstimatedPerformanceState:
        """Learning."""
        w, zeros = len(ps), np.zeros((len(ps), BINS))
        return EstimatedPerformanceState(
            zeros,
            zeros.copy(),
            np.zeros(w, np.int64),
            np.zeros(w, np.bool_),
            np.full(w, -1, np.int64),
            np.zeros(w, np.int64),
        )

    def prepare(self, p: EstimatedPerformanceParams, s: EstimatedPerformanceState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Seen:
        """No rows."""
        new, old = keyed.nothing(1), keyed.nothing(2)
        return Seen(new.keys, new.sums, old.keys, old.sums)

    def fold(self, prep: None, a: Seen, rows: Columns) -> Seen:
        """Add the voting rows that have a probability; matured ones only if they have a label."""
        chance, matured = rows.numbers("probability"), rows.flags("matured")
        votes = rows.flags("voting") & (rows.unit != 0) & np.isfinite(chance)
        value = rows.numbers("value") if "value" in rows.fields else np.full(len(rows), np.nan)
        new, told = votes & ~matured, votes & matured & np.isfinite(value)
        b = Seen(
            *_added(rows.unit[new], chance[new], np.ones((int(new.sum()), 1), np.int64)),
            *_added(
                rows.unit[told],
                chance[told],
                np.stack([np.ones(int(told.sum()), np.int64), fixed.to_fixed(value[told])], axis=1),
            ),
        )
        return self.merge(prep, a, b)

    def merge(self, prep: None, a: Seen, b: Seen) -> Seen:
        """Counts add."""
        new = keyed.merge(keyed.KeyedSums(a.keys, a.counts), keyed.KeyedSums(b.keys, b.counts))
        old = keyed.merge(keyed.KeyedSums(a.old, a.sums), keyed.KeyedSums(b.old, b.sums))
        return Seen(new.keys, new.sums, old.keys, old.sums)

    def size(self, a: Seen) -> int:
        """Units that came in this window."""
        return ballots.units(a.keys, _BITS)

    def close(
        self,
        ps: Sequence[EstimatedPerformanceParams],
        s: EstimatedPerformanceState,
        stats: Sequence[Seen],
        tick: Tick,
    ) -> tuple[EstimatedPerformanceState, list[Evidence]]:
        """Learn, or judge what came, one watch after the other."""
        after, told = _learn(ps, s, stats, ~tick.gated), []
        opened, running = after.opened_at.copy(), after.running.copy()
        for row, p in enumerate(ps):
            tally = ballots.tally(stats[row].keys, stats[row].counts[:, 0], _BITS, BINS)
            curve = curve_of(after.votes[row], after.true[row])
            evidence, opened[row], running[row] = _judge(p, after, curve, tally, tick, row)
            told.append(evidence)
        return replace(after, opened_at=opened, running=running), told


def _added(unit: Hashes, chance: Floats, sums: Ints) -> tuple[Hashes, Ints]:
    both = keyed.add(keyed.nothing(sums.shape[1]), ballots.keys_of(unit, bin_of(chance), _BITS), sums)
    return both.keys, both.sums


def _learn(
    ps: Sequence[EstimatedPerformanceParams], s: EstimatedPerformanceState, stats: Sequence[Seen], live: Bools
) -> EstimatedPerformanceState:
    votes, true, windows, known = s.votes.copy(), s.true.copy(), s.windows.copy(), s.known.copy()
    for row, (p, a) in enumerate(zip(ps, stats, strict=True)):
        if known[row] or not live[row] or not len(a.old):
            continue
        place = (a.old & np.uint64((1 << _BITS) - 1)).astype(np.intp)
        votes[row] += np.bincount(place, minlength=BINS)
        true[row] += np.bincount(place, fixed.from_fixed(a.sums[:, 1]) / a.sums[:, 0], BINS)
        windows[row] += 1
        known[row] = votes[row].sum() >= p.learn_units and windows[row] >= p.learn_windows
    return replace(s, votes=votes, true=true, windows=windows, known=known)


def _judge(
    p: EstimatedPerformanceParams, s: EstimatedPerformanceState, curve: Curve, tally: Floats, tick: Tick, row: int
) -> tuple[Evidence, int, int]:
    """What is said, when the open hint began (-1 if none is open), and for how many windows the contrary was the case."""
    n, opened, running = int(tally[-1]), int(s.opened_at[row]), int(s.running[row])
    standing, reason = _standing(p, s, tick, n, row)
    crossing = Crossing.NONE
    if tick.rearm[row]:
        crossing, opened, running = Crossing.NONE if opened < 0 else Crossing.RECOVERED, -1, 0
    before, _ = accuracy(curve, s.votes[row])
    now, error = accuracy(curve, tally[:-1])
    if standing is Standing.OK and not tick.rearm[row]:
        low = before - now - _ERRORS * error > p.worse_by
        running = running + 1 if low == (opened < 0) else 0
        if running == _RUNNING:
            crossing = Crossing.WARN if opened < 0 else Crossing.RECOVERED
            opened, running = int(tick.start[row]) if opened < 0 else -1, 0
    judged = bool(s.known[row]) and n > 0
    mode = Mode.LEARNING if not s.known[row] else Mode.WATCHING if opened < 0 else Mode.RECOVERING
    evidence = Evidence(
        mode=mode,
        standing=standing,
        crossing=crossing,
        n={"now": n if judged else 0, "reference": int(s.votes[row].sum())},
        arms={"reference": before, "now": now} if judged else {},
        effect=now - before if judged else None,
        relative=now / before - 1.0 if judged and before > 0 else None,
        unit="share",
        margin=p.worse_by,
        change_at=opened if opened >= 0 else None,
        exact=False,
        reason=reason,
        detail={
            "expected_accuracy_error": error,
            "expected_area_under_roc": area(curve, tally[:-1]),
            "reference_area_under_roc": area(curve, s.votes[row]),
            "assumes": ASSUMES,
        }
        if judged
        else {"assumes": ASSUMES},
    )
    return evidence, opened, running


def _standing(
    p: EstimatedPerformanceParams, s: EstimatedPerformanceState, tick: Tick, n: int, row: int
) -> tuple[Standing, str]:
    if tick.gated[row]:
        return Standing.BLIND, "a gate fails: the window was not judged"
    if not s.known[row]:
        votes, windows = s.votes[row].sum(), int(s.windows[row])
        return Standing.INSUFFICIENT, (
            f"learning how often predictions come true: {votes:,.0f} of {p.learn_units:,} labelled units, "
            f"{windows:,} of {p.learn_windows:,} windows"
        )
    return (Standing.OK, ASSUMES) if n else (Standing.STALE, "no units with a probability in this window")

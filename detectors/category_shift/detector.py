"""A2: have the shares of categories moved away from their reference by more than a tolerated difference?

A unit votes once a day, in its first window (`voting`), with the average of its rows, so rows of one unit never count as
independent. First the 50 largest categories are taken from a sample of units, then their shares are measured by the same
votes, beside three more: the reference's other categories, those that it never saw, and no category at all. Then all is
frozen, and a new reference is a new watch. Truth values are two categories, yes and no.

Null: every share lies within `eps`, or `relative` times itself, of the reference, and its error; categories that the reference
never saw get at most `unseen`, or twice what they got while it was measured. Exact for votes that are independent given the
past. Units that return every day carry their own level: choose `eps` at least four times the spread between units divided by
the root of their number. An alert ends when its worst share is back, by a test, and every share lies inside with its interval.

Source: bets after Waudby-Smith and Ramdas 2024, JRSS-B; tolerance after Podkopaev and Ramdas 2022, ICLR; detectors after Shin,
Ramdas and Rinaldo 2024, NEJSDS.

>>> import numpy as np
>>> from detectors.columns import Category, Columns, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, CategoryShift()
>>> p = CategoryShiftParams(sample_units=1_000, learn_units=5_000, learn_windows=5)
>>> state, told = detector.start([p]), []
>>> for window in range(20):
...     chance = [0.60, 0.30, 0.10, 0.00] if window < 12 else [0.60, 0.28, 0.05, 0.07]     # "ie" was never seen before
...     code = rng.choice(4, 1_000, p=chance).astype(np.int32)
...     rows = Columns(np.full(1_000, window * hour), rng.integers(1, 2**63, 1_000).astype(np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000),
...                    {"value": Category(code, ("no", "se", "dk", "ie")), "voting": flag(np.ones(1_000, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing in (Crossing.WARN, Crossing.PAGE):
...         told.append((window, str(evidence[0].crossing), evidence[0].detail["cell"], evidence[0].detail["unseen"]))
>>> told
[(12, 'page', 'unseen before', ['ie'])]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from detectors import engine, named
from detectors.by_reading import ByReading
from detectors.category_shift import reading
from detectors.category_shift.reading import CELLS, MISSING, OTHER, TOP, UNSEEN, Cells, Reading, Ruler
from detectors.category_shift.state import (
    CategoryShiftParams,
    CategoryShiftState,
    Gathered,
    cells,
    gathered,
    packed,
    start,
)
from detectors.columns import Bools, Floats
from detectors.detector import Family, Needs, Stream, Tick, Value
from detectors.evidence import Evidence, Mode, Standing
from detectors.math import unit_sample
from detectors.shares import report, watch
from detectors.shares.watch import Learning

_NAMES = {OTHER: "other categories", UNSEEN: "unseen before", MISSING: "missing"}
_UNSEEN_TOLD = 5
_MOVERS_TOLD = 3


class CategoryShift(ByReading[Ruler, Reading]):
    """See the module's text."""

    name = "category_shift"
    family = Family.SHIFT
    hint = False
    params = CategoryShiftParams
    statistic = Reading
    reader = reading
    state = CategoryShiftState

    def needs(self, p: CategoryShiftParams) -> Needs:
        """`value`, a category or a truth value; `voting`: the unit's first window of the day."""
        return Needs(Stream.PREDICTIONS, ("value", "voting"), value=Value.CATEGORY)

    def start(self, ps: Sequence[CategoryShiftParams]) -> CategoryShiftState:
        """Learning, without categories."""
        return start(len(ps))

    def prepare(self, p: CategoryShiftParams, s: CategoryShiftState, row: int) -> Ruler:
        """The categories, once they are known."""
        return Ruler(cells(s.cells[row]), p.sample_units)

    def close(
        self, ps: Sequence[CategoryShiftParams], s: CategoryShiftState, stats: Sequence[Reading], tick: Tick
    ) -> tuple[CategoryShiftState, list[Evidence]]:
        """Advance; see `detectors.engine` and `detectors.shares.watch`."""
        window = np.where(s.known[:, None], reading.tallies(stats), 0.0)
        learning = Learning(
            np.array([float(p.learn_units) for p in ps]), np.array([float(p.learn_windows) for p in ps])
        )
        margin, used = _margins(ps, s.shares.reference), np.ones((len(ps), CELLS), np.bool_)
        shares, verdict, views = watch.close(s.shares, window, margin, used, learning, tick)
        mine = [cells(cell) for cell in s.cells]
        told = report.report(shares, views, verdict, margin, learning, tick, lambda row, cell: _name(mine[row], cell))
        after = _gather(ps, replace(s, shares=shares), stats, ~tick.gated & (s.shares.bank.mode == engine.LEARNING))
        return after, [
            _with_names(p, after, row, evidence, views, stats[row], mine[row])
            for row, (p, evidence) in enumerate(zip(ps, told, strict=True))
        ]


def _margins(ps: Sequence[CategoryShiftParams], reference: Floats) -> Floats:
    """Tolerated differences (W, CELLS); for what was never seen such that twice its share, or `unseen`, is let pass."""
    eps, relative = (np.array([getattr(p, name) for p in ps])[:, None] for name in ("eps", "relative"))
    shares, (_, high) = watch.shares_of(reference), watch.reference_bounds(reference)
    margin: Floats = np.maximum(eps, relative * shares)
    allowed = np.array([p.unseen for p in ps])
    margin[:, UNSEEN] = np.maximum(high[:, UNSEEN], allowed - high[:, UNSEEN])
    return margin


def _name(known: Cells | None, cell: int) -> str:
    if cell >= TOP:
        return _NAMES[cell]
    return str(known.texts[cell]) if known is not None and cell < len(known.texts) else ""


def _with_names(
    p: CategoryShiftParams,
    s: CategoryShiftState,
    row: int,
    evidence: Evidence,
    views: watch.Shown,
    window: Reading,
    known: Cells | None,
) -> Evidence:
    if evidence.mode is Mode.LEARNING:
        if s.known[row] or evidence.standing is not Standing.INSUFFICIENT:
            return evidence
        n = len(gathered(s.gathered[row]).sample)
        reason = f"learning which categories there are: {n:,} of {p.sample_units:,} units"
        return msgspec.structs.replace(evidence, reason=reason)
    _, tally, _ = views.told(evidence, row)
    before, now = watch.shares_of(np.stack([s.shares.reference[row], tally]))
    moved = now - before if tally[-1] else np.zeros(CELLS)
    movers = [int(c) for c in np.argsort(-np.abs(moved), kind="stable")[:_MOVERS_TOLD] if moved[c]]
    return msgspec.structs.replace(
        evidence,
        detail=evidence.detail
        | {
            "total_variation": float(np.abs(moved).sum() / 2),
            "movers": {_name(known, c): float(moved[c]) for c in movers},
            "unseen": named.most_rows(window.named, _UNSEEN_TOLD),
        }
        | _together(known, now),
    )


def _together(known: Cells | None, now: Floats) -> dict[str, float]:
    """How many categories of the reference are judged as one, being smaller than its largest, and their share; nothing if none are."""
    others = 0 if known is None else len(known.known) - len(known.top)
    return {"other_categories": others, "other_share": float(now[OTHER])} if others else {}


def _gather(
    ps: Sequence[CategoryShiftParams], s: CategoryShiftState, stats: Sequence[Reading], learning: Bools
) -> CategoryShiftState:
    """The sample fills, and gives the categories."""
    kept, sampled, chosen, known = s.gathered.copy(), s.sampled.copy(), s.cells.copy(), s.known.copy()
    for row, p in enumerate(ps):
        if not learning[row] or s.known[row] or not len(stats[row].sample):
            continue
        mine = unit_sample.rekeyed(stats[row].sample, int(sampled[row]) + 1)
        before = gathered(kept[row])
        a = Reading(np.zeros(0, np.uint64), np.zeros((0, 1), np.int64), before.sample, before.named)
        b = Reading(np.zeros(0, np.uint64), np.zeros((0, 1), np.int64), mine, stats[row].named)
        both = reading.together(Ruler(None, p.sample_units), a, b)
        sampled[row] += 1
        known[row] = len(both.sample) >= p.sample_units
        chosen[row] = packed(reading.cells_from(both.sample, both.named)) if known[row] else b""
        kept[row] = b"" if known[row] else packed(Gathered(both.sample, both.named))
    return replace(s, gathered=kept, sampled=sampled, cells=chosen, known=known)

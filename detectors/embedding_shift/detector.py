"""A3: have vectors moved away from their reference, in direction, length or spread?

A vector is seen by eighteen numbers: sixteen random projections, fixed by `seed`, of the vector whitened by the reference; its
length; and its cosine to the reference's mean. Each is watched as `detectors.numeric_shift` watches a number, and all the
bets are averaged. A unit votes once a day, in its first window (`voting`), with the average of its rows. A vector of another
length than the reference's, or with a hole, is missing, which every channel sees.

Null: in every channel, at no cut does the share of votes at or below it differ from the reference by more than `eps`, and the
reference's own error. Exact for votes that are independent given the past. A change that none of the eighteen numbers shows is
not seen: one along a single direction among d is weakened in every projection by the root of d, and one of the correlations
alone hardly shows.

Source: bets and tolerance as `detectors.numeric_shift`; random projections after Johnson and Lindenstrauss 1984.

>>> import numpy as np
>>> from detectors.columns import Columns, Vector, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, hour, detector = np.random.default_rng(7), 3_600_000, EmbeddingShift()
>>> p = EmbeddingShiftParams(sample_units=500, learn_units=5_000, learn_windows=5)
>>> state, told = detector.start([p]), []
>>> for window in range(15):
...     vectors = rng.normal(size=(1_000, 32)) + (0.4 if window >= 10 else 0.0)      # from window 10 all coordinates are higher
...     rows = Columns(np.full(1_000, window * hour), rng.integers(1, 2**63, 1_000).astype(np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000),
...                    {"value": Vector(vectors.astype(np.float32)), "voting": flag(np.ones(1_000, bool))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * hour, (window + 1) * hour, page=1e-4, warn=4e-4)
...     state, evidence = detector.close([p], state, [a], tick)
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing)))
>>> told
[(10, 'page'), (11, 'critical')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from detectors import engine
from detectors.by_reading import ByReading
from detectors.columns import Bools, Floats
from detectors.detector import Family, Needs, Stream, Tick, Value
from detectors.embedding_shift import reading
from detectors.embedding_shift.lens import CHANNELS, Lens, in_words, lens_of, name
from detectors.embedding_shift.reading import CELLS, Reading, Ruler
from detectors.embedding_shift.state import (
    EmbeddingShiftParams,
    EmbeddingShiftState,
    Gathered,
    gathered,
    lens,
    packed,
    start,
)
from detectors.evidence import Evidence, Mode, Standing
from detectors.math import unit_sample
from detectors.numeric_shift.reading import BINS
from detectors.shares import report, watch
from detectors.shares.watch import Learning


class EmbeddingShift(ByReading[Ruler, Reading]):
    """See the module's text."""

    name = "embedding_shift"
    family = Family.SHIFT
    hint = False
    params = EmbeddingShiftParams
    statistic = Reading
    reader = reading
    state = EmbeddingShiftState

    def needs(self, p: EmbeddingShiftParams) -> Needs:
        """`value`, a vector; `voting`: the unit's first window of the day."""
        return Needs(Stream.PREDICTIONS, ("value", "voting"), value=Value.VECTOR)

    def start(self, ps: Sequence[EmbeddingShiftParams]) -> EmbeddingShiftState:
        """Learning, without a lens."""
        return start(len(ps))

    def prepare(self, p: EmbeddingShiftParams, s: EmbeddingShiftState, row: int) -> Ruler:
        """The lens, once it is known."""
        return Ruler(lens(s.lens[row]), p.sample_units)

    def close(
        self, ps: Sequence[EmbeddingShiftParams], s: EmbeddingShiftState, stats: Sequence[Reading], tick: Tick
    ) -> tuple[EmbeddingShiftState, list[Evidence]]:
        """Advance; see `detectors.engine` and `detectors.shares.watch`."""
        window = np.where(s.known[:, None], reading.tallies(stats), 0.0)
        learning = Learning(
            np.array([float(p.learn_units) for p in ps]), np.array([float(p.learn_windows) for p in ps])
        )
        lenses = [lens(cell) for cell in s.lens]
        margin = np.repeat(np.array([[p.eps] for p in ps]), CELLS, axis=1)
        shares, verdict, views = watch.close(s.shares, window, margin, _used(lenses), learning, tick)
        told = report.report(
            shares, views, verdict, margin, learning, tick, lambda row, cell: _words(lenses[row], cell)
        )
        after = _gather(ps, replace(s, shares=shares), stats, ~tick.gated & (s.shares.bank.mode == engine.LEARNING))
        return after, [
            _with_channels(p, after, row, evidence, views)
            for row, (p, evidence) in enumerate(zip(ps, told, strict=True))
        ]


def _used(lenses: Sequence[Lens | None]) -> Bools:
    """Boundaries that exist, (W, CELLS)."""
    used = np.ones((len(lenses), CHANNELS, BINS), np.bool_)
    for row, each in enumerate(lenses):
        if each is not None:
            used[row, :, :-1] = ~np.isnan(each.cuts)
    return used.reshape(len(lenses), CELLS)


def _words(known: Lens | None, cell: int) -> str:
    return "" if known is None else in_words(known, cell)


def _with_channels(
    p: EmbeddingShiftParams, s: EmbeddingShiftState, row: int, evidence: Evidence, views: watch.Shown
) -> Evidence:
    if evidence.mode is Mode.LEARNING:
        if s.known[row] or evidence.standing is not Standing.INSUFFICIENT:
            return evidence
        n = len(gathered(s.gathered[row]).sample)
        return msgspec.structs.replace(evidence, reason=f"learning where to look: {n:,} of {p.sample_units:,} units")
    _, tally, _ = views.told(evidence, row)
    before, now = watch.shares_of(np.stack([s.shares.reference[row], tally]))
    apart: Floats = np.abs(now - before).reshape(CHANNELS, BINS).max(axis=1)
    distances = {name(c): float(apart[c]) for c in range(CHANNELS)} if tally[-1] else {}
    return msgspec.structs.replace(evidence, detail=evidence.detail | {"distances": distances})


def _gather(
    ps: Sequence[EmbeddingShiftParams], s: EmbeddingShiftState, stats: Sequence[Reading], learning: Bools
) -> EmbeddingShiftState:
    """The sample fills, and gives the lens."""
    kept, sampled, seen_by, known = s.gathered.copy(), s.sampled.copy(), s.lens.copy(), s.known.copy()
    for row, p in enumerate(ps):
        if not learning[row] or s.known[row] or not len(stats[row].sample):
            continue
        mine = unit_sample.rekeyed(stats[row].sample, int(sampled[row]) + 1)
        before, empty = gathered(kept[row]), reading.nothing()
        both = reading.together(
            Ruler(None, p.sample_units),
            replace(empty, sample=before.sample, table=before.table),
            replace(empty, sample=mine, table=stats[row].table),
        )
        sampled[row] += 1
        found = None
        if len(both.sample) >= p.sample_units:
            found = lens_of(reading.vectors_of(both.sample, both.table), p.seed)
        known[row] = found is not None
        seen_by[row] = packed(found) if found is not None else b""
        kept[row] = b"" if found is not None else packed(Gathered(both.sample, both.table))
    return replace(s, gathered=kept, sampled=sampled, lens=seen_by, known=known)

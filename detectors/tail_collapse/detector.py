"""C7: does what was rare vanish from what the model shows or answers?

Models that learn from their own output lose the tails first. The first window with `learn_units` units is the reference: the
fifth of its different items (or categories) with most rows is the head, all else, also what comes later, is the tail. A unit votes
once a day, in its first window (`voting`), with the part of its rows that lie in the tail; in the reference, by the head that the
others' rows make.

Null: of the votes at least half the reference's share are for the tail (`page_if_tail_falls_by`); the reference's own error, at
level .001, is granted on top. Critical: an eighth. Exact for votes that are independent given the past. The share of each version
that was live is told beside it, so that a change of version can be held against what came after it.

Items drawn at random, and what held-out people are shown, have no vote; so while nobody knows who is held out, nothing is
said of items. Where a catalogue is renewed all the time the head ages and the tail grows by itself: watch categories there.

Source: Shumailov et al. 2024, Nature 631 (tails vanish first); I1 (`increments.bernoulli`).

>>> import numpy as np
>>> from detectors.columns import Category, Columns, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, day, detector, told = np.random.default_rng(7), 86_400_000, TailCollapse(), []
>>> p = TailCollapseParams(of="value")
>>> state, words = detector.start([p]), tuple(f"topic {n}" for n in range(50))
>>> for window in range(8):
...     chance = 1.0 / np.arange(1, 51) ** (0.8 if window < 4 else 1.8)             # from window 4 a few topics have most answers
...     rows = Columns(np.full(1_000, window * day), rng.integers(1, 2**63, 1_000).astype(np.uint64), np.zeros(1_000, np.int8),
...                    np.zeros(1_000, np.int32), np.arange(1_000), {"voting": flag(np.ones(1_000, bool)),
...                    "value": Category(rng.choice(50, 1_000, p=chance / chance.sum()).astype(np.int32), words),
...                    "version": Category(np.full(1_000, int(window > 3), np.int32), ("a", "b"))})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     tick = Tick.plain(window * day, (window + 1) * day, page=1e-4, warn=4e-4)
...     state, (said,) = detector.close([p], state, [a], tick)
...     if said.crossing is not Crossing.NONE:
...         told.append((window, str(said.crossing), {v: round(t["tail"], 1) for v, t in said.detail["versions"].items()}))
>>> told
[(4, 'page', {'a': 0.5, 'b': 0.1})]
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
from detectors.by_reading import ByReading
from detectors.columns import Bools, Floats
from detectors.detector import Family, Needs, Params, Stream, Tick, Value
from detectors.evidence import Crossing, Evidence, Interval, Standing
from detectors.increments import bernoulli
from detectors.math import dyadic
from detectors.math.intervals import bounded_mean_bounds, normal_mixture_radius
from detectors.shares import watch
from detectors.snapshot import pack, unpack
from detectors.tail_collapse import reading
from detectors.tail_collapse.reading import Reading, Ruler
from detectors.views import LEVEL, Views

REFERENCE_LEVEL = 0.001
HEAD = 0.2
"""Part of the reference's different items that is its head."""

_LESS = np.array([0.8, 0.6, 0.4, 0.2, 0.05])
_MORE = np.array([0.1, 0.2, 0.4, 0.6, 0.8])
_LOG_WEIGHTS = np.full(len(_LESS), -np.log(len(_LESS)))
_SMALLEST = 0.005
"""A tail with a smaller tolerated share than this leaves nothing to bet on."""

_VERSIONS_KEPT = 12


class TailCollapseParams(Params):
    """Parameters of `tail_collapse`."""

    of: Annotated[
        Literal["items", "value"],
        Field(description="what has a tail: the items that are shown, or the category that the watch is placed on"),
    ] = "items"
    page_if_tail_falls_by: Annotated[
        float, Field(gt=0, lt=1, description="tolerated fall of the tail's share, as a part of the reference's")
    ] = 0.5
    learn_units: Annotated[
        int, Field(ge=50, description="units of the window that becomes the reference; smaller ones are passed over")
    ] = 200
    at_least: Annotated[
        int, Field(ge=5, description="different items or categories of the reference; with fewer there is no tail")
    ] = 10
    max_rows: Annotated[
        int,
        Field(ge=1_000, le=5_000_000, description="rows kept of the window that becomes the reference, 16 bytes each"),
    ] = 500_000


@dataclass(frozen=True)
class TailCollapseState:
    """W watches. Tallies are (votes for the tail, votes), (W, 2).

    head        (W,) packed identities of the reference's head, empty while it is unknown; things (W,) how many different ones.
    reference   (W, 2); total since watching began; fresh since the open alert began.
    versions    (W,) packed {text: [rows, in the tail, last window]} since watching began, of the twelve seen last.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    head: npt.NDArray[np.object_]
    things: npt.NDArray[np.int64]
    reference: Floats
    total: Floats
    fresh: Floats
    versions: npt.NDArray[np.object_]


class TailCollapse(ByReading[Ruler, Reading]):
    """See the module's text."""

    name = "tail_collapse"
    family = Family.LOOP
    hint = False
    params = TailCollapseParams
    statistic = Reading
    reader = reading
    state = TailCollapseState

    def needs(self, p: TailCollapseParams) -> Needs:
        """`items` with the field `item`, or a category as `value`; `voting`: the unit's first window of the day."""
        return Needs(Stream.PREDICTIONS, (p.of, "voting"), value=Value.CATEGORY, gated=p.of == "items")

    def start(self, ps: Sequence[TailCollapseParams]) -> TailCollapseState:
        """Without a reference."""
        w = len(ps)
        return TailCollapseState(
            engine.start(w, len(_LESS)),
            dyadic.start(w, 2),
            np.full(w, b"", object),
            np.zeros(w, np.int64),
            np.zeros((w, 2)),
            np.zeros((w, 2)),
            np.zeros((w, 2)),
            np.full(w, b"", object),
        )

    def prepare(self, p: TailCollapseParams, s: TailCollapseState, row: int) -> Ruler:
        """The head, once it is known."""
        return Ruler(unpack(s.head[row]) if s.head[row] else None, p.of == "items", p.max_rows)

    def close(
        self, ps: Sequence[TailCollapseParams], s: TailCollapseState, stats: Sequence[Reading], tick: Tick
    ) -> tuple[TailCollapseState, list[Evidence]]:
        """Advance; see `detectors.engine`."""
        window = np.stack([reading.votes(a) for a in stats])
        least, deep = _least(ps, s)
        watching = s.bank.mode != engine.LEARNING
        live, came = ~tick.gated & watching, window[:, 1] > 0
        yes, n = window[:, :1], window[:, 1:]
        increments = engine.Increments(
            null=bernoulli.log_increments(yes, n, least, least * _LESS),
            critical=bernoulli.log_increments(yes, n, deep, deep * _LESS),
            worse=bernoulli.log_increments(yes, n, least, least + (1.0 - least) * _MORE),
        )
        fresh = np.where((live & (s.bank.mode == engine.RECOVERING))[:, None], s.fresh + window, s.fresh)
        everyone: Bools = np.ones(len(ps), np.bool_)
        bank, verdict = engine.advance(s.bank, increments, _LOG_WEIGHTS, tick, came, everyone)
        spans = dyadic.push(s.spans, window, live & came)
        total = np.where(live[:, None], s.total + window, s.total)
        versions = s.versions.copy()
        for row in np.flatnonzero(live & came).tolist():
            versions[row] = _counted(s.versions[row], stats[row], int(tick.start[row]))
        seen = replace(s, bank=bank, spans=spans, total=total, fresh=fresh, versions=versions)
        after = replace(
            seen,
            spans=dyadic.clear(spans, verdict.ended),
            total=np.where(verdict.restarted[:, None], np.where(live[:, None], window, 0.0), total),
            fresh=np.where((verdict.opened | verdict.ended)[:, None], 0.0, fresh),
        )
        after = _learn(ps, after, stats, ~tick.gated & ~watching, tick)
        return after, _report(ps, seen, after, stats, verdict, tick)


def _least(ps: Sequence[TailCollapseParams], s: TailCollapseState) -> tuple[Floats, Floats]:
    """The smallest share that the null allows, and what is left after three such falls; (W, 1), between 0 and 1."""
    share = watch.shares_of(s.reference)
    low, _ = bounded_mean_bounds(share, s.reference[:, 1:], REFERENCE_LEVEL)
    kept = np.array([[1.0 - p.page_if_tail_falls_by] for p in ps])
    return np.clip(low * kept, 1e-6, 1.0 - 1e-6), np.clip(low * kept**3, 1e-6, 1.0 - 1e-6)


def _learn(
    ps: Sequence[TailCollapseParams], s: TailCollapseState, stats: Sequence[Reading], rows: Bools, tick: Tick
) -> TailCollapseState:
    """The first window that is large enough becomes the reference."""
    head, things, reference = s.head.copy(), s.things.copy(), s.reference.copy()
    ready = np.zeros(len(ps), np.bool_)
    for row, (p, a) in enumerate(zip(ps, stats, strict=True)):
        if not rows[row] or reading.units(a) < p.learn_units:
            continue
        chosen, things[row], tally = reading.reference_of(a, HEAD)
        low, _ = bounded_mean_bounds(watch.shares_of(tally[None]), tally[None, 1:], REFERENCE_LEVEL)
        ready[row] = things[row] >= p.at_least and low[0, 0] * (1.0 - p.page_if_tail_falls_by) >= _SMALLEST
        if ready[row]:
            head[row], reference[row] = pack(chosen), tally
    return replace(s, bank=engine.begin(s.bank, ready, tick.end), head=head, things=things, reference=reference)


def _counted(cell: bytes, a: Reading, at: int) -> bytes:
    """The table of versions with a window added."""
    table: dict[str, list[int]] = unpack(cell) if cell else {}
    texts = {int(i): str(text) for i, text in zip(a.named.ids, a.named.texts, strict=True)}
    for version, (rows, tail) in zip(a.versions.tolist(), a.by_version.tolist(), strict=True):
        before = table.get(texts[version], [0, 0, 0])
        table[texts[version]] = [before[0] + rows, before[1] + tail, at]
    last = sorted(table, key=lambda text: (-table[text][2], text))[:_VERSIONS_KEPT]
    return pack({text: table[text] for text in sorted(last)})


def _report(
    ps: Sequence[TailCollapseParams],
    seen: TailCollapseState,
    after: TailCollapseState,
    stats: Sequence[Reading],
    verdict: engine.Verdict,
    tick: Tick,
) -> list[Evidence]:
    """`seen` still holds what an alert that ended in this window was resolved by."""
    recent, _, offered = dyadic.at_least(seen.spans, verdict.lasted)
    shown, modes, told = Views(seen.total, recent, offered, seen.fresh), engine.modes(after.bank), []
    for row, (p, a) in enumerate(zip(ps, stats, strict=True)):
        base = engine.evidence(verdict, tick, modes, row)
        if not seen.head[row]:
            told.append(_learning(p, after, a, base, row))
            continue
        told.append(_watching(p, seen, a, base, row, *shown.told(base, row)))
    return told


def _learning(p: TailCollapseParams, after: TailCollapseState, a: Reading, base: Evidence, row: int) -> Evidence:
    size = reading.units(a)
    standing, reason = Standing.INSUFFICIENT, "learning: this window is the reference"
    if size < p.learn_units:
        reason = f"learning: {size:,} units in this window; the reference needs {p.learn_units:,}"
    elif after.things[row] < p.at_least:
        standing = Standing.NOT_COMPUTABLE
        reason = f"{after.things[row]} different {_kind(p)} have no tail; at least {p.at_least} are needed"
    elif not after.head[row]:
        standing, reason = (
            Standing.NOT_COMPUTABLE,
            f"nearly everything is of the commonest fifth of {_kind(p)}: there is no tail",
        )
    gated = base.standing is not Standing.OK
    return msgspec.structs.replace(
        base,
        standing=base.standing if gated else standing,
        reason=base.reason or reason,
        n={"now": 0, "reference": size},
        unit="share",
    )


def _kind(p: TailCollapseParams) -> str:
    return "items" if p.of == "items" else "categories"


def _watching(
    p: TailCollapseParams,
    s: TailCollapseState,
    a: Reading,
    base: Evidence,
    row: int,
    kind: str,
    tally: Floats,
    alpha: float,
) -> Evidence:
    n, reference = int(tally[1]), float(s.reference[row, 0] / s.reference[row, 1])
    margin = p.page_if_tail_falls_by * reference
    counted = {"now": n, "reference": int(s.reference[row, 1])}
    standing, reason = base.standing, base.reason
    if standing is Standing.OK and not len(a.units):
        standing, reason = Standing.STALE, "no units voted in this window"
    versions = _of_versions(s.versions[row])
    if not n:
        return msgspec.structs.replace(base, standing=standing, reason=reason, n=counted, unit="share", margin=margin)
    now = float(tally[0] / n)
    se = watch.error_of_change(tally[None], s.reference[row][None])[:, 0]
    half = float(normal_mixture_radius(se, np.array([margin]), alpha)[0])
    if standing is Standing.OK:
        what = "shown" if p.of == "items" else "answered"
        reason = f"{now:.2%} of what is {what} lies outside the commonest fifth of the reference, {reference:.2%} then"
        if len(versions) > 1 and base.crossing is not Crossing.NONE:
            reason += "; by version: " + ", ".join(f"{text} {told['tail']:.1%}" for text, told in versions.items())
    return msgspec.structs.replace(
        base,
        standing=standing,
        reason=reason,
        n=counted,
        arms={"reference": reference, "now": now},
        effect=now - reference,
        relative=now / reference - 1.0,
        unit="share",
        interval=Interval(
            low=max(now - reference - half, -1.0),
            high=min(now - reference + half, 1.0),
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={
                "se": float(se[0]),
                "tau": margin,
                "alpha": alpha,
                "at_least": -1.0,
                "at_most": 1.0,
            },
        ),
        margin=margin,
        detail={"different": int(s.things[row]), "versions": versions},
    )


def _of_versions(cell: bytes) -> dict[str, Any]:
    """The tail's share of each version's rows since watching began."""
    table: dict[str, list[int]] = unpack(cell) if cell else {}
    return {text: {"rows": rows, "tail": tail / rows} for text, (rows, tail, _) in table.items() if rows}

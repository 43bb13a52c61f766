"""D1: a release answers beside the live one, on the same requests, unseen. Does it disagree, or do worse?

Answers are paired by request. What is compared is an `answer`, a vector of k numbers a row:
    answer   disagreement of a pair: one number that differs by more than `differs_by`, or, of k items, fewer than
             `least_overlap` of them in common;
    more     how much more often the shadow has it than the live release: the answer is 0 or 1 (slow or not).
Every unit votes once, with the pair whose live or shadow row is its enrolment (`first`). Pairing needs no randomisation: both answered.

Nulls: `harm` tests that the mean is at most `tolerated`, `sound` that it is at least so much; bets on bounded means, exact for
independent units. Nobody is harmed by a shadow, so harm is a reason to hold, told once, not a page. Requests that only one of
both answered are counted; where the two disagree most is named.

Source: Waudby-Smith and Ramdas 2024, JRSS-B (betting on bounded means).

>>> import numpy as np
>>> from detectors.columns import Category, Columns, Hash, Vector, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, detector, p, told = np.random.default_rng(6), Shadow(), ShadowParams(by=("country",)), []
>>> state = detector.start([p])
>>> for window in range(20):
...     n, country = 400, rng.integers(0, 2, 200).astype(np.int32)
...     live = rng.random(200)
...     other = np.where((country == 1) & (rng.random(200) < 0.2), 1 - live, live)   # one answer in five differs in B
...     rows = Columns(np.full(n, window), np.tile(np.arange(200, dtype=np.uint64) + 1, 2), np.zeros(n, np.int8),
...                    np.zeros(n, np.int32), np.arange(n), {
...         "answer": Vector(np.concatenate([live, other])[:, None].astype(np.float32)),
...         "request_id": Hash(np.tile(np.arange(200, dtype=np.uint64) + 1 + 200 * window, 2)),
...         "shadow": flag(np.arange(n) >= 200), "first": flag(np.arange(n) < 200),
...         "country": Category(np.tile(country, 2), ("A", "B"))})
...     a = detector.fold(p, detector.empty(p), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(window, window + 1, page=0.0, warn=0.0))
...     if evidence.crossing is Crossing.WARN:
...         told.append((window, str(evidence.verdict), evidence.detail["where"][0]["value"]))
>>> told
[(0, 'hold', 'B')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import snapshot, three_way
from detectors.columns import Columns, Floats, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Evidence, Interval, Standing, Verdict
from detectors.math.intervals import normal_mixture_radius
from detectors.shadow import pairs
from detectors.shadow.pairs import Answers, Pairs

DAY = 86_400_000
LEVEL = 0.95
CARRIED = 200_000
"""Answers without partner that are carried into the next window at most, a side; those beyond are counted as unmatched."""

BETS = 12
_TOP = 0.9
_PLACES = 200
FULL = f"where pairs disagree is told apart for the first {_PLACES} labels only"
_NAMED = 3
_LEAST = 20
_VERDICTS = (Verdict.HOLD, Verdict.HOLD, Verdict.PROMOTE, Verdict.INCONCLUSIVE)


class Compare(StrEnum):
    """What of the two answers is compared."""

    ANSWER = "answer"
    MORE = "more"


class ShadowParams(Params):
    """Parameters of `shadow`."""

    compare: Annotated[
        Compare, Field(description="whether the answers differ, or how much more often the shadow's is 1")
    ] = Compare.ANSWER
    differs_by: Annotated[float, Field(ge=0, description="difference of two numbers that is none")] = 1e-6
    least_overlap: Annotated[
        float, Field(gt=0, le=1, description="share of items in common below which two lists disagree")
    ] = 0.5
    tolerated: Annotated[float, Field(gt=0, lt=1, description="mean disagreement, or excess, that is tolerated")] = 0.01
    by: Annotated[
        tuple[str, ...], Field(max_length=5, description="categories by which disagreement is told apart")
    ] = ()
    alpha: Annotated[float, Field(gt=0, lt=0.5, description="chance ever to hold a sound shadow, and the reverse")] = (
        0.01
    )
    at_most: Annotated[int, Field(ge=1, description="ms of event time after which it ends without a verdict")] = (
        14 * DAY
    )


@dataclass(frozen=True)
class ShadowState:
    """W shadows.

    total      (W, 5): voting pairs, sum and sum of squares of what is compared, means of live and shadow answers summed.
    unmatched  (W, 2): requests that only the live release, that only the shadow answered.
    carried    (W,) bytes: answers that wait for their partner; places (W,) bytes: pairs and their sum by category and label.
    """

    tests: three_way.ThreeWay
    total: Floats
    unmatched: Ints
    carried: npt.NDArray[np.object_]
    places: npt.NDArray[np.object_]


class Shadow:
    """See the module's text."""

    name = "shadow"
    family = Family.DEPLOYMENT
    hint = False
    params = ShadowParams
    statistic = Pairs
    state = ShadowState

    def needs(self, p: ShadowParams) -> Needs:
        """Rows of both releases: `answer`, `request_id`, `shadow` (whose answer), `first`, and the categories `by`."""
        return Needs(Stream.PREDICTIONS, ("answer", "request_id", "shadow", "first", *p.by))

    def start(self, ps: Sequence[ShadowParams]) -> ShadowState:
        """No evidence."""
        w = len(ps)
        return ShadowState(
            three_way.start(w, BETS),
            np.zeros((w, 5)),
            np.zeros((w, 2), np.int64),
            _bytes([snapshot.pack_record(pairs.nothing())] * w),
            _bytes([snapshot.pack({})] * w),
        )

    def prepare(self, p: ShadowParams, s: ShadowState, row: int) -> ShadowParams:
        """The parameters: nothing of the past is needed to fold."""
        return p

    def empty(self, prep: ShadowParams) -> Pairs:
        """No answers."""
        return pairs.nothing()

    def fold(self, prep: ShadowParams, a: Pairs, rows: Columns) -> Pairs:
        """Add answers of both sides."""
        return pairs.add(a, rows, prep.by)

    def merge(self, prep: ShadowParams, a: Pairs, b: Pairs) -> Pairs:
        """Both as one, each request once."""
        return pairs.merge(a, b)

    def size(self, a: Pairs) -> int:
        """Requests that both answered."""
        return int(np.isin(a.live.keys, a.shadow.keys).sum())

    def close(
        self, ps: Sequence[ShadowParams], s: ShadowState, stats: Sequence[Pairs], tick: Tick
    ) -> tuple[ShadowState, list[Evidence]]:
        """Advance; see `detectors.three_way`."""
        w = len(ps)
        again = three_way.restarts(s.tests, tick)
        fresh = self.start(ps)
        carried, places, unmatched = s.carried.copy(), s.places.copy(), s.unmatched.copy()
        total = np.where(again[:, None], 0.0, s.total)
        harm, sound = np.zeros((w, BETS)), np.zeros((w, BETS))
        informative, crowded = np.zeros(w, np.bool_), np.zeros(w, np.int64)
        for i, (p, stat) in enumerate(zip(ps, stats, strict=True)):
            if again[i]:
                carried[i], places[i], unmatched[i] = fresh.carried[i], fresh.places[i], 0
            if tick.gated[i] or not (len(stat.live) or len(stat.shadow)):
                continue
            waiting = snapshot.unpack_record(Pairs, carried[i])
            matched, alone_live, alone_shadow = pairs.match(waiting, stat)
            left, folded = _capped(matched.left)
            unmatched[i] += np.array([alone_live, alone_shadow]) + folded
            carried[i] = snapshot.pack_record(left)
            live, shadow = _voting(matched.live, matched.shadow)
            informative[i] = len(live) > 0
            if not informative[i]:
                continue
            value = _compared(p, live, shadow)
            harm[i], sound[i] = bets(p, value)
            total[i] += [len(value), value.sum(), (value**2).sum(), _mean_of(live).sum(), _mean_of(shadow).sum()]
            now, crowded[i] = _placed(snapshot.unpack(places[i]), p.by, live, value)
            places[i] = snapshot.pack(now)
        tests, step = three_way.advance(
            s.tests,
            harm,
            sound,
            tick,
            informative=informative,
            level=np.array([p.alpha for p in ps]),
            at_most=np.array([p.at_most for p in ps]),
            harm_lasts=False,
        )
        after = replace(s, tests=tests, total=total, unmatched=unmatched, carried=carried, places=places)
        told = []
        for i, p in enumerate(ps):
            base = three_way.evidence(
                tests, step, tick, i, level=p.alpha, informative=bool(informative[i]), verdicts=_VERDICTS
            )
            where = _where(snapshot.unpack(places[i]))
            e = _evidence(p, total[i], unmatched[i], where, base, held=tests.end[i] == three_way.End.HARMFUL)
            told.append(msgspec.structs.replace(e, detail=e.detail | _folded(int(crowded[i]))) if informative[i] else e)
        return after, told


def _bytes(values: Sequence[bytes]) -> npt.NDArray[np.object_]:
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array


def _capped(left: Pairs) -> tuple[Pairs, Ints]:
    cut = [np.arange(len(side)) < CARRIED for side in (left.live, left.shadow)]
    folded = np.array([int((~kept).sum()) for kept in cut], np.int64)
    return Pairs(left.live.take(cut[0]), left.shadow.take(cut[1])), folded


def _voting(live: Answers, shadow: Answers) -> tuple[Answers, Answers]:
    votes = live.votes | shadow.votes
    return live.take(votes), shadow.take(votes)


def _compared(p: ShadowParams, live: Answers, shadow: Answers) -> Floats:
    """What is compared, of every pair: 0 or 1 for disagreement, -1 to 1 for an excess."""
    a, b = live.answer.astype(np.float64), shadow.answer.astype(np.float64)
    if p.compare is Compare.MORE:
        excess: Floats = np.clip(b[:, 0], 0.0, 1.0) - np.clip(a[:, 0], 0.0, 1.0)
        return excess
    if max(a.shape[1], b.shape[1]) == 1:
        differs: Floats = (np.abs(a[:, 0] - b[:, 0]) > p.differs_by).astype(np.float64)
        return differs
    common = (a[:, :, None] == b[:, None, :]).any(axis=2).sum(axis=1)
    longer = np.maximum((~np.isnan(a)).sum(axis=1), (~np.isnan(b)).sum(axis=1))
    apart: Floats = (common < p.least_overlap * longer).astype(np.float64)
    return apart


def bets(p: ShadowParams, value: Floats) -> tuple[Floats, Floats]:
    """Log e-increments against "mean <= tolerated" and "mean >= tolerated", each (BETS,)."""
    low = -1.0 if p.compare is Compare.MORE else 0.0
    grid = np.geomspace(0.01, 1.0, BETS)
    up, down = _TOP / (p.tolerated - low) * grid, _TOP / (1.0 - p.tolerated) * grid
    u = value - p.tolerated
    return np.log1p(np.outer(u, up)).sum(axis=0), np.log1p(np.outer(-u, down)).sum(axis=0)


def _mean_of(side: Answers) -> Floats:
    first: Floats = np.nan_to_num(side.answer[:, 0].astype(np.float64))
    return first


def _placed(
    places: dict[str, list[float]], by: tuple[str, ...], live: Answers, value: Floats
) -> tuple[dict[str, list[float]], int]:
    """Pairs and sums by "column=label", `_PLACES` at most, the commonest of a window's new ones; and the pairs left out."""
    crowded = 0
    for n, column in enumerate(by):
        names, index = np.unique(pairs.labels(live.place, n).astype(str), return_inverse=True)
        counts, sums = np.bincount(index), np.bincount(index, weights=value)
        order = np.lexsort((names, -counts))
        for name, count, total in zip(names[order].tolist(), counts[order].tolist(), sums[order].tolist(), strict=True):
            key = f"{column}={name[:80]}"
            if name and (key in places or len(places) < _PLACES):
                old = places.get(key, [0.0, 0.0])
                places[key] = [old[0] + count, old[1] + total]
            elif name:
                crowded += count
    return dict(sorted(places.items())), crowded


def _folded(pairs_without_place: int) -> dict[str, Any]:
    """What the cap on labels folds away."""
    return {"folded_exposures": pairs_without_place} | ({"folded": FULL} if pairs_without_place else {})


def _where(places: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Where the mean is highest, by its lower bound of two standard errors; places with few pairs are left out."""
    ranked = []
    for key, (n, total) in places.items():
        mean = total / n
        if n >= _LEAST and mean > 0:
            ranked.append((mean - 2.0 * np.sqrt(max(abs(mean) * (1.0 - abs(mean)), 1.0 / n) / n), key, n, mean))
    ranked.sort(key=lambda each: (-each[0], each[1]))
    named = []
    for _, key, n, mean in ranked[:_NAMED]:
        column, _, value = key.partition("=")
        named.append({"column": column, "value": value, "pairs": int(n), "mean": float(mean)})
    return named


def _evidence(
    p: ShadowParams, total: Floats, unmatched: Ints, where: list[dict[str, Any]], base: Evidence, *, held: bool
) -> Evidence:
    n = int(total[0])
    mean = float(total[1]) / max(n, 1)
    spread = max(float(total[2]) - n * mean**2, 0.0) / max(n - 1, 1)
    se = np.array([np.sqrt(max(spread, p.tolerated * (1.0 - p.tolerated)) / max(n, 1))])
    radius = float(normal_mixture_radius(se, np.array([p.tolerated]), 1.0 - LEVEL)[0])
    more = p.compare is Compare.MORE
    arms = {"live": float(total[3]) / n, "shadow": float(total[4]) / n} if more and n else {}
    filled = msgspec.structs.replace(
        base,
        n={"live": n, "shadow": n} if more else {"pairs": n},
        arms=arms,
        effect=mean if n else None,
        interval=Interval(
            low=mean - radius if more else max(mean - radius, 0.0),
            high=mean + radius,
            formula="normal_mixture",
            inputs={"se": float(se[0]), "tau": p.tolerated, "alpha": 1.0 - LEVEL, "at_least": -1.0 if more else 0.0},
        )
        if n
        else None,
        unit="share of pairs",
        margin=p.tolerated,
        detail=base.detail
        | {
            "sum": float(total[1]),
            "where": where,
            "compare": str(p.compare),
            "unmatched_live": int(unmatched[0]),
            "unmatched_shadow": int(unmatched[1]),
        },
    )
    if base.standing is Standing.BLIND:
        return filled
    return three_way.said(filled, _reason(p, filled, where, held=held))


def _reason(p: ShadowParams, e: Evidence, where: list[dict[str, Any]], *, held: bool) -> str:
    what = "the shadow exceeds the live release by more" if p.compare is Compare.MORE else "the two disagree more"
    worst = f"; most where {where[0]['column']} is {where[0]['value']} ({where[0]['mean']:.1%})" if where else ""
    live, shadow = e.detail["unmatched_live"], e.detail["unmatched_shadow"]
    lost = f"; without a partner: {live:,} live answers, {shadow:,} of the shadow" if live or shadow else ""
    seen = next(iter(e.n.values()))
    if held:
        return f"hold: {what} than tolerated{worst}{lost}"
    if e.verdict is Verdict.PROMOTE:
        return f"promote: more than what is tolerated is excluded{lost}"
    if e.verdict is Verdict.INCONCLUSIVE:
        return f"inconclusive after {p.at_most / DAY:g} d with {seen:,} pairs{worst}{lost}"
    return f"hold: no verdict yet with {seen:,} pairs{lost}"

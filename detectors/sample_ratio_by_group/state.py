"""New units by group and cohort, the groups that have a place of their own, and the memory of `sample_ratio_by_group`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import engine, split
from detectors.cohort_by_group.tallies import OTHER, some_of, texts_of
from detectors.columns import Bools, Cohort, Columns, Floats, Hashes, Ints
from detectors.math import dyadic, keyed
from detectors.named import Named, Texts, identities, joined, nameless
from detectors.snapshot import pack_record, unpack_record

PLACES = 50
GROUPS = PLACES + 1
"""Groups by themselves, and all others together."""
DAY_MS = 86_400_000
KEPT_MS = 14 * DAY_MS
"""Event time for which a group keeps its place after the last window in which it was large."""


class SampleRatioByGroupParams(split.SplitParams):
    """Parameters of `sample_ratio_by_group`."""

    by: Annotated[str, Field(min_length=1, description="the category column that says which group a row belongs to")]
    min_units: Annotated[
        int, Field(ge=1, description="new units of a group in one window that give it a place of its own")
    ] = 100


@dataclass(frozen=True)
class Split:
    """New units of one window: `groups` (n,) identities, ascending; `units` (n, 2) [exposed, holdout]; texts of groups."""

    groups: Hashes
    units: Ints
    named: Named


@dataclass(frozen=True)
class Places:
    """Groups with a place of their own, (n,) each, in the order in which they got it."""

    ids: Hashes
    texts: Texts


@dataclass(frozen=True)
class SampleRatioByGroupState:
    """W watches.

    places         (W,) bytes of `Places`, empty while there are none.
    large          (W, PLACES) end, event time ms, of the last window in which a place's group brought `min_units`.
    total, fresh   (W, GROUPS, 2) new units since the start, and since the alert opened; spans: the last windows, flat.
    accused        (W,) the group of the open alert, -1 if there is none; broken (W,) its log odds off plan at the alarm, signed.
    """

    bank: engine.Bank
    places: npt.NDArray[Any]
    large: Ints
    total: Floats
    fresh: Floats
    spans: dyadic.Spans
    accused: Ints
    broken: Floats


def start(watches: int) -> SampleRatioByGroupState:
    """No group has a place. Each mixture starts with its part of the opening stake."""
    bank = engine.start(watches, GROUPS * split.BETS)
    stake = np.full((watches, GROUPS, split.BETS), -np.inf)
    stake[:, :, -1] = split.OPENING
    flat = stake.reshape(watches, -1)
    return SampleRatioByGroupState(
        bank=replace(bank, page=flat, warn=flat.copy()),
        places=np.full(watches, b"", object),
        large=np.zeros((watches, PLACES), np.int64),
        total=np.zeros((watches, GROUPS, 2)),
        fresh=np.zeros((watches, GROUPS, 2)),
        spans=dyadic.start(watches, GROUPS * 2),
        accused=np.full(watches, -1, np.int64),
        broken=np.zeros(watches),
    )


def nobody() -> Split:
    """No units: the identity of `together`."""
    none = keyed.nothing(2)
    return Split(none.keys, none.sums, nameless())


def of(rows: Columns, by: str) -> Split:
    """Enrolment rows of both cohorts that have a group."""
    new = rows.take(rows.flags("first") & (rows.unit != 0) & (rows.cohort <= Cohort.HOLDOUT))
    ids, named = identities(new, by)
    grouped = ids != 0
    arms = new.cohort[grouped, None] == np.array([Cohort.EXPOSED, Cohort.HOLDOUT])
    sums = keyed.add(keyed.nothing(2), ids[grouped], arms.astype(np.int64))
    return Split(sums.keys, sums.sums, some_of(named))


def together(a: Split, b: Split) -> Split:
    """Both as one."""
    sums = keyed.merge(keyed.KeyedSums(a.groups, a.units), keyed.KeyedSums(b.groups, b.units))
    return Split(sums.keys, sums.sums, some_of(joined(a.named, b.named)))


@dataclass(frozen=True)
class Placed:
    """The places of a window, since when their groups were last large (PLACES,), and which were given on (GROUPS,).

    folded   units of groups that are large and got no place.
    """

    places: Places
    large: Ints
    given_on: Bools
    folded: int = 0


def small_for_days(s: SampleRatioByGroupState, row: int, end: int) -> int:
    """Days since the group that a watch's open alert names was last large, if it would have lost its place; else 0."""
    place = int(s.accused[row])
    since = end - int(s.large[row, place]) if 0 <= place < PLACES else 0
    return since // DAY_MS if since >= KEPT_MS else 0


def as_it_was(s: SampleRatioByGroupState, row: int) -> Placed:
    """The places of a watch as they were before the window."""
    return Placed(places(s.places[row]), s.large[row], np.zeros(GROUPS, np.bool_))


def placed(s: SampleRatioByGroupState, row: int, a: Split, min_units: int, end: int) -> Placed:
    """The places of a watch in the window that ends at `end`: groups that are large in it get those that are left, the largest first.

    Where none is left, those whose group has not been large for `KEPT_MS`, the longest first, and never that of the group that an
    open alert names. Only how many came decides, never how they were split: so the window that gives a group its place counts
    as evidence, too.
    """
    known, size = places(s.places[row]), a.units.sum(axis=1)
    is_large, large, given_on = size >= min_units, s.large[row].copy(), np.zeros(GROUPS, np.bool_)
    large[: len(known.ids)][np.isin(known.ids, a.groups[is_large])] = end
    new = np.flatnonzero(is_large & ~np.isin(a.groups, known.ids))
    new = new[np.argsort(-size[new], kind="stable")]
    left = np.arange(len(known.ids), PLACES)
    idle = np.flatnonzero((end - large[: len(known.ids)] >= KEPT_MS) & (np.arange(len(known.ids)) != s.accused[row]))
    at = np.concatenate([left, idle[np.argsort(large[idle], kind="stable")]])[: len(new)]
    taken, had = a.groups[new[: len(at)]], len(known.ids)
    ids, texts = np.zeros(max(had, int(at.max(initial=-1)) + 1), np.uint64), np.full(PLACES, "", object)
    ids[:had], texts[:had] = known.ids, known.texts
    ids[at], texts[at], large[at] = taken, texts_of(a.named, taken), end
    given_on[at[at < had]] = True
    return Placed(Places(ids, texts[: len(ids)]), large, given_on, int(size[new[len(at) :]].sum()))


def with_places(s: SampleRatioByGroupState, placed: Sequence[Placed], start: Ints) -> SampleRatioByGroupState:
    """The state with these places, one a watch; those that were given on begin anew in the window that starts at `start` (W,)."""
    anew = np.stack([each.given_on for each in placed])
    return replace(
        s,
        bank=engine.give_on(s.bank, np.repeat(anew, split.BETS, axis=1), start),
        places=np.array([packed(each.places) for each in placed] or None, object).ravel()[: len(placed)],
        large=np.stack([each.large for each in placed]),
        total=np.where(anew[:, :, None], 0.0, s.total),
        fresh=np.where(anew[:, :, None], 0.0, s.fresh),
        spans=dyadic.without(s.spans, np.repeat(anew, 2, axis=1)),
    )


def places(cell: bytes) -> Places:
    """What a cell of the state holds."""
    return unpack_record(Places, cell) if cell else Places(np.zeros(0, np.uint64), np.zeros(0, object))


def packed(known: Places) -> bytes:
    """As a cell of the state."""
    return pack_record(known) if len(known.ids) else b""


def counts(a: Split, known: Places) -> Floats:
    """Units by place, (GROUPS, 2); the last is for all groups without one."""
    at = {group: place for place, group in enumerate(known.ids.tolist())}
    result = np.zeros((GROUPS, 2))
    np.add.at(result, np.array([at.get(g, PLACES) for g in a.groups.tolist()], np.intp), a.units.astype(np.float64))
    return result


def name_of(known: Places, place: int) -> str:
    """What a group is called."""
    return str(known.texts[place]) if place < len(known.texts) else OTHER

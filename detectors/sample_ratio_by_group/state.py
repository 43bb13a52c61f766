"""New units by group and cohort, the groups that have a place of their own, and the memory of `sample_ratio_by_group`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import engine, split
from detectors.cohort_by_group.tallies import OTHER, some_of, texts_of
from detectors.columns import Cohort, Columns, Floats, Hashes, Ints
from detectors.math import dyadic, keyed
from detectors.named import Named, Texts, identities, joined, nameless
from detectors.snapshot import pack_record, unpack_record

PLACES = 50
GROUPS = PLACES + 1
"""Groups by themselves, and all others together."""


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
    total, fresh   (W, GROUPS, 2) new units since the start, and since the alert opened; spans: the last windows, flat.
    accused        (W,) the group of the open alert, -1 if there is none; broken (W,) its log odds off plan at the alarm, signed.
    """

    bank: engine.Bank
    places: npt.NDArray[Any]
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


def placed(cell: bytes, a: Split, min_units: int) -> Places:
    """The places after this window: groups that are large enough in it get those that are left, the largest first.

    Only how many came decides, never how they were split: so the window that gives a group its place counts as evidence, too.
    """
    had = places(cell)
    size = a.units.sum(axis=1)
    new = np.flatnonzero((size >= min_units) & ~np.isin(a.groups, had.ids))
    taken = new[np.argsort(-size[new], kind="stable")][: PLACES - len(had.ids)]
    ids = a.groups[taken]
    return Places(np.concatenate([had.ids, ids]), np.concatenate([had.texts, texts_of(a.named, ids)]))


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

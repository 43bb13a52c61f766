"""What one window says of every group: how many people of each arm, the sum of their values, and of the squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Cohort, Columns, Floats, Hashes, Ints
from detectors.increments.ipw import Entries
from detectors.math import fixed, keyed
from detectors.named import Named, Texts, chosen, identities, joined, nameless
from detectors.two_arms import N0, N1, S0, S1

TOP = 15
GROUPS = TOP + 1
"""The largest groups by themselves, and all others together."""

OTHER = "other groups"
_NAMED_AT_MOST = 256


@dataclass(frozen=True)
class ByGroup:
    """`groups` (n,) identities, ascending; `sums` (n, 6) as in `two_arms`, values in fixed point; `named`: texts of groups."""

    groups: Hashes
    sums: Ints
    named: Named


@dataclass(frozen=True)
class Groups:
    """The groups that are watched by themselves: identities, ascending, with their texts.

    small     texts of the largest of those that hold too few people; crowded: identities of those that hold enough, and for which
              there was no place.
    """

    ids: Hashes
    texts: Texts
    small: Texts
    crowded: Hashes


def nobody() -> ByGroup:
    """No units: the identity of `together`."""
    none = keyed.nothing(6)
    return ByGroup(none.keys, none.sums, nameless())


def add(a: ByGroup, rows: Columns, by: str) -> ByGroup:
    """`a` with the enrolment rows of both arms that have a `value` (clipped to [0, 1]) and a group."""
    value = rows.numbers("value")
    counted = rows.flags("first") & (rows.cohort <= Cohort.HOLDOUT) & (rows.unit != 0) & ~np.isnan(value)
    voters = rows.take(counted)
    ids, named = identities(voters, by)
    grouped = ids != 0
    exposed = (voters.cohort == Cohort.EXPOSED)[grouped, None]
    whole = fixed.to_fixed(value[counted][grouped])
    one = np.stack([np.ones_like(whole), whole, fixed.to_fixed(fixed.from_fixed(whole) ** 2)], axis=1)
    sums = keyed.add(
        keyed.KeyedSums(a.groups, a.sums), ids[grouped], np.concatenate([one * exposed, one * ~exposed], axis=1)
    )
    return ByGroup(sums.keys, sums.sums, some_of(joined(a.named, named)))


def together(a: ByGroup, b: ByGroup) -> ByGroup:
    """Both as one."""
    sums = keyed.merge(keyed.KeyedSums(a.groups, a.sums), keyed.KeyedSums(b.groups, b.sums))
    return ByGroup(sums.keys, sums.sums, some_of(joined(a.named, b.named)))


def units(a: ByGroup) -> tuple[int, int]:
    """Units of the exposed, and held out."""
    return int(a.sums[:, N1].sum()), int(a.sums[:, N0].sum())


def in_all(a: ByGroup) -> Floats:
    """The sums of all groups together, (6,), values as numbers."""
    result: Floats = a.sums.sum(axis=0).astype(np.float64)
    result[[1, 2, 4, 5]] /= fixed.ONE
    return result


def choose(a: ByGroup, min_holdout: int) -> Groups:
    """The largest groups of at least `min_holdout` people in the smaller arm; of equals the smaller identity."""
    size = a.sums[:, N1] + a.sums[:, N0]
    enough = np.minimum(a.sums[:, N1], a.sums[:, N0]) >= min_holdout
    by_size = np.argsort(-size, kind="stable")
    large = by_size[enough[by_size]]
    top, small = np.sort(large[:TOP]), by_size[~enough[by_size]][:TOP]
    return Groups(
        a.groups[top], texts_of(a.named, a.groups[top]), texts_of(a.named, a.groups[small]), a.groups[large[TOP:]]
    )


def units_of(a: ByGroup, ids: Hashes) -> int:
    """Units of both arms in these groups."""
    return int(a.sums[np.isin(a.groups, ids)][:, [N1, N0]].sum())


def sums_of(a: ByGroup, groups: Groups) -> Floats:
    """The window's sums by watched group, (GROUPS, 6), values as numbers."""
    result = np.zeros((GROUPS, 6))
    np.add.at(result, _cells(a.groups, groups), a.sums.astype(np.float64))
    result[:, [1, 2, 4, 5]] /= fixed.ONE
    return result


def entries(windows: Floats) -> Entries:
    """The windows (W, GROUPS, 6) as bets take them, a watch a group: fractions of yes and of no stand for values between.

    A bet's logarithm is concave in the value, so this is never more than what the values themselves would give.
    """
    flat = windows.reshape(-1, 6)
    yes_no = np.stack([flat[:, S1], flat[:, N1] - flat[:, S1], flat[:, S0], flat[:, N0] - flat[:, S0]], axis=1)
    where = np.repeat(np.arange(len(flat)), 4)
    kinds = len(flat)
    return Entries(
        where,
        np.tile([1.0, 0.0, 1.0, 0.0], kinds),
        np.tile(np.array([True, True, False, False]), kinds),
        yes_no.ravel(),
    )


def _cells(ids: Hashes, groups: Groups) -> npt.NDArray[np.intp]:
    if not len(groups.ids):
        return np.full(len(ids), TOP, np.intp)
    at = np.minimum(np.searchsorted(groups.ids, ids), len(groups.ids) - 1)
    return np.where(groups.ids[at] == ids, at, TOP)


def texts_of(named: Named, ids: Hashes) -> Texts:
    """The texts of groups, in that order, as far as they were kept."""
    known = dict(zip(named.ids.tolist(), named.texts.tolist(), strict=True))
    return np.array([known.get(i, "a group without a text") for i in ids.tolist()] or None, object).ravel()[: len(ids)]


def some_of(named: Named) -> Named:
    """At most 256 texts, those of the smallest identities: the same for every cut of the rows."""
    kept = chosen(named, np.arange(min(len(named.ids), _NAMED_AT_MOST)))
    return Named(kept.ids, kept.texts, np.zeros(len(kept.ids), np.int64))

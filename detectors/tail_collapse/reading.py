"""One window of what a model showed or answered, one vote a unit: which part of it lies outside the reference's head.

Until the head is known the rows themselves are kept, of a sample of whole units; from then on rows are counted by unit and by
version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors import showings
from detectors.columns import Category, Cohort, Columns, Floats, Hashes, Ints
from detectors.math import keyed
from detectors.math.unit_sample import mixed
from detectors.named import Named, identities, joined, nameless

_ALL = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Reading:
    """One window.

    unit, thing   (n,) while the head is unknown: mixed unit and identity of a row of a sampled unit, ascending, with repeats.
    below         (1,) mixed units from which on none is sampled.
    units, sums   (m,), (m, 2) once it is known: mixed units, their rows, and those of them in the tail.
    versions, by_version   (v,), (v, 2) the same by identity of the version; named: its texts.
    """

    unit: Hashes
    thing: Hashes
    below: Hashes
    units: Hashes
    sums: Ints
    versions: Hashes
    by_version: Ints
    named: Named


@dataclass(frozen=True, slots=True)
class Ruler:
    """What folding may use of the past: the head, ascending, or None while it is unknown; and the cap on rows kept till then."""

    head: Hashes | None
    items: bool
    max_rows: int


def nothing() -> Reading:
    """No rows."""
    none, two = np.zeros(0, np.uint64), keyed.nothing(2)
    return Reading(
        none, none.copy(), np.full(1, _ALL), two.keys, two.sums, two.keys.copy(), two.sums.copy(), nameless()
    )


def read(ruler: Ruler, a: Reading, rows: Columns) -> Reading:
    """`a` with the voting rows added: what the policy chose, for items; what is no category has no say."""
    owner, thing = _things(rows, items=ruler.items)
    told = rows.flags("voting")[owner] & (rows.unit[owner] != 0) & (thing != 0) & (rows.cohort[owner] != Cohort.HOLDOUT)
    owner, thing = owner[told], thing[told]
    unit = mixed(rows.unit[owner])
    if ruler.head is None:
        return together(ruler, a, replace(nothing(), unit=unit, thing=thing))
    counts = np.stack([np.ones(len(thing), np.int64), ~np.isin(thing, ruler.head)], axis=1).astype(np.int64)
    units = keyed.add(keyed.nothing(2), unit, counts)
    versions, named = keyed.nothing(2), nameless()
    if isinstance(rows.fields.get("version"), Category):
        ids, named = identities(rows, "version")
        known = ids[owner] != 0
        versions = keyed.add(versions, ids[owner][known], counts[known])
    part = replace(
        nothing(), units=units.keys, sums=units.sums, versions=versions.keys, by_version=versions.sums, named=named
    )
    return together(ruler, a, part)


def _things(rows: Columns, *, items: bool) -> tuple[Ints, Hashes]:
    """The row and the identity of everything shown or answered."""
    if not items:
        return np.arange(len(rows)), identities(rows, "value")[0]
    chosen = showings.chosen(showings.of(rows))
    return chosen.owner, chosen.item


def together(ruler: Ruler, a: Reading, b: Reading) -> Reading:
    """Both as one."""
    unit, thing = np.concatenate([a.unit, b.unit]), np.concatenate([a.thing, b.thing])
    below = np.minimum(a.below, b.below)
    order = np.lexsort((thing, unit))
    order = order[unit[order] < below[0]]
    if len(order) > ruler.max_rows:
        below = unit[order[ruler.max_rows]].reshape(1)  # the first unit that does not fit goes whole
        order = order[unit[order] < below[0]]
    units = keyed.merge(keyed.KeyedSums(a.units, a.sums), keyed.KeyedSums(b.units, b.sums))
    versions = keyed.merge(keyed.KeyedSums(a.versions, a.by_version), keyed.KeyedSums(b.versions, b.by_version))
    named = joined(a.named, b.named)
    return Reading(unit[order], thing[order], below, units.keys, units.sums, versions.keys, versions.sums, named)


def units(a: Reading) -> int:
    """Units that vote."""
    return len(a.units) + len(np.unique(a.unit))


def votes(a: Reading) -> Floats:
    """(2,) votes for the tail, and all."""
    return np.array([np.sum(a.sums[:, 1] / np.maximum(a.sums[:, 0], 1)), len(a.units)], np.float64)


def reference_of(a: Reading, share: float) -> tuple[Hashes, int, Floats]:
    """Of a window that was sampled: the head, ascending; how many different things there are; and (2,) votes of its units.

    The head is the `share` of the different things that most rows show; of equals the smaller identity is in it. Each unit's
    vote leaves its own rows out of the count: else the head would hold what this sample has in common by chance, and the tail
    would seem to grow from the next window on.
    """
    things, place, rows = np.unique(a.thing, return_inverse=True, return_counts=True)
    head = np.lexsort((things, -rows))[: int(np.ceil(share * len(things)))]
    last = head[-1]
    again = (a.unit[1:] == a.unit[:-1]) & (a.thing[1:] == a.thing[:-1])
    pair = np.cumsum(np.concatenate([[0], ~again]))
    others = rows[place] - np.bincount(pair)[pair]
    common = (others > rows[last]) | ((others == rows[last]) & (a.thing <= things[last]))
    counts = np.stack([np.ones(len(place), np.int64), ~common], axis=1).astype(np.int64)
    units = keyed.add(keyed.nothing(2), a.unit, counts)
    return np.sort(things[head]), len(things), votes(replace(a, units=units.keys, sums=units.sums))

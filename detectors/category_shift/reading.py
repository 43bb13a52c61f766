"""What one window says of a category, one vote a unit.

Until the categories are known a window is a sample of units; from then on it is a count of rows by unit and cell. A category
is known by an identity, 52 bits of a hash of its text, which a float holds exactly. The texts themselves are kept for people:
of the sample all, later those of at most 64 categories that the reference never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.columns import Columns, Floats, Hashes, Ints
from detectors.math import ballots, keyed
from detectors.math.unit_sample import UnitSample, merge, nobody, of_rows
from detectors.named import Named, Texts, chosen, identities, joined, nameless

TOP = 50
OTHER, UNSEEN, MISSING = TOP, TOP + 1, TOP + 2
CELLS = TOP + 3
"""The 50 largest categories of the reference, its others, those it never saw, and no category at all."""

_BITS = 6
_UNSEEN_NAMED = 64


@dataclass(frozen=True)
class Reading:
    """One window's rows of one watch.

    keys, counts   (n,) and (n, 1): rows by unit and cell; see `detectors.math.ballots`.
    sample         identities of a sample of units, while the categories are unknown.
    named          texts of the sample, later of categories that the reference never saw.
    """

    keys: Hashes
    counts: Ints
    sample: UnitSample
    named: Named


@dataclass(frozen=True)
class Cells:
    """The categories of a reference: `top` (<= 50,) identities by size with their `texts`, `known` all identities, ascending."""

    top: Hashes
    texts: Texts
    known: Hashes


@dataclass(frozen=True, slots=True)
class Ruler:
    """What folding may use of the past: the cells, or None while they are unknown, and the sample's capacity."""

    cells: Cells | None
    capacity: int


def nothing() -> Reading:
    """No rows."""
    none = keyed.nothing(1)
    return Reading(none.keys, none.sums, nobody(), nameless())


def read(ruler: Ruler, a: Reading, rows: Columns) -> Reading:
    """`a` with the voting rows added; rows without a unit have no vote."""
    voters = rows.take(rows.flags("voting") & (rows.unit != 0))
    ids, names = identities(voters, "value")
    if ruler.cells is None:
        values = np.where(ids != 0, ids.astype(np.float64), np.nan)
        sample = merge(a.sample, of_rows(voters, values, ruler.capacity), ruler.capacity)
        return Reading(a.keys, a.counts, sample, _of_sample(joined(a.named, names), sample))
    cells = cells_of(ids, ruler.cells)
    sums = keyed.add(
        keyed.KeyedSums(a.keys, a.counts),
        ballots.keys_of(voters.unit, cells, _BITS),
        np.ones((len(cells), 1), np.int64),
    )
    unseen = chosen(names, ~np.isin(names.ids, ruler.cells.known))
    return Reading(sums.keys, sums.sums, a.sample, _first(joined(a.named, unseen)))


def together(ruler: Ruler, a: Reading, b: Reading) -> Reading:
    """Both as one."""
    sums = keyed.merge(keyed.KeyedSums(a.keys, a.counts), keyed.KeyedSums(b.keys, b.counts))
    sample = merge(a.sample, b.sample, ruler.capacity)
    named = joined(a.named, b.named)
    return Reading(sums.keys, sums.sums, sample, _of_sample(named, sample) if ruler.cells is None else _first(named))


def units(a: Reading) -> int:
    """Units that have a vote (of a sample: those sampled)."""
    return ballots.units(a.keys, _BITS) + len(a.sample)


def tallies(readings: Sequence[Reading]) -> Floats:
    """Votes by cell and their number, (W, CELLS + 1)."""
    return np.stack([ballots.tally(a.keys, a.counts[:, 0], _BITS, CELLS) for a in readings])


def cells_of(ids: Hashes, cells: Cells) -> Ints:
    """The cell of each identity (n,), 0 being missing."""
    order = np.argsort(cells.top)
    ascending = cells.top[order]
    at = np.minimum(np.searchsorted(ascending, ids), max(len(ascending) - 1, 0))
    top = ascending[at] == ids if len(ascending) else np.zeros(len(ids), np.bool_)
    rest = np.where(np.isin(ids, cells.known), OTHER, UNSEEN)
    found = np.where(top, order[at] if len(order) else 0, rest)
    return np.where(ids == 0, MISSING, found).astype(np.int64)


def cells_from(sample: UnitSample, named: Named) -> Cells:
    """The categories of a sample, the largest first; of equals the one with the smaller identity."""
    known, votes = np.unique(sample.values[~np.isnan(sample.values)], return_counts=True)
    top = np.argsort(-votes, kind="stable")[:TOP]
    ids = known.astype(np.uint64)
    texts = named.texts[np.searchsorted(named.ids, ids[top])]
    return Cells(ids[top], texts, ids)


def _of_sample(named: Named, sample: UnitSample) -> Named:
    """Texts of what was sampled; rows are not counted, as which rows stay in a sample depends on the cut."""
    mine = chosen(named, np.isin(named.ids, sample.values[~np.isnan(sample.values)].astype(np.uint64)))
    return Named(mine.ids, mine.texts, np.zeros(len(mine.ids), np.int64))


def _first(named: Named) -> Named:
    """The 64 smallest identities: a uniform sample of them, and the same for every cut."""
    return chosen(named, np.arange(min(len(named.ids), _UNSEEN_NAMED)))

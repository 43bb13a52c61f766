"""Categories by identity: 52 bits of a hash of their text, which a float holds exactly. Texts are kept for people only."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Category, Columns, Flag, Hashes, Ints

_LONGEST = 80

Texts = npt.NDArray[Any]
"""Category texts, dtype object, at most 80 characters each: untrusted."""


@dataclass(frozen=True)
class Named:
    """Categories by identity, ascending; `texts` and `rows` (how many rows had it), each (n,)."""

    ids: Hashes
    texts: Texts
    rows: Ints


def nameless() -> Named:
    """No categories."""
    return Named(np.zeros(0, np.uint64), np.zeros(0, object), np.zeros(0, np.int64))


def most_rows(named: Named, most: int) -> list[str]:
    """Texts of at most `most` categories, those with most rows first."""
    order = np.lexsort((named.ids, -named.rows))[:most]
    return [str(text) for text in named.texts[order]]


def identities(rows: Columns, name: str) -> tuple[Hashes, Named]:
    """The identity of each row's category, 0 if missing, and all of them by identity. TypeError for a column without categories."""
    column = rows.fields[name]
    if isinstance(column, Flag):
        column = Category(np.where(column.missing, -1, column.values).astype(np.int32), ("no", "yes"))
    if not isinstance(column, Category):
        raise TypeError(f"column {name!r} is {type(column).__name__}, not a category or a flag")
    codes, counts = np.unique(column.codes[column.codes >= 0], return_counts=True)
    table = np.zeros(len(column.labels) + 1, np.uint64)
    texts = [column.labels[code] for code in codes]
    table[codes] = [_identity(text) for text in texts]
    named = Named(table[codes], np.array([text[:_LONGEST] for text in texts] or None, object).ravel(), counts)
    return table[column.codes], _ascending(named if len(codes) else nameless())


def _identity(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, person=b"category").digest()
    return max(int.from_bytes(digest, "big") >> 12, 1)


def _ascending(named: Named) -> Named:
    return chosen(named, np.argsort(named.ids, kind="stable"))


def chosen(named: Named, rows: npt.NDArray[np.intp] | Bools) -> Named:
    """Those at `rows`, an index array or a mask."""
    return Named(named.ids[rows], named.texts[rows], named.rows[rows])


def joined(a: Named, b: Named) -> Named:
    """Both as one: rows add; of two texts of one identity the smaller."""
    if not len(a.ids) or not len(b.ids):
        return a if len(a.ids) else b
    both = _ascending(Named(*(np.concatenate([getattr(a, f), getattr(b, f)]) for f in ("ids", "texts", "rows"))))
    starts = np.flatnonzero(np.concatenate([np.ones(1, np.bool_), both.ids[1:] != both.ids[:-1]]))
    texts = np.minimum.reduceat(both.texts, starts)
    return Named(both.ids[starts], texts, np.add.reduceat(both.rows, starts))

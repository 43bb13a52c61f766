"""Which rows of a table are stored in which page, where rows change: a log of what changed, and the whole table round by round.

Pages are numbered in the order in which they are made; of several pages with a row the one with the highest number counts. A page
of the log has the rows that a window changed, together with small ones before it (`monitor.join.tiers`). For every row logged, one
row of the table is due to be written whole: page 0, 1, ... and again from the first. What was logged before the oldest of those
pages is dropped. So the work of tidying up is spread evenly over the windows, however large the table.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor.join import tiers
from monitor.join.index import Rows

PAGE_ROWS = 8192
_LOG, _WHOLE = "log", "rows"


class Rounds:
    """Pages by key, and how far the round is. Whoever holds the rows packs them, when told that a key is dirty.

    made     number of the last page; cursor: the page of the table to be written next; credit: rows due for it.
    fallen   number of the last page that may hold units which have since fallen out, without having been erased.
    earlier  keys of pages of an earlier release, with the rows of the table once that page is added up.
    """

    def __init__(self) -> None:
        self.made = self.cursor = self.credit = self.fallen = 0
        self.earlier: dict[str, int] = {}
        self._log: dict[str, Rows] = {}
        self._whole: dict[int, str] = {}

    def changed(self, rows: Rows, total: int) -> Iterator[str]:
        """Rows (n,), ascending, of a table of `total` rows have changed: keys of the pages that are made or dropped thereby."""
        last = tiers.gathered([len(run) for run in self._log.values()], len(rows))
        parts = [rows]
        for key in list(self._log)[len(self._log) - last :]:
            parts.append(self._log.pop(key))
            yield key
        key = self._next(_LOG)
        self._log[key] = np.unique(np.concatenate(parts))
        yield key
        self.credit += len(rows)
        yield from self._go_on(total)

    def holding(self, row: int) -> list[str]:
        """Keys of the pages with this row."""
        logged = [key for key, rows in self._log.items() if rows[np.searchsorted(rows, row) % len(rows)] == row]
        return [*logged, *([self._whole[row // PAGE_ROWS]] if row // PAGE_ROWS in self._whole else [])]

    def is_behind(self) -> bool:
        """Whether pages may hold units that the table does not know, or are of an earlier release."""
        oldest = min(map(_number, [*self._log, *self._whole.values()]), default=self.fallen + 1)
        return bool(self.earlier) or oldest <= self.fallen

    def all_anew(self, total: int) -> Iterator[str]:
        """Write the whole table, and drop everything else: keys of the pages that are made or dropped."""
        yield from self.earlier
        yield from self._log
        self.earlier, self._log = {}, {}
        self.cursor, self.credit = 0, total
        yield from self._go_on(total)

    def rows_of(self, key: str, total: int) -> Rows | None:
        """The rows of a page of a table of `total` rows; None if it was dropped."""
        if key in self._log:
            return self._log[key]
        page = key.rpartition(".")[2]
        whole = page.isdigit() and self._whole.get(int(page)) == key
        return _page_rows(int(page), total) if whole else None

    def take_up(self, key: str, rows: Rows) -> None:
        """A page is stored under this key, with those rows."""
        _, kind, *page = key.split(".")
        if kind == _LOG:
            self._log[key] = rows
        else:
            self._whole[int(page[0])] = key

    def _go_on(self, total: int) -> Iterator[str]:
        """Write as much of the table as is due, and drop what is thereby out of date."""
        while total and self.credit >= (size := len(_page_rows(self.cursor, total))):
            if self.cursor in self._whole:
                yield self._whole[self.cursor]
            self._whole[self.cursor] = key = self._next(f"{_WHOLE}.{self.cursor}")
            yield key
            self.credit -= size
            self.cursor = (self.cursor + 1) % -(-total // PAGE_ROWS)
        yield from self._out_of_date()

    def _out_of_date(self) -> Iterator[str]:
        """Drop what was logged before the oldest page of the table, where that has its rows."""
        if not self._whole:
            return
        oldest, covered = _number(self._whole.get(self.cursor, self._whole[0])), len(self._whole) * PAGE_ROWS
        for key in [
            k for k, rows in self._log.items() if _number(k) < oldest and (not len(rows) or rows[-1] < covered)
        ]:
            del self._log[key]
            yield key
        if self.earlier and max(self.earlier.values()) <= covered:
            yield from self.earlier
            self.earlier = {}

    def _next(self, kind: str) -> str:
        self.made += 1
        return f"{self.made:09d}.{kind}"


def _number(key: str) -> int:
    return int(key[:9])


def _page_rows(page: int, total: int) -> Rows:
    return np.arange(page * PAGE_ROWS, min((page + 1) * PAGE_ROWS, total), dtype=np.int32)

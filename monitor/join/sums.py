"""What each unit has done so far, summed, so that what a window writes depends on who came in it, not on how many are known.

In memory a table is rows, found by a unit's hash. A window writes the new sums of those that came (its log), and for as many rows
goes on with writing the whole table down, page after page and round after round. What was logged before the oldest of those pages
is dropped: about two rows a unit are stored, each of them written about twice and small runs of the log a few times more. Of
several rows of a unit the one written last counts.

Held-out units are all kept. Where the exposed ones are too many, a share of them is kept, by a hash that has nothing to do with
their assignment; who falls out is given back, with sums of nothing, so that whoever adds up changes stays exact.

Whoever was erased stays in the changes given so far, and does not count a second time on coming back: see `monitor.join.units`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors import snapshot
from detectors.columns import Bools, Cohort, Hashes, Ints
from detectors.math import keyed
from detectors.math.unit_sample import mixed
from monitor.join.index import Index, Rows, with_room
from monitor.join.rounds import Rounds
from monitor.join.units import mark

WIDTH = 4
"""Predictions and value since watching began, and the same from before."""

_SALT = 0x6C6F6F70
_META, _GONE = "meta", "gone"
_COHORT = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Run:
    """What releases up to schema 3 stored: sums (n, WIDTH) to be added up over all runs, and the cohort first seen in."""

    unit: Hashes
    cohort: _COHORT
    sums: Ints


@dataclass(frozen=True)
class Page:
    """Rows of the table by number: who has them, the cohort first seen in, and all they have done so far (n, WIDTH)."""

    row: Rows
    unit: Hashes
    cohort: _COHORT
    sums: Ints


@dataclass(frozen=True)
class Changes:
    """Units whose sums a window changes, each once: `before` and `after` (n, WIDTH)."""

    unit: Hashes
    cohort: _COHORT
    before: Ints
    after: Ints


class SumTable:
    """Sums of at most `cap` units of one watch. Not thread-safe.

    past     event time, ms from the first window, whose sums count as a unit's past.
    halved   how often the kept share of the exposed was halved; folded: units turned away, in every window anew, those
             included that the share leaves out.
    """

    def __init__(self, name: str, cap: int, past: int) -> None:
        self.name, self.cap, self.past = name, cap, past
        self.began: int | None = None
        self.halved = 0
        self.folded = 0
        self.units = 0
        self._index = Index()
        self._cohort: _COHORT = np.zeros(0, np.int8)
        self._sums: Ints = np.zeros((0, WIDTH), np.int64)
        self._rows = 0
        self._free: Rows = np.zeros(0, np.int32)
        self._gone: Hashes = np.zeros(0, np.uint64)
        self._stored = Rounds()
        self._dirty: set[str] = set()

    def add(self, unit: Hashes, cohort: _COHORT, values: Ints, slot: int) -> Changes:
        """Rows of a window that starts at `slot`: unit (0 is left out), cohort (exposed and held-out count) and value, (n,) each."""
        known = (unit != 0) & (cohort <= Cohort.HOLDOUT)
        if not known.any():
            return _no_changes()
        self.began = slot if self.began is None else self.began
        units, first = np.unique(unit[known], return_index=True)
        now = self._added(unit[known], values[known], slot)
        before, cohorts, new = self._look_up(units, cohort[known][first])
        kept = self._keeps(units, cohorts)
        new &= kept
        back = new & np.isin(mark(units), self._gone)
        kept, new = kept & ~back, new & ~back
        room = self.cap - self.units
        given_back = _no_changes()
        if int(new.sum()) > room:
            given_back = self._make_room(units[new], cohorts[new])
            kept &= self._keeps(units, cohorts)
            new &= kept
            kept[np.flatnonzero(new)[max(self.cap - self.units, 0) :]] = False
            new &= kept
        self.folded += int((~kept & ~back).sum())
        self._take_in(units[new], cohorts[new])
        came, after = units[kept], before[kept] + now[kept]
        if len(came):
            rows = self._index.find(came)
            self._sums[rows] = after
            self._dirty.update(self._stored.changed(np.sort(rows), self._rows))
        self._dirty.add(_META)
        gone = np.isin(given_back.unit, came, invert=True)
        return Changes(
            np.concatenate([came, given_back.unit[gone]]),
            np.concatenate([cohorts[kept], given_back.cohort[gone]]),
            np.concatenate([before[kept], given_back.before[gone]]),
            np.concatenate([after, given_back.after[gone]]),
        )

    def erase(self, unit: int) -> None:
        """Forget a unit; it is not taken in again. What it added to changes so far stays where it was added up, no person's."""
        (row,) = rows = self._index.find(np.array([unit], np.uint64))
        if row >= 0:
            self._leave(rows)
            self._gone = np.union1d(self._gone, mark(np.array([unit], np.uint64)))
            self._dirty |= {_GONE, _META}
        if self._stored.is_behind():
            self._dirty.update(self._stored.all_anew(self._rows))
        elif row >= 0:
            self._dirty.update(self._stored.holding(int(row)))

    def _added(self, unit: Hashes, values: Ints, slot: int) -> Ints:
        """Predictions and value of each unit (ascending), in the columns of now or of the past."""
        is_past = self.began is not None and slot < self.began + self.past
        parts = np.zeros((len(unit), WIDTH), np.int64)
        place = 2 if is_past else 0
        parts[:, place], parts[:, place + 1] = 1, values
        return keyed.add(keyed.nothing(WIDTH), unit, parts).sums

    def _look_up(self, units: Hashes, cohort: _COHORT) -> tuple[Ints, _COHORT, Bools]:
        """Sums so far, the cohort first seen in (that given, for new units), and which are new."""
        rows = self._index.find(units)
        known = rows >= 0
        sums, cohorts = np.zeros((len(units), WIDTH), np.int64), cohort.astype(np.int8)
        sums[known], cohorts[known] = self._sums[rows[known]], self._cohort[rows[known]]
        return sums, cohorts, ~known

    def _keeps(self, units: Hashes, cohort: _COHORT) -> Bools:
        chosen = mixed(units, _SALT) <= np.uint64((1 << (64 - self.halved)) - 1)
        return np.asarray((cohort == Cohort.HOLDOUT) | chosen)

    def _make_room(self, units: Hashes, cohort: _COHORT) -> Changes:
        """Halve the share of the exposed until these new ones fit, or the held-out are the more; returns who falls out."""
        rows = self._everybody()
        wanted = np.concatenate([self._index.unit[rows], units])
        arms = np.concatenate([self._cohort[rows], cohort])
        held = int((arms == Cohort.HOLDOUT).sum())
        fit = int(self._keeps(wanted, arms).sum())
        while fit > self.cap and fit > 2 * held:
            self.halved += 1
            fit = int(self._keeps(wanted, arms).sum())
        return self._fall_out()

    def _fall_out(self) -> Changes:
        """Whom the share leaves out, in ascending order; their rows are free."""
        gone = self._left_out()
        gone = gone[np.argsort(self._index.unit[gone])]
        unit, cohort, before = self._index.unit[gone], self._cohort[gone], self._sums[gone]
        if len(gone):
            self._leave(gone)
            self._stored.fallen = self._stored.made
        return Changes(unit, cohort, before, np.zeros_like(before))

    def _left_out(self) -> Rows:
        rows = self._everybody()
        return rows[~self._keeps(self._index.unit[rows], self._cohort[rows])]

    def _everybody(self) -> Rows:
        return np.flatnonzero(self._index.unit[: self._rows]).astype(np.int32)

    def _take_in(self, units: Hashes, cohort: _COHORT) -> None:
        """Give new units rows: those that are free first, the lowest before the others."""
        again = self._free[: len(units)]
        rows = np.concatenate([again, np.arange(self._rows, self._rows + len(units) - len(again), dtype=np.int32)])
        self._free = self._free[len(again) :]
        self._place(rows, units, cohort)
        self.units += len(units)

    def _place(self, rows: Rows, units: Hashes, cohort: _COHORT) -> None:
        if len(rows):
            self._rows = max(self._rows, int(rows.max()) + 1)
        self._cohort, self._sums = with_room(self._cohort, self._rows), with_room(self._sums, self._rows)
        self._index.place(units, rows)
        self._cohort[rows] = cohort

    def _leave(self, rows: Rows) -> None:
        self._index.leave(rows)
        self._sums[rows] = 0
        self._free = np.union1d(self._free, rows)
        self.units -= len(rows)

    def pages(self) -> dict[str, bytes | None]:
        """What changed since the last call, by key; None was dropped."""
        dirty, self._dirty = self._dirty, set()
        return {key: self._packed(key) for key in sorted(dirty)}

    def _packed(self, key: str) -> bytes | None:
        if key == _META:
            kept = self._stored
            of_pages = [self._rows, kept.cursor, kept.credit, kept.fallen, kept.made]
            return snapshot.pack([self.began, self.halved, self.folded, self.units, *of_pages])
        if key == _GONE:
            return snapshot.pack(self._gone.tolist())
        rows = self._stored.rows_of(key, self._rows)
        if rows is None:
            return None
        rows = rows[self._index.unit[rows] != 0]
        return snapshot.pack_record(Page(rows, self._index.unit[rows], self._cohort[rows], self._sums[rows]))

    def restore(self, pages: Mapping[str, bytes]) -> None:
        """Take up what `pages` calls have given so far, and what earlier releases stored."""
        for key in sorted(pages):
            if key == _GONE:
                self._gone = np.array(snapshot.unpack(pages[key]), np.uint64)
            elif "." in key:
                page = snapshot.unpack_record(Page, pages[key])
                self._put(page)
                self._stored.take_up(key, page.row)
            elif key != _META:
                self._add_up(snapshot.unpack_record(Run, pages[key]))
                self._stored.earlier[key], self._stored.made = self._rows, int(key)
        if _META in pages:
            self.began, self.halved, self.folded, _, *of_pages = snapshot.unpack(pages[_META])
            if of_pages:
                rows, self._stored.cursor, self._stored.credit, self._stored.fallen, self._stored.made = of_pages
                self._rows = max(rows, self._rows)
        self._index.leave(self._left_out())
        alive = self._everybody()
        self._free = np.setdiff1d(np.arange(self._rows, dtype=np.int32), alive, assume_unique=True)
        self.units = len(alive)

    def _put(self, page: Page) -> None:
        """Rows as they were written later than others: who had one of them before has left it."""
        had = self._index.find(page.unit)
        self._index.leave(had[(had >= 0) & (had != page.row)])
        before = with_room(self._index.unit, int(page.row.max(initial=-1)) + 1)[page.row]
        self._index.leave(page.row[(before != 0) & (before != page.unit)])
        new = before != page.unit
        self._place(page.row[new], page.unit[new], page.cohort[new])
        self._cohort[page.row], self._sums[page.row] = page.cohort, page.sums

    def _add_up(self, run: Run) -> None:
        """Sums of an earlier release: those of all its pages together."""
        new = self._index.find(run.unit) < 0
        self._place(np.arange(self._rows, self._rows + int(new.sum()), dtype=np.int32), run.unit[new], run.cohort[new])
        self._sums[self._index.find(run.unit)] += run.sums


def _no_changes() -> Changes:
    none = np.zeros((0, WIDTH), np.int64)
    return Changes(np.zeros(0, np.uint64), np.zeros(0, np.int8), none, none)

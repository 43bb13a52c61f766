"""What each unit has done so far, summed: sorted runs merged by addition, so that what is written grows with what is new.

A window adds one run with the sums of the units that came. A run is added up with the one before while that is not at least
twice as long: so there are few runs, each half of the one before, and as many rows as twice the units at most. A unit's sums are
those of all runs together.

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
from detectors.math.keyed import KeyedSums
from detectors.math.unit_sample import mixed
from monitor.join.units import mark

WIDTH = 4
"""Predictions and value since watching began, and the same from before."""

_RATIO = 2
_SALT = 0x6C6F6F70
_META, _GONE = "meta", "gone"
_COHORT = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Run:
    """Sums (n, WIDTH) of units in ascending order, and the cohort each was first seen in."""

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
        self._runs: dict[str, Run] = {}
        self._gone: Hashes = np.zeros(0, np.uint64)
        self._made = 0
        self._dirty: dict[str, bytes | None] = {}

    def add(self, unit: Hashes, cohort: _COHORT, values: Ints, slot: int) -> Changes:
        """Rows of a window that starts at `slot`: unit (0 is left out), cohort (exposed and held-out count) and value, (n,) each."""
        known = (unit != 0) & (cohort <= Cohort.HOLDOUT)
        if not known.any():
            return _no_changes()
        self.began = slot if self.began is None else self.began
        units, first = np.unique(unit[known], return_index=True)
        now = self._added(unit[known], values[known], slot)
        before, cohorts = self._look_up(units, cohort[known][first])
        kept = self._keeps(units, cohorts)
        new = kept & ~before.any(axis=1)
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
        self.units += int(new.sum())
        run = Run(units[kept], cohorts[kept], now[kept])
        if len(run.unit):
            self._add(run)
        self._dirty[_META] = snapshot.pack([self.began, self.halved, self.folded, self.units])
        gone = np.isin(given_back.unit, run.unit, invert=True)
        return Changes(
            np.concatenate([run.unit, given_back.unit[gone]]),
            np.concatenate([run.cohort, given_back.cohort[gone]]),
            np.concatenate([before[kept], given_back.before[gone]]),
            np.concatenate([before[kept] + run.sums, given_back.after[gone]]),
        )

    def erase(self, unit: int) -> None:
        """Forget a unit; it is not taken in again. What it added to changes so far stays where it was added up, no person's."""
        known = False
        for key, run in list(self._runs.items()):
            keep = run.unit != np.uint64(unit)
            if keep.all():
                continue
            known = True
            if keep.any():
                self._runs[key] = Run(run.unit[keep], run.cohort[keep], run.sums[keep])
                self._dirty[key] = snapshot.pack_record(self._runs[key])
            else:
                del self._runs[key]
                self._dirty[key] = None
        if known:
            self.units -= 1
            self._gone = np.union1d(self._gone, mark(np.array([unit], np.uint64)))
            self._dirty[_GONE] = snapshot.pack(self._gone.tolist())
            self._dirty[_META] = snapshot.pack([self.began, self.halved, self.folded, self.units])

    def _added(self, unit: Hashes, values: Ints, slot: int) -> Ints:
        """Predictions and value of each unit (ascending), in the columns of now or of the past."""
        is_past = self.began is not None and slot < self.began + self.past
        parts = np.zeros((len(unit), WIDTH), np.int64)
        place = 2 if is_past else 0
        parts[:, place], parts[:, place + 1] = 1, values
        return keyed.add(keyed.nothing(WIDTH), unit, parts).sums

    def _look_up(self, units: Hashes, cohort: _COHORT) -> tuple[Ints, _COHORT]:
        """Sums so far, and the cohort first seen in: that given, for new units."""
        sums, cohorts = np.zeros((len(units), WIDTH), np.int64), cohort.astype(np.int8)
        for run in self._runs.values():
            rows = keyed.rows_of(KeyedSums(run.unit, run.sums), units)
            hit = rows >= 0
            sums[hit] += run.sums[rows[hit]]
            cohorts[hit] = run.cohort[rows[hit]]
        return sums, cohorts

    def _keeps(self, units: Hashes, cohort: _COHORT) -> Bools:
        chosen = mixed(units, _SALT) <= np.uint64((1 << (64 - self.halved)) - 1)
        return np.asarray((cohort == Cohort.HOLDOUT) | chosen)

    def _make_room(self, units: Hashes, cohort: _COHORT) -> Changes:
        """Halve the share of the exposed until these new ones fit, or the held-out are the more; returns who falls out."""
        everybody = self._added_up(list(self._runs.values()))
        wanted, arms = np.concatenate([everybody.unit, units]), np.concatenate([everybody.cohort, cohort])
        held = int((arms == Cohort.HOLDOUT).sum())
        fit = int(self._keeps(wanted, arms).sum())
        while fit > self.cap and fit > 2 * held:
            self.halved += 1
            fit = int(self._keeps(wanted, arms).sum())
        keeps = self._keeps(everybody.unit, everybody.cohort)
        self._dirty.update(dict.fromkeys(self._runs))
        self._runs.clear()
        self.units = int(keeps.sum())
        if self.units:
            self._add(Run(everybody.unit[keeps], everybody.cohort[keeps], everybody.sums[keeps]))
        gone = ~keeps
        before = everybody.sums[gone]
        return Changes(everybody.unit[gone], everybody.cohort[gone], before, np.zeros_like(before))

    def _add(self, run: Run) -> None:
        for key in reversed(list(self._runs)):
            if len(self._runs[key].unit) >= _RATIO * len(run.unit):
                break
            run = self._added_up([self._runs.pop(key), run])
            self._dirty[key] = None
        self._made += 1
        self._runs[f"{self._made:09d}"] = run
        self._dirty[f"{self._made:09d}"] = snapshot.pack_record(run)

    def _added_up(self, parts: list[Run]) -> Run:
        if not parts:
            return Run(np.zeros(0, np.uint64), np.zeros(0, np.int8), np.zeros((0, WIDTH), np.int64))
        unit = np.concatenate([p.unit for p in parts])
        sums = keyed.add(keyed.nothing(WIDTH), unit, np.concatenate([p.sums for p in parts]))
        _, first = np.unique(unit, return_index=True)
        return Run(sums.keys, np.concatenate([p.cohort for p in parts])[first], sums.sums)

    def pages(self) -> dict[str, bytes | None]:
        """What changed since the last call, by key; None was dropped."""
        dirty, self._dirty = self._dirty, {}
        return dirty

    def restore(self, pages: Mapping[str, bytes]) -> None:
        """Take up what `pages` calls have given so far."""
        for key in sorted(pages):
            if key == _META:
                self.began, self.halved, self.folded, self.units = snapshot.unpack(pages[key])
                continue
            if key == _GONE:
                self._gone = np.array(snapshot.unpack(pages[key]), np.uint64)
                continue
            self._runs[key] = snapshot.unpack_record(Run, pages[key])
            self._made = int(key)


def _no_changes() -> Changes:
    none = np.zeros((0, WIDTH), np.int64)
    return Changes(np.zeros(0, np.uint64), np.zeros(0, np.int8), none, none)

"""Who has been seen, since when, and in which cohort: exact sets of units by randomisation, growing without rewriting.

In memory a table is rows in the order in which units came, found by their hash. Written down it is runs of those rows: a window
adds one, small runs are gathered eight at a time, and a run of thousands is never written again. So what a window writes depends
on what is new in it, not on how many are known. Runs of an old randomisation (epoch) are dropped whole.

Whoever was erased and comes back in the same randomisation has the same coin, which must not count twice. Of them a mark is kept
that they share with one in a million units, and whoever bears it is not taken in: independent of the cohort, so it biases nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from detectors import snapshot
from detectors.columns import Bools, Cohort, Hashes, Ints
from detectors.math.unit_sample import mixed
from monitor.join import tiers
from monitor.join.index import Index, with_room

_EPOCHS_KEPT = 2
_FOREVER = 0
_GONE = "gone"
_SALT = 0x65726173
_MARK_BITS = 20
_COHORT = np.ndarray[tuple[int], np.dtype[np.int8]]


@dataclass(frozen=True)
class Run:
    """Units with the window they were first seen in and the cohort they had then."""

    unit: Hashes
    slot: Ints
    cohort: _COHORT


@dataclass(frozen=True)
class Seen:
    """For each row: `slot` of the unit's first window, `cohort` then, and `known` (False beyond the cap: not tracked)."""

    slot: Ints
    cohort: _COHORT
    known: Bools


@dataclass
class _Epoch:
    """Units of one randomisation, `rows` of them with those erased. A run is a stretch of rows, under the key of its page."""

    index: Index = field(default_factory=Index)
    slot: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    cohort: _COHORT = field(default_factory=lambda: np.zeros(0, np.int8))
    rows: int = 0
    known: int = 0
    runs: dict[str, range] = field(default_factory=dict)
    gone: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))

    def append(self, run: Run) -> range:
        """Add units that are not known yet; their rows."""
        added = range(self.rows, self.rows + len(run.unit))
        self.slot, self.cohort = with_room(self.slot, added.stop), with_room(self.cohort, added.stop)
        self.slot[added.start : added.stop], self.cohort[added.start : added.stop] = run.slot, run.cohort
        self.index.place(run.unit, np.arange(added.start, added.stop, dtype=np.int32))
        self.rows, self.known = added.stop, self.known + len(added)
        return added

    def run(self, rows: range) -> Run:
        """What is known of those rows, without who was erased."""
        unit = self.index.unit[rows.start : rows.stop]
        kept = unit != 0
        slot, cohort = self.slot[rows.start : rows.stop], self.cohort[rows.start : rows.stop]
        return Run(unit[kept], slot[kept], cohort[kept])


class UnitTable:
    """Units by epoch: of `epoch_ms`, one of which began at `since`. None: one randomisation for ever. Not thread-safe.

    `cap` units are tracked in one epoch; those beyond it are never known, and counted in `folded` in every window anew.
    """

    def __init__(self, name: str, cap: int, epoch_ms: int | None = None, since: int = 0) -> None:
        self.name, self.cap, self.epoch_ms, self.since = name, cap, epoch_ms, since
        self.folded = 0
        self._epochs: dict[int, _Epoch] = {}
        self._made = 0
        self._dirty: set[str] = set()

    def __len__(self) -> int:
        return sum(epoch.known for epoch in self._epochs.values())

    def epoch(self, slot: int) -> int:
        """The epoch that a window starting at `slot` belongs to."""
        return (slot - self.since) // self.epoch_ms if self.epoch_ms else _FOREVER

    def observe(self, unit: Hashes, cohort: _COHORT, slot: int) -> None:
        """Units of a window, in row order; those not seen in its epoch are recorded with the cohort of their first row."""
        number = self.epoch(slot)
        for old in [e for e in self._epochs if e <= number - _EPOCHS_KEPT]:
            epoch = self._epochs.pop(old)
            self._dirty.update(epoch.runs)
            if len(epoch.gone):
                self._dirty.add(_gone_key(old))
        epoch = self._epochs.setdefault(number, _Epoch())
        present = unit != 0
        units, first = np.unique(unit[present], return_index=True)
        new = epoch.index.find(units) < 0
        if len(epoch.gone):
            new &= ~np.isin(mark(units), epoch.gone)
        units, cohorts = units[new], cohort[present][first[new]]
        room = max(self.cap - epoch.known, 0)
        if len(units) > room:
            self.folded += len(units) - room
            units, cohorts = units[:room], cohorts[:room]
        if len(units):
            rows = epoch.append(Run(units, np.full(len(units), slot, np.int64), cohorts.astype(np.int8)))
            self._gather(number, epoch, rows)

    def lookup(self, unit: Hashes, slot: int) -> Seen:
        """What is known of each unit in the epoch of `slot`."""
        at = np.full(len(unit), -1, np.int64)
        cohort = np.full(len(unit), Cohort.UNASSIGNED, np.int8)
        epoch = self._epochs.get(self.epoch(slot))
        if epoch is None:
            return Seen(at, cohort, np.zeros(len(unit), np.bool_))
        rows = epoch.index.find(unit)
        known = rows >= 0
        at[known], cohort[known] = epoch.slot[rows[known]], epoch.cohort[rows[known]]
        return Seen(at, cohort, known)

    def erase(self, unit: int) -> None:
        """Forget a unit, in every epoch; it is not taken in again in those that knew it."""
        one = np.array([unit], np.uint64)
        for number, epoch in self._epochs.items():
            (row,) = rows = epoch.index.find(one)
            if row < 0:
                continue
            epoch.index.leave(rows)
            epoch.known -= 1
            epoch.gone = np.union1d(epoch.gone, mark(one))
            self._dirty.add(_gone_key(number))
            self._dirty.add(next(key for key, run in epoch.runs.items() if row in run))

    def _gather(self, number: int, epoch: _Epoch, rows: range) -> None:
        """A run of new rows, together with the small ones before it where it is time."""
        last = tiers.gathered([len(run) for run in epoch.runs.values()], len(rows))
        for key in list(epoch.runs)[len(epoch.runs) - last :]:
            rows = range(min(rows.start, epoch.runs.pop(key).start), rows.stop)
            self._dirty.add(key)
        self._made += 1
        key = f"{number}.{tiers.of(len(rows))}.{self._made:09d}"
        epoch.runs[key] = rows
        self._dirty.add(key)

    def pages(self) -> dict[str, bytes | None]:
        """What changed since the last call, by key; None was dropped."""
        dirty, self._dirty = self._dirty, set()
        return {key: self._page(key) for key in sorted(dirty)}

    def _page(self, key: str) -> bytes | None:
        number, tier, _ = key.split(".")
        epoch = self._epochs.get(int(number))
        if epoch is None:
            return None
        if tier == _GONE:
            return snapshot.pack(epoch.gone.tolist())
        return snapshot.pack_record(epoch.run(epoch.runs[key])) if key in epoch.runs else None

    def restore(self, pages: Mapping[str, bytes]) -> None:
        """Take up the runs that `pages` calls have given so far."""
        for key in sorted(pages, key=lambda k: k.split(".")[2]):
            number, tier, made = key.split(".")
            epoch = self._epochs.setdefault(int(number), _Epoch())
            if tier == _GONE:
                epoch.gone = np.array(snapshot.unpack(pages[key]), np.uint64)
                continue
            epoch.runs[key] = epoch.append(snapshot.unpack_record(Run, pages[key]))
            self._made = max(self._made, int(made))


def _gone_key(epoch: int) -> str:
    return f"{epoch}.{_GONE}.0"


def mark(units: Hashes) -> Hashes:
    """What is kept of erased units: 20 bits of another hash, which one in a million units share."""
    marks: Hashes = mixed(units, _SALT) >> np.uint64(64 - _MARK_BITS)
    return marks

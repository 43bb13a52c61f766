"""Who has been seen, since when, and in which cohort: exact sets of units by randomisation, growing without rewriting.

A table is a list of sorted runs, newest last. A window adds one small run; when eight runs of one size class have gathered
they are merged into one of the next, so that what is written stays proportional to what is new, times a logarithm. Runs of an
old randomisation (epoch) are dropped whole.

Whoever was erased and comes back in the same randomisation has the same coin, which must not count twice. Of them a mark is kept
that they share with one in a million units, and whoever bears it is not taken in: independent of the cohort, so it biases nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detectors import snapshot
from detectors.columns import Bools, Cohort, Hashes, Ints
from detectors.math.unit_sample import mixed

_FAN = 8
_EPOCHS_KEPT = 2
_FOREVER = 0
_GONE = "gone"
_SALT = 0x65726173
_MARK_BITS = 20


@dataclass(frozen=True)
class Run:
    """Units in ascending order with the window they were first seen in and the cohort they had then."""

    unit: Hashes
    slot: Ints
    cohort: np.ndarray[tuple[int], np.dtype[np.int8]]


@dataclass(frozen=True)
class Seen:
    """For each row: `slot` of the unit's first window, `cohort` then, and `known` (False beyond the cap: not tracked)."""

    slot: Ints
    cohort: np.ndarray[tuple[int], np.dtype[np.int8]]
    known: Bools


class UnitTable:
    """Units by epoch: of `epoch_ms`, one of which began at `since`. None: one randomisation for ever. Not thread-safe.

    `cap` units are tracked in one epoch; those beyond it are never known, and counted in `folded` in every window anew.
    """

    def __init__(self, name: str, cap: int, epoch_ms: int | None = None, since: int = 0) -> None:
        self.name, self.cap, self.epoch_ms, self.since = name, cap, epoch_ms, since
        self.folded = 0
        self._epochs: dict[int, dict[str, Run]] = {}
        self._gone: dict[int, Hashes] = {}
        self._made = 0
        self._dirty: dict[str, bytes | None] = {}

    def __len__(self) -> int:
        return sum(len(run.unit) for runs in self._epochs.values() for run in runs.values())

    def epoch(self, slot: int) -> int:
        """The epoch that a window starting at `slot` belongs to."""
        return (slot - self.since) // self.epoch_ms if self.epoch_ms else _FOREVER

    def observe(self, unit: Hashes, cohort: np.ndarray[tuple[int], np.dtype[np.int8]], slot: int) -> None:
        """Units of a window, in row order; those not seen in its epoch are recorded with the cohort of their first row."""
        epoch = self.epoch(slot)
        for old in [e for e in self._epochs if e <= epoch - _EPOCHS_KEPT]:
            self._dirty.update(dict.fromkeys(self._epochs.pop(old)))
            if self._gone.pop(old, None) is not None:
                self._dirty[_gone_key(old)] = None
        present = unit != 0
        units, first = np.unique(unit[present], return_index=True)
        new = ~self.lookup(units, slot).known
        if epoch in self._gone:
            new &= ~np.isin(mark(units), self._gone[epoch])
        units, cohorts = units[new], cohort[present][first[new]]
        runs = self._epochs.setdefault(epoch, {})
        room = max(self.cap - sum(len(r.unit) for r in runs.values()), 0)
        if len(units) > room:
            self.folded += len(units) - room
            units, cohorts = units[:room], cohorts[:room]
        if len(units):
            self._add(epoch, Run(units, np.full(len(units), slot, np.int64), cohorts.astype(np.int8)), 0)

    def lookup(self, unit: Hashes, slot: int) -> Seen:
        """What is known of each unit in the epoch of `slot`."""
        at = np.full(len(unit), -1, np.int64)
        cohort = np.full(len(unit), Cohort.UNASSIGNED, np.int8)
        known = np.zeros(len(unit), np.bool_)
        for run in self._epochs.get(self.epoch(slot), {}).values():
            index = np.minimum(np.searchsorted(run.unit, unit), len(run.unit) - 1)
            hit = run.unit[index] == unit
            at[hit], cohort[hit] = run.slot[index[hit]], run.cohort[index[hit]]
            known |= hit
        return Seen(at, cohort, known)

    def erase(self, unit: int) -> None:
        """Forget a unit, in every epoch; it is not taken in again in those that knew it."""
        one = np.array([unit], np.uint64)
        for epoch, runs in self._epochs.items():
            for key, run in list(runs.items()):
                keep = run.unit != np.uint64(unit)
                if keep.all():
                    continue
                self._gone[epoch] = np.union1d(self._gone.get(epoch, mark(one)), mark(one))
                self._dirty[_gone_key(epoch)] = snapshot.pack(self._gone[epoch].tolist())
                if keep.any():
                    runs[key] = Run(run.unit[keep], run.slot[keep], run.cohort[keep])
                    self._dirty[key] = snapshot.pack_record(runs[key])
                else:
                    del runs[key]
                    self._dirty[key] = None

    def _add(self, epoch: int, run: Run, level: int) -> None:
        runs = self._epochs[epoch]
        peers = [key for key in runs if int(key.split(".")[1]) == level]
        if len(peers) + 1 >= _FAN:
            parts = [runs.pop(key) for key in peers] + [run]
            self._dirty.update(dict.fromkeys(peers))
            unit = np.concatenate([p.unit for p in parts])
            order = np.argsort(unit, kind="stable")
            merged = Run(
                unit[order],
                np.concatenate([p.slot for p in parts])[order],
                np.concatenate([p.cohort for p in parts])[order],
            )
            self._add(epoch, merged, level + 1)
            return
        self._made += 1
        key = f"{epoch}.{level}.{self._made:09d}"
        runs[key] = run
        self._dirty[key] = snapshot.pack_record(run)

    def pages(self) -> dict[str, bytes | None]:
        """What changed since the last call, by key; None was dropped."""
        dirty, self._dirty = self._dirty, {}
        return dirty

    def restore(self, pages: Mapping[str, bytes]) -> None:
        """Take up the runs that `pages` calls have given so far."""
        for key in sorted(pages, key=lambda k: k.split(".")[2]):
            epoch, level, number = key.split(".")
            if level == _GONE:
                self._gone[int(epoch)] = np.array(snapshot.unpack(pages[key]), np.uint64)
                continue
            self._epochs.setdefault(int(epoch), {})[key] = snapshot.unpack_record(Run, pages[key])
            self._made = max(self._made, int(number))


def _gone_key(epoch: int) -> str:
    return f"{epoch}.{_GONE}.0"


def mark(units: Hashes) -> Hashes:
    """What is kept of erased units: 20 bits of another hash, which one in a million units share."""
    marks: Hashes = mixed(units, _SALT) >> np.uint64(64 - _MARK_BITS)
    return marks

"""`make units`: what a window costs when ten million people are known, against one million.

Both tables that grow with the people are filled window by window, half of each window new people and half known ones, and each
window is committed to a real PostgreSQL. Targets: megabytes written a window at most 1.2 of those at a million, CPU at most 1.5,
no window more than four times the middle one. Compared are the stretches in which the table doubles to one and to ten million, so
that what doubling costs is in both. Then all of it is loaded and taken up again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from detectors.columns import Cohort, Hashes
from detectors.math.unit_sample import mixed
from monitor.clock import SystemClock
from monitor.join.sums import SumTable
from monitor.join.units import UnitTable
from monitor.store.protocols import Lease, Page, Step
from monitor.store.via_sql import SqlStore, upgrade
from tests.benchmarks.targets import Row, publish
from tests.servers.postgres import PostgresCluster

COMMAND = "make units"
FEW, MANY = 1_000_000, 10_000_000
WINDOW = 20_000
SEED = 11
WRITTEN, CPU, WORST = 1.2, 1.5, 4.0
_HOUR = 3_600_000


class Table(Protocol):
    """What both tables have in common."""

    def pages(self) -> dict[str, bytes | None]: ...
    def restore(self, pages: Mapping[str, bytes]) -> None: ...


T = TypeVar("T", bound=Table)


@dataclass
class Filled:
    """Each window's megabytes written, seconds of CPU of the table and seconds of the commit; people known after it."""

    megabytes: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    known: list[int] = field(default_factory=list)

    def stretch(self, people: int) -> slice:
        """The windows in which the table doubles to so many."""
        half, whole = np.searchsorted(self.known, [people // 2, people])
        return slice(int(half) + 1, int(whole) + 1)


def observed(table: UnitTable, unit: Hashes, number: int) -> None:
    """A window of the table of who has been seen."""
    table.observe(unit, _cohort(unit), number * _HOUR)


def added(table: SumTable, unit: Hashes, number: int) -> None:
    """A window of the table of what each has done."""
    table.add(unit, _cohort(unit), np.ones(len(unit), np.int64), number * _HOUR)


def _cohort(unit: Hashes) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    return np.where(unit % np.uint64(50) == 0, Cohort.HOLDOUT, Cohort.EXPOSED).astype(np.int8)


def fill(name: str, table: T, window: Callable[[T, Hashes, int], None], store: SqlStore, lease: Lease) -> Filled:
    """Windows until `MANY` people are known, each committed."""
    rng, filled, new = np.random.default_rng(SEED), Filled(), WINDOW // 2
    for number in range(MANY // new):
        ids = np.concatenate([np.arange(number * new, (number + 1) * new), rng.integers(0, (number + 1) * new, new)])
        unit = mixed(ids.astype(np.uint64) + np.uint64(1))
        began = time.process_time()
        window(table, unit, number)
        written = table.pages()
        filled.cpu.append(time.process_time() - began)
        filled.megabytes.append(sum(len(data) for data in written.values() if data is not None) / 1e6)
        filled.known.append((number + 1) * new)
        lease, began = store.renew(lease, _HOUR), time.monotonic()
        pages = [Page(name, key, data) for key, data in sorted(written.items())]
        store.commit(Step(model=name, number=number + 1, pages=pages), lease)
        filled.commit.append(time.monotonic() - began)
        if filled.known[-1] % FEW == 0:
            _say(
                f"{name}: {filled.known[-1] // FEW} million people, {np.median(filled.megabytes[-100:]):.2f} MB a window"
            )
    return filled


def again(name: str, empty: Table, store: SqlStore) -> float:
    """Seconds until an empty table has taken up what is stored."""
    began = time.monotonic()
    empty.restore({page.key: page.data for page in store.load(name).pages if page.data is not None})
    return time.monotonic() - began


def rows(name: str, filled: Filled, loading: float) -> list[Row]:
    """The figures of one table."""
    few, many = filled.stretch(FEW), filled.stretch(MANY)
    megabytes, cpu = np.array(filled.megabytes), np.array(filled.cpu)
    commit = np.array(filled.commit)
    middle = float(np.median(megabytes[many]))
    _say(
        f"{name}: {1e3 * cpu[many].mean():.1f} ms of CPU and {1e3 * np.median(commit[many]):.0f} ms of commit a window"
    )
    return [
        _row(
            f"{name}: MB written a window, ten million over one", middle / np.median(megabytes[few]), len(cpu), WRITTEN
        ),
        _row(f"{name}: CPU a window, ten million over one", cpu[many].mean() / cpu[few].mean(), len(cpu), CPU),
        _row(f"{name}: worst window over the middle one, MB", megabytes[few.start :].max() / middle, len(cpu), WORST),
        _row(f"{name}: commit, ten million over one", np.median(commit[many]) / np.median(commit[few]), len(cpu), None),
        _row(f"{name}: ten million loaded and taken up", loading, 1, None, "s"),
    ]


def main() -> None:
    """Fill both tables, take them up again, publish."""
    postgres, made = PostgresCluster(), list[Row]()
    postgres.start()
    try:
        url = postgres.create_database(f"units_{os.urandom(4).hex()}")
        upgrade(url)
        store = SqlStore(url, SystemClock())
        lease = store.acquire("units", _HOUR)
        assert lease is not None
        filled = fill("units", UnitTable("units", 2 * MANY), observed, store, lease)
        made += rows("table of units", filled, again("units", UnitTable("units", 2 * MANY), store))
        filled = fill("sums", SumTable("sums", 2 * MANY, _HOUR), added, store, lease)
        made += rows("sums by unit", filled, again("sums", SumTable("sums", 2 * MANY, _HOUR), store))
        store.close()
    finally:
        postgres.stop()
    publish(made, Path("build/TARGET.json"))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _row(name: str, value: float, n: int, target: float | None, unit: str = "ratio") -> Row:
    value = float(value)
    met = None if target is None else value <= target
    return Row(name=name, value=value, unit=unit, low=value, high=value, n=n, target=target, met=met, command=COMMAND)


if __name__ == "__main__":
    main()

"""Forgetting what is old while the daemon runs: one batch, in a transaction of its own, at most once a minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from monitor.clock import Clock
from monitor.relay import Stop
from monitor.store.protocols import Kept, Lease, LeaseLost, StoreError

EVERY_MS = 60_000
_LOOK_MS = 1_000
_DAY = 86_400_000


class Forgetful(Protocol):
    """The one call of `monitor.store.protocols.Store` that is needed here."""

    def purge(self, kind: Kept, before: int, lease: Lease, limit: int = 5_000) -> int:
        """See there."""


class Told(Protocol):
    """Who hears what was forgotten."""

    def part(self, name: str, ok: bool, reason: str = "") -> None:
        """Retention is well, or why it is not."""

    def forgotten(self, kind: str, rows: int) -> None:
        """So many rows of a kind went."""


class Retention:
    """Belongs to one thread of its own, so that no turn waits for more than a batch.

    keep    how long each kind is kept, ms. What is older than that by the start of the UTC day is forgotten, so that the
            audit tells of it once a day.
    held    the lease of this daemon; None while another owns the store, and nothing is forgotten.
    batch   rows a transaction.
    """

    def __init__(
        self,
        store: Forgetful,
        clock: Clock,
        keep: Mapping[Kept, int],
        held: Callable[[], Lease | None],
        told: Told,
        batch: int = 5_000,
    ) -> None:
        self._store, self._clock, self._keep = store, clock, keep
        self._held, self._told, self._batch = held, told, batch
        self._done: dict[Kept, int] = {}

    def run(self, stop: Stop) -> None:
        """Until told to stop."""
        due = self._clock.now()
        while not stop.is_set():
            if self._clock.now() >= due:
                self.run_once()
                due = self._clock.now() + EVERY_MS
            self._clock.sleep(_LOOK_MS)

    def run_once(self) -> int:
        """Forget one batch of the first kind that has something old; how many rows went. A store that is away is told."""
        try:
            gone = self._batch_of_something_old()
        except LeaseLost:
            return 0
        except StoreError as error:
            self._told.part("retention", False, str(error))
            return 0
        self._told.part("retention", True)
        return gone

    def _batch_of_something_old(self) -> int:
        for kind, keep in self._keep.items():
            lease, old = self._held(), self._clock.now() - keep
            before = old - old % _DAY
            if lease is None or self._done.get(kind) == before:
                continue
            gone = self._store.purge(kind, before, lease, self._batch)
            if gone < self._batch:
                self._done[kind] = before
            if gone:
                self._told.forgotten(kind, gone)
                return gone
        return 0

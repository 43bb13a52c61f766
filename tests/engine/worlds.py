"""The world as a source and a store see it: reading in any order, delivering twice, breaking at chosen moments."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.events import Block, TopicPartition
from monitor.ingest.source import SourceUnavailable
from monitor.ingest.via_memory import MemorySource
from monitor.store.protocols import Lease, Step, StoreUnavailable
from monitor.store.via_memory import MemoryStore
from monitor.testing import Contents


class OneByOne(MemorySource):
    """Reads each partition to its end before it begins the next, in the order given."""

    def __init__(self, contents: Contents, order: Sequence[TopicPartition]) -> None:
        super().__init__(contents)
        self._order = order

    def poll(self, max_records: int, timeout_ms: int) -> Sequence[Block]:
        behind = self.behind()
        first = next((partition for partition in self._order if behind[partition]), None)
        self.pause(partition for partition in self._order if partition != first)
        return super().poll(max_records, timeout_ms)


class Stuttering(MemorySource):
    """Gives every block, and with the next one the last again, as a broker does after a rebalance."""

    _last: Sequence[Block] = ()

    def poll(self, max_records: int, timeout_ms: int) -> Sequence[Block]:
        now = super().poll(max_records, timeout_ms)
        last, self._last = self._last, now
        return [*now, *last, *now] if now else ()


class Failing(MemorySource):
    """Wherever reading has come to, the first poll from there fails."""

    def __init__(self, contents: Contents) -> None:
        super().__init__(contents)
        self._failed: set[tuple[int, ...]] = set()

    def poll(self, max_records: int, timeout_ms: int) -> Sequence[Block]:
        place = tuple(self.positions().values())
        if place not in self._failed:
            self._failed.add(place)
            raise SourceUnavailable("the broker went away")
        return super().poll(max_records, timeout_ms)


class Torn(MemoryStore):
    """Every second step is lost once: before it was committed, or after, so that only the answer is lost."""

    committed = False
    _lost = 0

    def commit(self, step: Step, lease: Lease) -> None:
        lost = step.number % 2 == 1 and step.number > self._lost
        if self.committed or not lost:
            super().commit(step, lease)
        if lost:
            self._lost = step.number
            raise StoreUnavailable("the database went away")

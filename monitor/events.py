"""The ground: records as they arrive, and records that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from detectors.columns import Ints


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive records of one topic-partition, undecoded.

    values       the bodies; None is a tombstone.
    offsets      int64, strictly increasing.
    timestamps   the broker's (or producer's) record time, ms since the epoch, int64.
    next_offset  where to read on; past the last offset also when control records follow.
    headers      one sequence of (name, value) a record, or None when no record has any.
    """

    topic: str
    partition: int
    values: Sequence[bytes | None]
    offsets: Ints
    timestamps: Ints
    next_offset: int
    keys: Sequence[bytes | None] | None = None
    headers: Sequence[Sequence[tuple[str, bytes]]] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def source(self) -> TopicPartition:
        """The partition that the records came from."""
        return TopicPartition(self.topic, self.partition)


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A record that cannot be used: where it is and why, in words. `raw` only if the config asks for it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    reason: str
    field: str = ""
    raw: bytes | None = None

"""Where blocks come from: the contract of a source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from monitor.events import Block, TopicPartition
from monitor.ingest.gap import Gap

NOT_KNOWN: Mapping[str, str] = MappingProxyType({})
"""Nobody noted which topics the positions were of."""


class SourceError(Exception):
    """A source cannot serve. Messages name the broker, topic or file, and never a secret."""


class SourceUnavailable(SourceError):
    """For now: wait and poll again; the source comes back by itself."""


class SourceRefused(SourceError):
    """For good, until a person acts: unknown topic, authentication or authorisation failed, bad file."""


class Source(Protocol):
    """An endless or finite stream of blocks over a set of partitions.

    The positions of the caller are the truth: after `seek`, the next block of a partition starts at that offset (or at the
    first one still kept, later than it: a gap, which `Block.offsets` shows). Offsets of one partition never go back
    without a `seek`. Not thread-safe.
    """

    def poll(self, max_records: int, timeout_ms: int) -> Sequence[Block]:
        """At most `max_records` records, waiting at most `timeout_ms` for the first. Raises `SourceError`."""

    def partitions(self) -> frozenset[TopicPartition]:
        """The partitions it reads now."""

    def positions(self) -> Mapping[TopicPartition, int]:
        """Where reading goes on, for partitions where that is known, also if they gave no record yet."""

    def gaps(self) -> Sequence[Gap]:
        """Records that were missed since the last call: told once. After a reset, offsets begin anew below the old position."""

    def behind(self) -> Mapping[TopicPartition, int]:
        """Records between the position and the end, for partitions where that is known; 0 means caught up."""

    def finished(self) -> bool:
        """No block will ever come again (files); a live source never finishes."""

    def identities(self) -> Mapping[str, str]:
        """What tells a topic from another one of the same name, by topic, as of the last poll; {} where nothing does."""

    def seek(self, positions: Mapping[TopicPartition, int], identities: Mapping[str, str] = NOT_KNOWN) -> None:
        """Where to read on, by partition; also for partitions that are assigned later. Others start as configured.

        `identities` of the topics that the positions were of: one that was made anew since is read from its beginning, after a gap.
        """

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop reading these; any others that were paused go on."""

    def close(self) -> None:
        """Let go of everything. Idempotent."""

"""Single records read again at their places: after a fix, dead letters get another chance.

The source that is read anyway goes back to each place for one record, every other partition paused, and on to where it was.
What a broker no longer has cannot be read again, and stays a dead letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.clock import Clock
from monitor.events import Block, TopicPartition
from monitor.ingest.source import Source, SourceUnavailable

REQUEUE = "requeue"
"""The command; its `places` are lists of topic, partition and offset."""
MOST = 1_000
"""Places in one command."""
LONGEST_MS = 20_000
"""A turn goes on after this, whatever is left to read."""
_POLL_MS = 250
_POLLS = 8

Place = tuple[TopicPartition, int]


def places_of(arguments: Mapping[str, object]) -> list[Place]:
    """The places that a command names, in order, each once; what is no place is passed over."""
    found: set[Place] = set()
    told = arguments.get("places")
    for each in told if isinstance(told, list) else ():
        match each:
            case [str(topic), int(partition), int(offset)] if offset >= 0:
                found.add((TopicPartition(topic, partition), offset))
    return sorted(found)[:MOST]


def reread(source: Source, places: Sequence[Place], resume: Mapping[TopicPartition, int], clock: Clock) -> list[Block]:
    """The records at `places` that are still there, a block each. Afterwards the source reads on at `resume`, nothing paused.

    Raises `SourceError`: then the source stands anywhere.
    """
    assigned, known, ends = source.partitions(), source.identities(), clock.now() + LONGEST_MS
    found: list[Block] = []
    touched = {partition for partition, _ in places} & assigned
    for partition, offset in places:
        if partition in touched and clock.now() < ends:
            source.pause(assigned - {partition})
            source.seek({partition: offset})
            found += _one(source, partition, offset)
    if source.identities() != known:
        raise SourceUnavailable("a topic was made anew while dead letters were read again from it")
    source.seek({partition: resume[partition] for partition in touched if partition in resume})
    source.pause(())
    return found


def _one(source: Source, partition: TopicPartition, offset: int) -> list[Block]:
    """The record at one place, if the next that comes is that one."""
    for _ in range(_POLLS):
        blocks = [block for block in source.poll(1, _POLL_MS) if block.source == partition and len(block)]
        if blocks:
            return [block for block in blocks if int(block.offsets[0]) == offset]
        if source.gaps() or source.behind().get(partition) == 0:
            return []
    return []

"""Blocks are decoded, and their rows wait for their window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors import columns as cols
from detectors.columns import Cohort, Columns
from monitor.engine import quality
from monitor.engine.lanes import HOLDOUT_ARRIVALS, REJECTED, Lanes
from monitor.engine.missing import found_again
from monitor.events import Block, Reject, TopicPartition
from monitor.ingest.decode import Decoded, Decoder, compile_mapping
from monitor.ingest.mapping import PREDICTIONS
from monitor.join import clocks
from monitor.memory import ARRIVALS, ModelMemory, Source
from monitor.watch.plan import ModelPlan
from monitor.watch.trials import is_shadow


class Intake:
    """The compiled mappings of a plan. `arrival_is_event_time`: for replays, where nobody knows when a record arrived."""

    def __init__(self, plan: ModelPlan, lanes: Lanes, *, arrival_is_event_time: bool) -> None:
        self._plan = plan
        self._replay = arrival_is_event_time
        self._arrivals_wanted = {watch.on for watch in lanes.watches[ARRIVALS]}
        self._decoders: dict[str, list[tuple[str, Decoder]]] = {}
        for mapping in plan.mappings:
            decoder = compile_mapping(mapping, plan.hash_key)
            self._decoders.setdefault(mapping.topic, []).append((mapping.stream, decoder))

    def sources(self, partitions: Sequence[TopicPartition]) -> frozenset[Source]:
        """The streams that these partitions carry."""
        return frozenset((s, t, p) for t, p in partitions for s, _ in self._decoders.get(t, ()))

    def ingest(self, memory: ModelMemory, blocks: Sequence[Block], received: int | None = None) -> set[Source]:
        """Decode blocks and let their rows wait; returns the sources that brought rows.

        Records below the position already reached are passed over, so a block delivered twice counts once. `received`: our
        wall time, ms. A record has arrived when its stamp says, but no later than that: stamps may be a producer's.
        """
        active: set[Source] = set()
        for given in blocks:
            block = _unread(given, memory.offsets.get(given.source, 0))
            memory.offsets[given.source] = max(given.next_offset, memory.offsets.get(given.source, 0))
            if not len(block):
                continue
            memory.turn.records += len(block)
            first: list[tuple[int, int]] = []
            for stream, decoder in self._decoders.get(block.topic, ()):
                taken = self._take(memory, stream, decoder, _arrived_by(block, received))
                if taken is not None:
                    active.add((stream, block.topic, block.partition))
                    first += taken
            if first:
                found_again(memory, block.topic, block.partition, min(first)[1])
        return active

    def retake(self, memory: ModelMemory, blocks: Sequence[Block]) -> None:
        """Decode dead letters anew, as they are mapped now, outside their order: they move no clock and are no arrivals.

        Those that are still no good are dead letters again; those that are older than what their stream has closed are late.
        A row that was taken the first time, by another stream of the topic, is taken once: its id is known.
        """
        for block in blocks:
            memory.turn.requeued.update((*block.source, int(offset)) for offset in block.offsets)
            for stream, decoder in self._decoders.get(block.topic, ()):
                decoded = decoder.decode(block)
                rows, arrived = decoded.rows, _arrivals(block, decoded.rows.offset)
                ahead = clocks.ahead_of(rows.time, arrived, self._plan.future)
                late = ~ahead & (rows.time < self._frontier(memory, stream))
                memory.turn.reject([*decoded.rejects, *self._too_new(block, rows, ahead, arrived)])
                memory.counters[f"{stream}.late"] += int(late.sum())
                self._keep(memory, stream, rows.take(~(late | ahead)))

    def _take(self, memory: ModelMemory, stream: str, decoder: Decoder, block: Block) -> list[tuple[int, int]] | None:
        """Let a stream's rows of a block wait; offset and time of the first that is believed. None if it has no rows there."""
        decoded = decoder.decode(block)
        rows, count = decoded.rows, memory.counters
        count[f"{stream}.read"] += len(block)
        count[f"{stream}.filtered"] += decoded.filtered
        count[f"{stream}.tombstones"] += decoded.tombstones
        count[f"{stream}.rejected"] += len(decoded.rejects)
        memory.turn.reject(decoded.rejects)
        source = (stream, block.topic, block.partition)
        judged, arrived = self._judged(memory, source, decoded, block)
        if not len(rows):
            return None
        plan = self._plan
        late = judged.late | (~judged.ahead & (rows.time < self._frontier(memory, stream)))
        count[f"{stream}.ahead"] += int(judged.ahead.sum())
        count[f"{stream}.late"] += int(late.sum())
        memory.turn.reject(self._too_new(block, rows, judged.ahead, arrived))
        rows_kept = rows.take(~(late | judged.ahead))
        quality.count(memory, plan, stream, kept=rows_kept.time)
        if self._replay:
            self._count_arrivals(memory, stream, rows_kept, rows_kept.time)
        else:
            came = ~judged.ahead & (arrived > 0)
            self._count_arrivals(memory, stream, rows.take(came), arrived[came])
        self._keep(memory, stream, rows_kept)
        believed = np.flatnonzero(~judged.ahead)[:1]
        return list(zip(rows.offset[believed].tolist(), rows.time[believed].tolist(), strict=True))

    def _too_new(self, block: Block, rows: Columns, ahead: cols.Bools, arrived: cols.Ints) -> list[Reject]:
        return [_too_new(block, rows, int(row), int(arrived[row]), self._plan.future) for row in np.flatnonzero(ahead)]

    def _keep(self, memory: ModelMemory, stream: str, rows: Columns) -> None:
        """Let rows wait for their window."""
        memory.counters[f"{stream}.kept"] += len(rows)
        if not len(rows):
            return
        first = int(rows.time.min())
        if stream == PREDICTIONS and (memory.first_event is None or first < memory.first_event):
            memory.first_event = first
        for slot, part in memory.pending.append(stream, rows).items():
            memory.turn.parts.setdefault((stream, slot), []).append(part)

    def _judged(
        self, memory: ModelMemory, source: Source, decoded: Decoded, block: Block
    ) -> tuple[clocks.Judged, cols.Ints]:
        """Which rows are ahead or late, by the pace of their stream, which goes on with them; and when each arrived."""
        rows, plan = decoded.rows, self._plan
        offsets, times = decoded.beside
        believed = ~clocks.ahead_of(times, _arrivals(block, offsets), plan.future)
        beside = clocks.Beside.of(offsets[believed], times[believed], rows.offset)
        others, lag = memory.beside.get(source, (clocks.NEVER, None))
        pace = clocks.Pace(memory.clocks.get(source, clocks.NEVER), others, lag)
        arrived = _arrivals(block, rows.offset)
        judged = clocks.judge(rows.time, arrived, pace, beside, lateness=plan.lateness, future=plan.future)
        if decoded.rejects:
            refused = np.array([reject.offset for reject in decoded.rejects], np.int64)
            reached = judged.at(refused, rows.offset, offsets[believed], times[believed])
            self._count_rejects(memory, source[0], block, refused, reached)
        if judged.pace.clock != clocks.NEVER:
            memory.clocks[source] = judged.pace.clock
        if judged.pace.beside != clocks.NEVER:
            memory.beside[source] = judged.pace.beside, judged.pace.lag
        return judged, arrived

    def _frontier(self, memory: ModelMemory, stream: str) -> int:
        """Rows older than this can no longer be used: their window is closed."""
        if stream == PREDICTIONS:
            return memory.lanes.get(PREDICTIONS, clocks.NEVER)
        return memory.lanes.get(stream, clocks.NEVER) - self._plan.early

    def _count_rejects(
        self, memory: ModelMemory, stream: str, block: Block, offsets: cols.Ints, reached: cols.Ints
    ) -> None:
        """Count dead letters for the time that their stream had `reached`, and for the one that they arrived at."""
        known = reached > clocks.NEVER
        usable = known & (reached >= self._frontier(memory, stream))
        quality.count(memory, self._plan, stream, rejected=reached[usable])
        arrived = reached[known] if self._replay else _arrivals(block, offsets)
        if stream in self._arrivals_wanted:
            _add_arrivals(memory, REJECTED + stream, self._arrival_windows(memory, arrived[arrived > 0]))

    def _count_arrivals(self, memory: ModelMemory, stream: str, rows: Columns, arrived: cols.Ints) -> None:
        if stream == PREDICTIONS and (shadow := is_shadow(rows)).any():
            rows, arrived = rows.take(~shadow), arrived[~shadow]
        windows = self._arrival_windows(memory, arrived)
        if stream in self._arrivals_wanted:
            _add_arrivals(memory, stream, windows)
        if stream == PREDICTIONS and HOLDOUT_ARRIVALS in self._arrivals_wanted:
            _add_arrivals(memory, HOLDOUT_ARRIVALS, windows[rows.cohort == Cohort.HOLDOUT])

    def _arrival_windows(self, memory: ModelMemory, arrived: cols.Ints) -> cols.Ints:
        windows: cols.Ints = np.maximum(arrived - arrived % self._plan.arrivals, memory.lanes.get(ARRIVALS, 0))
        return windows


def _unread(block: Block, position: int) -> Block:
    if not len(block) or block.offsets[0] >= position:
        return block
    skip = int(np.searchsorted(block.offsets, position))
    return replace(
        block,
        values=block.values[skip:],
        offsets=block.offsets[skip:],
        timestamps=block.timestamps[skip:],
        keys=None if block.keys is None else block.keys[skip:],
        headers=None if block.headers is None else block.headers[skip:],
    )


def _arrived_by(block: Block, received: int | None) -> Block:
    return block if received is None else replace(block, timestamps=np.minimum(block.timestamps, received))


def _arrivals(block: Block, offsets: cols.Ints) -> cols.Ints:
    return block.timestamps[np.searchsorted(block.offsets, offsets)]


def _too_new(block: Block, rows: Columns, row: int, arrived: int, future: int) -> Reject:
    ahead = (int(rows.time[row]) - arrived) / 1000
    return Reject(
        topic=block.topic,
        partition=block.partition,
        offset=int(rows.offset[row]),
        timestamp=arrived,
        reason=f"event time is {ahead:,.0f} s ahead of the clock when the record came; at most {future / 1000:,.0f} s are allowed",
        field="time",
    )


def _add_arrivals(memory: ModelMemory, stream: str, windows: cols.Ints) -> None:
    counts: dict[int, int] = memory.arrivals.setdefault(stream, {})
    for start, count in zip(*np.unique(windows, return_counts=True), strict=True):
        counts[int(start)] = counts.get(int(start), 0) + int(count)

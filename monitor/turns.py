"""One model's loop: poll until a turn is full, close it, commit it; throw memory away when a commit fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from monitor.clock import Clock
from monitor.engine import Engine, Observed
from monitor.events import TopicPartition
from monitor.ingest.source import Source
from monitor.memory import ModelMemory, load
from monitor.memory import Source as StreamSource
from monitor.rereading import REQUEUE, places_of, reread
from monitor.store.protocols import Command, Lease, StateStore, Step


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """When a turn ends: after so many records or so long (ms), whichever comes first; a replay's only after so many records.

    poll_records    records asked for in one poll.
    waiting_rows    above this many waiting rows, partitions that run ahead of the slowest one are paused.
    """

    records: int = 50_000
    milliseconds: int = 500
    poll_records: int = 10_000
    waiting_rows: int = 2_000_000


@dataclass
class _Seen:
    """Wall-clock facts about the partitions, kept between turns."""

    rows_at: dict[StreamSource, int] = field(default_factory=dict)
    stamped: dict[TopicPartition, int] = field(default_factory=dict)
    arrivals: int = 0
    committed: int | None = None
    idle: frozenset[StreamSource] = frozenset()
    held: frozenset[TopicPartition] = frozenset()


class ModelTurns:
    """Runs the turns of one model. Not thread-safe.

    `replay`: nobody waits for a finite source, so a partition at its end is idle at once, time is the events' own, and turns
    are as long on every machine.
    `on_step` hears of every committed step, with the seconds the commit took.
    """

    def __init__(
        self,
        engine: Engine,
        source: Source,
        store: StateStore,
        clock: Clock,
        *,
        limits: TurnLimits | None = None,
        replay: bool = False,
        on_step: Callable[[ModelMemory, Step, float], None] | None = None,
    ) -> None:
        self.engine, self.source, self.store, self.clock = engine, source, store, clock
        self.limits = limits or TurnLimits()
        self.replay, self.on_step = replay, on_step
        self._memory: ModelMemory | None = None
        self._began: dict[TopicPartition, int] = {}
        self._seen = _Seen()
        self._received: int | None = None

    @property
    def model(self) -> str:
        """The model's name."""
        return self.engine.plan.model

    @property
    def memory(self) -> ModelMemory:
        """The current memory, loaded from the store if need be.

        The source is set to its positions then; partitions of which nothing was committed go back to where they began.
        """
        if self._memory is None:
            self._memory = load(self.engine.plan, self.store.load(self.model))
            self.source.seek({**self._began, **self._memory.offsets}, self._memory.identities)
            self._seen = _Seen()
        return self._memory

    def forget(self) -> None:
        """Throw memory away: the next turn loads what was last committed."""
        self._memory = self._received = None

    def turn(self, lease: Lease, timeout_ms: int = 0) -> Step | None:
        """One turn; None if there was nothing to do, or too little to commit yet.

        On any error memory is thrown away and the error goes on. Raises `SourceError`, `StoreError`.
        """
        try:
            return self._turn(lease, timeout_ms)
        except BaseException:
            self.forget()
            raise

    def _turn(self, lease: Lease, timeout_ms: int) -> Step | None:
        memory = self.memory
        records = self._read(memory, timeout_ms)
        found = self._begun(memory)
        commands = self.store.commands(self.model)
        self._reread(memory, commands)
        observed = self._observe()
        window = (observed.arrivals_until or 0) // self.engine.plan.arrivals
        news = window > self._seen.arrivals or observed.idle != self._seen.idle
        if not (records or commands or news or found or memory.turn.pages or memory.turn.alerts):
            return None
        if not (commands or found) and self._too_soon(memory, observed.now):
            return None
        self._seen.arrivals, self._seen.idle, self._seen.committed = window, observed.idle, observed.now
        return self._commit(memory, commands, observed, lease)

    def finish(self, lease: Lease) -> Step | None:
        """Commit the records that a turn has begun with, however few: nobody comes back to it. None if there are none.

        On any error memory is thrown away and the error goes on. Raises `SourceError`, `StoreError`.
        """
        memory = self._memory
        if memory is None or not memory.turn.records:
            return None
        try:
            return self._commit(memory, (), self._observe(), lease)
        except BaseException:
            self.forget()
            raise

    def _commit(self, memory: ModelMemory, commands: Sequence[Command], observed: Observed, lease: Lease) -> Step:
        step = self.engine.close(memory, commands, observed)
        self._received = None
        began = time.perf_counter()
        self.store.commit(step, lease)
        took = time.perf_counter() - began
        self._align(memory)
        if self.on_step is not None:
            self.on_step(memory, step, took)
        return step

    def _reread(self, memory: ModelMemory, commands: Sequence[Command]) -> None:
        """Give dead letters that a person asked for another chance."""
        places = sorted({place for c in commands if c.verb == REQUEUE for place in places_of(c.arguments)})
        if places:
            self.engine.retake(memory, reread(self.source, places, memory.offsets, self.clock))

    def _too_soon(self, memory: ModelMemory, now: int) -> bool:
        """Whether the turn goes on with the next poll: a trickle of records is committed together, not one by one."""
        last = self._seen.committed
        full = memory.turn.records >= self.limits.records
        return not (self.replay or full or last is None) and 0 <= now - last < self.limits.milliseconds

    def _read(self, memory: ModelMemory, timeout_ms: int) -> int:
        """Poll until the turn is full or nothing more is there; returns the records read."""
        ends = self.clock.now() + self.limits.milliseconds
        while memory.turn.records < self.limits.records:
            room = min(self.limits.poll_records, self.limits.records - memory.turn.records)
            blocks = self.source.poll(room, timeout_ms)
            timeout_ms = 0
            now = self.clock.now()
            if self._received is None and not self.replay:
                self._received = now
            for gap in self.source.gaps():
                self.engine.lose(memory, gap)
            for block in blocks:
                if len(block):
                    self._began.setdefault(block.source, int(block.offsets[0]))
                    self._seen.stamped[block.source] = int(block.timestamps[-1])
            for source in self.engine.ingest(memory, blocks, self._received):
                self._seen.rows_at[source] = now
            if not blocks or (now >= ends and not self.replay):
                break
        return memory.turn.records

    def _begun(self, memory: ModelMemory) -> bool:
        """Note where partitions without a record begin, so that a restart does not begin them anew; True if any was new.

        And which topics they are of: with the offsets that were read from them, and no later.
        """
        memory.identities.update(self.source.identities())
        new = {p: at for p, at in self.source.positions().items() if p not in memory.offsets}
        memory.offsets.update(new)
        return bool(new)

    def _observe(self) -> Observed:
        now, partitions, behind = self.clock.now(), self.source.partitions(), self.source.behind()
        sources = self.engine.sources(sorted(partitions))
        finished = self.source.finished()
        if self.replay:
            ended = frozenset(s for s in sources if behind.get(TopicPartition(s[1], s[2])) == 0)
            return Observed(now=now, sources=sources, idle=ended, finished=finished)
        plan = self.engine.plan
        for source in sources:
            self._seen.rows_at.setdefault(source, now)
        idle = frozenset(
            s
            for s in sources
            if behind.get(TopicPartition(s[1], s[2])) == 0 and now - self._seen.rows_at[s] >= plan.idle
        )
        read_until = [now if behind.get(p) == 0 else self._seen.stamped.get(p) for p in partitions]
        known = [min(t, now) for t in read_until if t is not None]
        arrivals = min(known) if known and len(known) == len(read_until) else None
        return Observed(now, sources, idle, finished, arrivals, self._received, self._seen.held)

    def _align(self, memory: ModelMemory) -> None:
        """Bound what waits: partitions that run ahead of the slowest one pause until it has caught up."""
        if len(memory.pending) <= self.limits.waiting_rows or not memory.clocks:
            self._hold(())
            return
        clocks: dict[TopicPartition, int] = {}
        read = self.engine.sources(sorted(self.source.partitions())) - self._seen.idle
        for source, clock in memory.clocks.items():
            if source in read:
                partition = TopicPartition(source[1], source[2])
                clocks[partition] = min(clock, clocks.get(partition, clock))
        slowest = min(clocks.values(), default=0)
        self._hold(p for p, clock in clocks.items() if clock > slowest + self.engine.plan.slot)

    def _hold(self, partitions: Iterable[TopicPartition]) -> None:
        self._seen.held = frozenset(partitions)
        self.source.pause(self._seen.held)

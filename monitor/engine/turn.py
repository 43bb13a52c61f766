"""One model's turn: blocks go in, a step comes out. Deterministic, no clock, no I/O.

`ingest` decodes blocks and lets their rows wait; `close` finds out how far event time has come, closes every window that is
due, and gives the step. What was due is closed in the order of event time, whatever the size of the turns: so the findings of
a replay, of a live run and of a run that crashed are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.engine.arrivals import close_arrivals, close_last_arrivals
from monitor.engine.erasure import erase
from monitor.engine.intake import Intake
from monitor.engine.judge import Judge
from monitor.engine.lanes import Lanes
from monitor.engine.missing import lose
from monitor.engine.observed import Observed
from monitor.engine.slots import Slots
from monitor.events import Block, TopicPartition
from monitor.ingest.gap import Gap
from monitor.ingest.mapping import PREDICTIONS
from monitor.join import clocks
from monitor.memory import ModelMemory, Source, build_step, keep_dashboard
from monitor.store.chain import ERASE, REMEDIES
from monitor.store.protocols import Command, Step
from monitor.watch.description import describe
from monitor.watch.plan import ModelPlan


class Engine:
    """The compiled form of a model's plan. Holds no state of its own.

    `arrival_is_event_time`: for replays, where nobody knows when a record arrived.
    """

    def __init__(self, plan: ModelPlan, *, arrival_is_event_time: bool = False) -> None:
        self.plan = plan
        self._replay = arrival_is_event_time
        self._description = describe(plan)
        self._lanes = Lanes.of(plan)
        self._intake = Intake(plan, self._lanes, arrival_is_event_time=arrival_is_event_time)
        self._judge = Judge(plan, self._lanes)
        self._slots = Slots(plan, self._lanes, self._judge)

    def sources(self, partitions: Sequence[TopicPartition]) -> frozenset[Source]:
        """The streams that these partitions carry."""
        return self._intake.sources(partitions)

    def ingest(self, memory: ModelMemory, blocks: Sequence[Block], received: int | None = None) -> set[Source]:
        """Decode blocks and let their rows wait; returns the sources that brought rows.

        Records below the position already reached are passed over, so a block delivered twice counts once. `received`: our
        wall time, ms, the same for all blocks of a turn; None in a replay.
        """
        return self._intake.ingest(memory, blocks, received)

    def lose(self, memory: ModelMemory, gap: Gap) -> None:
        """Go on behind records that are missing for good; every finding that they may touch says so."""
        memory.offsets[TopicPartition(gap.topic, gap.partition)] = gap.found
        lose(memory, self.plan, gap)

    def retake(self, memory: ModelMemory, blocks: Sequence[Block]) -> None:
        """Decode records again that were dead letters; they count unless the window that they belong to is closed."""
        self._intake.retake(memory, blocks)

    def close(self, memory: ModelMemory, commands: Sequence[Command], observed: Observed) -> Step:
        """Close every window that is due and give the step."""
        self._obey(memory, commands)
        until = self._watermark(memory, observed)
        if until is not None:
            self._slots.close_until(memory, until)
        arrivals = self._replayed_until(memory, until) if self._replay else observed.arrivals_until
        if arrivals is not None:
            close_arrivals(memory, self.plan, self._lanes, self._judge, arrivals)
        if self._replay and observed.finished:
            close_last_arrivals(memory, self.plan, self._lanes, self._judge)
        return build_step(memory, observed.record(), [c.number for c in commands], self._description)

    def _obey(self, memory: ModelMemory, commands: Sequence[Command]) -> None:
        """Take commands: to arm the model or to erase a unit at once, to re-arm a watch with its next window."""
        for command in commands:
            if command.verb == "arm":
                self._judge.teller.arm(memory, memory.lanes.get(PREDICTIONS, 0))
            elif command.verb == "rearm" and any(w.key == command.target for w in self.plan.watches):
                memory.rearmed.add(command.target)
            elif command.verb == REMEDIES:
                memory.remedies = tuple(str(sentence) for sentence in command.arguments["sentences"])
                keep_dashboard(memory)
            elif command.verb == ERASE:
                erase(memory, command.arguments["unit"])

    def _watermark(self, memory: ModelMemory, observed: Observed) -> int | None:
        if observed.finished:
            return max((clock for source, clock in memory.clocks.items() if source in observed.sources), default=None)
        return clocks.watermark(memory.clocks, observed.sources, observed.idle, self.plan.lateness)

    def _replayed_until(self, memory: ModelMemory, until: int | None) -> int | None:
        """In a replay, arrivals are known up to the last event of the stream that ends first: the end of a file is no silence."""
        last: dict[str, int] = {}
        for (stream, _, _), clock in memory.clocks.items():
            last[stream] = max(clock, last.get(stream, clock))
        return None if until is None else min([until, *last.values()])

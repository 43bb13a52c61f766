"""For tests and rehearsals: run a plan over records, and read out what was told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.alerting.alert import Alert, Notification
from monitor.clock import Clock, ManualClock
from monitor.engine import Engine
from monitor.events import Reject, TopicPartition
from monitor.ingest.source import Source, SourceUnavailable
from monitor.ingest.via_memory import MemorySource, Record
from monitor.store import codec
from monitor.store.protocols import Lease, Step, Store, StoreUnavailable
from monitor.store.via_memory import MemoryStore
from monitor.turns import ModelTurns, TurnLimits
from monitor.watch.finding import Finding
from monitor.watch.plan import ModelPlan

Contents = Mapping[TopicPartition, Sequence[Record]]
"""Records by partition, in the order of their offsets."""

_EVERYTHING = 10_000_000
_LEASE_MS = 1 << 50


@dataclass(frozen=True)
class Told:
    """Everything a store holds that people could have heard of, in an order of its own."""

    findings: list[Finding]
    alerts: list[Alert]
    outbox: list[Notification]
    rejects: list[Reject]

    def without(self, watches: Iterable[str]) -> Told:
        """The same, had these watches never spoken."""
        left_out = set(watches)
        silent = {a.id for a in self.alerts if a.watch in left_out}
        return Told(
            [f for f in self.findings if f.watch not in left_out],
            [a for a in self.alerts if a.watch not in left_out],
            [n for n in self.outbox if n.alert not in silent],
            self.rejects,
        )

    def lines(self) -> list[str]:
        """Findings, alerts and messages as text: equal lines, equal runs. Rejects are left out."""
        return [codec.encode(each) for each in (*self.findings, *self.alerts, *self.outbox)]


def told(store: Store, model: str) -> Told:
    """What a store holds of one model."""
    return Told(
        findings=sorted(store.findings(model, limit=_EVERYTHING), key=lambda f: (f.watch, f.end, f.incarnation)),
        alerts=sorted(store.alerts(model, limit=_EVERYTHING), key=lambda a: (a.opened_at, a.id)),
        outbox=sorted(
            (q.notification for q, _ in store.notifications(limit=_EVERYTHING) if q.notification.model == model),
            key=lambda n: (n.created_at, n.key),
        ),
        rejects=sorted(store.rejects(model, limit=_EVERYTHING), key=lambda r: (r.topic, r.partition, r.offset)),
    )


@dataclass
class Run:
    """One model's turns over a finite source, as often interrupted as the world likes.

    `turn_size` and `poll_size` are in records. `restart`: memory is thrown away after every commit. `steps` are those that
    were committed; `faults` counts turns that failed.
    """

    plan: ModelPlan
    source: Source
    store: Store
    clock: Clock = field(default_factory=ManualClock)
    turn_size: int = 50_000
    poll_size: int = 10_000
    restart: bool = False
    steps: list[Step] = field(default_factory=list)
    faults: int = 0

    def to_the_end(self, turns: ModelTurns | None = None) -> Told:
        """Turn until the source is finished and everything is closed; faults that pass are waited out.

        Raises `SourceError`, `StoreError` for faults that do not.
        """
        turns = turns or self.turns()
        lease = self.lease()
        ended = False
        while not ended:
            finished = self.source.finished()
            try:
                turns.turn(lease)
            except (SourceUnavailable, StoreUnavailable):
                self.faults += 1
                continue
            ended = finished and self.source.finished()
            if self.restart:
                turns.forget()
        return told(self.store, self.plan.model)

    def turns(self) -> ModelTurns:
        """The loop that `to_the_end` runs."""
        return ModelTurns(
            Engine(self.plan, arrival_is_event_time=True),
            self.source,
            self.store,
            self.clock,
            limits=TurnLimits(records=self.turn_size, poll_records=self.poll_size),
            replay=True,
            on_step=lambda _memory, step, _seconds: self.steps.append(step),
        )

    def lease(self) -> Lease:
        """The right to write. Raises RuntimeError if another owner holds it."""
        lease = self.store.acquire("testing", _LEASE_MS)
        if lease is None:
            raise RuntimeError("the store is owned by somebody else")
        return lease


def run_over(plan: ModelPlan, contents: Contents, *, turn_size: int = 50_000, poll_size: int = 10_000) -> Told:
    """What a plan tells of records, without a fault."""
    clock = ManualClock()
    return Run(plan, MemorySource(contents), MemoryStore(clock), clock, turn_size, poll_size).to_the_end()

"""The same engine over files: history, rehearsal, a second opinion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from monitor.alerting.alert import Alert
from monitor.clock import Clock
from monitor.engine import Engine
from monitor.ingest.source import Source
from monitor.memory import ModelMemory
from monitor.store.protocols import StateStore, Step
from monitor.turns import ModelTurns, TurnLimits
from monitor.watch.finding import Finding
from monitor.watch.plan import ModelPlan

OnStep = Callable[[ModelMemory, Step], None]
_LEASE_MS = 86_400_000


def run(
    plans: Sequence[ModelPlan],
    sources: Mapping[str, Source],
    store: StateStore,
    clock: Clock,
    *,
    on_step: OnStep | None = None,
    limits: TurnLimits | None = None,
) -> None:
    """Run every model over its finite source to the end. Raises `SourceError`, `StoreError`."""
    lease = store.acquire("replay", _LEASE_MS)
    if lease is None:
        raise RuntimeError("the store is in use by a daemon; replay into a store of its own")
    heard = None if on_step is None else (lambda memory, step, _: on_step(memory, step))
    for plan in plans:
        engine = Engine(plan, arrival_is_event_time=True)
        turns = ModelTurns(engine, sources[plan.model], store, clock, replay=True, on_step=heard, limits=limits)
        while not sources[plan.model].finished():
            turns.turn(lease)
        turns.turn(lease)
    store.release(lease)


class Lines:
    """Writes `findings.jsonl` and `alerts.jsonl` into a folder, one object a line, when it is closed.

    Findings stand in the order of their end, then of their watch; alerts, each in its last state, in the order in which they
    opened. So the files do not depend on how the records were cut into turns.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._findings = (folder / "findings.jsonl").open("wb")
        self._alerts = (folder / "alerts.jsonl").open("wb")
        self.findings: list[Finding] = []
        self.alerts: dict[str, Alert] = {}

    def __call__(self, _memory: ModelMemory, step: Step) -> None:
        """A committed step."""
        self.findings += step.findings
        self.alerts |= {a.id: a for a in step.alerts}

    def close(self) -> None:
        """Write and finish the files."""
        found = sorted((f.end, f.watch, f.model, as_line(f)) for f in self.findings)
        told = sorted((a.opened_at, a.id, as_line(a)) for a in self.alerts.values())
        for file, lines in ((self._findings, found), (self._alerts, told)):
            file.writelines(line for *_, line in lines)
            file.close()


def as_line(what: Finding | Alert) -> bytes:
    """One JSON object and a line feed."""
    return msgspec.json.encode(what) + b"\n"

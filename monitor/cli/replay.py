"""`loopwatch replay`: the same engine over files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from monitor import app as house
from monitor import replay as replaying
from monitor.alerting.alert import Phase
from monitor.cli.reference import topics_of
from monitor.cli.standing import standing
from monitor.cli.terminal import (
    DEFAULT_CONFIG,
    EXIT_FAULT,
    ConfigPath,
    err,
    out,
    panel,
    progress_bar,
    read_config,
    warn,
    writing,
)
from monitor.clock import SystemClock
from monitor.daemon import owner_name
from monitor.events import Reject
from monitor.ingest.source import SourceError
from monitor.memory import ModelMemory
from monitor.store.protocols import Step, Store
from monitor.watch.plan import ModelPlan

_LEASE_MS = 86_400_000


def replay(
    files: Annotated[
        list[str], typer.Argument(help="TOPIC=FILE: JSON lines (.gz too), CSV or Parquet; repeat for more files.")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for findings.jsonl and alerts.jsonl.")] = Path(
        "replayed"
    ),
    send: Annotated[bool, typer.Option("--send", help="Send the messages, too. Otherwise nothing is sent.")] = False,
) -> None:
    """Run the same engine over files, and show what would be told. Keeps no state, and sends nothing unless told to."""
    read = read_config(config)
    warn(read)
    topics = topics_of(files, read.plans.models)
    clock = SystemClock()
    store = house.memory_store(clock)
    with writing(to):
        lines = replaying.Lines(to)
    heard_by = read if send else house.with_somebody_to_tell(read)
    plans = [p for p in heard_by.plans.models if p.topics() & set(topics)]
    counted: dict[str, Mapping[str, int]] = {}
    refused: dict[str, Reject] = {}
    with progress_bar() as progress:
        task = progress.add_task("replaying", total=None)

        def heard(memory: ModelMemory, step: Step) -> None:
            lines(memory, step)
            counted[step.model] = memory.counters
            for reject in step.rejects:
                refused.setdefault(reject.topic, reject)
            for notification in dict.fromkeys((n.title, n.text) for n in step.outbox):
                progress.console.print(panel(*notification, "red"))
            progress.update(task, completed=sum(step.offsets.values()))

        try:
            replaying.run(plans, {p.model: house.file_source(topics, p) for p in plans}, store, clock, on_step=heard)
        except (SourceError, OSError) as error:
            err.print(Text(str(error)))
            raise typer.Exit(EXIT_FAULT) from None
        finally:
            lines.close()
    opened = sum(a.phase is not Phase.PENDING for a in lines.alerts.values())
    out.print(
        Text(
            f"{len(lines.findings):,} finding(s) and {opened:,} alert(s): {to / 'findings.jsonl'}, {to / 'alerts.jsonl'}"
        )
    )
    unused = _tell_use(plans, counted, refused)
    for section in house.overview(store, plans, clock).models:
        out.print(standing(section))
    if send:
        _send(read, store, clock)
    if unused:
        raise typer.Exit(EXIT_FAULT)


def _tell_use(plans: list[ModelPlan], counted: Mapping[str, Mapping[str, int]], refused: Mapping[str, Reject]) -> bool:
    """What became of every stream's records; True if one of them gave no event at all."""
    unused = False
    for plan in plans:
        count = counted.get(plan.model, {})
        for mapping in plan.mappings:
            said = {
                what: count.get(f"{mapping.stream}.{what}", 0)
                for what in ("read", "kept", "rejected", "filtered", "late")
            }
            words = ", ".join(f"{n:,} {what}" for what, n in said.items() if n or what == "read")
            if mapping.stream in {o.name for o in plan.outcomes}:
                words += f", {count.get(f'{mapping.stream}.joined', 0):,} joined"
            if mapping.origin is not None:
                words += f", {count.get(f'{mapping.stream}.organic', 0):,} organic"
            out.print(Text(f"  {plan.model} {mapping.stream} ({mapping.topic}): {words}"))
            if said["rejected"] and mapping.topic in refused:
                first = refused[mapping.topic]
                out.print(Text(f"    the first refused, record {first.offset + 1}: {first.reason}"))
            unused |= said["kept"] == 0
    if unused:
        err.print("a stream gave no event that could be used; see above")
    return unused


def _send(read: house.Config, store: Store, clock: SystemClock) -> None:
    """Send all that waits, once; what fails is told and not tried again."""
    lease = store.acquire(owner_name(), _LEASE_MS)
    relay = house.relay(read, store, clock, lambda: lease)
    while relay.run_once():
        pass
    left = sum(state != "delivered" for _, state in store.notifications(limit=1_000_000))
    out.print(f"{relay.sent} message(s) sent")
    if left:
        for name, why in sorted(relay.failing.items()):
            err.print(Text(f"{name}: {why}"))
        err.print(f"{left} message(s) were not sent")
        raise typer.Exit(EXIT_FAULT)

"""References: built from history, listed, adopted by a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from monitor import app as house
from monitor import references
from monitor.alerting.words import moment
from monitor.cli.terminal import (
    DEFAULT_CONFIG,
    EXIT_AWAY,
    EXIT_CONFIG,
    EXIT_FAULT,
    ConfigPath,
    err,
    out,
    read_config,
)
from monitor.clock import SystemClock
from monitor.daemon import owner_name
from monitor.ingest.source import SourceError
from monitor.references import History
from monitor.store.protocols import StoreError
from monitor.watch.plan import ModelPlan

Files = Annotated[
    list[str],
    typer.Argument(help="TOPIC=FILE: JSON lines (.gz too), CSV or Parquet, as the topic has them; repeat for more."),
]


def topics_of(files: list[str], plans: tuple[ModelPlan, ...]) -> dict[str, list[Path]]:
    """Files by topic, or an end with what is wrong with them."""
    topics: dict[str, list[Path]] = {}
    for given in files:
        topic, _, name = given.partition("=")
        if not topic or not name:
            err.print(Text(f"{given!r}: write TOPIC=FILE, for instance clicks.v2=clicks.jsonl.gz"))
            raise typer.Exit(EXIT_CONFIG)
        topics.setdefault(topic, []).append(Path(name))
    wanted = {t for p in plans for t in p.topics()}
    if unread := sorted(set(topics) - wanted):
        err.print(
            Text(f"no model reads {', '.join(unread)}; the topics of this config are {', '.join(sorted(wanted))}")
        )
        raise typer.Exit(EXIT_CONFIG)
    return topics


def dry_run(plan: ModelPlan, topics: dict[str, list[Path]]) -> History:
    """Replay a model over its files, or end with what cannot be read."""
    clock = SystemClock()
    try:
        return references.build(plan, house.file_source(topics, plan), house.memory_store(clock), clock, owner_name())
    except (SourceError, OSError) as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_FAULT) from None


def tell(history: History) -> None:
    """Print how every watch fared."""
    for each in history.references:
        how = references.capped(each) if each.failed else "passed the dry run"
        out.print(Text(f"    {each.watch}: learned from {each.records:,} events to {moment(each.end)}; {how}"))
    for watch, why in sorted(history.without.items()):
        out.print(Text(f"    {watch}: no reference: {why}"))


def build(files: Files, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Learn references from history and store them. None is used before it is adopted."""
    read = read_config(config)
    topics = topics_of(files, read.plans.models)
    plans = [p for p in read.plans.models if p.topics() & set(topics)]
    built = [(plan, dry_run(plan, topics)) for plan in plans]
    try:
        store = house.open_store(read.database, SystemClock())
        for plan, history in built:
            out.print(Text(f"  {plan.model}"))
            tell(history)
            for reference in history.references:
                store.keep_reference(reference)
            out.print(Text("  use one, once a person has looked at it:"))
            for reference in history.references:
                command = f"loopwatch reference adopt --model {plan.model} --watch {reference.watch} --version {reference.version}"
                out.print(Text(f"    {command}"), soft_wrap=True)
        store.close()
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    if not any(history.references for _, history in built):
        raise typer.Exit(EXIT_FAULT)


def listed(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Every reference that was built, newest first, and which are used."""
    read = read_config(config)
    try:
        store = house.look_into(read.database, SystemClock())
        known = [(p, store.references(p.model)) for p in read.plans.models]
        store.close()
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    for plan, own in known:
        if not own:
            out.print(Text(f"{plan.model} has no references; loopwatch reference build makes them"))
            continue
        table = Table(
            title=Text(plan.model), title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False
        )
        for name in ("watch", "version", "from", "to", "events", "dry run", "used"):
            table.add_column(name, overflow="fold", no_wrap=name in {"watch", "version"})
        used = {
            (w.key, w.reference.version) for w in references.adopted(plan, own)[0].watches if w.reference is not None
        }
        for r in own:
            since = f"since {moment(r.adopted_at)}, {r.adopted_by}" if r.adopted_at is not None else ""
            table.add_row(
                Text(r.watch),
                r.version,
                moment(r.start),
                moment(r.end),
                f"{r.records:,}",
                Text(r.failed or "passed"),
                Text(since if (r.watch, r.version) in used else "-"),
            )
        out.print(table)


def adopt(
    model: Annotated[str, typer.Option(help="The model.")],
    watch: Annotated[str, typer.Option(help="The watch that is to use it.")],
    version: Annotated[str, typer.Option(help="Which one, as `loopwatch reference list` has it.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Use a reference: that watch alone restarts with it, at once where loopwatch runs. Recorded with author and time."""
    read, clock = read_config(config), SystemClock()
    try:
        store = house.open_store(read.database, clock)
        done = store.adopt_reference(model, watch, version, owner_name(), clock.now())
        known = [r for r in store.references(model) if r.watch == watch]
        store.close()
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    if not done:
        have = ", ".join(r.version for r in known) or "none; build one with loopwatch reference build"
        err.print(Text(f"{model} has no reference {version!r} of {watch!r}; it has {have}"))
        raise typer.Exit(EXIT_CONFIG)
    out.print(Text(f"{model}: {watch} starts anew with reference {version}, with the next turn of loopwatch run"))
    for r in known:
        if r.version == version and r.failed:
            out.print(Text(f"  it {references.capped(r)}"))

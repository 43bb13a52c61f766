"""`loopwatch check`: what a config would watch, before it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from detectors.promises import promise_of
from monitor import app as house
from monitor.alerting import compared
from monitor.alerting.words import duration
from monitor.cli import foretell, reference
from monitor.cli.terminal import (
    DEFAULT_CONFIG,
    EXIT_CONFIG,
    EXIT_FAULT,
    ConfigPath,
    err,
    out,
    read_config,
    warn,
)
from monitor.ingest.source import SourceError
from monitor.watch.plan import DAY

_MOST = 1e12
"""People or events a day."""


def check(
    config: ConfigPath = DEFAULT_CONFIG,
    sample: Annotated[
        Path | None, typer.Option(help="A file of JSON lines: show its first events as the model would see them.")
    ] = None,
    topic: Annotated[str, typer.Option(help="With --sample: the topic that the events are from.")] = "",
    units_per_day: Annotated[
        float | None,
        typer.Option(
            min=1, max=_MOST, help="People (units) a day, to be told what each watch will find and what it costs."
        ),
    ] = None,
    new_per_day: Annotated[
        float | None,
        typer.Option(min=1, max=_MOST, help="Of these, people never seen before: cohorts count each once. Else all."),
    ] = None,
    mean: Annotated[
        list[str] | None, typer.Option(help="METRIC=MEAN, for instance reads=12%; repeat for more metrics.")
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(
            help="TOPIC=FILE, a healthy period: every watch is run over it; repeat for more. Else the config's history:."
        ),
    ] = None,
    events_per_day: Annotated[
        float | None, typer.Option(min=1, max=_MOST, help="Events a day, of all streams.")
    ] = None,
) -> None:
    """Read the config; list every watch, what it may spend and find, what cannot be watched and why, and what it costs."""
    read = read_config(config, without_secrets=True)
    warn(read)
    metrics = {m.name: m.value for p in read.plans.models for m in p.metrics}
    traffic = foretell.given(units_per_day, new_per_day, mean or (), metrics)
    topics = reference.topics_of(history or [], read.plans.models)
    for plan in read.plans.models:
        title = f"{plan.model}: {len(plan.watches)} watches, and the false pages that each may cost in 28 days"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
        for name in ("watch", "detector", "window", "loudest", "cost", "promise"):
            table.add_column(name, no_wrap=name not in {"watch", "detector"}, overflow="fold")
        for w in plan.watches:
            loudest = "page" if w.policy.may_page else "warn"
            cost = f"{w.spend.page * 28 * DAY:.2g}" if w.spend.page else "-"
            table.add_row(w.key, w.detector, duration(w.window), loudest, cost, promise_of(w.detector))
        out.print(table)
        if caveat := compared.of(plan.compared).caveat:
            out.print(Text(f"  {compared.of(plan.compared).title.lower()}: {caveat}"))
        for why in plan.not_watched:
            out.print(Text(f"  not watched: {why}"))
        foretell.tell(read, plan, traffic, events_per_day)
        own = topics if plan.topics() & set(topics) else house.history_of(read, plan)
        if any(own.values()):
            out.print(Text("  over the history, in which nothing is known to be wrong:"))
            reference.tell(reference.dry_run(plan, own))
        elif own:
            out.print(Text(f"  history: no file matches for {', '.join(sorted(own))}"))
    try:
        house.notifier(read)
    except ValueError as error:
        err.print(Text(f"{config}: {error}"))
        raise typer.Exit(EXIT_CONFIG) from None
    if sample is not None:
        try:
            _show_sample(read, sample, topic)
        except (SourceError, OSError) as error:
            err.print(Text(str(error)))
            raise typer.Exit(EXIT_FAULT) from None
    if read.plans.faults or not read.plans.models:
        raise typer.Exit(EXIT_CONFIG)


def _show_sample(read: house.Config, sample: Path, topic: str) -> None:
    found = False
    for plan in read.plans.models:
        for mapping in plan.mappings:
            if topic in ("", mapping.topic):
                found = True
                out.print(Text(f"\n{plan.model}: {sample} read as {mapping.stream}"))
                for line in house.sample(mapping, sample):
                    out.print(Text(f"  {line}"))
    if not found:
        known = ", ".join(sorted({t for p in read.plans.models for t in p.topics()}))
        err.print(Text(f"no model reads a topic named {topic!r}; the topics of this config are {known}"))
        raise typer.Exit(EXIT_CONFIG)

"""Records that could not be used: listed, shown, and read again after a fix."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from monitor.alerting.words import moment
from monitor.cli.operate import opened, plan_of, request
from monitor.cli.terminal import DEFAULT_CONFIG, EXIT_CONFIG, EXIT_FAULT, ConfigPath, err, out, read_config
from monitor.events import Reject
from monitor.ingest.reasons import printable
from monitor.rereading import MOST, REQUEUE
from monitor.store.protocols import Store

_EVERYTHING = 10_000_000

Model = Annotated[str, typer.Option(help="The model.")]
Place = Annotated[str, typer.Argument(help="TOPIC:PARTITION:OFFSET, as `list` prints it.")]


def listed(
    model: Model,
    config: ConfigPath = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(min=1, max=_EVERYTHING, help="How many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Dead letters of a model, newest first: where each stands in Kafka, and why it could not be used."""
    read = read_config(config)
    plan_of(read, model)
    with opened(read, look=True) as store:
        found, total = store.rejects(model, limit=limit), int(store.status(model)["rejects"])
    if as_json:
        for reject in found:
            sys.stdout.buffer.write(msgspec.json.encode(reject) + b"\n")
        return
    if not total:
        out.print(Text(f"{model} has no dead letters"))
        return
    table = Table(title=Text(f"{model}: {total:,} dead letter(s)"), title_justify="left", box=SIMPLE_HEAD)
    for name in ("place", "written", "field", "reason"):
        table.add_column(name, overflow="fold", no_wrap=name in {"place", "written"})
    for reject in found:
        written = moment(reject.timestamp) if reject.timestamp > 0 else ""
        table.add_row(Text(_place(reject)), written, Text(printable(reject.field)), Text(printable(reject.reason)))
    out.print(table)
    if total > len(found):
        out.print(f"and {total - len(found):,} older; --limit shows more")


def show(place: Place, model: Model, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """One dead letter, with its bytes if the config keeps them."""
    read = read_config(config)
    plan_of(read, model)
    with opened(read, look=True) as store:
        reject = _found(store, model, place)
    out.print(Text(f"place    {_place(reject)}"))
    out.print(Text(f"written  {moment(reject.timestamp) if reject.timestamp > 0 else 'not known'}"))
    out.print(Text(f"field    {printable(reject.field) or 'the record as a whole'}"))
    out.print(Text(f"reason   {printable(reject.reason)}"), soft_wrap=True)
    if reject.raw is None:
        out.print(
            Text(
                "bytes    not kept; keep_raw: true under predictions or the outcome keeps them from then on, and Kafka has "
                "the record for as long as its topic keeps it"
            ),
            soft_wrap=True,
        )
    else:
        out.print(Text(f"bytes    {printable(reject.raw.decode(errors='backslashreplace'))}"), soft_wrap=True)


def requeue(
    model: Model,
    places: Annotated[list[str] | None, typer.Argument(help="TOPIC:PARTITION:OFFSET; repeat for more.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter of the model.")] = False,
    field: Annotated[str, typer.Option(help="Every dead letter whose fault is this field of ours.")] = "",
) -> None:
    """Read dead letters again from Kafka, as the config maps them now.

    A record that Kafka no longer has stays a dead letter. One that is still no good comes back as one, with its new reason. One
    whose window has closed meanwhile counts as late: findings that were made are never changed.
    """
    if sum((bool(places), every, bool(field))) != 1:
        err.print("say which: places as `list` prints them, --field, or --all")
        raise typer.Exit(EXIT_CONFIG)
    read = read_config(config)
    plan_of(read, model)
    with opened(read) as store:
        if places:
            wanted = [_found(store, model, place) for place in places]
        else:
            wanted = [r for r in store.rejects(model, limit=_EVERYTHING) if every or r.field == field]
        named = sorted({(r.topic, r.partition, r.offset) for r in wanted})
        for first in range(0, len(named), MOST):
            request(store, model, REQUEUE, {"places": [list(each) for each in named[first : first + MOST]]})
    out.print(Text(f"{model}: {len(named):,} record(s) are read again with its next turns"))
    if not named:
        raise typer.Exit(EXIT_FAULT)


def _place(reject: Reject) -> str:
    return printable(f"{reject.topic}:{reject.partition}:{reject.offset}")


def _found(store: Store, model: str, place: str) -> Reject:
    """The dead letter at a place, or the end."""
    for reject in store.rejects(model, limit=_EVERYTHING):
        if _place(reject) == place:
            return reject
    err.print(
        Text(
            f"{model} has no dead letter at {place}; `loopwatch dead-letters list --model {model}` prints those it has"
        )
    )
    raise typer.Exit(EXIT_CONFIG)

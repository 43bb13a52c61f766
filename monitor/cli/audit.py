"""`loopwatch audit`: is what is stored what was recorded, and what was recorded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress
from rich.text import Text

from monitor import app as house
from monitor.cli.terminal import (
    DEFAULT_CONFIG,
    EXIT_AWAY,
    EXIT_CONFIG,
    EXIT_FAULT,
    ConfigPath,
    err,
    out,
    progress_bar,
    read_config,
    writing,
)
from monitor.clock import SystemClock
from monitor.store.chain import Head
from monitor.store.export import export as lines_of
from monitor.store.protocols import Store, StoreError
from monitor.store.verify import Report
from monitor.store.verify import verify as check

_DAY = 86_400_000

OneModel = Annotated[str, typer.Option(help="Only this model.")]


def verify(
    config: ConfigPath = DEFAULT_CONFIG,
    model: OneModel = "",
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="MODEL:POSITION:HASH as an earlier verify printed it, kept elsewhere; repeat for more models."
        ),
    ] = None,
) -> None:
    """Find every finding, alert, decision, config change and act that was edited, taken out or slipped in.

    Exit code 1 if any was, or if nothing is stored.

    Links cut off the end of the chain by somebody who also rewrote the model's row, or a chain written anew, are found only
    with --head: keep what this prints somewhere else.
    """
    store, models = _open(config, model)
    try:
        known = _heads(head or [], models)
        with progress_bar(err) as progress:
            reports = [_checked(store, name, known.get(name), progress) for name in models]
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    finally:
        store.close()
    if not models:
        err.print(Text("nothing is stored in the database of this config, so there is nothing to verify"))
    for report in reports:
        _tell(report)
    if not models or any(report.faults for report in reports):
        raise typer.Exit(EXIT_FAULT)


def _checked(store: Store, model: str, known: Head | None, progress: Progress) -> Report:
    task = progress.add_task(f"checking {model}", total=100)
    with store.frozen() as ledger:
        return check(ledger, model, known, lambda share: progress.update(task, completed=int(100 * share)))


def export(
    start: Annotated[str, typer.Option("--from", help="First day or moment: 2026-03-01 or 2026-03-01T14:00:00Z.")],
    end: Annotated[str, typer.Option("--to", help="Last day (whole) or the moment before which to end.")],
    config: ConfigPath = DEFAULT_CONFIG,
    model: OneModel = "",
    to: Annotated[Path | None, typer.Option("--out", "-o", help="A file; else standard output.")] = None,
) -> None:
    """JSON lines of what was found, decided, configured and asked for, and of where watches looked and found nothing.

    Times are those of the commits (UTC). `audit verify` says whether the lines can be believed.
    """
    first, last = _moment("--from", start), _moment("--to", end, whole_day=True)
    if last <= first:
        err.print(Text(f"--from {start} does not lie before the end of --to {end}"))
        raise typer.Exit(EXIT_CONFIG)
    store, models = _open(config, model)
    try:
        with (
            nullcontext() if to is None else writing(to),
            nullcontext(sys.stdout.buffer) if to is None else to.open("wb") as target,
        ):
            for name in models:
                for line in lines_of(store, name, first, last):
                    target.write(msgspec.json.encode(line) + b"\n")
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    finally:
        store.close()


def _open(config: Path, model: str) -> tuple[Store, Sequence[str]]:
    read = read_config(config)
    try:
        store = house.look_into(read.database, SystemClock())
        models = store.models()
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    if model and model not in models:
        store.close()
        err.print(Text(f"nothing is stored of a model named {model!r}; there is {', '.join(models) or 'nothing yet'}"))
        raise typer.Exit(EXIT_CONFIG)
    return store, [model] if model else models


def _heads(given: Sequence[str], models: Sequence[str]) -> dict[str, Head]:
    heads = {}
    for text in given:
        name, _, rest = text.rpartition(":")
        name, _, position = name.rpartition(":")
        if not (name and position.isdecimal() and len(rest) == 64):
            err.print(Text(f"--head {text!r} is not MODEL:POSITION:HASH, as `loopwatch audit verify` prints it"))
            raise typer.Exit(EXIT_CONFIG)
        if name not in models:
            err.print(
                Text(
                    f"--head names the model {name!r}, of which nothing is stored; there is {', '.join(models) or 'nothing yet'}"
                )
            )
            raise typer.Exit(EXIT_FAULT)
        heads[name] = Head(int(position), rest)
    return heads


def _moment(option: str, text: str, *, whole_day: bool = False) -> int:
    """Ms since the epoch; a day alone is its start, or with `whole_day` its end. Without a zone it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        err.print(Text(f"{option} {text!r} is neither a day (2026-03-01) nor a moment (2026-03-01T14:00:00Z)"))
        raise typer.Exit(EXIT_CONFIG) from None
    at = round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)
    return at + _DAY if whole_day and _is_day(text) else at


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _tell(report: Report) -> None:
    for fault in report.faults:
        out.print(Text(fault, style="red"), soft_wrap=True)
    if report.beyond:
        out.print(Text(f"{report.model}: and {report.beyond:,} more", style="red"))
    verdict = "is not what was recorded" if report.faults else "is whole"
    out.print(
        Text(
            f"{report.model}: the chain {verdict}: {report.links:,} links, {report.findings:,} findings, {report.alerts:,} "
            f"alerts and {report.details:,} decisions, changes and acts agree"
        ),
        soft_wrap=True,
    )
    if report.uncovered:
        out.print(
            Text(f"{report.model}: {report.uncovered:,} findings or alerts are older than the chain: not covered"),
            soft_wrap=True,
        )
    out.print(Text(f"head {report.model}:{report.head.position}:{report.head.hash}"), soft_wrap=True)

"""Acts of a person on a running monitor: rows in the store that its next turn takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from monitor import app as house
from monitor.cli.terminal import (
    DEFAULT_CONFIG,
    EXIT_AWAY,
    EXIT_CONFIG,
    ConfigPath,
    err,
    out,
    read_config,
)
from monitor.clock import SystemClock
from monitor.daemon import owner_name
from monitor.store.protocols import Command, StoreError


def arm(
    model: Annotated[str, typer.Option(help="The model whose rehearsal ends.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """End a model's rehearsal: from now on pages go to whoever is woken, no longer to the digest."""
    submit(config, model, "arm", "")
    out.print(Text(f"{model} is armed from its next turn on"))


def rearm(
    model: Annotated[str, typer.Option(help="The model.")],
    watch: Annotated[str, typer.Option(help="The watch whose evidence starts afresh; its open alert is closed.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Throw a watch's evidence away and start afresh with its next window."""
    submit(config, model, "rearm", watch)
    out.print(Text(f"{model}: {watch} starts afresh with its next window"))


def submit(path: Path, model: str, verb: str, target: str) -> None:
    """Write a command for a model, or end with the reason why not."""
    read = read_config(path)
    plans = {p.model: p for p in read.plans.models}
    if model not in plans:
        err.print(Text(f"no model named {model!r}; this config has {', '.join(sorted(plans))}"))
        raise typer.Exit(EXIT_CONFIG)
    if target and target not in {w.key for w in plans[model].watches}:
        known = ", ".join(sorted(w.key for w in plans[model].watches))
        err.print(Text(f"{model} has no watch named {target!r}; it has {known}"))
        raise typer.Exit(EXIT_CONFIG)
    try:
        clock = SystemClock()
        store = house.open_store(read.database, clock)
        store.submit(
            Command(number=0, model=model, verb=verb, target=target, author=owner_name(), asked_at=clock.now())
        )
        store.close()
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None

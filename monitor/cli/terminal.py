"""What every command shares: the two consoles, exit codes, the config option, and how things are shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from monitor import app as house
from monitor import settings
from monitor.alerting.alert import Kind, Notification, Severity
from monitor.alerting.message import plain

EXIT_FAULT, EXIT_CONFIG, EXIT_AWAY = 1, 2, 3

out = Console(highlight=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", help="The shared config file, or a one-file config.", envvar="LOOPWATCH_CONFIG"),
]
DEFAULT_CONFIG = Path("loopwatch.yaml")


def read_config(path: Path, *, without_secrets: bool = False) -> house.Config:
    """Read a config, or end with its faults; see `house.read_config`."""
    try:
        config = house.read_config(path, without_secrets=without_secrets)
    except settings.ConfigErrors as errors:
        for error in errors.errors:
            err.print(Text(error.sentence))
        raise typer.Exit(EXIT_CONFIG) from None
    for missing in config.loaded.absent:
        err.print(Text(f"{missing.sentence} (checked without it; `loopwatch run` will not start before it is there)"))
    for fault in config.plans.faults:
        err.print(Text(f"{fault.sentence} (this model is not watched)"))
    return config


def warn(config: house.Config) -> None:
    """Say of what nobody would be told."""
    for sentence in config.plans.warnings:
        err.print(Text(sentence))


_BORDER = {Severity.CRITICAL: "red", Severity.PAGE: "red", Severity.WARN: "yellow", Severity.INFO: "blue"}


def shown(notification: Notification) -> Panel:
    """A message in a frame of its colour."""
    colour = "green" if notification.kind is Kind.RESOLVED else _BORDER[notification.severity]
    return panel(notification.title, notification.text, colour)


def panel(heading: str, body: str, colour: str) -> Panel:
    """A message as a person would read it, without Slack's marks."""
    title, _, text = plain(heading, body).partition("\n")
    return Panel(Text.assemble((title, "bold"), "\n\n", text), border_style=colour, width=100)


@contextmanager
def writing(to: Path) -> Iterator[None]:
    """What writes to the folder or file that --out names; where it cannot be written is the end."""
    try:
        yield
    except OSError as error:
        err.print(Text(f"--out {to}: {error.strerror or error}"))
        raise typer.Exit(EXIT_CONFIG) from None


def progress_bar(console: Console = out) -> Progress:
    """Progress, on standard output unless told otherwise."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )

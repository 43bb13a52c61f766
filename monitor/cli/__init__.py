"""The command line: every command is a function in a module of this package."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor import app as house
from monitor.cli import (
    audit,
    check,
    database,
    dead_letters,
    demo,
    operate,
    reference,
    remedies,
    replay,
    run,
    schema,
    simulate,
    status,
)
from monitor.cli.terminal import out

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local values would show secrets
    rich_markup_mode="markdown",
    help="Watches deployed models from the event bus, and tells a person when one degrades, where, how much, since when, "
    "and whether the model itself is the cause.\n\nExit codes: 0 all is well, 1 something was found or failed, "
    "2 the config or the command is wrong, 3 a server cannot be reached.",
)
db = typer.Typer(no_args_is_help=True, help="The database.")
audited = typer.Typer(no_args_is_help=True, help="What was recorded, and whether it still stands.")

for _command in (
    run.run,
    check.check,
    replay.replay,
    status.status,
    demo.demo,
    simulate.simulate,
    remedies.remedies,
    operate.arm,
    operate.rearm,
    operate.erase,
    operate.resend,
    schema.config,
):
    cli.command()(_command)
db.command()(database.upgrade)
cli.add_typer(db, name="db")
references = typer.Typer(no_args_is_help=True, help="What watches learned from history: built, listed, adopted.")
references.command()(reference.build)
references.command(name="list")(reference.listed)
references.command()(reference.adopt)
cli.add_typer(references, name="reference")
audited.command()(audit.verify)
audited.command()(audit.export)
cli.add_typer(audited, name="audit")
letters = typer.Typer(no_args_is_help=True, help="Records that could not be used.")
letters.command(name="list")(dead_letters.listed)
letters.command()(dead_letters.show)
letters.command()(dead_letters.requeue)
cli.add_typer(letters, name="dead-letters")


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"loopwatch {house.VERSION}")
        raise typer.Exit


@cli.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Entry point of the `loopwatch` command."""
    cli()

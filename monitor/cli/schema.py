"""What a config may say."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer
from rich.markdown import Markdown
from rich.text import Text

from monitor import settings
from monitor.cli.terminal import EXIT_CONFIG, err, out


def config(
    key: Annotated[
        str,
        typer.Argument(
            metavar="[KEY]",
            help="Only this: a key with dots (cohorts, outcomes.origin, rehearsal), a section or a detector.",
        ),
    ] = "",
    schema: Annotated[
        bool, typer.Option("--schema", help="The JSON Schema of everything instead of the text.")
    ] = False,
) -> None:
    """Every key of the config, or one, with what is allowed: generated from what the program accepts. Markdown if piped."""
    if schema:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(settings.json_schema())) + b"\n")
        return
    try:
        text = settings.reference_part(key) if key else settings.reference_markdown()
    except settings.NoSuchKey as unknown:
        meant = f"did you mean {', '.join(unknown.near)}?" if unknown.near else "`loopwatch config` lists all"
        err.print(Text(f"the config has no key or section {key!r}; {meant}"))
        raise typer.Exit(EXIT_CONFIG) from None
    if out.is_terminal:
        out.print(Markdown(text))
    else:
        sys.stdout.write(text)

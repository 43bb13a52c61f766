"""What a config may say."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from monitor import settings


def config(
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema instead of the text.")] = False,
) -> None:
    """Every key of the config, with what is allowed: generated from what the program accepts."""
    if schema:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(settings.json_schema())) + b"\n")
    else:
        sys.stdout.write(settings.reference_markdown())

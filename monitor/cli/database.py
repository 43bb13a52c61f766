"""`loopwatch db`: the database's tables."""

from __future__ import annotations

import typer
from rich.text import Text

from monitor import app as house
from monitor.cli.terminal import (
    DEFAULT_CONFIG,
    EXIT_AWAY,
    ConfigPath,
    err,
    out,
    read_config,
)
from monitor.store.protocols import StoreError


def upgrade(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Bring the tables to this version; nothing happens if they are."""
    read = read_config(config)
    try:
        changed = house.upgrade_database(read.database)
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    out.print("the tables were brought up to date" if changed else "the tables are up to date")

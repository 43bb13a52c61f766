"""`loopwatch run`: the daemon."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer
from rich.text import Text

from monitor import app as house
from monitor import logs
from monitor.cli.terminal import (
    DEFAULT_CONFIG,
    EXIT_AWAY,
    EXIT_CONFIG,
    ConfigPath,
    err,
    read_config,
    warn,
)
from monitor.service import Service
from monitor.store.protocols import StoreError


def run(
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: Annotated[str, typer.Option(help="debug (with lines of libraries), info, warning or error.")] = "info",
    follow: Annotated[
        bool, typer.Option("--follow", help="Read the config again when one of its files changes, as on SIGHUP.")
    ] = False,
) -> None:
    """Watch: read from Kafka, judge, tell. Ends cleanly on SIGTERM or Ctrl-C; reads its config again on SIGHUP, and if --follow."""
    read = read_config(config)
    try:
        redactor = logs.Redactor(read.secrets())
        logs.configure(redactor, level=log_level)
    except ValueError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_CONFIG) from None
    logs.log_uncaught()
    logs.hush_libraries(debugging=log_level.lower() == "debug")
    if not read.plans.models:
        err.print("No model of this config can be watched; see above.")
        raise typer.Exit(EXIT_CONFIG)
    warn(read)
    try:
        service = Service(read, path=config, redactor=redactor, follow=follow)
    except ValueError as error:
        err.print(Text(f"{config}: {error}"))
        raise typer.Exit(EXIT_CONFIG) from None
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    except OSError as error:
        http = read.loaded.settings.http
        err.print(Text(f"{config}: the page cannot listen on {http.host}:{http.port}: {error.strerror}; change http:"))
        raise typer.Exit(EXIT_CONFIG) from None
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: service.reload())
    log = logs.logger("loopwatch")
    log.info("started", models=[p.model for p in read.plans.models], page=service.address, version=house.VERSION)
    service.run(stop)
    log.info("stopped")

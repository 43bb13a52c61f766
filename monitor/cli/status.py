"""`loopwatch status`: how every watch stands."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from monitor import app as house
from monitor.cli.standing import last_findings, standing
from monitor.cli.terminal import (
    DEFAULT_CONFIG,
    EXIT_AWAY,
    EXIT_CONFIG,
    EXIT_FAULT,
    ConfigPath,
    err,
    out,
    read_config,
)
from monitor.clock import SystemClock
from monitor.store.protocols import StoreError
from monitor.web.overview import State

_LAST = 10


def status(
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    model: Annotated[str, typer.Option(help="Only this model.")] = "",
    watch: Annotated[str, typer.Option(help="Only this watch, with its last ten findings.")] = "",
) -> None:
    """How every watch stands. Exit code 1 if an alert is firing."""
    read = read_config(config)
    plans = [p for p in read.plans.models if model in ("", p.model)]
    if not plans:
        have = ", ".join(sorted(p.model for p in read.plans.models)) or "none that can be watched"
        err.print(Text(f"no model named {model!r}; this config has {have}"))
        raise typer.Exit(EXIT_CONFIG)
    keys = {key for p in plans for key in p.watch_names()}
    if watch and watch not in keys:
        err.print(Text(f"no watch named {watch!r}; there are {', '.join(sorted(keys))}"))
        raise typer.Exit(EXIT_CONFIG)
    try:
        store = house.look_into(read.database, SystemClock())
        view = house.overview(store, plans, SystemClock())
        details = {p.model: store.status(p.model) for p in plans}
        found = {p.model: store.findings(p.model, watch, limit=_LAST) for p in plans} if watch else {}
        begun = set(store.models())
        store.close()
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    sections = [(s, [r for r in s.rows if watch in ("", r.watch)]) for s in view.models]
    if not begun.intersection(p.model for p in plans):
        err.print(
            Text(f"nothing is stored yet of {', '.join(p.model for p in plans)}: `loopwatch run` has not read from it")
        )
    firing = any(r.state is State.FIRING for _, rows in sections for r in rows)
    if as_json:
        findings = [f for own in found.values() for f in own]
        body = {s.model: {"watches": rows, "store": details[s.model]} for s, rows in sections}
        sys.stdout.buffer.write(msgspec.json.encode({"models": body, "findings": findings}, enc_hook=str) + b"\n")
    else:
        for section, _ in sections:
            out.print(standing(section, watch))
        for name, own in found.items():
            if own:
                out.print(last_findings(name, watch, own))
                out.print("every figure of them: --json")
    raise typer.Exit(EXIT_FAULT if firing else 0)

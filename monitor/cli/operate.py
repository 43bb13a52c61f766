"""Acts of a person on a running monitor: rows in the store that its next turn takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from monitor import app as house
from monitor.alerting.words import duration
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
from monitor.daemon import owner_name
from monitor.ingest.identity import Identities
from monitor.store.chain import ERASE, RESEND
from monitor.store.delivery import PARKED
from monitor.store.protocols import Command, Store, StoreError
from monitor.watch.plan import DAY, ModelPlan

_EVERYTHING = 10_000_000


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


def erase(
    model: Annotated[str, typer.Option(help="The model.")],
    unit: Annotated[str, typer.Option(help="The unit's id, as it stands in the events.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Forget one unit: its waiting rows, what is known of it, and its id in dead letters. The id itself is stored nowhere."""
    plan = plan_of(config, model)
    key = Identities(plan.hash_key).of(unit)
    if not key:
        err.print(Text("--unit is empty: give the id as it stands in the events"))
        raise typer.Exit(EXIT_CONFIG)
    with opened(config) as store:
        redacted = store.redact(model, unit)
        store.submit(_command(model, ERASE, "", {"unit": key, "after": redacted.through}))
    longest = duration(max(DAY, *(w.window for w in plan.watches)))
    out.print(
        Text(
            f"{model}: the unit is forgotten from the next turn on; {redacted.changed:,} dead letter(s) lost their bytes. Windows and "
            f"experiments that are open now keep a hash of it until they close (windows: at most {longest}). Events that name "
            "it and are read later count it anew: stop them first"
        ),
        soft_wrap=True,
    )


def resend(
    model: Annotated[str, typer.Option(help="The model whose messages were given up.")],
    row: Annotated[
        int | None, typer.Option(help="One message, by its number in the outbox; all, if not given.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Send messages again that were given up: refused by their destination, or tried for too long."""
    plan_of(config, model)
    with opened(config) as store:
        parked = [
            r.id
            for r, state in store.notifications(limit=_EVERYTHING)
            if state == PARKED and r.notification.model == model
        ]
        wanted = parked if row is None else [each for each in parked if each == row]
        if wanted:
            request(store, model, RESEND, {"row": row})
    if not wanted:
        known = ", ".join(map(str, sorted(parked))) or "none"
        err.print(Text(f"{model} has no such message; given up were: {known}"))
        raise typer.Exit(EXIT_FAULT)
    out.print(Text(f"{model}: {len(wanted):,} message(s) are sent again from its next turn on"))


def submit(path: Path, model: str, verb: str, target: str) -> None:
    """Write a command for a model, or end with the reason why not."""
    plan = plan_of(path, model)
    if target and target not in {w.key for w in plan.watches}:
        known = ", ".join(sorted(w.key for w in plan.watches))
        err.print(Text(f"{model} has no watch named {target!r}; it has {known}"))
        raise typer.Exit(EXIT_CONFIG)
    with opened(path) as store:
        store.submit(_command(model, verb, target))


def plan_of(path: Path, model: str) -> ModelPlan:
    """The plan of a model of the config, or the end."""
    plans = {p.model: p for p in read_config(path).plans.models}
    if model not in plans:
        err.print(Text(f"no model named {model!r}; this config has {', '.join(sorted(plans))}"))
        raise typer.Exit(EXIT_CONFIG)
    return plans[model]


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The store of the config; a store that is away is the end."""
    try:
        store = house.open_store(read_config(path).database, SystemClock())
        try:
            yield store
        finally:
            store.close()
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None


def request(store: Store, model: str, verb: str, arguments: dict[str, Any]) -> None:
    """Ask for something that has arguments."""
    store.submit(_command(model, verb, "", arguments))


def _command(model: str, verb: str, target: str, arguments: dict[str, Any] | None = None) -> Command:
    return Command(
        number=0,
        model=model,
        verb=verb,
        target=target,
        arguments=arguments or {},
        author=owner_name(),
        asked_at=SystemClock().now(),
    )

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
    submit(config, model, "arm")
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
    unit: Annotated[str, typer.Option(help="The unit's id, as it stands in the events.")],
    model: Annotated[str, typer.Option(help="Only of this model; of all, if not given.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Forget one unit: its waiting rows, what is known of it, and its id in dead letters. The id itself is stored nowhere."""
    read = read_config(config)
    plans = [plan_of(read, model)] if model else read.plans.models
    try:
        keys = {plan.model: Identities(plan.hash_key).of(unit) for plan in plans}
    except UnicodeEncodeError:
        err.print(Text("--unit is no UTF-8 text, and so are no ids of events"))
        raise typer.Exit(EXIT_CONFIG) from None
    if not all(keys.values()):
        err.print(Text("--unit is empty: give the id as it stands in the events"))
        raise typer.Exit(EXIT_CONFIG)
    with opened(read) as store:
        done = [_forget(store, plan, unit, keys[plan.model]) for plan in plans]
        left = [] if model else sorted(set(store.models()) - keys.keys())
    for line in done:
        out.print(Text(line), soft_wrap=True)
    if plans:
        out.print("Events that name it and are read later count it anew: stop them first")
    for name in left:
        err.print(
            Text(f"{name} is stored, but cannot be watched by this config: nothing is forgotten of it until it can")
        )
    if left or not plans:
        raise typer.Exit(EXIT_FAULT)


def _forget(store: Store, plan: ModelPlan, unit: str, key: int) -> str:
    """Have a model forget a unit; what then is to be said of it."""
    _say_if_new(store, plan.model)
    redacted = store.redact(plan.model, unit)
    store.submit(_command(plan.model, ERASE, "", {"unit": key, "after": redacted.through}))
    longest = duration(max([DAY, *(w.window for w in plan.watches)]))
    return (
        f"{plan.model}: the unit is forgotten from the next turn on; {redacted.changed:,} dead letter(s) lost their bytes. "
        f"Windows and experiments that are open now keep a hash of it until they close (windows: at most {longest})"
    )


def resend(
    model: Annotated[str, typer.Option(help="The model whose messages were given up.")],
    row: Annotated[
        int | None, typer.Option(help="One message, by its number in the outbox; all, if not given.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Send messages again that were given up: refused by their destination, or tried for too long."""
    read = read_config(config)
    plan_of(read, model)
    with opened(read) as store:
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


def submit(path: Path, model: str, verb: str, target: str | None = None) -> None:
    """Write a command for a model or for one of its watches, or end with the reason why not."""
    read = read_config(path)
    plan = plan_of(read, model)
    if target is not None and target not in {w.key for w in plan.watches}:
        known = ", ".join(sorted(w.key for w in plan.watches))
        err.print(Text(f"{model} has no watch named {target!r}; it has {known}"))
        raise typer.Exit(EXIT_CONFIG)
    with opened(read) as store:
        _say_if_new(store, model)
        store.submit(_command(model, verb, target or ""))


def _say_if_new(store: Store, model: str) -> None:
    """An act on a store that holds nothing of the model is taken once it does; or it is the wrong store."""
    if model not in store.models():
        err.print(
            Text(
                f"nothing is stored yet of {model} in the database of this config; is it the one that loopwatch run uses?"
            )
        )


def plan_of(read: house.Config, model: str) -> ModelPlan:
    """The plan of a model of the config, or the end."""
    plans = {p.model: p for p in read.plans.models}
    if model not in plans:
        have = ", ".join(sorted(plans)) or "none that can be watched"
        err.print(Text(f"no model named {model!r}; this config has {have}"))
        raise typer.Exit(EXIT_CONFIG)
    return plans[model]


@contextmanager
def opened(read: house.Config, *, look: bool = False) -> Iterator[Store]:
    """The store of the config, to `look` into or to write to; one that is away is the end."""
    try:
        store = (house.look_into if look else house.open_store)(read.database, SystemClock())
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

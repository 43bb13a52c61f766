"""The command line."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from monitor import app as house
from monitor import demo as story
from monitor import logs, replay, settings
from monitor.alerting.alert import Kind, Notification, Phase, Severity
from monitor.alerting.message import plain
from monitor.alerting.words import duration, moment
from monitor.clock import SystemClock
from monitor.daemon import owner_name
from monitor.events import Reject
from monitor.ingest.source import SourceError
from monitor.memory import ModelMemory
from monitor.simulate import open_bandit
from monitor.store.protocols import Command, Step, Store, StoreError
from monitor.watch.plan import DAY, ModelPlan
from monitor.web.overview import State

EXIT_FAULT, EXIT_CONFIG, EXIT_AWAY = 1, 2, 3

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
cli.add_typer(db, name="db")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", help="The shared config file, or a one-file config.", envvar="LOOPWATCH_CONFIG"),
]
_DEFAULT = Path("loopwatch.yaml")


def _config(path: Path) -> house.Config:
    """Read a config, or end with its faults."""
    try:
        config = house.read_config(path)
    except settings.ConfigErrors as errors:
        for error in errors.errors:
            err.print(Text(error.sentence))
        raise typer.Exit(EXIT_CONFIG) from None
    for fault in config.plans.faults:
        err.print(Text(f"{fault.sentence} (this model is not watched)"))
    return config


def _warn(config: house.Config) -> None:
    """Say of what nobody would be told."""
    for sentence in config.plans.warnings:
        err.print(Text(sentence))


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


@cli.command()
def run(
    config: ConfigPath = _DEFAULT,
    log_level: Annotated[str, typer.Option(help="debug (with lines of libraries), info, warning or error.")] = "info",
) -> None:
    """Watch: read from Kafka, judge, tell. Ends cleanly on SIGTERM or Ctrl-C."""
    read = _config(config)
    try:
        logs.configure(logs.Redactor(read.secrets()), level=log_level)
    except ValueError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_CONFIG) from None
    logs.log_uncaught()
    if log_level.lower() != "debug":
        logs.hush_libraries()
    if not read.plans.models:
        err.print("No model of this config can be watched; see above.")
        raise typer.Exit(EXIT_CONFIG)
    _warn(read)
    try:
        service = house.Service(read)
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
    log = logs.logger("loopwatch")
    log.info("started", models=[p.model for p in read.plans.models], page=service.address, version=house.VERSION)
    service.run(stop)
    log.info("stopped")


@cli.command()
def check(
    config: ConfigPath = _DEFAULT,
    sample: Annotated[
        Path | None, typer.Option(help="A file of JSON lines: show its first events as the model would see them.")
    ] = None,
    topic: Annotated[str, typer.Option(help="With --sample: the topic that the events are from.")] = "",
) -> None:
    """Read the config; list every watch, what it may spend, and what cannot be watched and why."""
    read = _config(config)
    _warn(read)
    for plan in read.plans.models:
        title = f"{plan.model}: {len(plan.watches)} watches, and the false pages that each may cost in 28 days"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        for name in ("watch", "detector", "on", "window", "loudest", "cost"):
            table.add_column(name, no_wrap=name != "on", overflow="fold")
        for w in plan.watches:
            loudest = "page" if w.policy.may_page else "warn"
            cost = f"{w.spend.page * 28 * DAY:.2g}" if w.spend.page else "-"
            table.add_row(w.key, w.detector, w.on or "-", duration(w.window), loudest, cost)
        out.print(table)
        for why in plan.not_watched:
            out.print(Text(f"  not watched: {why}"))
        if not plan.has_holdout:
            out.print(
                "  without cohorts a cause can only be called associated; keep 2 % of people as a holdout to know more"
            )
    try:
        house.check_destinations(read)
    except ValueError as error:
        err.print(Text(f"{config}: {error}"))
        raise typer.Exit(EXIT_CONFIG) from None
    if sample is not None:
        try:
            _show_sample(read, sample, topic)
        except (SourceError, OSError) as error:
            err.print(Text(str(error)))
            raise typer.Exit(EXIT_FAULT) from None
    if read.plans.faults or not read.plans.models:
        raise typer.Exit(EXIT_CONFIG)


def _show_sample(read: house.Config, sample: Path, topic: str) -> None:
    found = False
    for plan in read.plans.models:
        for mapping in plan.mappings:
            if topic in ("", mapping.topic):
                found = True
                out.print(Text(f"\n{plan.model}: {sample} read as {mapping.stream}"))
                for line in house.sample(mapping, sample):
                    out.print(Text(f"  {line}"))
    if not found:
        known = ", ".join(sorted({t for p in read.plans.models for t in p.topics()}))
        err.print(Text(f"no model reads a topic named {topic!r}; the topics of this config are {known}"))
        raise typer.Exit(EXIT_CONFIG)


@cli.command(name="replay")
def replay_command(
    files: Annotated[list[str], typer.Argument(help="TOPIC=FILE, JSON lines, plain or .gz; repeat for more files.")],
    config: ConfigPath = _DEFAULT,
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for findings.jsonl and alerts.jsonl.")] = Path(
        "replayed"
    ),
    send: Annotated[bool, typer.Option("--send", help="Send the messages, too. Otherwise nothing is sent.")] = False,
) -> None:
    """Run the same engine over files. Keeps no state, and sends nothing unless told."""
    read = _config(config)
    topics: dict[str, list[Path]] = {}
    for given in files:
        topic, _, name = given.partition("=")
        if not name:
            err.print(Text(f"{given!r}: write TOPIC=FILE, for instance clicks.v2=clicks.jsonl.gz"))
            raise typer.Exit(EXIT_CONFIG)
        topics.setdefault(topic, []).append(Path(name))
    wanted = {t for p in read.plans.models for t in p.topics()}
    if unread := sorted(set(topics) - wanted):
        err.print(
            Text(f"no model reads {', '.join(unread)}; the topics of this config are {', '.join(sorted(wanted))}")
        )
        raise typer.Exit(EXIT_CONFIG)
    clock = SystemClock()
    store, lines = house.memory_store(clock), replay.Lines(to)
    plans = [p for p in read.plans.models if p.topics() & set(topics)]
    findings, opened = 0, set[str]()
    counted: dict[str, Mapping[str, int]] = {}
    refused: dict[str, Reject] = {}
    with _progress() as progress:
        task = progress.add_task("replaying", total=None)

        def heard(memory: ModelMemory, step: Step) -> None:
            nonlocal findings
            lines(memory, step)
            findings += len(step.findings)
            opened.update(a.id for a in step.alerts if a.phase is not Phase.PENDING)
            counted[step.model] = memory.counters
            for reject in step.rejects:
                refused.setdefault(reject.topic, reject)
            for notification in dict.fromkeys((n.title, n.text) for n in step.outbox):
                progress.console.print(_panel(*notification, "red"))
            progress.update(task, completed=sum(step.offsets.values()))

        try:
            replay.run(plans, {p.model: house.file_source(topics, p) for p in plans}, store, clock, on_step=heard)
        except SourceError as error:
            err.print(Text(str(error)))
            raise typer.Exit(EXIT_FAULT) from None
        finally:
            lines.close()
    out.print(
        Text(f"{findings:,} finding(s) and {len(opened):,} alert(s): {to / 'findings.jsonl'}, {to / 'alerts.jsonl'}")
    )
    unused = _tell_use(plans, counted, refused)
    if send:
        _send(read, store, clock)
    if unused:
        raise typer.Exit(EXIT_FAULT)


def _tell_use(plans: list[ModelPlan], counted: Mapping[str, Mapping[str, int]], refused: Mapping[str, Reject]) -> bool:
    """What became of every stream's records; True if one of them gave no event at all."""
    unused = False
    for plan in plans:
        count = counted.get(plan.model, {})
        for mapping in plan.mappings:
            said = {
                what: count.get(f"{mapping.stream}.{what}", 0)
                for what in ("read", "kept", "rejected", "filtered", "late")
            }
            words = ", ".join(f"{n:,} {what}" for what, n in said.items() if n or what == "read")
            if mapping.stream in {o.name for o in plan.outcomes}:
                words += f", {count.get(f'{mapping.stream}.joined', 0):,} joined"
            out.print(Text(f"  {plan.model} {mapping.stream} ({mapping.topic}): {words}"))
            if said["rejected"] and mapping.topic in refused:
                first = refused[mapping.topic]
                out.print(Text(f"    the first refused, record {first.offset + 1}: {first.reason}"))
            unused |= said["kept"] == 0
    if unused:
        err.print("a stream gave no event that could be used; see above")
    return unused


def _send(read: house.Config, store: Store, clock: SystemClock) -> None:
    """Send all that waits, once; what fails is told and not tried again."""
    relay = house.relay(read, store, clock)
    while relay.run_once():
        pass
    left = sum(state != "delivered" for _, state in store.notifications(limit=1_000_000))
    out.print(f"{relay.sent} message(s) sent")
    if left:
        for name, why in sorted(relay.failing.items()):
            err.print(Text(f"{name}: {why}"))
        err.print(f"{left} message(s) were not sent")
        raise typer.Exit(EXIT_FAULT)


_COLOUR = {State.OK: "green", State.FIRING: "bold red", State.PENDING: "yellow", State.RESOLVED: "green"}


@cli.command()
def status(
    config: ConfigPath = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    model: Annotated[str, typer.Option(help="Only this model.")] = "",
    watch: Annotated[str, typer.Option(help="Only this watch, with its last findings.")] = "",
) -> None:
    """How every watch stands. Exit code 1 if an alert is firing."""
    read = _config(config)
    plans = [p for p in read.plans.models if model in ("", p.model)]
    if not plans:
        have = ", ".join(sorted(p.model for p in read.plans.models)) or "none that can be watched"
        err.print(Text(f"no model named {model!r}; this config has {have}"))
        raise typer.Exit(EXIT_CONFIG)
    if watch and not any(w.key == watch for p in plans for w in p.watches):
        err.print(
            Text(f"no watch named {watch!r}; there are {', '.join(sorted({w.key for p in plans for w in p.watches}))}")
        )
        raise typer.Exit(EXIT_CONFIG)
    try:
        store = house.open_store(read.database, SystemClock())
        view = house.overview(store, plans, SystemClock())
        details = {p.model: store.status(p.model) for p in plans}
        findings = [f for p in plans for f in store.findings(p.model, watch, limit=10)] if watch else []
        store.close()
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    sections = [(s, [r for r in s.rows if watch in ("", r.watch)]) for s in view.models]
    firing = any(r.state is State.FIRING for _, rows in sections for r in rows)
    if as_json:
        body = {s.model: {"watches": rows, "store": details[s.model]} for s, rows in sections}
        sys.stdout.buffer.write(msgspec.json.encode({"models": body, "findings": findings}, enc_hook=str) + b"\n")
    else:
        for section, rows in sections:
            table = Table(title=Text(section.model), title_justify="left", box=SIMPLE_HEAD)
            for name in ("watch", "state", "since", "effect", "people", "why"):
                table.add_column(name, overflow="fold", no_wrap=name in {"watch", "state"})
            for r in rows:
                since = moment(r.since) if r.since is not None else ""
                table.add_row(
                    Text(r.watch),
                    Text(str(r.state), style=_COLOUR.get(r.state, "yellow")),
                    since,
                    Text(r.effect),
                    r.counts,
                    Text(r.reason),
                )
            out.print(table)
        for finding in findings:
            out.print(Text(msgspec.json.encode(finding).decode()))
    raise typer.Exit(EXIT_FAULT if firing else 0)


@cli.command()
def demo(
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for the stream and what was found.")] = Path(
        "build/demo"
    ),
    impressions: Annotated[int, typer.Option(min=20_000, help="How many impressions to resample.")] = story.IMPRESSIONS,
) -> None:
    """See it work in a minute: real impressions of a shop, a harm planted to the exposed, the alert, the recovery."""
    clock = SystemClock()
    read = _config(story.config_path())
    plan = story.with_destinations(read.plans.models[0])
    out.print(
        "[bold]loopwatch demo[/bold]  20,000 real impressions of the Open Bandit Dataset (ZOZO Research, CC BY 4.0), "
        f"resampled into {impressions:,} over 21 days. Half the people get the shop's bandit (exposed), half a random item "
        f"(holdout). From day {story.PLANT.after_days:g} the exposed lose {1 - story.PLANT.keep:.0%} of their clicks, for "
        f"{story.PLANT.for_days:g} days: a harm we plant, and that the monitor does not know of.\n"
    )
    with _progress() as progress:
        task = progress.add_task("resampling", total=None)
        stream = open_bandit.resampled(story.SEED, impressions, plant=story.PLANT)
        written = open_bandit.write(to / "stream", stream)
        total = written.impressions + written.clicks
        progress.update(task, description="reading", total=total, completed=0)
        url = f"sqlite:///{(to / 'demo.db').resolve()}"
        (to / "demo.db").unlink(missing_ok=True)
        store = house.open_store(url, clock)
        told = story.tell(
            plan,
            house.file_source(story.files_of(written, plan), plan),
            store,
            clock,
            to,
            on_message=lambda n: progress.console.print(_shown(n)),
            on_progress=lambda n: progress.advance(task, n),
        )
        store.close()
    out.print(
        f"\nThat was {len(told.messages)} message(s) for {told.records:,} events: {len(story.fired(told))} alert(s) opened."
    )
    _silent_twin(to / "untouched", clock, plan)
    out.print(
        "\n[bold]Next[/bold]\n"
        f"  every finding     {to / 'findings.jsonl'}\n"
        f"  every alert       {to / 'alerts.jsonl'}\n"
        f"  what was planted  {to / 'stream' / 'truth.json'}\n"
        f"  the config        {story.config_path()}\n"
        "  your own topics   loopwatch check --config YOURS.yaml, then loopwatch run --config YOURS.yaml"
    )


def _silent_twin(folder: Path, clock: SystemClock, plan: ModelPlan) -> None:
    written = open_bandit.write(folder / "stream", open_bandit.untouched())
    twin = story.tell(
        plan,
        house.file_source(story.files_of(written, plan), plan),
        house.memory_store(clock),
        clock,
        folder,
        on_message=lambda n: out.print(_shown(n)),
        on_progress=lambda _: None,
    )
    out.print(
        f"\n[bold]The log as it was[/bold], nothing planted: {twin.records:,} events, {len(twin.messages)} message(s)."
    )
    for name, finding in sorted(twin.latest.items()):
        if name in {m.name for m in plan.metrics}:
            out.print(Text(f"  {story.could_have_seen(finding)}"))


_BORDER = {Severity.CRITICAL: "red", Severity.PAGE: "red", Severity.WARN: "yellow", Severity.INFO: "blue"}


def _shown(notification: Notification) -> Panel:
    colour = "green" if notification.kind is Kind.RESOLVED else _BORDER[notification.severity]
    return _panel(notification.title, notification.text, colour)


def _panel(heading: str, body: str, colour: str) -> Panel:
    title, _, text = plain(heading, body).partition("\n")
    return Panel(Text(text), title=Text(title, style="bold"), title_align="left", border_style=colour, width=100)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
    )


@cli.command()
def arm(
    model: Annotated[str, typer.Option(help="The model whose rehearsal ends.")],
    config: ConfigPath = _DEFAULT,
) -> None:
    """End a model's rehearsal: from now on pages go to whoever is woken, no longer to the digest."""
    _command(config, model, "arm", "")
    out.print(Text(f"{model} is armed from its next turn on"))


@cli.command()
def rearm(
    model: Annotated[str, typer.Option(help="The model.")],
    watch: Annotated[str, typer.Option(help="The watch whose evidence starts afresh; its open alert is closed.")],
    config: ConfigPath = _DEFAULT,
) -> None:
    """Throw a watch's evidence away and start afresh with its next window."""
    _command(config, model, "rearm", watch)
    out.print(Text(f"{model}: {watch} starts afresh with its next window"))


def _command(path: Path, model: str, verb: str, target: str) -> None:
    read = _config(path)
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


@cli.command()
def reference(
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema instead of the text.")] = False,
) -> None:
    """The whole config reference, generated from what the program accepts."""
    if schema:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(settings.json_schema())) + b"\n")
    else:
        sys.stdout.write(settings.reference_markdown())


@db.command()
def upgrade(config: ConfigPath = _DEFAULT) -> None:
    """Bring the tables to this version; nothing happens if they are."""
    read = _config(config)
    try:
        changed = house.upgrade_database(read.database)
    except StoreError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_AWAY) from None
    out.print("the tables were brought up to date" if changed else "the tables are up to date")


def main() -> None:
    """Entry point of the `loopwatch` command."""
    cli()

"""`loopwatch demo`: see it work in a few minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from monitor import app as house
from monitor import demo as story
from monitor import demo_loop as loop
from monitor.alerting.plot import PlotUnavailable, green_dashboard
from monitor.cli.terminal import (
    out,
    progress_bar,
    read_config,
    shown,
    writing,
)
from monitor.clock import SystemClock
from monitor.simulate import open_bandit
from monitor.simulate.closed_loop import events
from monitor.watch.finding import Finding
from monitor.watch.plan import ModelPlan


def demo(
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for the stream and what was found.")] = Path(
        "build/demo"
    ),
    impressions: Annotated[int, typer.Option(min=20_000, help="How many impressions to resample.")] = story.IMPRESSIONS,
) -> None:
    """See it work in a few minutes: real impressions of a shop with a harm planted, its alert and recovery; then a loop closing."""
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    read = read_config(story.config_path())
    plan = story.with_destinations(read.plans.models[0])
    out.print(
        "[bold]loopwatch demo[/bold]  20,000 real impressions of the Open Bandit Dataset (ZOZO Research, CC BY 4.0), "
        f"resampled into {impressions:,} over 21 days. Half the people get the shop's bandit (exposed), half a random item "
        f"(holdout). From day {story.PLANT.after_days:g} the exposed lose {1 - story.PLANT.keep:.0%} of their clicks, for "
        f"{story.PLANT.for_days:g} days: a harm we plant, and that the monitor does not know of.\n"
    )
    with progress_bar() as progress:
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
            on_message=lambda n: progress.console.print(shown(n)),
            on_progress=lambda n: progress.advance(task, n),
        )
        store.close()
    out.print(
        f"\nThat was {len(told.messages)} message(s) for {told.records:,} events: {len(story.fired(told))} alert(s) opened."
    )
    _silent_twin(to / "untouched", clock, plan)
    picture = _the_loop(to / "loop", clock)
    out.print(
        "\n[bold]Next[/bold]\n"
        f"  every finding     {to / 'findings.jsonl'}\n"
        f"  every alert       {to / 'alerts.jsonl'}\n"
        f"  what was planted  {to / 'stream' / 'truth.json'}\n"
        f"  the loop          {picture}\n"
        f"  the config        {story.config_path()}\n"
        "  your own topics   loopwatch check --config YOURS.yaml\n"
        "                    loopwatch run --config YOURS.yaml",
        soft_wrap=True,
    )


def _silent_twin(folder: Path, clock: SystemClock, plan: ModelPlan) -> None:
    written = open_bandit.write(folder / "stream", open_bandit.untouched())
    twin = story.tell(
        plan,
        house.file_source(story.files_of(written, plan), plan),
        house.memory_store(clock),
        clock,
        folder,
        on_message=lambda n: out.print(shown(n)),
        on_progress=lambda _: None,
    )
    out.print(
        f"\n[bold]The log as it was[/bold], nothing planted: {twin.records:,} events, {len(twin.messages)} message(s)."
    )
    for name, finding in sorted(twin.latest.items()):
        if name in {m.name for m in plan.metrics}:
            out.print(Text(f"  {story.could_have_seen(finding)}"))


def _the_loop(folder: Path, clock: SystemClock) -> Path | str:
    """The second act: a model retrained on its own clicks; the table of what happened, the alert, and the picture."""
    shape = loop.SHAPE
    out.print(
        f"\n[bold]The loop[/bold]  A simulated feed: {shape.people:,} people, {shape.items} items, a model retrained every day on the "
        f"clicks it brought about, {100 * shape.holdout:.0f} % of the people held out. From day {shape.event_at} some items draw "
        "clicks that nobody enjoys. No dashboard shows it.\n"
    )
    findings: list[Finding] = []
    with progress_bar() as progress:
        stream = events.events(loop.SEED, loop.MODE, shape)
        events.write(
            folder / "stream", progress.track(stream, total=shape.periods, description="the loop closes, days")
        )
        task = progress.add_task("reading", total=None)
        plan = story.with_destinations(read_config(story.config_path().with_name("closed-loop.yaml")).plans.models[0])
        story.tell(
            plan,
            house.file_source(loop.files(folder / "stream"), plan),
            house.memory_store(clock),
            clock,
            folder,
            on_message=lambda n: progress.console.print(shown(n)),
            on_progress=lambda n: progress.advance(task, n),
            on_finding=findings.append,
        )
    points, told = loop.beneath(findings, "clicks.engagement"), loop.told_at(findings)
    table = Table(
        box=SIMPLE_HEAD, title="of exposed people (and of held-out people), day 1 is 100 %", title_justify="left"
    )
    for name in ("day", "clicks", "different items seen", ""):
        table.add_column(name, justify="right")
    for number, p in enumerate(points, 1):
        tells = "the alert above" if told is not None and told[0] == p.end else ""
        clicks = f"{p.engagement_exposed:.0%} ({p.engagement_holdout:.0%})"
        table.add_row(str(number), clicks, f"{p.items_exposed:.0%} ({p.items_holdout:.0%})", tells)
    out.print(table)
    try:
        picture = green_dashboard(
            points,
            title="A model retrained on its own clicks",
            metric="clicks",
            change_at=None if told is None else told[1],
            told_at=None if told is None else told[0],
        )
    except PlotUnavailable as missing:
        return str(missing)
    (folder / "loop.png").write_bytes(picture)
    return folder / "loop.png"

"""`loopwatch demo`: see it work in a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from monitor import app as house
from monitor import demo as story
from monitor.cli.terminal import (
    out,
    progress_bar,
    read_config,
    shown,
)
from monitor.clock import SystemClock
from monitor.simulate import open_bandit
from monitor.watch.plan import ModelPlan


def demo(
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for the stream and what was found.")] = Path(
        "build/demo"
    ),
    impressions: Annotated[int, typer.Option(min=20_000, help="How many impressions to resample.")] = story.IMPRESSIONS,
) -> None:
    """See it work in a minute: real impressions of a shop, a harm planted to the exposed, the alert, the recovery."""
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
    out.print(
        "\n[bold]Next[/bold]\n"
        f"  every finding     {to / 'findings.jsonl'}\n"
        f"  every alert       {to / 'alerts.jsonl'}\n"
        f"  what was planted  {to / 'stream' / 'truth.json'}\n"
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

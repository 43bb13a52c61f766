"""`loopwatch simulate`: a world in which the loop closes, as events to rehearse a config with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from monitor.cli.terminal import EXIT_CONFIG, err, out, progress_bar
from monitor.simulate.closed_loop import events
from monitor.simulate.closed_loop.shape import Mode, Shape


def simulate(
    mode: Annotated[Mode, typer.Option(help="What the model is trained on, and what else happens.")] = Mode.CLOSED,
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for a file a topic, and truth.json.")] = Path(
        "build/closed-loop"
    ),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    people: Annotated[int, typer.Option(min=100, help="How many people there are.")] = Shape().people,
    periods: Annotated[int, typer.Option(min=1, help="Days, each ending with a retraining.")] = Shape().periods,
    holdout: Annotated[float, typer.Option(help="Share of people who are shown random items only.")] = Shape().holdout,
) -> None:
    """A recommender that feeds on itself, with people held out: its events as files, to rehearse a config with."""
    try:
        shape = Shape(people=people, periods=periods, holdout=holdout)
    except ValueError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_CONFIG) from None
    with progress_bar() as progress:
        stream = progress.track(events.events(seed, mode, shape), total=periods, description=f"{mode}, days")
        written = events.write(to, stream)
    for topic, count in written.items():
        out.print(Text(f"  {count:>9,} events  {to / f'{topic}.jsonl.gz'}"))
    arguments = " ".join(f"{topic}={to / f'{topic}.jsonl.gz'}" for topic in events.TOPICS)
    out.print(Text(f"what truly happened, by day: {to / 'truth.json'}\n"))
    out.print(Text(f"loopwatch replay --config YOURS.yaml {arguments}"), soft_wrap=True)

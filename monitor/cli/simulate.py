"""`loopwatch simulate`: a world in which the loop closes, as events to rehearse a config with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from monitor import app as house
from monitor.cli.terminal import EXIT_CONFIG, EXIT_FAULT, err, out, progress_bar, read_config, writing
from monitor.clock import SystemClock
from monitor.ingest.source import SourceError
from monitor.simulate.closed_loop import events
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.simulate.pace import paced

_TOLD_EVERY = 100


def simulate(
    mode: Annotated[Mode, typer.Option(help="What the model is trained on, and what else happens.")] = Mode.CLOSED,
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for a file a topic, and truth.json.")] = Path(
        "build/closed-loop"
    ),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    people: Annotated[int, typer.Option(min=100, help="How many people there are.")] = Shape().people,
    periods: Annotated[int, typer.Option(min=1, help="Days, each ending with a retraining.")] = Shape().periods,
    holdout: Annotated[
        float, typer.Option(help="Share of people who are shown random items only; 0 for none.")
    ] = Shape().holdout,
    old_version: Annotated[
        float, typer.Option(help="Share of people whom the first model goes on serving, as version ranker-0.")
    ] = Shape().old_version,
    organic: Annotated[
        float,
        typer.Option(help="Chance a day that somebody searches for an item and clicks it, as source search."),
    ] = Shape().organic,
    kafka: Annotated[
        Path | None,
        typer.Option("--kafka", "-k", help="Write to the Kafka of this config instead, under its topic_prefix."),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="With --kafka: events a second.")] = 1_000.0,
) -> None:
    """A recommender that feeds on itself, with people held out: its events as files or into Kafka, to rehearse a config with.

    Into Kafka the world's days end yesterday, so that a daemon which is told `start: earliest` takes no event for one of the future.
    """
    try:
        shape = Shape(people=people, periods=periods, holdout=holdout, old_version=old_version, organic=organic)
    except ValueError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_CONFIG) from None
    if kafka is not None:
        _into_kafka(kafka, mode, seed, shape, rate)
        return
    with writing(to), progress_bar() as progress:
        stream = progress.track(events.events(seed, mode, shape), total=periods, description=f"{mode}, days")
        written = events.write(to, stream)
    for topic, count in written.items():
        out.print(Text(f"  {count:>9,} events  {to / f'{topic}.jsonl.gz'}"))
    arguments = " ".join(f"{topic}={to / f'{topic}.jsonl.gz'}" for topic in events.TOPICS)
    out.print(Text(f"what truly happened, by day: {to / 'truth.json'}\n"))
    out.print(Text(f"loopwatch replay --config YOURS.yaml {arguments}"), soft_wrap=True)


def _into_kafka(config: Path, mode: Mode, seed: int, shape: Shape, rate: float) -> None:
    settings = read_config(config).loaded.settings.kafka
    if settings is None:
        err.print(Text(f"{config}: names no kafka: brokers, so there is nowhere to write to"))
        raise typer.Exit(EXIT_CONFIG)
    clock, began, sent = SystemClock(), time.monotonic(), 0
    encoder = msgspec.json.Encoder()
    stream = events.events(seed, mode, shape, events.lately(clock.now(), shape.periods))
    try:
        with house.kafka_sink(settings) as sink, progress_bar() as progress:
            sink.require(settings.topic_prefix + topic for topic in events.TOPICS)
            task = progress.add_task(f"{mode}, days", total=shape.periods)
            days = ((day, event) for day, (_, due) in enumerate(stream) for event in due)
            for day, event in paced(days, rate, lambda: time.monotonic_ns() // 1_000_000, clock.sleep):
                sink.send(settings.topic_prefix + event.topic, event.key.encode(), encoder.encode(event.value))
                sent += 1
                if sent % _TOLD_EVERY == 0:
                    progress.update(task, completed=day, description=f"{mode}, {sent:,} events, days")
            sink.flush()
            progress.update(task, completed=shape.periods)
    except SourceError as error:
        err.print(Text(str(error)))
        raise typer.Exit(EXIT_FAULT) from None
    except KeyboardInterrupt:
        out.print(Text(f"stopped after {sent:,} events"))
        raise typer.Exit(EXIT_FAULT) from None
    took = max(time.monotonic() - began, 1e-3)
    topics = ", ".join(settings.topic_prefix + topic for topic in events.TOPICS)
    out.print(
        Text(
            f"{sent:,} events in {took:,.1f} s, {sent / took:,.0f} a second, to {', '.join(settings.brokers)}: {topics}"
        )
    )

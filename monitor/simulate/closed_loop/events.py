"""The world's periods as events: slates, clicks, reads (clicks that pleased) and returns, each stream in order of time.

Where people look for items by themselves (`Shape.organic`), every click says its `source`: "recommended", or "search", which
names a person and no slate.

Names of fields are those of deploy/examples/closed-loop.yaml. A period is a day of UTC; the first is 1 March 2026, unless told.
"""

from __future__ import annotations

import gzip
import heapq
import io
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from detectors.columns import Bools, Floats, Ints
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.simulate.closed_loop.world import FIRST, Period, periods, request

SLATES, CLICKS, READS, RETURNS = "loop.slates", "loop.clicks", "loop.reads", "loop.returns"
TOPICS = (SLATES, CLICKS, READS, RETURNS)
FIRST_DAY = 1_772_323_200_000
DAY = 86_400_000
_CLICK_WITHIN, _READ_WITHIN = 20 * 60_000, 6 * 3_600_000
_CATEGORIES = ("sport", "politics", "music", "travel", "science", "food")


class Event(NamedTuple):
    """One message: `time` of the event, ms; `key` for its partition: the person."""

    time: int
    topic: str
    key: str
    value: dict[str, Any]


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a period, as only the world knows it: means over slates of the truly exposed and held out.

    `effective_items` are those of the model as it is retrained; NaN (null in a file) for a holdout of nobody.
    """

    period: int
    start: int
    effective_items: float
    click_exposed: float
    click_holdout: float
    return_exposed: float
    return_holdout: float


def events(seed: int, mode: Mode, shape: Shape, first_day: int = FIRST_DAY) -> Iterator[tuple[Truth, list[Event]]]:
    """The events of each period in order of time, whatever comes after its end put off to the next; the rest with the last.

    first_day   start of the first period, ms since the epoch.
    """
    clock, later = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(6)[3::2])
    waiting: list[tuple[int, int, Event]] = []
    count = 0
    for period in periods(seed, mode, shape):
        for event in (*_events(clock, shape, period, first_day), *_searches(later, period, first_day)):
            heapq.heappush(waiting, (event.time, count, event))
            count += 1
        end = first_day + period.number * DAY
        due: list[Event] = []
        while waiting and (waiting[0][0] < end or period.number == shape.periods):
            due.append(heapq.heappop(waiting)[2])
        yield _truth(period, shape, first_day), due


def lately(now: int, periods: int) -> int:
    """The first day of a world all of which lies in the past, and ends as late as it can; ms since the epoch."""
    return now - now % DAY - (periods + 1) * DAY


def write(folder: Path, stream: Iterable[tuple[Truth, list[Event]]]) -> dict[str, int]:
    """TOPIC.jsonl.gz for each topic, and truth.json. Returns how many events of each topic were written."""
    folder.mkdir(parents=True, exist_ok=True)
    written, truths = dict.fromkeys(TOPICS, 0), []
    encoder = msgspec.json.Encoder()
    with ExitStack() as stack:
        files = {
            topic: io.BufferedWriter(
                stack.enter_context(gzip.GzipFile(folder / f"{topic}.jsonl.gz", "wb", compresslevel=3, mtime=0))
            )
            for topic in TOPICS
        }
        for truth, due in stream:
            truths.append(truth)
            for event in due:
                files[event.topic].write(encoder.encode(event.value) + b"\n")
                written[event.topic] += 1
        for file in files.values():
            file.flush()
    (folder / "truth.json").write_bytes(msgspec.json.format(encoder.encode(truths)) + b"\n")
    return written


def _events(clock: np.random.Generator, shape: Shape, period: Period, first_day: int) -> Iterator[Event]:
    start = first_day + (period.number - 1) * DAY
    n, places = period.items.shape
    served: Ints = np.asarray(start + clock.integers(0, DAY, n))
    click_after = clock.integers(1_000, _CLICK_WITHIN, (n, places))
    read_after = clock.integers(60_000, _READ_WITHIN, (n, places))
    return_after: Ints = np.asarray(clock.integers(3_600_000, DAY, n))
    for row in range(n):
        person, slate, time = (
            f"p{period.person[row]}",
            request(period.number, int(period.person[row])),
            int(served[row]),
        )
        yield Event(time, SLATES, person, _slate(period, shape, row, person, slate, time))
        for place in np.flatnonzero(period.clicked[row]).tolist():
            item, at = f"i{period.items[row, place]}", time + int(click_after[row, place])
            click = {"time": at, "slate": slate, "item": item, "person": person}
            yield Event(at, CLICKS, person, click | ({"source": "recommended"} if shape.organic else {}))
            if period.pleased[row, place]:
                at = time + int(read_after[row, place])
                yield Event(at, READS, person, {"time": at, "slate": slate, "item": item, "person": person})
        if period.returned[row]:
            at = time + int(return_after[row])
            yield Event(at, RETURNS, person, {"time": at, "person": person})


def _searches(later: np.random.Generator, period: Period, first_day: int) -> Iterator[Event]:
    """Clicks that no slate brought about."""
    at = first_day + (period.number - 1) * DAY + later.integers(0, DAY, len(period.seeker))
    for time, row, item in zip(at.tolist(), period.seeker.tolist(), period.sought.tolist(), strict=True):
        person = f"p{period.person[row]}"
        yield Event(time, CLICKS, person, {"time": time, "item": f"i{item}", "person": person, "source": "search"})


def _slate(period: Period, shape: Shape, row: int, person: str, slate: str, time: int) -> dict[str, Any]:
    explored = shape.slots - shape.explored if period.by_model[row] else 0
    shown = []
    for place, item in enumerate(period.items[row].tolist()):
        entry: dict[str, Any] = {"id": f"i{item}", "position": place + 1, "topic": _CATEGORIES[item % len(_CATEGORIES)]}
        entry |= {"pair": int(period.pair[item]), "score": round(float(period.score[row, place]), 4)}
        if place >= explored:
            entry |= {"explored": True, "propensity": 1.0 / shape.items}
        else:
            entry["explored"] = False
        shown.append(entry)
    return {
        "slate": slate,
        "time": time,
        "person": person,
        "arm": "holdout" if period.held_out[row] else "exposed",
        "version": FIRST if period.old[row] else period.version,
        "policy": "model" if period.by_model[row] else "random",
        "tilted": bool(period.tilted[row]),
        "shown": shown,
    }


def _truth(period: Period, shape: Shape, first_day: int) -> Truth:
    ours = period.by_model
    shown = np.bincount(
        period.items[ours & ~period.old][:, : shape.slots - shape.explored].ravel(), minlength=shape.items
    )
    total = int(shown.sum())
    return Truth(
        period=period.number,
        start=first_day + (period.number - 1) * DAY,
        effective_items=total * (total - 1) / max(int((shown * (shown - 1)).sum()), 1),
        click_exposed=float(period.clicked[ours].any(axis=1).mean()),
        click_holdout=_mean(period.clicked[~ours].max(axis=1, initial=False)),
        return_exposed=float(period.true_return[ours].mean()),
        return_holdout=_mean(period.true_return[~ours]),
    )


def _mean(values: Bools | Floats) -> float:
    return float(values.mean()) if len(values) else math.nan

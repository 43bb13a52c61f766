"""`make soak`: five million events, one in a hundred of them garbage, through real servers; memory and commit time stay flat.

The real daemon reads from a real Kafka, commits to a real PostgreSQL, and is looked at every second. Target: the median of the
last quarter of the events is at most 1.1 of that of the second quarter, for resident memory and for the time of a commit. Run it on
a quiet machine: other work slows a commit as it slows anything else. Beside it one transaction of fixed size is made on the same
server in the same seconds; it is reported, not judged, as it gets faster by itself while a run goes on (.65 and .50 of its time in
two runs), so that what is divided by it seems to grow.

Predictions and clicks stand in one topic, in the order of their time: so every turn takes in the same stretch of event time, and
closes the same number of windows. Of two topics that were all written before, the smaller one would be read to its end first; from
there on a turn would hold predictions alone, of twice the time, and a commit twice the windows, whatever had gone before.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np
import psycopg
from kafka import KafkaConsumer, KafkaProducer, TopicPartition  # type: ignore[import-untyped]  # ships no types

from monitor.store.via_sql import upgrade
from tests.benchmarks.targets import Row, publish
from tests.e2e.daemons import RunningDaemon
from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import PostgresCluster

COMMAND = "make soak"
EVENTS = 5_000_000
SHARE_OF_CLICKS = 0.3
GARBAGE = 0.01
DAYS = 4
UNITS = 40_000
TOPIC = "events"
PARTITIONS = 2
MOST = 1.1
STUCK_S = 300
_DAY = 86_400_000
_CHUNK = 20_000

CONFIG = """
kafka: {{ brokers: [{brokers}], start: earliest }}
database: {database}
notify: {{ nobody: "json://127.0.0.1:1/" }}
http: {{ port: 0 }}
limits: {{ turn_records: 20000 }}

model: soak
kind: recommender
window: 10m
predictions:
  topic: events
  where: {{ what: slate }}
  id: slate
  time: at
  unit: who
  version: build
  score: score
  features: [age]
  item: item
outcomes:
  click: {{ topic: events, where: {{ what: click }}, time: at, match: {{ id: slate }}, within: 10m }}
cohorts: {{ field: arm, holdout: {{ share: 10% }} }}
metrics: {{ clicks: {{ of: click }} }}
"""

RUBBISH: Sequence[bytes] = (
    b'{"slate": ',
    b"\xff\xfe\x00garbage",
    b'{"slate": 7, "at": "yesterday", "who": null}',
    b'{"slate": "s", "at": NaN, "who": "u"}',
    b"[" * 2_000,
    b'{"slate": "' + b"x" * 40_000 + b'", "at": {}, "who": []}',
    b'{"slate": "t", "at": 99999999999999999999, "who": "u", "score": 1e999}',
    b"",
)


@dataclass(frozen=True)
class Look:
    """One look at the daemon: events read, resident memory in bytes, commits so far and the seconds they took in all.

    `fixed`: seconds that a transaction of fixed size took just now.
    """

    at: float
    events: float
    rss: int
    commits: float
    seconds: float
    fixed: float


def written(brokers: list[str], start: int, events: int) -> None:
    """Write all events in the order of their time, spread over partitions."""
    rng = np.random.default_rng(7)
    predictions = int(events * (1 - SHARE_OF_CLICKS))
    with KafkaProducer(bootstrap_servers=brokers, linger_ms=50, batch_size=262_144, compression_type="lz4") as producer:
        for first in range(0, predictions, _CHUNK):
            for partition, body in _chunk(rng, start, first, min(_CHUNK, predictions - first), predictions):
                producer.send(TOPIC, body, partition=partition)
            producer.flush()


def _chunk(
    rng: np.random.Generator, start: int, first: int, count: int, predictions: int
) -> Iterator[tuple[int, bytes]]:
    at = (start + (first + np.arange(count)) * (DAYS * _DAY / predictions)).astype(np.int64).tolist()
    who = rng.integers(0, UNITS, count).tolist()
    score, age = rng.normal(0, 1, count).round(4).tolist(), rng.normal(40, 10, count).round(1).tolist()
    item = (rng.pareto(1.2, count) * 10).astype(np.int64).tolist()
    clicked = rng.random(count) < SHARE_OF_CLICKS / (1 - SHARE_OF_CLICKS)
    broken = rng.random(count) < GARBAGE
    for i in range(count):
        n = first + i
        arm = "holdout" if who[i] % 10 == 0 else "exposed"
        body = (
            f'{{"what":"slate","slate":"s{n}","at":{at[i]},"who":"u{who[i]}","arm":"{arm}","build":"b{n // 1_000_000}",'
            f'"score":{score[i]},"age":{age[i]},"item":"i{item[i] % 5_000}"}}'
        ).encode()
        yield n % PARTITIONS, RUBBISH[n % len(RUBBISH)] if broken[i] else body
        if clicked[i]:
            click = f'{{"what":"click","slate":"s{n}","at":{at[i] + 20_000}}}'.encode()
            yield n % PARTITIONS, RUBBISH[n % len(RUBBISH)] if n % 100 == 0 else click


class Fixed:
    """A transaction of fixed size, as large as a commit of the daemon."""

    def __init__(self, url: str) -> None:
        self._session = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        self._session.execute("CREATE TABLE fixed (id int PRIMARY KEY, data bytea NOT NULL)")
        self._large, self._small = os.urandom(100_000), os.urandom(500)

    def seconds(self) -> float:
        """How long it takes now."""
        began = time.monotonic()
        with self._session.transaction(), self._session.cursor() as cursor:
            cursor.execute("DELETE FROM fixed")
            for i in range(10):
                cursor.execute("INSERT INTO fixed VALUES (%s, %s)", (i, self._large))
            for i in range(10, 110):
                cursor.execute("INSERT INTO fixed VALUES (%s, %s)", (i, self._small))
        return time.monotonic() - began

    def close(self) -> None:
        self._session.close()


def _kept(brokers: list[str]) -> int:
    """How many records the topics hold."""
    with KafkaConsumer(bootstrap_servers=brokers) as consumer:
        ends = consumer.end_offsets([TopicPartition(TOPIC, p) for p in range(PARTITIONS)])
    return sum(ends.values())


def looked(daemon: RunningDaemon, fixed: Fixed) -> Look | None:
    """How the daemon is; None while it cannot be told."""
    status, metrics = daemon.get("/metrics")
    if status != 200:
        return None

    def total(name: str, of: str = "") -> float:
        told = re.findall(rf"^loopwatch_{name}{{[^}}]*{of}[^}}]*}} (\S+)$", metrics, re.MULTILINE)
        return sum(float(value) for value in told)

    resident = re.search(r"^process_resident_memory_bytes (\S+)$", metrics, re.MULTILINE)
    if resident is None:
        return None
    return Look(
        at=time.monotonic(),
        events=total("records_read_total", of='stream="predictions"'),
        rss=int(float(resident[1])),
        commits=total("commit_seconds_count"),
        seconds=total("commit_seconds_sum"),
        fixed=fixed.seconds(),
    )


def soaked(events: int, folder: Path) -> list[Look]:
    """Everything from the start of the servers to the last event; the looks that were taken."""
    cluster, postgres = KafkaCluster(), PostgresCluster()
    looks: list[Look] = []
    try:
        cluster.start()
        postgres.start()
        cluster.create_topic(TOPIC, PARTITIONS)
        url = postgres.create_database("soak")
        upgrade(url)
        config = folder / "loopwatch.yaml"
        config.write_text(CONFIG.format(brokers=", ".join(cluster.bootstrap), database=url))
        start = int(time.time() * 1000) - (DAYS + 1) * _DAY
        start -= start % _DAY
        writer = multiprocessing.get_context("spawn").Process(
            target=written, args=(cluster.bootstrap, start, events), daemon=True
        )
        writer.start()
        writer.join()  # all of it is there before the first is read, so that every turn is of one size
        if writer.exitcode:
            raise RuntimeError("the events could not be written")
        with RunningDaemon(config, {}) as daemon, closing(Fixed(postgres.create_database("fixed"))) as fixed:
            whole, last, unchanged = _kept(cluster.bootstrap), 0.0, 0
            while last < whole:
                time.sleep(1)
                if daemon.process.poll() is not None:
                    raise RuntimeError(f"the daemon ended: {daemon.err.read_text()[-2000:]}")
                look = looked(daemon, fixed)
                if look is None:
                    continue
                unchanged = 0 if look.events > last else unchanged + 1
                if unchanged > STUCK_S:
                    raise RuntimeError(f"nothing was read for {STUCK_S} s: {daemon.parts()}")
                last = look.events
                looks.append(look)
                if len(looks) % 20 == 0:
                    sys.stderr.write(f"{look.events:,.0f} events, {look.rss / 1e6:,.0f} MB\n")
            daemon.terminate()
    finally:
        cluster.stop()
        postgres.stop()
    return looks


@dataclass(frozen=True)
class Quarter:
    """Medians over one quarter of the events: memory (bytes), time of a commit (seconds), the same as a multiple of `Look.fixed`."""

    rss: float
    commit: float
    relative: float
    looks: int


def quarter(looks: Sequence[Look], number: int) -> Quarter:
    """The medians of one quarter, 1 to 4."""
    whole = looks[-1].events
    inside = [
        (before, look)
        for before, look in itertools.pairwise(looks)
        if (number - 1) * whole / 4 <= before.events
        and look.events <= number * whole / 4
        and look.events > before.events
    ]
    took = [
        ((b.seconds - a.seconds) / (b.commits - a.commits), (a.fixed + b.fixed) / 2)
        for a, b in inside
        if b.commits > a.commits
    ]
    return Quarter(
        rss=statistics.median(b.rss for _, b in inside),
        commit=statistics.median(each for each, _ in took),
        relative=statistics.median(each / fixed for each, fixed in took),
        looks=len(inside),
    )


def drawn(looks: Sequence[Look], path: Path) -> None:
    """Memory and commit time over events, as a picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (memory, commit) = plt.subplots(2, 1, sharex=True, figsize=(9, 6))
    memory.plot([k.events / 1e6 for k in looks], [k.rss / 1e6 for k in looks])
    memory.set_ylabel("resident memory, MB")
    memory.set_ylim(bottom=0)
    pairs = [(a, b) for a, b in itertools.pairwise(looks) if b.commits > a.commits]
    times = [1e3 * (b.seconds - a.seconds) / (b.commits - a.commits) for a, b in pairs]
    commit.plot([b.events / 1e6 for _, b in pairs], times, ".", markersize=3)
    commit.set_ylabel("commit, ms")
    commit.set_ylim(bottom=0)
    commit.set_xlabel("million events, 1 % of them garbage")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run, draw, publish. An argument is the number of events, if not five million."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    build = Path("build")
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="loopwatch-soak-") as folder:
        looks = soaked(events, Path(folder))
    (build / "soak.json").write_bytes(msgspec.json.encode([asdict(look) for look in looks]))
    drawn(looks, build / "soak.png")
    second, last = quarter(looks, 2), quarter(looks, 4)
    read, seconds = looks[-1].events, looks[-1].at - looks[0].at
    sys.stderr.write(
        f"{json.dumps({'events': read, 'seconds': round(seconds), 'cores': os.cpu_count()})}\n"
        f"second quarter: {second}\nlast quarter:   {last}\n"
    )
    compared = (
        ("resident memory", last.rss / second.rss, MOST),
        ("time of a commit", last.commit / second.commit, MOST),
        ("time of a commit, beside a fixed transaction", last.relative / second.relative, None),
    )
    rows = [_row("soak: events read", read, "events", len(looks), EVENTS * 0.999, at_most=False)]
    rows += [
        _row(f"soak: {name}, last quarter / second quarter", ratio, "ratio", last.looks, most)
        for name, ratio, most in compared
    ]
    publish(rows, build / "TARGET.json")
    if not all(row.met in (True, None) for row in rows):
        raise SystemExit(1)


def _row(name: str, value: float, unit: str, n: int, target: float | None, *, at_most: bool = True) -> Row:
    met = None if target is None else value <= target if at_most else value >= target
    return Row(name=name, value=value, unit=unit, low=value, high=value, n=n, target=target, met=met, command=COMMAND)


if __name__ == "__main__":
    main()

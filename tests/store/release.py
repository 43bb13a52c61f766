"""Writes a database of the code as it is now: run before a new migration is added, it is what `test_releases.py` upgrades later.

    python -m tests.store.release tests/store/releases/vNNNN.jsonl.gz

The small shop of tests/engine, until some alerts are open, with a command taken and one waiting, messages in every state, and a part
of the findings and links forgotten.
"""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitor.alerting.alert import Delivery, Outcome
from monitor.clock import ManualClock
from monitor.ingest.mapping import PREDICTIONS
from monitor.ingest.via_memory import MemorySource
from monitor.store.protocols import Command, Kept
from monitor.store.via_sql import SqlStore
from monitor.store.via_sql.tables import metadata
from monitor.testing import Run
from tests.engine.shop import MINUTE, START, shop_contents, shop_plan
from tests.store.places import NOW

MINUTES = 200


def fill(url: str) -> None:
    """Run the shop into an empty database."""
    SqlStore.upgrade(url)
    clock = ManualClock(NOW)
    store = SqlStore(url, clock)
    run = Run(shop_plan(), MemorySource(shop_contents()), store, clock, 50)
    turns, lease = run.turns(), run.lease()
    author = "ana@host:1"
    store.submit(Command(number=0, model="shop", verb="rearm", target="clicks-fall", author=author, asked_at=NOW))
    while turns.memory.lanes.get(PREDICTIONS, 0) < START + MINUTES * MINUTE:
        turns.turn(lease)
        clock.sleep(500)
    store.submit(Command(number=0, model="shop", verb="arm", arguments={"why": "ready"}, author=author, asked_at=NOW))
    became = [Delivery(outcome=Outcome.DELIVERED), Delivery(outcome=Outcome.REFUSED, reason="channel_not_found")]
    for place, row in enumerate(store.due(clock.now(), 3)):
        store.begin(row.id, clock.now(), lease)
        if place < len(became):
            store.settle(row.id, became[place], clock.now(), None, lease)
    store.purge(Kept.FINDINGS, START + 40 * MINUTE, lease)
    store.purge(Kept.AUDIT, NOW + 3_000, lease)
    store.close()


def write(database: Path, target: Path) -> None:
    """Every row of every table, one JSON object a line."""
    connection = sqlite3.connect(database)
    with gzip.GzipFile(target, "wb", mtime=0) as lines:
        for table in metadata.sorted_tables:
            found = connection.execute(f'SELECT * FROM "{table.name}"')
            names = [column[0] for column in found.description]
            for row in found:
                said = {"table": table.name, "row": {n: _plain(v) for n, v in zip(names, row, strict=True)}}
                lines.write(json.dumps(said, separators=(",", ":")).encode() + b"\n")
    connection.close()


def _plain(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        fill(f"sqlite:///{folder}/loopwatch.db")
        write(Path(folder) / "loopwatch.db", Path(sys.argv[1]))

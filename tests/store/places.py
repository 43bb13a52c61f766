"""The three stores under one contract, and small rows to put into them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from detectors.evidence import Evidence, Interval, Mode
from monitor.alerting.alert import Alert, Kind, Notification, Phase, Severity
from monitor.clock import ManualClock
from monitor.store.protocols import Lease, Store
from monitor.store.via_memory import MemoryStore
from monitor.store.via_sql import SqlStore
from monitor.watch.finding import Finding

NOW = 1_700_000_000_000
TTL = 10_000


class Place:
    """Somewhere to keep state: `store` is open; `open()` opens it once more, as a restarted daemon would;
    `held` is the lease last taken."""

    def __init__(self, opener: Callable[[], Store], clock: ManualClock) -> None:
        self.clock = clock
        self.opened: list[Store] = []
        self._opener = opener
        self.store = self.open()
        self.held = Lease("nobody", 0, 0)

    def open(self) -> Store:
        store = self._opener()
        self.opened.append(store)
        return store

    def lease(self, owner: str = "daemon-1") -> Lease:
        lease = self.store.acquire(owner, TTL)
        assert lease is not None
        self.held = lease
        return lease

    def close(self) -> None:
        for store in self.opened:
            store.close()


def places(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """An empty place of a kind: memory, sqlite or postgres."""
    clock = ManualClock(NOW)
    if kind == "memory":
        store = MemoryStore(clock)
        place = Place(lambda: store, clock)
    else:
        url = f"sqlite:///{tmp_path / 'loopwatch.db'}" if kind == "sqlite" else own_schema(request)
        SqlStore.upgrade(url)
        place = Place(lambda: SqlStore(url, clock), clock)
    yield place
    place.close()


def own_schema(request: pytest.FixtureRequest) -> str:
    """URL of an empty schema in the module's PostgreSQL database."""
    url: str = request.getfixturevalue("postgres_url")
    name = f"schema_{os.urandom(4).hex()}"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"


def finding(watch: str = "reads", start: int = 0, model: str = "feed", **evidence: Any) -> Finding:
    said: dict[str, Any] = {
        "mode": Mode.WATCHING,
        "effect": -0.02,
        "interval": Interval(low=-0.03, high=-0.01),
        "unit": "share",
    } | evidence
    return Finding(
        model=model,
        watch=watch,
        detector="cohort_bounded",
        incarnation="1",
        start=start,
        end=start + 60_000,
        evidence=Evidence(**said),
    )


def alert(
    id_: str = "7f3", phase: Phase = Phase.FIRING, opened_at: int = 60_000, model: str = "feed", **more: Any
) -> Alert:
    return Alert(
        id=id_,
        model=model,
        watch="reads",
        labels={"model": model, "team": "feed"},
        phase=phase,
        severity=Severity.PAGE,
        opened_at=opened_at,
        since=opened_at - 60_000,
        finding=finding(model=model),
        first=finding(model=model),
        **more,
    )


def notification(key: str, alert: str = "7f3", destination: str = "oncall", model: str = "feed") -> Notification:
    return Notification(
        key=key,
        alert=alert,
        model=model,
        kind=Kind.FIRING,
        severity=Severity.PAGE,
        destination=destination,
        title="feed: reads fell",
        text="*reads* fell by 2 %",
        created_at=NOW,
    )

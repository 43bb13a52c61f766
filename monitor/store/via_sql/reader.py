"""Questions of people and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from monitor.alerting.alert import Alert, Phase
from monitor.store import codec
from monitor.store.delivery import STATES
from monitor.store.protocols import Queued
from monitor.store.via_sql import ledger
from monitor.store.via_sql.relay_side import queued
from monitor.store.via_sql.tables import (
    alerts,
    dead_letters,
    findings,
    models,
    offsets,
    outbox,
    purges,
    steps,
)
from monitor.watch.finding import Finding


def model_names(connection: sa.Connection) -> Sequence[str]:
    """Models that have state, by name."""
    return sorted(connection.scalars(sa.select(models.c.model)))


def status(connection: sa.Connection, model: str) -> dict[str, Any]:
    """Where a model stands; see `Reader.status`."""
    last = connection.execute(
        sa.select(steps.c.number, steps.c.committed_at, steps.c.observed)
        .where(steps.c.model == model)
        .order_by(steps.c.number.desc())
        .limit(1)
    ).one_or_none()
    positions: dict[str, dict[int, int]] = {}
    for topic, partition, position in connection.execute(
        sa.select(offsets.c.topic, offsets.c.partition_number, offsets.c.next_offset).where(offsets.c.model == model)
    ):
        positions.setdefault(topic, {})[partition] = position
    head = ledger.head(connection, model)
    forgotten = connection.execute(sa.select(purges).where(purges.c.model == model).order_by(purges.c.kind))
    return {
        "model": model,
        "step": last.number if last else 0,
        "committed_at": last.committed_at if last else None,
        "offsets": positions,
        "observed": codec.decode(last.observed, dict) if last else {},
        "findings": _count(connection, findings, model),
        "rejects": _count(connection, dead_letters, model),
        "alerts": _counts(connection, alerts, alerts.c.phase, model, [phase.value for phase in Phase]),
        "outbox": _counts(connection, outbox, outbox.c.state, model, STATES),
        "audit": {"position": head.position, "hash": head.hash},
        "forgotten": {row.kind: row.before for row in forgotten},
    }


def latest(connection: sa.Connection, model: str) -> Sequence[Finding]:
    """The newest finding of every watch, found by one step down the index a watch."""
    first = sa.select(sa.func.min(findings.c.watch).label("watch")).where(findings.c.model == model)
    watches = first.cte("watches", recursive=True)
    following = (
        sa.select(sa.func.min(findings.c.watch))
        .where(findings.c.model == model, findings.c.watch > watches.c.watch)
        .scalar_subquery()
    )
    watches = watches.union_all(sa.select(following).where(watches.c.watch.is_not(None)))
    newest = (
        sa.select(findings.c.id)
        .where(findings.c.model == model, findings.c.watch == watches.c.watch)
        .order_by(findings.c.window_end.desc(), findings.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    ids = sa.select(newest).select_from(watches).where(watches.c.watch.is_not(None))
    found = connection.scalars(
        sa.select(findings.c.finding)
        .where(findings.c.id.in_(ids))
        .order_by(findings.c.window_end.desc(), findings.c.id.desc())
    )
    return [codec.decode(raw, Finding) for raw in found]


def findings_of(
    connection: sa.Connection, model: str, watch: str | None, since: int | None, limit: int
) -> Sequence[Finding]:
    """Findings whose window ended at `since` or later, newest window first."""
    query = sa.select(findings.c.finding).where(findings.c.model == model)
    if watch is not None:
        query = query.where(findings.c.watch == watch)
    if since is not None:
        query = query.where(findings.c.window_end >= since)
    found = connection.scalars(query.order_by(findings.c.window_end.desc(), findings.c.id.desc()).limit(limit))
    return [codec.decode(raw, Finding) for raw in found]


def alerts_of(connection: sa.Connection, model: str | None, limit: int) -> Sequence[Alert]:
    """Alerts by their opening, newest first."""
    query = sa.select(alerts.c.alert)
    if model is not None:
        query = query.where(alerts.c.model == model)
    found = connection.scalars(query.order_by(alerts.c.opened_at.desc(), alerts.c.id).limit(limit))
    return [codec.decode(raw, Alert) for raw in found]


def notifications(connection: sa.Connection, limit: int) -> Sequence[tuple[Queued, str]]:
    """Outbox rows with their state."""
    found = connection.execute(
        sa.select(outbox.c.state, outbox.c.id, outbox.c.notification, outbox.c.attempts, outbox.c.repeated)
        .order_by(outbox.c.id.desc())
        .limit(limit)
    )
    return [(queued(*row), state) for state, *row in found]


def _count(connection: sa.Connection, table: sa.Table, model: str) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.model == model)) or 0


def _counts(
    connection: sa.Connection, table: sa.Table, by: sa.Column[Any], model: str, names: Sequence[str]
) -> dict[str, int]:
    found = connection.execute(sa.select(by, sa.func.count()).where(table.c.model == model).group_by(by))
    return dict.fromkeys(names, 0) | {row[0]: row[1] for row in found}

"""Forgetting what is old, a batch a transaction."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.alerting.alert import Phase
from monitor.store.chain import PURGE, TRIM, News
from monitor.store.delivery import DELIVERED, PARKED
from monitor.store.protocols import Kept, Lease
from monitor.store.via_sql import lease, ledger
from monitor.store.via_sql.tables import (
    alerts,
    audit,
    audit_details,
    commands,
    dead_letters,
    findings,
    models,
    outbox,
    purges,
    steps,
)
from monitor.store.via_sql.writing import replace

AUDITED = (Kept.FINDINGS, Kept.ALERTS)
"""Kinds that the chain speaks of: that they are forgotten is an entry of it."""


def purge(connection: sa.Connection, kind: Kept, before: int, held: Lease, now: int, limit: int) -> int:
    """Delete up to `limit` rows of a kind; how many went. Raises `LeaseLost`."""
    lease.verify(connection, held)
    if kind is Kept.AUDIT:
        return _trim(connection, before, now, limit)
    if kind not in AUDITED:
        return _delete(connection, kind, before, limit)
    gone = 0
    for model in _with_old(connection, kind, before):
        gone += _announce_and_delete(connection, model, kind, before, now, limit - gone)
        if gone == limit:
            break
    return gone


def _with_old(connection: sa.Connection, kind: Kept, before: int) -> list[str]:
    table, old = _old(kind, before)
    return sorted(connection.scalars(sa.select(table.c.model).where(old).distinct()))


def _announce_and_delete(connection: sa.Connection, model: str, kind: Kept, before: int, now: int, limit: int) -> int:
    told = connection.scalar(sa.select(purges.c.before).where(purges.c.model == model, purges.c.kind == kind))
    if told is None or told < before:
        standing, news = ledger.lock(connection, model), News()
        news.detail(PURGE, kind, {"kind": kind, "before": before})
        ledger.advance(connection, model, standing, news, now)
        replace(connection, purges, [{"model": model, "kind": kind, "before": before}])
    return _delete(connection, kind, before, limit, model)


def _delete(connection: sa.Connection, kind: Kept, before: int, limit: int, model: str = "") -> int:
    table, old = _old(kind, before)
    key = list(table.primary_key.columns)
    chosen = sa.select(*key).where(old, table.c.model == model) if model else sa.select(*key).where(old)
    return connection.execute(sa.delete(table).where(sa.tuple_(*key).in_(chosen.limit(limit)))).rowcount


def _old(kind: Kept, before: int) -> tuple[sa.Table, sa.ColumnElement[bool]]:
    if kind is Kept.FINDINGS:
        return findings, findings.c.window_end < before
    if kind is Kept.STEPS:
        superseded = sa.exists().where(models.c.model == steps.c.model, models.c.step > steps.c.number)
        return steps, sa.and_(steps.c.committed_at < before, superseded)
    if kind is Kept.DEAD_LETTERS:
        return dead_letters, dead_letters.c.committed_at < before
    if kind is Kept.ALERTS:
        return alerts, sa.and_(alerts.c.phase == Phase.RESOLVED, alerts.c.resolved_at < before)
    if kind is Kept.COMMANDS:
        return commands, sa.and_(commands.c.taken_in_step.is_not(None), commands.c.asked_at < before)
    open_alert = sa.exists().where(alerts.c.id == outbox.c.alert, alerts.c.phase != Phase.RESOLVED)
    return outbox, sa.and_(outbox.c.state.in_((DELIVERED, PARKED)), outbox.c.settled_at < before, ~open_alert)


def _trim(connection: sa.Connection, before: int, now: int, limit: int) -> int:
    """Forget the oldest links of every chain; a link that says up to where, and with which hash, is added first."""
    gone = 0
    for model in sorted(connection.scalars(sa.select(audit.c.model).where(audit.c.at < before).distinct())):
        standing, news = ledger.lock(connection, model), News()
        oldest = ledger.links(connection, model, 0, limit - gone)
        old = [link for link in oldest if link.at < before and link.position < standing.head.position]
        if old:
            last = old[-1]
            news.detail(TRIM, str(last.position), {"position": last.position, "hash": last.hash, "before": before})
            ledger.advance(connection, model, standing, news, now)
            for table in (audit_details, audit):
                connection.execute(sa.delete(table).where(table.c.model == model, table.c.position <= last.position))
        gone += len(old)
        if gone == limit:
            break
    return gone

"""Forgetting what is old, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.alerting.alert import Alert, Phase
from monitor.store.chain import PURGE, TRIM, News
from monitor.store.delivery import DELIVERED, PARKED
from monitor.store.protocols import Kept
from monitor.store.via_memory.shelves import OutboxRow, Shelf


def purge_alerts(shelves: Iterable[Shelf], alerts: dict[str, Alert], before: int, now: int, limit: int) -> int:
    """Drop alerts that were resolved before; how many."""
    old = [
        alert
        for alert in alerts.values()
        if alert.phase is Phase.RESOLVED and alert.resolved_at is not None and alert.resolved_at < before
    ][:limit]
    for shelf in shelves:
        if any(alert.model == shelf.model for alert in old):
            _announce(shelf, Kept.ALERTS, before, now)
    for alert in old:
        del alerts[alert.id]
    return len(old)


def purge_outbox(outbox: dict[int, OutboxRow], alerts: dict[str, Alert], before: int, limit: int) -> list[OutboxRow]:
    """Drop rows that were settled before and whose alert is not open."""
    opened = {alert.id for alert in alerts.values() if alert.phase is not Phase.RESOLVED}
    old = [
        row
        for row in outbox.values()
        if row.state in (DELIVERED, PARKED)
        and row.settled_at is not None
        and row.settled_at < before
        and row.notification.alert not in opened
    ][:limit]
    for row in old:
        del outbox[row.id]
    return old


def purge_shelf(shelf: Shelf, kind: Kept, before: int, now: int, limit: int) -> int:
    """Drop a model's findings, steps, dead letters or links that are older; how many."""
    if kind is Kept.FINDINGS:
        old = [key for key, stored in shelf.findings.items() if stored.finding.end < before][:limit]
        if old:
            _announce(shelf, kind, before, now)
        for key in old:
            del shelf.findings[key]
        return len(old)
    if kind is Kept.STEPS:
        steps = [step for step in shelf.steps[:-1] if step.at < before][:limit]
        shelf.steps = [step for step in shelf.steps if step not in steps]
        return len(steps)
    if kind is Kept.DEAD_LETTERS:
        letters = [each for each in shelf.rejects if each[0] < before][:limit]
        shelf.rejects = [each for each in shelf.rejects if each not in letters]
        return len(letters)
    return _trim(shelf, before, now, limit)


def _announce(shelf: Shelf, kind: Kept, before: int, now: int) -> None:
    if shelf.purged.get(kind, before - 1) < before:
        news = News()
        news.detail(PURGE, kind, {"kind": kind, "before": before})
        shelf.chain(news, now)
        shelf.purged[kind] = before


def _trim(shelf: Shelf, before: int, now: int, limit: int) -> int:
    old = [link for link in shelf.links[:limit] if link.at < before and link.position < shelf.head.position]
    if old:
        last, news = old[-1], News()
        news.detail(TRIM, str(last.position), {"position": last.position, "hash": last.hash, "before": before})
        shelf.chain(news, now)
        shelf.links = shelf.links[len(old) :]
        shelf.details = {at: text for at, text in shelf.details.items() if at[0] > last.position}
    return len(old)

"""The audit chain in the tables: links are appended under the lock of their model's row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from monitor.alerting.alert import Alert
from monitor.store import codec
from monitor.store.chain import Head, Link, News
from monitor.store.protocols import RecordedAlert, RecordedFinding
from monitor.store.via_sql import rows
from monitor.store.via_sql.tables import alerts, audit, audit_details, findings, models
from monitor.store.via_sql.writing import insert_new
from monitor.watch.finding import Finding

T = TypeVar("T")


class Standing(NamedTuple):
    """A model's own row: its last step, the fingerprint of its plan, the head of its chain."""

    step: int
    plan: str
    head: Head


def lock(connection: sa.Connection, model: str) -> Standing:
    """The model's row, locked until the transaction ends; a model without state gets its row."""
    query = sa.select(models.c.step, models.c.plan, models.c.links, models.c.head).where(models.c.model == model)
    found = connection.execute(query.with_for_update()).one_or_none()
    if found is None:
        insert_new(connection, models, [{"model": model, "step": 0}])
        found = connection.execute(query.with_for_update()).one()
    return Standing(found.step, found.plan, Head(found.links, found.head))


def advance(connection: sa.Connection, model: str, standing: Standing, news: News, now: int) -> None:
    """Write the model's row, and a link if there is news."""
    head = standing.head
    if news:
        link = news.link(model, head, standing.step, now)
        head = Head(link.position, link.hash)
        connection.execute(sa.insert(audit), _row(link))
        if news.details:
            connection.execute(
                sa.insert(audit_details),
                [
                    {"model": model, "position": link.position, "place": place, "detail": text}
                    for place, text in news.details.items()
                ],
            )
    connection.execute(
        sa.update(models)
        .where(models.c.model == model)
        .values(step=standing.step, plan=standing.plan, links=head.position, head=head.hash)
    )


def _row(link: Link) -> dict[str, Any]:
    return {name: getattr(link, name) for name in link.__struct_fields__}


def head(connection: sa.Connection, model: str) -> Head:
    """The newest link as the model's row remembers it."""
    found = connection.execute(sa.select(models.c.links, models.c.head).where(models.c.model == model)).one_or_none()
    return Head() if found is None else Head(found.links, found.head)


def links(connection: sa.Connection, model: str, after: int, limit: int) -> Sequence[Link]:
    """Links above a position, oldest first."""
    found = connection.execute(
        sa.select(audit).where(audit.c.model == model, audit.c.position > after).order_by(audit.c.position).limit(limit)
    )
    return [Link(**row) for row in found.mappings()]


def details(connection: sa.Connection, model: str, first: int, last: int) -> Mapping[tuple[int, int], str]:
    """Details of the links at these positions."""
    found = connection.execute(
        sa.select(audit_details.c.position, audit_details.c.place, audit_details.c.detail).where(
            audit_details.c.model == model, audit_details.c.position.between(first, last)
        )
    )
    return {(position, place): text for position, place, text in found}


def recorded_findings(
    connection: sa.Connection, model: str, after: tuple[int, int], limit: int
) -> Sequence[RecordedFinding]:
    """Findings above (step, row), by step and row, each column held against the text."""
    step, row = after
    found = connection.execute(
        sa.select(findings)
        .where(
            findings.c.model == model,
            findings.c.step >= step,
            sa.or_(findings.c.step > step, findings.c.id > row),
        )
        .order_by(findings.c.step, findings.c.id)
        .limit(limit)
    )
    return [_recorded_finding(row) for row in found.mappings()]


class FrozenLedger:
    """`monitor.store.protocols.Ledger` within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def head(self, model: str) -> Head:
        """The newest link as the model's row remembers it."""
        return head(self._connection, model)

    def links(self, model: str, *, after: int = 0, limit: int = 500) -> Sequence[Link]:
        """Links above a position, oldest first."""
        return links(self._connection, model, after, limit)

    def details(self, model: str, first: int, last: int) -> Mapping[tuple[int, int], str]:
        """Details of the links at these positions."""
        return details(self._connection, model, first, last)

    def recorded_findings(
        self, model: str, *, after: tuple[int, int] = (-1, -1), limit: int = 5_000
    ) -> Sequence[RecordedFinding]:
        """Findings by step and row."""
        return recorded_findings(self._connection, model, after, limit)

    def step_of(self, model: str, watch: str, incarnation: str, start: int, end: int) -> int | None:
        """The step of the stored finding of a watch and window."""
        return step_of(self._connection, model, watch, incarnation, start, end)

    def recorded_alerts(self, model: str, *, after: str = "", limit: int = 1_000) -> Sequence[RecordedAlert]:
        """Alerts by id."""
        return recorded_alerts(self._connection, model, after, limit)


def _recorded_finding(row: Mapping[Any, Any]) -> RecordedFinding:
    return RecordedFinding(
        row=row["id"],
        step=row["step"],
        watch=row["watch"],
        incarnation=row["incarnation"],
        start=row["window_start"],
        end=row["window_end"],
        text=_text(row["finding"]),
        differing=_differing(row, "finding", Finding, rows.of_finding),
    )


def step_of(connection: sa.Connection, model: str, watch: str, incarnation: str, start: int, end: int) -> int | None:
    """The step of a watch's stored finding of a window."""
    return connection.scalar(
        sa.select(findings.c.step).where(
            findings.c.model == model,
            findings.c.watch == watch,
            findings.c.incarnation == incarnation,
            findings.c.window_start == start,
            findings.c.window_end == end,
        )
    )


def recorded_alerts(connection: sa.Connection, model: str, after: str, limit: int) -> Sequence[RecordedAlert]:
    """Alerts above an id, by id, each column held against the text."""
    found = connection.execute(
        sa.select(alerts).where(alerts.c.model == model, alerts.c.id > after).order_by(alerts.c.id).limit(limit)
    )
    return [
        RecordedAlert(
            id=row["id"],
            step=row["step"],
            text=_text(row["alert"]),
            differing=_differing(row, "alert", Alert, rows.of_alert),
        )
        for row in found.mappings()
    ]


def _text(raw: str | bytes) -> str:
    """A column of JSON as text: one driver gives it as bytes."""
    return raw if isinstance(raw, str) else raw.decode()


def _differing(
    row: Mapping[Any, Any], text: str, kind: type[T], columns: Callable[[T, int], rows.Row]
) -> Sequence[str]:
    """Columns that do not say what the text says; none if the text is not readable: then its digest is wrong."""
    try:
        said = columns(codec.decode(row[text], kind), row["step"])
    except (ValueError, TypeError):
        return ()
    return [name for name, value in said.items() if name != text and row[name] != value]

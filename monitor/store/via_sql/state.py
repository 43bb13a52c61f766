"""Loading a model's image and committing its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from monitor.alerting.alert import Alert, Phase
from monitor.events import TopicPartition
from monitor.store import codec
from monitor.store.admission import admit, lasting_chunks
from monitor.store.chain import ACT, ERASE, RESEND, News, act
from monitor.store.protocols import Chunk, Command, Image, Lease, Page, Step
from monitor.store.via_sql import dead_letters as letters
from monitor.store.via_sql import lease, ledger, relay_side, rows
from monitor.store.via_sql.tables import (
    alerts,
    chunks,
    commands,
    dead_letters,
    findings,
    models,
    offsets,
    outbox,
    pages,
    steps,
)
from monitor.store.via_sql.writing import insert_new, replace

_AT_ONCE = 50


def load(connection: sa.Connection, model: str) -> Image:
    """The image of a model, from a transaction that sees one moment."""
    number = connection.scalar(sa.select(models.c.step).where(models.c.model == model))
    if number is None:
        return Image()
    read_on = connection.execute(
        sa.select(offsets.c.topic, offsets.c.partition_number, offsets.c.next_offset).where(offsets.c.model == model)
    )
    appended = _some_at_a_time(
        connection,
        sa.select(chunks.c.stream, chunks.c.slot, chunks.c.sequence, chunks.c.data).where(chunks.c.model == model),
    )
    named = _some_at_a_time(
        connection, sa.select(pages.c.room, pages.c.key, pages.c.data).where(pages.c.model == model)
    )
    told = connection.scalars(
        sa.select(alerts.c.alert).where(alerts.c.model == model, alerts.c.phase != Phase.RESOLVED)
    )
    open_alerts = sa.select(alerts.c.id).where(alerts.c.model == model, alerts.c.phase != Phase.RESOLVED)
    heard: dict[str, list[str]] = {}
    for alert, destination in connection.execute(
        sa.select(outbox.c.alert, outbox.c.destination)
        .where(outbox.c.alert.in_(open_alerts))
        .distinct()
        .order_by(outbox.c.alert, outbox.c.destination)
    ):
        heard.setdefault(alert, []).append(destination)
    return Image(
        number=number,
        offsets={TopicPartition(topic, partition): position for topic, partition, position in read_on},
        chunks=sorted((Chunk(*row) for row in appended), key=lambda chunk: (chunk.sequence, chunk.stream, chunk.slot)),
        pages=sorted((Page(*row) for row in named), key=lambda page: (page.room, page.key)),
        alerts=sorted((codec.decode(raw, Alert) for raw in told), key=lambda alert: (alert.opened_at, alert.id)),
        heard={alert: sorted(told_to) for alert, told_to in heard.items()},
    )


def _some_at_a_time(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Any]:
    """Rows with large columns. Fetched all at once, a gigabyte of them leaves the transaction idle for longer than it may be."""
    return iter(connection.execute(query.execution_options(yield_per=_AT_ONCE)))


def commit(connection: sa.Connection, step: Step, held: Lease, now: int) -> None:
    """Write a step. Raises `LeaseLost`, `OutOfStep`, `StoreRefused`; the transaction is then to be rolled back."""
    lease.verify(connection, held)
    standing = ledger.lock(connection, step.model)
    admit(step, standing.step)
    found, alerted = rows.of_findings(step), rows.of_alerts(step)
    news = News()
    news.findings(step.findings, [row["finding"] for row in found])
    news.alerts(list({alert.id: alert for alert in step.alerts}.values()), [row["alert"] for row in alerted])
    news.decisions(step.decisions)
    plan = standing.plan
    if step.plan is not None and step.plan.fingerprint != plan:
        plan = step.plan.fingerprint
        news.config(step.plan)
    _take(connection, step, news, now)
    ledger.advance(connection, step.model, ledger.Standing(step.number, plan, standing.head), news, now)
    connection.execute(sa.insert(steps), rows.of_step(step, now))
    _commit_state(connection, step)
    insert_new(connection, findings, found)
    replace(connection, alerts, alerted)
    insert_new(connection, outbox, rows.of_outbox(step))
    if step.requeued:
        place = {
            "topic": dead_letters.c.topic,
            "number": dead_letters.c.partition_number,
            "at": dead_letters.c.record_offset,
        }
        same = [column == sa.bindparam(f"of_{name}") for name, column in place.items()]
        connection.execute(
            sa.delete(dead_letters).where(dead_letters.c.model == step.model, *same),
            [{"of_topic": topic, "of_number": number, "of_at": at} for topic, number, at in step.requeued],
        )
    if step.rejects:
        connection.execute(sa.insert(dead_letters), rows.of_rejects(step, now))


def _take(connection: sa.Connection, step: Step, news: News, now: int) -> None:
    """Mark the commands that the step took, and record them; do what is to be done in the store; arguments that name a person go."""
    if not step.commands:
        return
    mine = sa.and_(
        commands.c.model == step.model, commands.c.number.in_(step.commands), commands.c.taken_in_step.is_(None)
    )
    for row in connection.execute(sa.select(commands).where(mine).order_by(commands.c.number)).all():
        arguments = codec.decode(row.arguments, dict)
        news.detail(ACT, str(row.number), act(row.number, row.verb, row.target, arguments, row.author, row.asked_at))
        if row.verb == RESEND:
            relay_side.resend(connection, step.model, arguments.get("row"), now)
        elif row.verb == ERASE and "after" in arguments:
            letters.empty(connection, step.model, arguments["after"])
    connection.execute(sa.update(commands).where(mine, commands.c.verb == ERASE).values(arguments="{}"))
    connection.execute(sa.update(commands).where(mine).values(taken_in_step=step.number))


def waiting_commands(connection: sa.Connection, model: str) -> Sequence[Command]:
    """Commands not yet taken, oldest first."""
    found = connection.execute(
        sa.select(commands)
        .where(commands.c.model == model, commands.c.taken_in_step.is_(None))
        .order_by(commands.c.number)
    )
    return [
        Command(
            number=row.number,
            model=row.model,
            verb=row.verb,
            target=row.target,
            arguments=codec.decode(row.arguments, dict),
            author=row.author,
            asked_at=row.asked_at,
        )
        for row in found
    ]


def submit(connection: sa.Connection, command: Command) -> int:
    """Store a command; its number."""
    stored = connection.execute(sa.insert(commands).returning(commands.c.number), rows.of_command(command))
    return int(stored.scalar_one())


def _commit_state(connection: sa.Connection, step: Step) -> None:
    replace(connection, offsets, rows.of_offsets(step))
    gone_before = [*step.rewritten, *step.dropped]
    if gone_before:
        connection.execute(
            sa.delete(chunks).where(
                chunks.c.model == step.model,
                chunks.c.stream == sa.bindparam("of_stream"),
                chunks.c.slot == sa.bindparam("of_slot"),
            ),
            [{"of_stream": stream, "of_slot": slot} for stream, slot in gone_before],
        )
    appended = rows.of_chunks(step.model, lasting_chunks(step))
    if appended:
        connection.execute(sa.insert(chunks), appended)
    kept, gone = rows.of_pages(step)
    replace(connection, pages, kept)
    if gone:
        connection.execute(
            sa.delete(pages).where(
                pages.c.model == step.model,
                pages.c.room == sa.bindparam("of_room"),
                pages.c.key == sa.bindparam("of_key"),
            ),
            gone,
        )

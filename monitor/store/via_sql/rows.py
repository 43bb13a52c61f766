"""A step as rows of the tables: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.alerting.alert import Alert
from monitor.store import codec
from monitor.store.codec import finite, storable
from monitor.store.protocols import Chunk, Command, Step
from monitor.watch.finding import Finding

Row = dict[str, Any]


def of_step(step: Step, now: int) -> Row:
    """The step itself."""
    return {
        "model": step.model,
        "number": step.number,
        "committed_at": now,
        "observed": codec.encode(step.observed),
        "commands": codec.encode(list(step.commands)),
    }


def of_offsets(step: Step) -> list[Row]:
    """Where to read on."""
    return [
        {
            "model": step.model,
            "topic": source.topic,
            "partition_number": source.partition,
            "next_offset": position,
        }
        for source, position in step.offsets.items()
    ]


def of_chunks(model: str, chunks: Sequence[Chunk]) -> list[Row]:
    """Chunks to insert."""
    return [
        {
            "model": model,
            "stream": chunk.stream,
            "slot": chunk.slot,
            "sequence": chunk.sequence,
            "data": chunk.data,
        }
        for chunk in chunks
    ]


def of_pages(step: Step) -> tuple[list[Row], list[Row]]:
    """Pages to write, and the names of those to delete. Of two pages of one name the later counts."""
    last = {(page.room, page.key): page.data for page in step.pages}
    kept = [
        {"model": step.model, "room": room, "key": key, "data": data}
        for (room, key), data in last.items()
        if data is not None
    ]
    gone: list[Row] = [{"of_room": room, "of_key": key} for (room, key), data in last.items() if data is None]
    return kept, gone


def of_findings(step: Step) -> list[Row]:
    """Findings, with their key figures in columns."""
    return [of_finding(finding, step.number) for finding in step.findings]


def of_finding(finding: Finding, step: int) -> Row:
    """One finding."""
    evidence = finding.evidence
    interval = evidence.interval
    return {
        "model": finding.model,
        "watch": finding.watch,
        "detector": finding.detector,
        "incarnation": finding.incarnation,
        "window_start": finding.start,
        "window_end": finding.end,
        "step": step,
        "mode": evidence.mode.value,
        "standing": evidence.standing.value,
        "crossing": evidence.crossing.value,
        "origin": finding.origin.value,
        "effect": finite(evidence.effect),
        "low": finite(interval.low if interval else None),
        "high": finite(interval.high if interval else None),
        "unit": storable(evidence.unit),
        "margin": finite(evidence.margin),
        "log10_e": finite(evidence.log10_e),
        "threshold": finite(evidence.threshold),
        "spend": finite(evidence.spend),
        "change_at": evidence.change_at,
        "reason": storable(evidence.reason),
        "finding": codec.encode(finding),
    }


def of_alerts(step: Step) -> list[Row]:
    """Alerts as they stand after the step. Of two rows of one alert the later counts."""
    return [of_alert(alert, step.number) for alert in {alert.id: alert for alert in step.alerts}.values()]


def of_alert(alert: Alert, step: int) -> Row:
    """One alert."""
    return {
        "id": alert.id,
        "model": alert.model,
        "watch": alert.watch,
        "phase": alert.phase.value,
        "severity": alert.severity.value,
        "opened_at": alert.opened_at,
        "since": alert.since,
        "resolved_at": alert.resolved_at,
        "frozen": storable(alert.frozen),
        "acknowledged_by": storable(alert.acknowledged_by),
        "step": step,
        "alert": codec.encode(alert),
    }


def of_outbox(step: Step) -> list[Row]:
    """Notifications to send, due at once."""
    return [
        {
            "key": message.key,
            "model": message.model,
            "alert": message.alert,
            "destination": message.destination,
            "kind": message.kind.value,
            "severity": message.severity.value,
            "state": "queued",
            "attempts": 0,
            "repeated": False,
            "created_at": message.created_at,
            "due_at": None,
            "reason": "",
            "step": step.number,
            "notification": codec.encode(message),
        }
        for message in step.outbox
    ]


def of_rejects(step: Step, now: int) -> list[Row]:
    """Dead letters."""
    return [
        {
            "model": step.model,
            "topic": reject.topic,
            "partition_number": reject.partition,
            "record_offset": reject.offset,
            "record_time": reject.timestamp,
            "reason": storable(reject.reason),
            "field": storable(reject.field),
            "raw": reject.raw,
            "step": step.number,
            "committed_at": now,
        }
        for reject in step.rejects
    ]


def of_command(command: Command) -> Mapping[str, Any]:
    """A command that nobody has taken yet."""
    return {
        "model": command.model,
        "verb": command.verb,
        "target": storable(command.target),
        "arguments": codec.encode(command.arguments),
        "author": storable(command.author),
        "asked_at": command.asked_at,
    }

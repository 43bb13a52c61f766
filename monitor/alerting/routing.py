"""Who is told: one notification a destination, by team and severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.evidence import Crossing
from monitor.alerting.alert import Alert, Kind, Notification, Severity
from monitor.alerting.composite import DASHBOARD
from monitor.alerting.green import composite_message
from monitor.alerting.message import Context, message

REHEARSED = "[rehearsal] would have paged: "
"""What the title of a page begins with while the model rehearses."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Names of a team's destinations (never URLs): `page` wakes somebody, `digest` is read in the morning."""

    page: tuple[str, ...] = ()
    digest: tuple[str, ...] = ()


def destinations(alert: Alert, kind: Kind, routing: Routing, *, rehearsal: bool) -> tuple[str, ...]:
    """Where one message goes, without repeats.

    A page goes to `page`, in rehearsal to `digest`; a team that named only one of them gets everything there.
    A recovery is told wherever the alert was: also in the digest, if it opened there as a warning.
    """
    digest = routing.digest or routing.page
    if alert.severity is Severity.INFO:
        return ()
    if alert.severity is Severity.WARN or rehearsal:
        return tuple(dict.fromkeys(digest))
    told = routing.page or routing.digest
    if kind is Kind.RESOLVED and alert.first.evidence.crossing is Crossing.WARN:
        told += digest
    return tuple(dict.fromkeys(told))


def notifications(alert: Alert, kind: Kind, routing: Routing, context: Context, now: int) -> list[Notification]:
    """The outbox rows of one occasion, created at `now` (event time, ms). `context.rehearsal` turns pages into digests.

    The key names the occasion, so that a row written twice is one row.
    """
    rehearsed = context.rehearsal and alert.severity in {Severity.PAGE, Severity.CRITICAL}
    told = destinations(alert, kind, routing, rehearsal=rehearsed)
    return addressed(alert, kind, told, context, now, rehearsed=rehearsed)


def addressed(
    alert: Alert, kind: Kind, told: Sequence[str], context: Context, now: int, *, rehearsed: bool = False
) -> list[Notification]:
    """The outbox rows of one occasion, one for each of the destinations in `told`."""
    write = composite_message if alert.finding.detector == DASHBOARD else message
    title, text = write(alert, kind, context)
    if rehearsed and kind is not Kind.RESOLVED:
        title = REHEARSED + title
    return [
        Notification(
            key=f"{alert.id}-{kind}-{alert.severity}-{destination}",
            alert=alert.id,
            model=alert.model,
            kind=kind,
            severity=alert.severity,
            destination=destination,
            title=title,
            text=text,
            created_at=now,
            rehearsal=rehearsed,
        )
        for destination in told
    ]

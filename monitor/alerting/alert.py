"""The life of an alert, and what is sent about it: the types that policy, message, outbox and notifier share."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from monitor.watch.finding import Finding


class Severity(StrEnum):
    """How loudly to tell: `info` is shown, never sent; `warn` goes to the digest; `page` and `critical` wake somebody."""

    INFO = "info"
    WARN = "warn"
    PAGE = "page"
    CRITICAL = "critical"


class Phase(StrEnum):
    """Where an alert is in its life. `PENDING` waits for its `for` (event time) to pass."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One occasion on which a watch spoke. All times are event time, ms.

    id        short stable key of (model, watch, opened_at): the same after a replay.
    labels    stable labels for routing and silences: model, watch, detector, metric, segment, team; never a value.
    finding   the finding that last changed the alert.
    first     the finding that opened it.
    frozen    why its detector cannot currently judge (a gate failed), or "".
    """

    id: str
    model: str
    watch: str
    labels: dict[str, str]
    phase: Phase
    severity: Severity
    opened_at: int
    since: int | None
    finding: Finding
    first: Finding
    resolved_at: int | None = None
    frozen: str = ""
    acknowledged_by: str = ""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an alert, and why: what the policy decided at `at` (event time, ms). `told`: kind of the message, or ""."""

    alert: str
    watch: str
    at: int
    phase: Phase
    severity: Severity
    reason: str
    frozen: str = ""
    acknowledged_by: str = ""
    told: str = ""

    @staticmethod
    def of(alert: Alert, at: int, reason: str, told: str = "") -> Decided:
        """What was decided of an alert as it now stands."""
        return Decided(
            alert=alert.id,
            watch=alert.watch,
            at=at,
            phase=alert.phase,
            severity=alert.severity,
            reason=reason,
            frozen=alert.frozen,
            acknowledged_by=alert.acknowledged_by,
            told=told,
        )


class Kind(StrEnum):
    """Why a notification is sent."""

    FIRING = "firing"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    ARMED = "armed"
    """It opened while the model rehearsed, and is still open now that the model pages."""
    CLOSED = "closed"
    """Its watch is gone: nobody knows whether it recovered."""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One outbox row: one message to one destination about one occasion.

    key          names the occasion (alert id, kind, severity, destination): the same occasion has the same key, twice is once.
    destination  name of a route of the config (never a URL or a secret).
    title, text  what to show: `title` is the lock screen; `text` is Slack mrkdwn, already escaped.
    rehearsal    true if it would have paged but goes to the digest, because the model is still in rehearsal.
    """

    key: str
    alert: str
    model: str
    kind: Kind
    severity: Severity
    destination: str
    title: str
    text: str
    created_at: int
    rehearsal: bool = False


class Outcome(StrEnum):
    """What became of one attempt to send."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `Notifier.send`. `after_ms`: the receiver asked to wait so long. `reason` never holds a secret."""

    outcome: Outcome
    after_ms: int | None = None
    reason: str = ""


class Notifier(Protocol):
    """Sends one notification to its destination. Blocks for at most its own time-out; never raises."""

    def send(self, notification: Notification) -> Delivery:
        """Try once."""

"""Alerts that end because their watch does: closed without evidence, and told to everybody who had heard of them.

A watch that is removed or restarted says nothing more. Its alert may not stay open for ever, nor look as if anything had recovered:
so it is resolved with the reason, under a message of its own kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from monitor.alerting.alert import Alert, Decided, Kind, Notification, Phase
from monitor.alerting.message import Context
from monitor.alerting.routing import addressed

WATCH_REMOVED = "the watch was removed from the config"
WATCH_RESTARTED = "the watch was restarted with other parameters"
MODEL_REMOVED = "the model was removed from the config"


@dataclass(frozen=True, slots=True)
class Closed:
    """The alert as it ends, the decision for the audit, and what is sent."""

    alert: Alert
    decided: Decided
    messages: Sequence[Notification]


def close(alert: Alert, why: str, heard: Sequence[str]) -> Closed:
    """End an open alert with its last finding. `heard`: the destinations that were told of it; if none was, nobody is."""
    at = alert.finding.end
    ended = msgspec.structs.replace(alert, phase=Phase.RESOLVED, resolved_at=at, frozen=why)
    context = Context(model=alert.model, team=alert.labels.get("team", ""))
    messages = addressed(ended, Kind.CLOSED, heard, context, at)
    return Closed(ended, Decided.of(ended, at, why, str(Kind.CLOSED) if messages else ""), messages)

"""The states of an outbox row, and which follows which."""

from __future__ import annotations

from monitor.alerting.alert import Outcome

QUEUED = "queued"
IN_FLIGHT = "in_flight"
DELIVERED = "delivered"
PARKED = "parked"

STATES = (QUEUED, IN_FLIGHT, DELIVERED, PARKED)

UNSETTLED = (QUEUED, IN_FLIGHT)
"""While a row is in one of these, later rows of the same alert and destination wait."""


def after(outcome: Outcome, retry_at: int | None) -> str:
    """The state that an attempt leads to. A retry without a time is one too many: it parks the row."""
    if outcome is Outcome.DELIVERED:
        return DELIVERED
    return QUEUED if outcome is Outcome.RETRY and retry_at is not None else PARKED

"""How long what grows without end is kept."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from monitor.settings.base import SettingsType
from monitor.settings.quantities import PositiveDuration, as_written, sentence

_DAY = 86_400_000


class RetentionSettings(SettingsType):
    """What is older is forgotten, a batch a minute, by whole days (UTC). What a model still needs is never forgotten."""

    findings: PositiveDuration = as_written("400d", "Findings, by the end of their window.")
    alerts: PositiveDuration = as_written("400d", "Alerts that are over, by when they were.")
    audit: PositiveDuration = as_written("800d", "The audit chain; at least as long as findings and alerts.")
    outbox: PositiveDuration = as_written("30d", "Messages that were delivered or given up, once their alert is over.")
    dead_letters: PositiveDuration = as_written("30d", "Records that could not be used.")
    steps: PositiveDuration = as_written("7d", "What was observed at each commit.")
    commands: PositiveDuration = as_written("90d", "What people asked for, once it was taken.")

    @model_validator(mode="after")
    def _audit_outlasts_what_it_speaks_of(self) -> Self:
        least = max(self.findings, self.alerts)
        if self.audit < least:
            raise sentence(
                f"the audit chain ({self.audit / _DAY:g}d) would be forgotten before what it speaks of; allowed for audit: "
                f"at least {least / _DAY:g}d, the longer of findings and alerts"
            )
        return self

"""A part of the composite: one open alert of the loop family, with the newest figures of its watch."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from detectors import taught
from detectors.evidence import Standing
from monitor.alerting.alert import Alert, Severity
from monitor.watch.finding import Finding, Origin

HARM = "divergence"
"""The one detector that may say that quality fell; every other part is a risk."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One alert that the composite lists, with the newest figures of its watch."""

    watch: str
    detector: str
    metric: str
    severity: Severity
    since: int | None
    origin: Origin
    origin_reason: str
    effect: float | None
    relative: float | None
    unit: str
    low: float | None
    high: float | None
    arms: dict[str, float]
    n: dict[str, int]
    alone: bool = False
    """Whether it was told by itself as well, so that its end is too."""
    labels: str = ""
    """Who brought about the labels that the next model is taught, in words, where that is known."""


def part(alert: Alert, newest: Finding | None, *, alone: bool = False) -> Part:
    """An alert as a part; sizes are those of the watch's newest window that could be judged."""
    finding = newest if newest is not None and newest.evidence.standing is Standing.OK else alert.finding
    evidence, cause = finding.evidence, finding if finding.origin is not Origin.UNKNOWN else alert.first
    return Part(
        watch=alert.watch,
        detector=finding.detector,
        metric=alert.labels.get("metric", alert.watch),
        severity=alert.severity,
        since=alert.since,
        origin=cause.origin,
        origin_reason=cause.origin_reason,
        effect=_finite(evidence.effect),
        relative=_finite(evidence.relative),
        unit=evidence.unit,
        low=_finite(evidence.interval.low) if evidence.interval is not None else None,
        high=_finite(evidence.interval.high) if evidence.interval is not None else None,
        arms={arm: value for arm, value in evidence.arms.items() if _finite(value) is not None},
        n=dict(evidence.n),
        alone=alone,
        labels=taught.in_words(evidence.detail),
    )


def stored(part: Part) -> dict[str, Any]:
    """A part as plain values, without what is not known of labels."""
    plain: dict[str, Any] = msgspec.to_builtins(part)
    return plain if part.labels else {name: value for name, value in plain.items() if name != "labels"}


def _finite(value: float | None) -> float | None:
    """None for what JSON has no number for, so that a message reads the same before and after a restart."""
    return value if value is not None and math.isfinite(value) else None

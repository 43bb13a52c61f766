"""Findings, alerts and notifications for the tests of this room."""

from __future__ import annotations

from typing import Any

from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from monitor.alerting.alert import Alert, Kind, Notification, Phase, Severity
from monitor.watch.finding import Finding, Origin

HOUR = 3_600_000
T0 = 1_763_352_000_000  # 17 Nov 2025 04:00 UTC


def evidence(crossing: Crossing = Crossing.NONE, standing: Standing = Standing.OK, **changes: Any) -> Evidence:
    fields: dict[str, Any] = {
        "mode": Mode.WATCHING,
        "crossing": crossing,
        "standing": standing,
        "n": {"exposed": 1_903_412, "holdout": 38_846},
        "arms": {"exposed": 0.0412, "holdout": 0.0421},
        "effect": -0.0009,
        "relative": -0.0214,
        "unit": "share",
        "interval": Interval(low=-0.0013, high=-0.0005),
        "margin": 0.0004,
        "log10_e": 3.2,
        "threshold": 2.1,
        "change_at": T0,
    }
    return Evidence(**{**fields, **changes})


def finding(at: int, evidence: Evidence, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "model": "feed-ranker",
        "watch": "reads-cohort",
        "detector": "cohort_bounded",
        "incarnation": "1",
        "start": at - 300_000,
        "end": at,
        "evidence": evidence,
        "origin": Origin.MODEL_INDUCED,
    }
    return Finding(**{**fields, **changes})


def alert(severity: Severity = Severity.PAGE, phase: Phase = Phase.FIRING, **changes: Any) -> Alert:
    opening = finding(T0 + HOUR, evidence(Crossing.WARN if severity is Severity.WARN else Crossing.PAGE))
    fields: dict[str, Any] = {
        "id": "1a2b3c4d",
        "model": "feed-ranker",
        "watch": "reads-cohort",
        "labels": {"metric": "reads", "team": "feed"},
        "phase": phase,
        "severity": severity,
        "opened_at": T0 + HOUR,
        "since": T0,
        "finding": opening,
        "first": opening,
    }
    return Alert(**{**fields, **changes})


def notification(destination: str = "feed-page", alert: str = "1a2b3c4d", kind: Kind = Kind.FIRING) -> Notification:
    return Notification(
        key=f"{alert}-{kind}-page-{destination}",
        alert=alert,
        model="feed-ranker",
        kind=kind,
        severity=Severity.PAGE,
        destination=destination,
        title="feed-ranker: reads fell, -2.1 %: page",
        text=f"*Where:* watch reads, `x &lt; 1`\nkey {alert}-{kind}",
        created_at=T0,
    )

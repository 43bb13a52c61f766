"""What the page says of each watch: pure, from findings and alerts.

One state a watch. A firing or pending alert comes first: it stays open while its detector is blind. Then what keeps the
window from being judged, and only then learning, resolved and ok.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from detectors.evidence import Evidence, Mode, Standing
from monitor.alerting.alert import Alert, Phase
from monitor.alerting.words import moment, number
from monitor.watch.finding import Finding
from monitor.web.health import Part

SHOW_RESOLVED_MS = 86_400_000
"""How long, in event time, a watch is shown as resolved before it is ok."""


class State(StrEnum):
    """The one word shown for a watch, in the order in which rows are sorted."""

    FIRING = "firing"
    PENDING = "pending"
    BLIND = "blind"
    STALE = "stale"
    NOT_COMPUTABLE = "not_computable"
    INSUFFICIENT = "insufficient"
    LEARNING = "learning"
    RESOLVED = "resolved"
    OK = "ok"


_OVERRULED = frozenset({State.OK, State.RESOLVED, State.LEARNING, State.INSUFFICIENT})
_REJECTS, _SILENCE = "rejects", "freshness.predictions"

_RANK = {state: rank for rank, state in enumerate(State)}


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One watch. `since` is event time, ms, or None; `effect`, `counts` and `reason` are text, not yet escaped."""

    watch: str
    state: State
    since: int | None = None
    severity: str = ""
    effect: str = ""
    counts: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ModelSection:
    """One model. `judged_to` is the end of the newest window, event time ms; `note` says what is wrong with it as a whole."""

    model: str
    rows: Sequence[WatchRow]
    judged_to: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the page shows. `made_at` is wall time, ms."""

    made_at: int
    version: str
    parts: Mapping[str, Part]
    models: Sequence[ModelSection]


def section(
    model: str, watches: Iterable[str], latest: Sequence[Finding], alerts: Iterable[Alert], note: str = ""
) -> ModelSection:
    """A model's rows, what needs a person first.

    `watches` are those of the config, `latest` the newest finding of each, `alerts` any of this model's, newest first. A
    watch without a finding is insufficient, never ok; while its model's data is at fault, one that was well is stale.
    """
    finding_of = {finding.watch: finding for finding in latest}
    alert_of: dict[str, Alert] = {}
    for alert in alerts:
        known = alert_of.get(alert.watch)
        if known is None or (alert.phase is not Phase.RESOLVED and known.phase is Phase.RESOLVED):
            alert_of[alert.watch] = alert
    rows = [row(watch, finding_of.get(watch), alert_of.get(watch)) for watch in {*watches, *finding_of}]
    if why := _stale(alert_of.values()):
        rows = [_withheld(made, why) if finding_of.get(made.watch) else made for made in rows]
    rows.sort(key=lambda made: (_RANK[made.state], made.watch))
    return ModelSection(model, rows, max((finding.end for finding in latest), default=None), note)


def _stale(alerts: Iterable[Alert]) -> str:
    """Why nothing that a model's watches said before can be taken for what is now, or ""."""
    told = [
        f"{alert.watch}: {alert.finding.evidence.reason}"
        for alert in alerts
        if alert.phase is Phase.FIRING and (alert.finding.detector == _REJECTS or alert.watch == _SILENCE)
    ]
    return "; ".join(sorted(told))


def _withheld(made: WatchRow, why: str) -> WatchRow:
    """A row that says nothing more than that its model's data is at fault; what is open stays open."""
    return replace(made, state=State.STALE, reason=why) if made.state in _OVERRULED else made


def row(watch: str, finding: Finding | None, alert: Alert | None) -> WatchRow:
    """One watch's row, from its newest finding and its newest alert that counts."""
    is_open = alert is not None and alert.phase is not Phase.RESOLVED
    if finding is None:
        if alert is None or not is_open:
            return WatchRow(watch, State.INSUFFICIENT, reason="no window has closed yet")
        finding = alert.finding
    evidence = finding.evidence
    state = _state(finding, alert)
    reason = evidence.reason
    if state is State.INSUFFICIENT and "smallest_by" in evidence.detail:
        reason += f", by {moment(int(evidence.detail['smallest_by']))}"
    if is_open and alert is not None and alert.frozen:
        reason = f"frozen: {alert.frozen}"
    return WatchRow(
        watch,
        state,
        since=_since(state, alert),
        severity=str(alert.severity) if alert is not None and is_open else "",
        effect=effect(evidence),
        counts=", ".join(f"{arm} {n:,}" for arm, n in evidence.n.items()),
        reason=reason,
    )


def _state(finding: Finding, alert: Alert | None) -> State:
    if alert is not None and alert.phase is not Phase.RESOLVED:
        return State(alert.phase)
    evidence = finding.evidence
    if evidence.standing is not Standing.OK:
        return State(evidence.standing)
    if evidence.mode is Mode.LEARNING:
        return State.LEARNING
    resolved_at = alert.resolved_at if alert is not None else None
    if resolved_at is not None and finding.end - resolved_at < SHOW_RESOLVED_MS:
        return State.RESOLVED
    return State.OK


def _since(state: State, alert: Alert | None) -> int | None:
    if alert is None:
        return None
    if state in (State.FIRING, State.PENDING):
        return alert.since if alert.since is not None else alert.opened_at
    return alert.resolved_at if state is State.RESOLVED else None


def effect(evidence: Evidence) -> str:
    """The effect with unit, interval and relative size: `-0.0052 clicks [-0.00610, -0.00430], -76 %`; "" if there is none."""
    if evidence.effect is None:
        return ""
    text = f"{number(evidence.effect, sign=True)} {evidence.unit}".rstrip()
    if evidence.interval is not None:
        text += f" [{number(evidence.interval.low, sign=True)}, {number(evidence.interval.high, sign=True)}]"
    if evidence.relative is not None:
        text += f", {number(100 * evidence.relative, sign=True)} %"
    return text.replace("-", "\N{MINUS SIGN}")

"""What people hear of a finding: a pure decision with its reason.

The detector has judged already; the policy only opens, raises, freezes and resolves. Each rule is a function of
(policy, alert, finding, now) that returns a `Decision`, or None if it has nothing to say; the first answer in `RULES`
counts. All times are event time, ms, so that a replay decides as the live run did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from detectors.evidence import Crossing, Standing
from monitor.alerting.alert import Alert, Kind, Phase, Severity
from monitor.watch.finding import Finding


@dataclass(frozen=True, slots=True)
class Policy:
    """How one watch may speak.

    may_page            if false, a page crossing opens a warning instead.
    hold_for_ms         event time for which a crossing must last before anybody hears of it (`for`), >= 0.
    keep_firing_for_ms  event time after recovery before an alert is resolved, >= 0; a new crossing meanwhile keeps it open.
    send_resolved       whether recovery is told.
    labels              stable labels that every alert of the watch carries; never a value.
    hint                the detector makes no promise about its error rate.
    """

    may_page: bool = True
    hold_for_ms: int = 0
    keep_firing_for_ms: int = 0
    send_resolved: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    hint: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The alert after the finding (None: there is none), what to tell (None: nothing), and why."""

    alert: Alert | None
    notify: tuple[Kind, Severity] | None
    reason: str


Rule = Callable[[Policy, Alert | None, Finding, int], Decision | None]

LOUDNESS = {Severity.INFO: 0, Severity.WARN: 1, Severity.PAGE: 2, Severity.CRITICAL: 3}
"""Order of severities."""

_WORSE = frozenset({Crossing.WARN, Crossing.PAGE, Crossing.CRITICAL})


def alert_id(model: str, watch: str, opened_at: int) -> str:
    """Eight hex characters that name the occasion; the same after a replay."""
    return blake2b(f"{model}\0{watch}\0{opened_at}".encode(), digest_size=4).hexdigest()


def opening_severity(policy: Policy, crossing: Crossing) -> Severity | None:
    """How loud an alert may open for a crossing; None if the crossing opens none.

    >>> opening_severity(Policy(may_page=False), Crossing.PAGE)
    <Severity.WARN: 'warn'>
    """
    if crossing is Crossing.PAGE:
        return Severity.PAGE if policy.may_page else Severity.WARN
    return Severity.WARN if crossing is Crossing.WARN else None


def decide(policy: Policy, alert: Alert | None, finding: Finding, now: int) -> Decision:
    """Apply the first rule that answers.

    `alert` is the watch's alert as it stands; a resolved one counts as none. `now` is the end of the finding's window.
    """
    standing = None if alert is None or alert.phase is Phase.RESOLVED else alert
    if standing is not None and standing.frozen and _judged(finding):
        standing = msgspec.structs.replace(standing, frozen="")
    for rule in RULES:
        decision = rule(policy, standing, finding, now)
        if decision is not None:
            return decision
    return Decision(standing, None, "nothing changed" if standing else "ok: no bound was crossed")


def freeze(_policy: Policy, alert: Alert | None, finding: Finding, _now: int) -> Decision | None:
    """A window that could not be judged resolves nothing: the open alert stays, frozen, with the reason."""
    evidence = finding.evidence
    if alert is None or _judged(finding):
        return None
    why = f"{evidence.standing}: {evidence.reason}" if evidence.reason else str(evidence.standing)
    return Decision(msgspec.structs.replace(alert, frozen=why), None, f"the alert stays open, frozen: {why}")


def ignore_unjudged(_policy: Policy, alert: Alert | None, finding: Finding, _now: int) -> Decision | None:
    """A window that could not be judged opens nothing."""
    if alert is not None or _judged(finding):
        return None
    return Decision(None, None, f"{finding.evidence.standing}: the window was not judged, so nothing opens")


def open_alert(policy: Policy, alert: Alert | None, finding: Finding, now: int) -> Decision | None:
    """A warn or page crossing opens an alert: at once, or pending while its `for` has not passed."""
    severity = opening_severity(policy, finding.evidence.crossing)
    if alert is not None or severity is None:
        return None
    held = policy.hold_for_ms > 0
    opened = Alert(
        id=alert_id(finding.model, finding.watch, now),
        model=finding.model,
        watch=finding.watch,
        labels={"model": finding.model, "watch": finding.watch, "detector": finding.detector, **policy.labels},
        phase=Phase.PENDING if held else Phase.FIRING,
        severity=severity,
        opened_at=now,
        since=finding.evidence.change_at,
        finding=finding,
        first=finding,
    )
    crossed = f"the {finding.evidence.crossing} bound was crossed"
    if finding.evidence.crossing is Crossing.PAGE and severity is Severity.WARN:
        crossed += ", a warning because " + ("a hint never pages" if policy.hint else "this watch may not page")
    if held:
        return Decision(opened, None, f"pending: {crossed}; it must last")
    return Decision(opened, (Kind.FIRING, severity), f"firing: {crossed}")


def refuse_critical(_policy: Policy, alert: Alert | None, finding: Finding, _now: int) -> Decision | None:
    """A critical crossing relabels an open page; it opens nothing and does not raise a warning."""
    if finding.evidence.crossing is not Crossing.CRITICAL or (
        alert is not None and alert.severity is not Severity.WARN
    ):
        return None
    return Decision(alert, None, "critical relabels an open page only")


def escalate(policy: Policy, alert: Alert | None, finding: Finding, _now: int) -> Decision | None:
    """A louder crossing raises an open alert; one still pending is raised unheard."""
    crossing = finding.evidence.crossing
    severity = Severity.CRITICAL if crossing is Crossing.CRITICAL else opening_severity(policy, crossing)
    if alert is None or severity is None or LOUDNESS[severity] <= LOUDNESS[alert.severity]:
        return None
    raised = msgspec.structs.replace(alert, severity=severity, finding=finding)
    if alert.phase is Phase.PENDING:
        return fire_when_held(policy, raised, finding, finding.end) or Decision(raised, None, f"pending at {severity}")
    return Decision(raised, (Kind.ESCALATED, severity), f"raised from {alert.severity} to {severity}")


def keep_open(_policy: Policy, alert: Alert | None, finding: Finding, _now: int) -> Decision | None:
    """A new crossing that is not louder undoes a recovery that was still being waited out."""
    if alert is None or finding.evidence.crossing not in _WORSE or not _recovering(alert):
        return None
    return Decision(msgspec.structs.replace(alert, finding=finding), None, "crossed again before it was resolved")


def drop_pending(_policy: Policy, alert: Alert | None, finding: Finding, now: int) -> Decision | None:
    """A pending alert that recovers is closed; nobody had heard of it."""
    if alert is None or alert.phase is not Phase.PENDING or finding.evidence.crossing is not Crossing.RECOVERED:
        return None
    return Decision(_resolved(alert, finding, now), None, "recovered before its `for` had passed")


def fire_when_held(policy: Policy, alert: Alert | None, finding: Finding, now: int) -> Decision | None:
    """A pending alert fires once its `for` has passed."""
    if alert is None or alert.phase is not Phase.PENDING or now - alert.opened_at < policy.hold_for_ms:
        return None
    fired = msgspec.structs.replace(alert, phase=Phase.FIRING, finding=finding)
    return Decision(fired, (Kind.FIRING, alert.severity), "firing: it lasted as long as its `for`")


def wait_after_recovery(policy: Policy, alert: Alert | None, finding: Finding, _now: int) -> Decision | None:
    """With `keep_firing_for`, recovery is noted and waited out."""
    recovered = finding.evidence.crossing is Crossing.RECOVERED
    if alert is None or not recovered or policy.keep_firing_for_ms <= 0 or _recovering(alert):
        return None
    return Decision(msgspec.structs.replace(alert, finding=finding), None, "recovered; kept firing for a while")


def resolve(policy: Policy, alert: Alert | None, finding: Finding, now: int) -> Decision | None:
    """Evidence of recovery resolves, at once or when `keep_firing_for` has passed since."""
    if alert is None or alert.phase is not Phase.FIRING:
        return None
    if _recovering(alert):
        if now - alert.finding.end < policy.keep_firing_for_ms:
            return None
    elif finding.evidence.crossing is not Crossing.RECOVERED:
        return None
    notify = (Kind.RESOLVED, alert.severity) if policy.send_resolved else None
    return Decision(_resolved(alert, finding, now), notify, "resolved: the recovery bound was crossed")


def _judged(finding: Finding) -> bool:
    """A watch on the data's own arrival crosses a bound exactly because there is none: stale, and still a verdict."""
    evidence = finding.evidence
    return evidence.standing is Standing.OK or (evidence.standing is Standing.STALE and evidence.crossing in _WORSE)


def _recovering(alert: Alert) -> bool:
    return alert.finding.evidence.crossing is Crossing.RECOVERED


def _resolved(alert: Alert, finding: Finding, now: int) -> Alert:
    return msgspec.structs.replace(alert, phase=Phase.RESOLVED, finding=finding, resolved_at=now)


RULES: tuple[Rule, ...] = (
    freeze,
    ignore_unjudged,
    open_alert,
    refuse_critical,
    escalate,
    keep_open,
    drop_pending,
    fire_when_held,
    wait_after_recovery,
    resolve,
)
"""In the order in which they are asked."""

"""The green dashboard: engagement holds or rises, and beneath it something rots. One message for one cause; a pure decision.

The composite gathers the open alerts of the loop family (its parts) over the newest reading of engagement. It opens with a
part, never later: so while engagement holds, what opens is told once, as the composite, and each part is listed in it instead
of being told alone. It takes a part that the model brought about, or goes with; one of unknown origin (a floor, such as that of
random items) does not open it, and is listed once it is open. A part whose cause lies outside the model, or in the holdout,
speaks for itself; once listed, a part stays one until it recovers.

Nothing is lost beneath it. A part is told by itself where the composite is quieter, and where the composite has nothing to say of
it: harm that is measured for the first time, and what is louder than all that it lists. What was told by itself ends by itself.

The composite spends nothing: it says nothing that a part has not paid for. It ends when its last part does; if a part was taken out
of the config, it is closed then and not resolved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from detectors import taught
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from monitor.alerting.alert import Alert, Kind, Phase, Severity
from monitor.alerting.part import HARM, Part, part, stored
from monitor.alerting.policy import LOUDNESS, Decision, Policy, alert_id
from monitor.alerting.trend import Direction, Read, Trend, trend
from monitor.watch.finding import Finding, Origin

DASHBOARD = "green_dashboard"
"""What the composite's findings name as their detector; also its key."""

_ELSEWHERE = frozenset({Origin.EXTERNAL_DRIFT, Origin.HOLDOUT_ANOMALY, Origin.DATA_QUALITY})
_OF_THE_MODEL = frozenset({Origin.MODEL_INDUCED, Origin.VERSION_CHANGE, Origin.SILENT_CHANGE, Origin.ASSOCIATED})
_ORIGINS = (
    Origin.MODEL_INDUCED,
    Origin.VERSION_CHANGE,
    Origin.SILENT_CHANGE,
    Origin.ASSOCIATED,
    Origin.UNKNOWN,
)


@dataclass(frozen=True, slots=True)
class Composed:
    """The composite after a closing: what becomes of its alert, the finding to keep, and whose own messages stay unsent."""

    decision: Decision
    finding: Finding
    covers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Closing:
    """What stands after a closing, at event time `now`, ms.

    alerts     of the parts that have one, by watch. newest: the newest judged finding of parts and readings.
    standings  of the parts: `mode/standing/crossing`. spoke: parts whose alert would be told now; ended: that recovered now.
    remedies   what a simulation said of remedies, in sentences; shown as it is.
    """

    model: str
    incarnation: str
    start: int
    now: int
    alerts: Mapping[str, Alert]
    newest: Mapping[str, Finding]
    standings: Mapping[str, str]
    spoke: frozenset[str]
    ended: frozenset[str] = frozenset()
    remedies: tuple[str, ...] = ()


def compose(policy: Policy, before: Alert | None, reads: Sequence[Read], closing: Closing) -> Composed:
    """Decide what becomes of the composite. `before` is its alert as it stands; a resolved one counts as none."""
    open_ = None if before is None or before.phase is Phase.RESOLVED else before
    trends = [t for read in reads if (t := trend(read, closing.newest.get(read.watch), closing.now)) is not None]
    listed = _listed(open_)
    rotting = {w: a for w, a in closing.alerts.items() if _rots(a, listed=w in listed)}
    left = (_left(open_) | (listed.keys() - closing.ended)) - rotting.keys()
    is_green = any(t.direction.is_green for t in trends) and all(t.direction is not Direction.DOWN for t in trends)
    opens = (
        open_ is None
        and is_green
        and any(rotting[w].first.origin in _OF_THE_MODEL for w in closing.spoke & rotting.keys())
    )
    if open_ is None and not opens:
        finding = _finding(closing, trends, [], left, Crossing.NONE, Mode.WATCHING)
        return Composed(Decision(None, None, "nothing rots under green"), finding, frozenset())
    crossing = _crossing(policy, open_, rotting.values(), recovered=not left)
    alone = _alone(policy, open_, listed, rotting, closing.spoke, news=crossing in _SEVERITIES)
    parts = sorted((part(a, closing.newest.get(w), alone=w in alone) for w, a in rotting.items()), key=_prominence)
    mode = Mode.RECOVERING if parts else Mode.WATCHING
    finding = _finding(closing, trends, parts, left, crossing, mode)
    covers = (rotting.keys() - alone) | {w for w in closing.ended if w in listed and not listed[w].alone}
    if open_ is None:
        return Composed(_open(policy, finding, parts, closing), finding, frozenset(covers))
    return Composed(_continue(policy, open_, finding, rotting, crossing, closing.now), finding, frozenset(covers))


@dataclass(frozen=True, slots=True)
class _Listed:
    severity: Severity
    alone: bool


def _listed(open_: Alert | None) -> dict[str, _Listed]:
    parts = () if open_ is None else open_.finding.evidence.detail.get("parts", ())
    return {p["watch"]: _Listed(Severity(p["severity"]), p.get("alone", False)) for p in parts}


def _left(open_: Alert | None) -> frozenset[str]:
    """Parts that a change of the config has taken out, and of which nobody knows whether they recovered."""
    return frozenset(() if open_ is None else open_.finding.evidence.detail.get("left", ()))


def _ending(open_: Alert, left: Collection[str]) -> str:
    """Why it is closed although not every part has recovered."""
    gone = f"{', '.join(sorted(left))} left by a change of the config, so nobody knows how it stands"
    all_of_it = {p["watch"] for f in (open_.first, open_.finding) for p in f.evidence.detail.get("parts", ())}
    return f"{gone}; every other part of it has recovered" if all_of_it - set(left) else gone


def _rots(alert: Alert, *, listed: bool) -> bool:
    cause = alert.finding.origin if alert.finding.origin is not Origin.UNKNOWN else alert.first.origin
    return alert.phase is Phase.FIRING and (listed or cause not in _ELSEWHERE)


def _alone(
    policy: Policy,
    open_: Alert | None,
    listed: Mapping[str, _Listed],
    rotting: Mapping[str, Alert],
    spoke: frozenset[str],
    *,
    news: bool,
) -> frozenset[str]:
    """Parts that are told by themselves, now or before. `news`: the composite is told now."""
    heard = max((LOUDNESS[p.severity] for p in listed.values()), default=-1)
    told = LOUDNESS[_loudest(policy, rotting.values())] if rotting else -1
    if open_ is not None:
        told = max(told, LOUDNESS[open_.severity])
    alone = {w for w in rotting if (listed[w].alone if w in listed else w not in spoke)}
    for watch in spoke & rotting.keys():
        alert = rotting[watch]
        is_new_harm = alert.finding.detector == HARM and watch not in listed
        if LOUDNESS[alert.severity] > told or (not news and (is_new_harm or LOUDNESS[alert.severity] > heard)):
            alone.add(watch)
    return frozenset(alone)


def _prominence(part: Part) -> tuple[bool, int, float, str]:
    """Harm before risk, loud before quiet, early before late."""
    since = float("inf") if part.since is None else float(part.since)
    return part.detector != HARM, -LOUDNESS[part.severity], since, part.watch


def _loudest(policy: Policy, parts: Iterable[Part | Alert]) -> Severity:
    loudest = max((p.severity for p in parts), key=LOUDNESS.__getitem__)
    return loudest if policy.may_page else Severity.WARN


_CROSSINGS = {Severity.WARN: Crossing.WARN, Severity.PAGE: Crossing.PAGE, Severity.CRITICAL: Crossing.CRITICAL}


_SEVERITIES = {crossing: severity for severity, crossing in _CROSSINGS.items()}


def _crossing(policy: Policy, open_: Alert | None, parts: Collection[Alert], *, recovered: bool) -> Crossing:
    if not parts:
        return Crossing.RECOVERED if recovered else Crossing.NONE
    severity = _loudest(policy, parts)
    louder = open_ is None or LOUDNESS[severity] > LOUDNESS[open_.severity]
    return _CROSSINGS.get(severity, Crossing.NONE) if louder else Crossing.NONE


def _open(policy: Policy, finding: Finding, parts: Sequence[Part], closing: Closing) -> Decision:
    severity = _loudest(policy, parts)
    opened = Alert(
        id=alert_id(closing.model, DASHBOARD, closing.now),
        model=closing.model,
        watch=DASHBOARD,
        labels={"model": closing.model, "watch": DASHBOARD, "detector": DASHBOARD, **policy.labels},
        phase=Phase.FIRING,
        severity=severity,
        opened_at=closing.now,
        since=finding.evidence.change_at,
        finding=finding,
        first=finding,
    )
    return Decision(opened, (Kind.FIRING, severity), f"firing: engagement is green above {_names(parts)}")


def _continue(
    policy: Policy, open_: Alert, finding: Finding, rotting: Mapping[str, Alert], crossing: Crossing, now: int
) -> Decision:
    if not rotting and crossing is not Crossing.RECOVERED:
        why = _ending(open_, finding.evidence.detail["left"])
        closed = msgspec.structs.replace(open_, phase=Phase.RESOLVED, resolved_at=now, frozen=why)
        return Decision(closed, (Kind.CLOSED, open_.severity), why)
    if not rotting:
        resolved = msgspec.structs.replace(
            open_, phase=Phase.RESOLVED, finding=finding, resolved_at=now, frozen="", since=open_.since
        )
        notify = (Kind.RESOLVED, open_.severity) if policy.send_resolved else None
        return Decision(resolved, notify, "resolved: the last part has recovered")
    frozen = [a.frozen for _, a in sorted(rotting.items())]
    why = "; ".join(dict.fromkeys(frozen)) if all(frozen) else ""
    severity = _SEVERITIES.get(crossing, open_.severity)
    if crossing is not Crossing.NONE:
        raised = msgspec.structs.replace(open_, severity=severity, finding=finding, frozen=why)
        return Decision(raised, (Kind.ESCALATED, severity), f"raised from {open_.severity} to {severity}")
    if _listed(open_) != _listed(msgspec.structs.replace(open_, finding=finding)):
        changed = msgspec.structs.replace(open_, finding=finding, frozen=why)
        return Decision(changed, None, "its parts are now " + ", ".join(sorted(rotting)))
    if why != open_.frozen:
        kept = msgspec.structs.replace(open_, frozen=why)
        return Decision(kept, None, f"the alert stays open, frozen: {why}" if why else "its parts are judged again")
    return Decision(open_, None, "nothing changed")


def _names(parts: Sequence[Part]) -> str:
    return ", ".join(p.watch for p in parts)


def _finding(
    closing: Closing,
    trends: Sequence[Trend],
    parts: Sequence[Part],
    left: Collection[str],
    crossing: Crossing,
    mode: Mode,
) -> Finding:
    first = parts[0] if parts else None
    standing, reason = _standing(closing, trends)
    if first is not None:
        standing, reason = Standing.OK, "; ".join([_sentence(trends, parts), *closing.remedies])
    elif crossing is Crossing.RECOVERED:
        standing, reason = Standing.OK, "every part of it has recovered"
    since = [p.since for p in parts if p.since is not None]
    detail: dict[str, Any] = {
        "engagement": [msgspec.to_builtins(t) for t in trends],
        "parts": [stored(p) for p in parts],
    }
    if left:
        detail["left"] = sorted(left)
    if parts and closing.remedies:
        detail["remedies"] = list(closing.remedies)
    if parts and (learned := _learned(closing, parts)) is not None:
        detail["learned"] = learned
    bounded = first is not None and first.low is not None and first.high is not None
    return Finding(
        model=closing.model,
        watch=DASHBOARD,
        detector=DASHBOARD,
        incarnation=closing.incarnation,
        start=closing.start,
        end=closing.now,
        evidence=Evidence(
            mode=mode,
            standing=standing,
            crossing=crossing,
            n={} if first is None else first.n,
            arms={} if first is None else first.arms,
            effect=None if first is None else first.effect,
            relative=None if first is None else first.relative,
            unit="" if first is None else first.unit,
            interval=Interval(low=first.low or 0.0, high=first.high or 0.0, kind="recent")
            if first is not None and bounded
            else None,
            change_at=min(since, default=None),
            exact=False,
            reason=reason,
            detail=detail,
        ),
        origin=next((o for o in _ORIGINS if any(p.origin is o for p in parts)), Origin.UNKNOWN),
        origin_reason=next((p.origin_reason for o in _ORIGINS for p in parts if p.origin is o and p.origin_reason), ""),
    )


def _learned(closing: Closing, parts: Sequence[Part]) -> dict[str, Any] | None:
    """Who brought about the labels that the next model is taught, and up to when, by a watch that is no part; a part says it itself."""
    listed = {p.watch for p in parts}
    for watch, finding in sorted(closing.newest.items()):
        if watch not in listed and (words := taught.in_words(finding.evidence.detail)):
            return {"words": words, "to": finding.end}
    return None


def _sentence(trends: Sequence[Trend], parts: Sequence[Part]) -> str:
    """Both halves, in the words of the watches' names: of a row of `status`."""
    green = " and ".join(f"{t.metric} {t.direction} ({100 * t.change:+.2g} %)" for t in trends)
    return f"{green or 'engagement is not known'} while these rot: {_names(parts)}"


def _standing(closing: Closing, trends: Sequence[Trend]) -> tuple[Standing, str]:
    """What may be said while nothing rots: ok only where engagement and at least one part are known."""
    standings = [said.split("/")[1] for said in closing.standings.values()]
    if standings and all(said == Standing.BLIND for said in standings):
        return Standing.BLIND, "every part is blind"
    if not any(said == Standing.OK for said in standings):
        return Standing.INSUFFICIENT, "no part could be judged yet"
    if not trends:
        return Standing.INSUFFICIENT, "engagement has no baseline yet, or could not be judged of late"
    if all(t.direction is Direction.UNSETTLED for t in trends):
        return Standing.INSUFFICIENT, "too little is known of engagement to tell whether it holds"
    fallen = [t.metric for t in trends if t.direction is Direction.DOWN]
    return Standing.OK, f"not green: {', '.join(fallen)} has fallen" if fallen else ""

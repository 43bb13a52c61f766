"""The composite alert as a message: what is green, what rots beneath it, and what can be done. Pure, in Slack's mrkdwn."""

from __future__ import annotations

import html
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from detectors.evidence import Evidence
from monitor.alerting.alert import Alert, Kind, Severity
from monitor.alerting.compared import COMPARED, Cohorts, cohorts_of, reworded
from monitor.alerting.message import TITLE_LIMIT, Context, changes, compared_with, fit, footer
from monitor.alerting.part import HARM, Part
from monitor.alerting.trend import Trend
from monitor.alerting.wording import wording_of
from monitor.alerting.words import code, cut, difference, duration, escape, link, moment, number, percent
from monitor.watch.finding import Origin

_SHOWN = 6
_LOUD = {Severity.WARN: "Warning", Severity.PAGE: "Page", Severity.CRITICAL: "Critical"}
_RATIO = "share"


def composite_message(alert: Alert, kind: Kind, context: Context) -> tuple[str, str]:
    """Title and text of the composite, as `monitor.alerting.message.message` has them."""
    lines = {Kind.RESOLVED: _over, Kind.CLOSED: _closed}.get(kind, lambda a: _told(a, context))(alert)
    ending = {Kind.RESOLVED: "resolved", Kind.CLOSED: "closed, not recovered", Kind.ESCALATED: f"now {alert.severity}"}
    said = ending.get(kind, str(alert.severity))
    shown = alert.finding if kind is not Kind.RESOLVED else alert.first
    title = cut(f"{escape(context.model, 40)}: {_headline(shown.evidence, alert.labels)}", TITLE_LIMIT - len(said) - 2)
    return f"{title}: {said}", fit([*lines, *footer(alert, kind, context)])


def _headline(evidence: Evidence, labels: Mapping[str, str]) -> str:
    """Both halves, with the size of the first part."""
    trends, parts = _read(evidence)
    green = " and ".join(f"{escape(t.metric, 40)} {t.direction}" for t in trends) or "engagement is not known"
    if not parts:
        return f"{green}, and nothing rots beneath it any more"
    return f"{green}, and beneath it {_sentence(parts[0], labels)}, {_size(parts[0], interval=False)}"


def _told(alert: Alert, context: Context) -> list[str]:
    evidence = alert.finding.evidence
    trends, parts, labels = *_read(evidence), alert.labels
    harm, risk = [p for p in parts if p.detector == HARM], [p for p in parts if p.detector != HARM]
    lines = [
        f"{_LOUD.get(alert.severity, 'Info')}: engagement looks well, and this rots beneath it.",
        *[f"*{'Green' if t.direction.is_green else 'Not green'}:* {_trend(t, labels)}" for t in trends],
        *_table(trends, parts, cohorts_of(labels)),
    ]
    if harm:
        against = reworded("Harm, measured against the holdout:", labels.get(COMPARED))
        lines += [f"*{against}*", *_lines(harm, labels)]
    lines += ["*Exposure risk, no proof of harm:*", *_lines(risk, labels)] if risk else []
    if len(risk) > _SHOWN:
        lines.append(f"and {len(risk) - _SHOWN} more: `loopwatch status`")
    if learned := evidence.detail.get("learned"):
        lines.append(
            f"*What the next model learns from* (period to {moment(learned['to'])}): {escape(learned['words'], 250)}."
        )
    lines.append(f"*Likely origin: {_origin(alert)}*")
    lines.append(f"*Changed near then:* {changes(context)}")
    unknown = "how long the harm lasts" if harm else "whether people are worse off: none of these measures quality"
    larger = "Held-out people see items that the exposed made popular, so the true gap may be larger."
    lines.append(f"*Cannot know:* {unknown}. {reworded(larger, labels.get(COMPARED))}")
    lines += compared_with(alert, context, both=any({"exposed", "holdout"} <= p.n.keys() for p in parts))
    remedies = evidence.detail.get("remedies", ())
    lines += [f"*Tried in a simulation:* {escape(' '.join(remedies), 700)}"] if remedies else []
    ask = "" if remedies else f" To try remedies: {code(f'loopwatch remedies {shlex.quote(alert.model)}')}"
    runbook = f" {link(context.runbook, 'runbook')}" if context.runbook else ""
    return [*lines, f"*Next:* hold the next retrain; restore exploration in what it learns from.{ask}{runbook}"]


def _over(alert: Alert) -> list[str]:
    ended = alert.finding.end if alert.resolved_at is None else alert.resolved_at
    began = alert.opened_at if alert.since is None else min(alert.since, alert.opened_at)
    return [
        "Resolved: every part of it has recovered.",
        f"*Lasted* {duration(ended - began)}: {moment(began)} to {moment(ended)}.",
        "*It began with:*",
        *_lines(_read(alert.first.evidence)[1], alert.labels),
    ]


def _closed(alert: Alert) -> list[str]:
    return [
        f"Closed: {escape(alert.frozen, 300)}. What of it is still watched speaks for itself.",
        "*Last said:*",
        *_lines(_read(alert.finding.evidence)[1], alert.labels),
    ]


def _read(evidence: Evidence) -> tuple[list[Trend], list[Part]]:
    detail: dict[str, Any] = evidence.detail
    return (
        [msgspec.convert(t, Trend) for t in detail.get("engagement", ())],
        [msgspec.convert(p, Part) for p in detail.get("parts", ())],
    )


def _trend(trend: Trend, labels: Mapping[str, str]) -> str:
    text = (
        f"{escape(trend.metric, 40)} {trend.direction}: {percent(trend.change, sign=True)} since the baseline "
        f"{_bounds(trend.low, trend.high)}"
    )
    if trend.as_of is not None:
        text += f" (as of {moment(trend.as_of)}: what came later could not be judged)"
    if trend.holdout_change is None or trend.holdout_low is None or trend.holdout_high is None:
        return f"{text}; nobody is held out, so this is an association"
    held = _bounds(trend.holdout_low, trend.holdout_high)
    others = reworded("held-out people", labels.get(COMPARED))
    return f"{text}; {others} {percent(trend.holdout_change, sign=True)} {held}"


def _bounds(low: float, high: float) -> str:
    decimals = 0 if high - low >= 0.01 else 1
    return f"[{number(100 * low, decimals, sign=True)} to {number(100 * high, decimals, sign=True)}]"


def _table(trends: list[Trend], parts: list[Part], cohorts: Cohorts) -> list[str]:
    """Changes of both cohorts side by side, at most 36 columns."""
    rows = [
        (p.watch, p.arms["exposed"] - 1.0, p.arms["holdout"] - 1.0)
        for p in parts
        if p.unit == _RATIO and {"exposed", "holdout"} <= p.arms.keys() and p.effect is not None
    ]
    rows += [(t.metric, t.change, t.holdout_change) for t in trends if t.holdout_change is not None]
    if not rows:
        return []
    lines = [f"{'since then':<15} {cohorts.heads[0]:>9} {cohorts.heads[1]:>10}"]
    for name, exposed, held in rows[:_SHOWN]:
        lines.append(f"{name[:15]:<15} {percent(exposed, 0, sign=True):>9} {percent(held, 0, sign=True):>10}")
    counted = next((p.n for p in parts if {"exposed", "holdout"} <= p.n.keys()), trends[0].n if trends else {})
    if {"exposed", "holdout"} <= counted.keys():
        lines.append(f"{'people':<15} {counted['exposed']:>9,} {counted['holdout']:>10,}")
    body = "\n".join(lines).replace("`", "\u02cb")
    return [f"```\n{html.escape(body, quote=False)}\n```"]


def _sentence(part: Part, labels: Mapping[str, str]) -> str:
    direction = part.effect if part.effect is not None else part.relative
    return wording_of(part.detector, labels.get(COMPARED)).sentence(direction).format(metric=escape(part.metric, 40))


def _lines(parts: list[Part], labels: Mapping[str, str]) -> list[str]:
    return [_line(part, labels) for part in parts[:_SHOWN]]


def _line(part: Part, labels: Mapping[str, str]) -> str:
    names = cohorts_of(labels).names
    since = f", since about {moment(part.since)}" if part.since is not None else ""
    counted = ", ".join(f"{escape(names.get(arm, arm), 20)} {n:,}" for arm, n in part.n.items()) or "units not counted"
    beside = f"; {escape(part.labels, 250)}" if part.labels else ""
    return f"• {_sentence(part, labels)}: {_size(part)}{since}; {counted} ({escape(part.watch, 40)}){beside}"


def _size(part: Part, *, interval: bool = True) -> str:
    if part.relative is not None and (part.relative == part.effect or not interval):
        text = percent(part.relative, sign=True)
    elif part.effect is not None:
        text = (
            percent(part.effect)
            if part.unit == _RATIO and part.relative is None
            else difference(part.effect, part.unit)
        )
    else:
        return "size not computable"
    if not interval:
        return text
    if part.low is None or part.high is None:
        return f"{text} (no interval)"
    if part.unit == _RATIO:
        return f"{text} {_bounds(part.low, part.high)}"
    return f"{text} [{number(part.low, 2)} to {number(part.high, 2)}]"


def _origin(alert: Alert) -> str:
    finding = alert.finding
    names = {
        Origin.MODEL_INDUCED: "the model.",
        Origin.VERSION_CHANGE: "the version.",
        Origin.SILENT_CHANGE: "a silent change.",
        Origin.ASSOCIATED: "associated with the model.",
    }
    why = escape(finding.origin_reason, 200).rstrip(".")
    return names.get(finding.origin, "not known.") + (f" {why[:1].upper()}{why[1:]}." if why else "")

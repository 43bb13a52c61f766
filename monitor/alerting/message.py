"""One alert as a message: pure, in Slack's mrkdwn, with everything that a person needs to believe it and to act.

Never without a size and an n: where the evidence has none, the message says so and why. Foreign text passes through
`words.escape` or `words.code`; the markup that remains is ours.
"""

from __future__ import annotations

import html
import re
import shlex
from dataclasses import dataclass

from detectors.evidence import Crossing, Evidence, Verdict
from monitor.alerting.alert import Alert, Kind, Severity
from monitor.alerting.compared import COMPARED, cohorts_of, reworded
from monitor.alerting.figures import counts, direction, headline, is_known, size_of
from monitor.alerting.wording import Wording, wording_of
from monitor.alerting.words import (
    code,
    cut,
    duration,
    escape,
    link,
    moment,
    number,
)
from monitor.watch.finding import Origin

TITLE_LIMIT = 250
"""Characters a title may have, entities included: a lock screen shows fewer."""

TEXT_LIMIT = 2_900
"""Characters a text may have; Slack cuts a block at 3,000."""

_REASON_LIMIT = 500
_BOTH = frozenset({"exposed", "holdout"})
_CHANGES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Context:
    """What the message adds from around the alert; all of it foreign text.

    model      name to show.
    team       who owns the budget; "" if nobody.
    runbook    web address, or "".
    budget     one phrase, such as "1st page of this 28 d, at most 1 false expected".
    changes    what changed near `since`, newest first, with its time; unchanged: what was looked at and did not.
    holdout    one sentence on those the exposed are compared with: how many, whether sound, what is blind.
    rehearsal  the model is still in rehearsal.
    """

    model: str
    team: str = ""
    runbook: str = ""
    budget: str = ""
    changes: tuple[str, ...] = ()
    holdout: str = ""
    rehearsal: bool = False
    unchanged: tuple[str, ...] = ()


_ORIGINS: dict[Origin, tuple[str, str]] = {
    Origin.MODEL_INDUCED: ("the model", "only exposed people moved, the holdout did not."),
    Origin.EXTERNAL_DRIFT: ("outside the model", "exposed people and the holdout moved alike."),
    Origin.HOLDOUT_ANOMALY: ("the holdout", "only the holdout moved."),
    Origin.VERSION_CHANGE: ("the version", "it began with a change of version."),
    Origin.SILENT_CHANGE: ("a silent change", "behaviour moved and no version did."),
    Origin.DATA_QUALITY: ("the data", "the data is at fault before any verdict on the model."),
    Origin.ASSOCIATED: (
        "associated with the model",
        "there is no randomised holdout to show that the model causes it.",
    ),
    Origin.UNKNOWN: ("not known", "nothing so far tells the model from the world around it."),
}


_STEPS = {
    Verdict.ROLLBACK: "take the release back; when that is done, {rearm}",
    Verdict.PROMOTE: "roll it out, and end the experiment in the config.",
    Verdict.HOLD: "do not switch; find out why first.",
    Verdict.INCONCLUSIVE: "decide without it, or run it again with more people.",
}
"""What follows from a verdict; for all others, the detector's own words."""


def message(alert: Alert, kind: Kind, context: Context) -> tuple[str, str]:
    """The title (lock screen, at most `TITLE_LIMIT`) and the text (mrkdwn, at most `TEXT_LIMIT`), both escaped."""
    split = "experiment" in alert.labels and alert.finding.detector == "sample_ratio"
    words = wording_of("split" if split else alert.finding.detector, alert.labels.get(COMPARED))
    if kind is Kind.CLOSED:
        body = _end(alert, words)
    else:
        body = _recovery(alert, words) if kind is Kind.RESOLVED else _degradation(alert, words, context)
    return _title(alert, kind, words, context), fit([*body, *footer(alert, kind, context)])


def plain(*parts: str) -> str:
    """Title and text, or one of them, for a terminal or a mail: our markup taken out, entities turned back.

    >>> plain("reads fell", "*Where:* feed, `x &lt; 1`")
    'reads fell\\nWhere: feed, x < 1'
    """
    linked = re.sub(r"<([^|<>]+)\|([^<>]*)>", r"\2: \1", "\n".join(parts))
    return html.unescape(linked.replace("```\n", "").replace("```", "").replace("*", "").replace("`", ""))


def _title(alert: Alert, kind: Kind, words: Wording, context: Context) -> str:
    name = escape(context.model, 40)
    if kind is Kind.RESOLVED:
        return cut(f"{name}: {words.over.format(metric=_metric(alert))}", TITLE_LIMIT - 12) + ": resolved"
    if kind is Kind.CLOSED:
        ending = ": closed, not recovered"
        told = words.sentence(direction(alert.finding.evidence)).format(metric=_metric(alert))
        return cut(f"{name}: {told}", TITLE_LIMIT - len(ending)) + ending
    shown = headline(alert.finding.evidence)
    sentence = words.sentence(direction(alert.finding.evidence)).format(metric=_metric(alert))
    if verdict := alert.finding.evidence.verdict:
        sentence = f"{_metric(alert)}: {verdict}"
    raised = f"now {alert.severity}" if kind is Kind.ESCALATED else str(alert.severity)
    ending = f"{f', {shown}' if shown else ''}: {raised}"
    return cut(f"{name}: {sentence}", TITLE_LIMIT - len(ending)) + ending


def _degradation(alert: Alert, words: Wording, context: Context) -> list[str]:
    finding = alert.finding
    evidence = finding.evidence
    sentence = words.sentence(direction(evidence)).format(metric=_metric(alert))
    origin, why = (reworded(text, alert.labels.get(COMPARED)) for text in _ORIGINS[finding.origin])
    lines = [
        f"{_LOUD[alert.severity]}: {sentence}.{_reason(evidence)}",
        f"*Size:* {size_of(evidence)}",
        *counts(alert),
        f"*Where:* {_where(alert)}",
        f"*Since:* {_since(alert)}",
        f"*Likely origin: {origin}.* {_sentence(finding.origin_reason or why)}",
        f"*Changed near then:* {changes(context)}",
        f"*Cannot know:* {words.unknown.format(metric=_metric(alert))}",
    ]
    if finding.missing:
        lines.append(f"*Data is missing:* {escape('; '.join(finding.missing), 300)}.")
    lines += compared_with(alert, context, both=evidence.n.keys() >= _BOTH)
    step = _STEPS.get(evidence.verdict, words.step).format(metric=_metric(alert), rearm=_rearm(alert))
    runbook = f" {link(context.runbook, 'runbook')}" if context.runbook else ""
    return [*lines, f"*Next:* {step}{runbook}"]


def compared_with(alert: Alert, context: Context, *, both: bool) -> list[str]:
    """How sound those are whom the exposed are compared with, and, if `both` were, what that cannot say; as markup."""
    cohorts, sound = cohorts_of(alert.labels), escape(context.holdout, 200)
    if cohorts.caveat:
        sound = sound[:1].upper() + sound[1:]
    said = " ".join(text for text in (cohorts.caveat if both else "", sound) if text)
    return [f"*{cohorts.title}:* {said}"] if said else []


def _rearm(alert: Alert) -> str:
    return code(f"loopwatch rearm --model {shlex.quote(alert.model)} --watch {shlex.quote(alert.watch)}")


def _recovery(alert: Alert, words: Wording) -> list[str]:
    ended = alert.finding.end if alert.resolved_at is None else alert.resolved_at
    began = alert.opened_at if alert.since is None else min(alert.since, alert.opened_at)
    evidence = alert.finding.evidence
    return [
        f"Resolved: {words.over.format(metric=_metric(alert))}.{_reason(evidence)}",
        f"*Lasted* {duration(ended - began)}: {moment(began)} to {moment(ended)}.",
        f"*Size now:* {size_of(evidence)}",
        *counts(alert),
        f"*Where:* {_where(alert)}",
    ]


def _end(alert: Alert, words: Wording) -> list[str]:
    """Of an alert whose watch is gone: `frozen` says why."""
    evidence = alert.finding.evidence
    return [
        f"Closed: {escape(alert.frozen, 200)}. Whether it recovered is not known, and nobody looks any more.",
        f"*Last said:* {words.sentence(direction(evidence)).format(metric=_metric(alert))}.",
        f"*Size then:* {size_of(evidence)}",
        *counts(alert),
        f"*Where:* {_where(alert)}",
        f"*Since:* {_since(alert)}",
    ]


_LOUD = {
    Severity.INFO: "Info",
    Severity.WARN: "Warning",
    Severity.PAGE: "Page",
    Severity.CRITICAL: "Critical",
}


def _metric(alert: Alert) -> str:
    return escape(alert.labels.get("metric") or alert.watch, 60)


def _reason(evidence: Evidence) -> str:
    """The detector's own sentence; where no size is known, it stands there instead."""
    sized = is_known(evidence.effect) or is_known(evidence.relative)
    return f" {_sentence(evidence.reason, _REASON_LIMIT)}" if evidence.reason and sized else ""


def _sentence(text: str, limit: int = 300) -> str:
    line = escape(text, limit).rstrip(".")
    return f"{line[:1].upper()}{line[1:]}."


def _where(alert: Alert) -> str:
    labels = alert.labels
    parts = [f"watch {escape(alert.watch, 60)}"]
    parts += [f"{name} {escape(labels[name], 60)}" for name in ("metric", "version", "segment") if labels.get(name)]
    names = cohorts_of(alert.labels).names
    arms = [names.get(arm, arm) for arm in alert.finding.evidence.n or alert.finding.evidence.arms]
    if len(arms) > 1:
        parts.append(" against ".join(escape(arm, 20) for arm in arms[:3]))
    return ", ".join(parts)


def _since(alert: Alert) -> str:
    if alert.since is None:
        return f"not located; found {moment(alert.opened_at)}"
    found = f"found {moment(alert.opened_at)}"
    late = alert.opened_at - alert.since
    return f"about {moment(alert.since)} ({found}{f', {duration(late)} later' if late > 0 else ''})"


def changes(context: Context) -> str:
    """What changed near then, and what was looked at and did not, as markup."""
    shown = "; ".join(escape(change, 100) for change in context.changes[:_CHANGES_SHOWN])
    more = len(context.changes) - _CHANGES_SHOWN
    changed = shown + (f"; and {more} more" if more > 0 else "")
    if not context.unchanged:
        return changed or "nothing recorded"
    names = [escape(name, 40) for name in context.unchanged]
    looked_at = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    return f"{changed}{'. ' if changed else ''}{looked_at[:1].upper()}{looked_at[1:]}: no."


def footer(alert: Alert, kind: Kind, context: Context) -> list[str]:
    """The last lines: evidence, rehearsal, key, whose budget."""
    evidence = alert.finding.evidence
    command = f"loopwatch status --model {shlex.quote(alert.model)} --watch {shlex.quote(alert.watch)}"
    parts = [code(command, 200)]
    if evidence.log10_e is not None and kind not in {Kind.RESOLVED, Kind.CLOSED}:
        name = "a page needs" if _warned_early(evidence) else "bound"
        bound = "" if evidence.threshold is None else f", {name} {number(evidence.threshold, 1)}"
        parts.append(f"log10 of evidence {number(evidence.log10_e, 1)}{bound}")
    owner = f"team {escape(context.team, 40)}" if context.team else ""
    budget = escape(context.budget, 120)
    lines = [f"*Evidence:* {' / '.join(parts)}"]
    if alert.frozen and kind is not Kind.CLOSED:
        lines.append(f"*Frozen:* {escape(alert.frozen, 200)}")
    if kind is Kind.ARMED:
        lines.append("Told now because the rehearsal is over: it opened before that, and is still open.")
    if context.rehearsal:
        arm = code(f"loopwatch arm --model {shlex.quote(alert.model)}")
        lines.append(f"In rehearsal: nothing of this model pages yet. To end it: {arm}")
    closing = ": ".join(part for part in (owner, budget) if part)
    return [*lines, " / ".join(part for part in (f"key {alert.id}-{kind}", closing) if part)]


def _warned_early(evidence: Evidence) -> bool:
    """Whether the bound of a warning was crossed, and not yet that of a page, which is the one the evidence names."""
    known = evidence.log10_e is not None and evidence.threshold is not None
    return known and evidence.crossing is Crossing.WARN and (evidence.log10_e or 0.0) < (evidence.threshold or 0.0)


def fit(lines: list[str]) -> str:
    """All lines while they fit; else the longest lose their end, but never the tables and the evidence."""
    kept = list(lines)
    free = [i for i, line in enumerate(kept) if not line.startswith(("```", "*Evidence", "*Next"))]
    while (excess := len("\n".join(kept)) - TEXT_LIMIT) > 0:
        longest = max(free, key=lambda i: len(kept[i]))
        size = len(kept[longest])
        kept[longest] = cut(kept[longest], max(size // 2, size - excess))
    return "\n".join(kept)

"""The audit chain of a model: what was found, decided, configured and asked for, each link holding the hash of the one before.

A step that has anything to record adds one link, in its own transaction. A link lists *entries*: kind, what it is about, and
the SHA-256 of a text kept elsewhere. So a text can be forgotten (retention, erasure) and the chain stays whole:

    finding    watch|incarnation|start|end      the finding's JSON, in the table of findings
    alert      id|phase|resolved_at             the alert's JSON after the step, in the table of alerts
    decision   alert id                         a detail: phase, severity, reason, what was told
    config     fingerprint of the plan          a detail: the plan's description
    act        number of the command            a detail: verb, target, arguments, author, time
    purge      kind of what was forgotten       a detail: everything older than `before` may be gone
    trim       last position forgotten          a detail: the hash of that link

The hash of a link is the SHA-256 of the JSON array [model, position, step, at, previous, entries], `entries` being the text
as stored. The first link follows 64 zeros.

Nobody can change, drop or insert a link or a text without every later hash being wrong. Who may write to the database can
write all later links anew, or cut off the newest: that is found only if a head (position and hash) is kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from monitor.alerting.alert import Alert, Decided
from monitor.store import codec
from monitor.watch.description import PlanDescription
from monitor.watch.finding import Finding

FINDING, ALERT, DECISION, CONFIG, ACT, PURGE, TRIM = "finding", "alert", "decision", "config", "act", "purge", "trim"
DETAILED = frozenset({DECISION, CONFIG, ACT, PURGE, TRIM})
"""Kinds whose text is a detail beside the chain."""

ERASE = "erase"
"""The verb whose arguments name a person: they are recorded nowhere, and dropped with the step that takes the command.

`unit`: the id's keyed hash. `after`: dead letters stored later than this one were not searched for the id; what they hold goes as well.
"""
REMEDIES = "remedies"
"""What a simulation said of remedies: the composite alert quotes it."""

RESEND = "resend"
"""The verb that queues parked messages of a model again: the outbox row in `row`, or all."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """See the module's text. `digest` is that of the text, in hexadecimal."""

    kind: str
    about: str
    digest: str


class Head(msgspec.Struct, frozen=True):
    """The newest link of a chain. Position 0: there is none."""

    position: int = 0
    hash: str = "0" * 64


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link. `at` is wall time, ms; `step` the model's step that wrote it, or after which it was written."""

    model: str
    position: int
    step: int
    at: int
    entries: str
    previous: str
    hash: str

    def read(self) -> list[Entry]:
        """The entries. `msgspec.ValidationError` if the text was changed into something else."""
        return msgspec.json.decode(self.entries, type=list[Entry])

    @property
    def computed(self) -> str:
        """The hash that the link should have."""
        text = [self.model, self.position, self.step, self.at, self.previous, self.entries]
        return sha256(msgspec.json.encode(text)).hexdigest()


class News:
    """What goes into the next link: entries in the order they are added, and texts of those that have a detail, by place."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.details: dict[int, str] = {}

    def __bool__(self) -> bool:
        return bool(self.entries)

    def findings(self, findings: Sequence[Finding], texts: Sequence[str]) -> None:
        """Findings, with the texts under which they are stored."""
        self.entries += [
            Entry(FINDING, finding_key(f.watch, f.incarnation, f.start, f.end), digest(text))
            for f, text in zip(findings, texts, strict=True)
        ]

    def alerts(self, alerts: Sequence[Alert], texts: Sequence[str]) -> None:
        """Alerts as they stand after the step, with the texts under which they are stored."""
        for alert, text in zip(alerts, texts, strict=True):
            about = f"{alert.id}|{alert.phase}|{'' if alert.resolved_at is None else alert.resolved_at}"
            self.entries.append(Entry(ALERT, about, digest(text)))

    def decisions(self, decisions: Sequence[Decided]) -> None:
        """Changes of alerts, each with its reason."""
        for decided in decisions:
            self.detail(DECISION, decided.alert, decided)

    def config(self, description: PlanDescription) -> None:
        """From this step on the model runs under another plan."""
        self.detail(CONFIG, description.fingerprint, description.plan)

    def detail(self, kind: str, about: str, value: Any) -> None:
        """An entry whose text is kept beside the chain."""
        text = codec.encode(value)
        self.details[len(self.entries)] = text
        self.entries.append(Entry(kind, about, digest(text)))

    def link(self, model: str, head: Head, step: int, at: int) -> Link:
        """The link that follows `head`."""
        made = Link(
            model=model,
            position=head.position + 1,
            step=step,
            at=at,
            entries=codec.encode(self.entries),
            previous=head.hash,
            hash="",
        )
        return msgspec.structs.replace(made, hash=made.computed)


def act(
    number: int, verb: str, target: str, arguments: Mapping[str, Any], author: str, asked_at: int
) -> dict[str, Any]:
    """The detail of an operator's act. Arguments that name a person are left out."""
    said = {"number": number, "verb": verb, "target": target, "author": author, "asked_at": asked_at}
    return said if verb == ERASE else said | {"arguments": dict(arguments)}


def finding_key(watch: str, incarnation: str, start: int, end: int) -> str:
    """What an entry of a finding is about."""
    return f"{watch}|{incarnation}|{start}|{end}"


def digest(text: str) -> str:
    """SHA-256 of the UTF-8 text, in hexadecimal."""
    return sha256(text.encode()).hexdigest()

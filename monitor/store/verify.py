"""Is the audit chain whole, and does everything it speaks of still say what it said?

Two passes, a batch at a time, so that a long history needs no memory but a line for each alert: first the links and their
details, then the findings beside the links that recorded them (both are in the order of their steps). See `monitor.store.chain`
for what cannot be found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from monitor.alerting.alert import Phase
from monitor.store.chain import ALERT, DETAILED, FINDING, PURGE, TRIM, Entry, Head, Link, digest, finding_key
from monitor.store.protocols import Kept, Ledger, RecordedAlert, RecordedFinding

FAULTS_NAMED = 1_000
"""Beyond so many faults a model's others are only counted."""

_LINKS_AT_ONCE, _FINDINGS_AT_ONCE, _ALERTS_AT_ONCE = 50, 2_000, 500

OnProgress = Callable[[float], None]
"""Hears which share of the work is done."""


@dataclass
class Report:
    """What was found of one model.

    faults      sentences, each naming what was changed, is missing or was added.
    beyond      faults that are not named any more.
    links, findings, alerts, details   how many were held against the chain and agree.
    uncovered   findings older than the chain: stored before it began, or before the links that retention has left.
    head        the newest link: keep it elsewhere, and give it to a later check.
    """

    model: str
    head: Head = field(default_factory=Head)
    faults: list[str] = field(default_factory=list)
    beyond: int = 0
    links: int = 0
    findings: int = 0
    alerts: int = 0
    details: int = 0
    uncovered: int = 0

    def fault(self, sentence: str) -> None:
        """Name a fault."""
        if len(self.faults) < FAULTS_NAMED:
            self.faults.append(f"{self.model}: {sentence}")
        else:
            self.beyond += 1


@dataclass
class _Said:
    """What the links say of everything else.

    begins   findings and alerts of earlier steps are older than the chain.
    before   kind to a time: what is older may be gone.
    trims    position to hash of the last link that was forgotten.
    alerts   id to what was last recorded of it.
    """

    begins: int | None = None
    before: dict[str, int] = field(default_factory=dict)
    trims: dict[int, str] = field(default_factory=dict)
    alerts: dict[str, str] = field(default_factory=dict)

    def covers(self, step: int) -> bool:
        """Whether what a step stored must be named by the chain."""
        return self.begins is not None and step >= self.begins


def verify(
    ledger: Ledger, model: str, known: Head | None = None, on_progress: OnProgress = lambda _share: None
) -> Report:
    """Check one model's chain; `known` is a head that was kept elsewhere. Raises `StoreError`."""
    report, said = Report(model), _Said()
    _check_links(ledger, report, said, known, lambda share: on_progress(share / 2))
    _check_findings(ledger, report, said, lambda share: on_progress((1 + share) / 2))
    _check_alerts(ledger, report, said)
    on_progress(1.0)
    return report


def _check_links(ledger: Ledger, report: Report, said: _Said, known: Head | None, on_progress: OnProgress) -> None:
    first: Link | None = None
    last = Head()
    seen_known = known is None or known.position == 0
    for link, details in _with_details(ledger, report.model, on_progress):
        if first is None:
            first, last = link, Head(link.position - 1, link.previous)
            said.begins = link.step + all(entry.kind in (PURGE, TRIM) for entry in _entries(link))
        if link.position != last.position + 1:
            report.fault(f"{_spelled(last.position + 1, link.position - 1)} missing from the chain")
        elif link.previous != last.hash:
            report.fault(f"link {link.position} does not follow link {last.position}: one of them was changed")
        if link.computed == link.hash:
            report.links += 1
        else:
            report.fault(f"link {link.position} (step {link.step}) was changed: its hash is not that of its contents")
        if known is not None and link.position == known.position:
            seen_known = True
            if link.hash != known.hash:
                report.fault(f"link {known.position} is not the one whose hash was kept: the chain was written anew")
        last = Head(link.position, link.hash)
        _check_details(report, said, link, details)
    remembered = ledger.head(report.model)
    report.head = last
    if remembered.position > last.position:
        report.fault(f"{_spelled(last.position + 1, remembered.position)} missing from the end of the chain")
    elif remembered != last:
        report.fault(f"the model's row remembers link {remembered.position}, the chain ends with link {last.position}")
    if known is not None and not seen_known and known.position > last.position:
        report.fault(
            f"{_spelled(last.position + 1, known.position)} missing: a head kept elsewhere names the last of them"
        )
    if first is not None and first.position > 1 and said.trims.get(first.position - 1) != first.previous:
        report.fault(f"{_spelled(1, first.position - 1)} missing, and no later link says that they were forgotten")


def _check_details(report: Report, said: _Said, link: Link, details: Mapping[int, str]) -> None:
    entries = _entries(link)
    for place, entry in enumerate(entries):
        if entry.kind == ALERT:
            said.alerts[entry.about.split("|")[0]] = f"{entry.about}|{entry.digest}"
        if entry.kind not in DETAILED:
            continue
        text, what = details.get(place), f"the {entry.kind} {entry.about} of link {link.position}"
        if text is None:
            report.fault(f"{what} is missing")
        elif digest(text) != entry.digest:
            report.fault(f"{what} was changed")
        else:
            report.details += 1
            _note(said, entry, msgspec.json.decode(text))
    for place in sorted(set(details) - {p for p, e in enumerate(entries) if e.kind in DETAILED}):
        report.fault(f"detail {place} of link {link.position} was added: the link does not name it")


def _note(said: _Said, entry: Entry, detail: dict[str, Any]) -> None:
    if entry.kind == PURGE:
        said.before[detail["kind"]] = max(detail["before"], said.before.get(detail["kind"], detail["before"]))
    elif entry.kind == TRIM:
        said.trims[detail["position"]] = detail["hash"]


def _check_findings(ledger: Ledger, report: Report, said: _Said, on_progress: OnProgress) -> None:
    """Walk links and findings side by side, by step."""
    rows = _Rows(ledger, report.model)
    for link in _links(ledger, report.model, on_progress):
        wanted = {entry.about: entry.digest for entry in _entries(link) if entry.kind == FINDING}
        for row in rows.before(link.step):
            _unnamed(report, said, row)
        if not wanted:
            continue
        for row in rows.before(link.step + 1):
            expected = wanted.pop(_key(row), None)
            if expected is None:
                report.fault(f"{_named(row)} was added: link {link.position} of its step does not name it")
            else:
                _compare(report, row, expected)
        for about in wanted:
            _absent(ledger, report, said, about, link)
    for row in rows.before(None):
        _unnamed(report, said, row)


def _unnamed(report: Report, said: _Said, row: RecordedFinding) -> None:
    if said.covers(row.step):
        report.fault(f"{_named(row)} was added: no link of step {row.step} names it")
    else:
        report.uncovered += 1


def _compare(report: Report, row: RecordedFinding, expected: str) -> None:
    if digest(row.text) != expected:
        report.fault(f"{_named(row)} was changed: its text is not the one that was recorded")
    elif row.differing:
        report.fault(f"{_named(row)} was changed: {', '.join(row.differing)} of the row do not say what its text says")
    else:
        report.findings += 1


def _absent(ledger: Ledger, report: Report, said: _Said, about: str, link: Link) -> None:
    watch, incarnation, start, end = about.rsplit("|", 3)
    step = ledger.step_of(report.model, watch, incarnation, int(start), int(end))
    if step is not None and step < link.step:
        return  # told twice, stored by the earlier step, and checked there
    if step is None and int(end) < said.before.get(Kept.FINDINGS, 0):
        return  # forgotten, and said so
    what = "is missing" if step is None else f"was changed: its row now names step {step}"
    report.fault(
        f"finding of watch {watch}, window {start} to {end}, of link {link.position} (step {link.step}) {what}"
    )


def _check_alerts(ledger: Ledger, report: Report, said: _Said) -> None:
    """What is left of `said.alerts` afterwards was recorded and is not there."""
    for alert in _alerts(ledger, report.model):
        recorded = said.alerts.pop(alert.id, None)
        if recorded is not None:
            _compare_alert(report, alert, recorded.rpartition("|")[2])
        elif said.covers(alert.step):
            report.fault(f"alert {alert.id} was added: no link names it")
        else:
            report.uncovered += 1
    for id_, recorded in said.alerts.items():
        phase, resolved_at, _ = recorded.split("|")[1:]
        if not (phase == Phase.RESOLVED and int(resolved_at or 0) < said.before.get(Kept.ALERTS, 0)):
            report.fault(f"alert {id_} is missing")


def _compare_alert(report: Report, alert: RecordedAlert, expected: str) -> None:
    if digest(alert.text) != expected:
        report.fault(f"alert {alert.id} was changed since the step that last wrote it")
    elif alert.differing:
        report.fault(
            f"alert {alert.id} was changed: {', '.join(alert.differing)} of its row do not say what its text says"
        )
    else:
        report.alerts += 1


def _alerts(ledger: Ledger, model: str) -> Iterator[RecordedAlert]:
    after = ""
    while batch := ledger.recorded_alerts(model, after=after, limit=_ALERTS_AT_ONCE):
        yield from batch
        after = batch[-1].id


def _links(ledger: Ledger, model: str, on_progress: OnProgress) -> Iterator[Link]:
    for batch in _batches(ledger, model, on_progress):
        yield from batch


def _with_details(ledger: Ledger, model: str, on_progress: OnProgress) -> Iterator[tuple[Link, Mapping[int, str]]]:
    """Links with the details that are stored for them, by the place of their entry."""
    for batch in _batches(ledger, model, on_progress):
        details: dict[int, dict[int, str]] = {}
        for (position, place), text in ledger.details(model, batch[0].position, batch[-1].position).items():
            details.setdefault(position, {})[place] = text
        for link in batch:
            yield link, details.get(link.position, {})


def _batches(ledger: Ledger, model: str, on_progress: OnProgress) -> Iterator[Sequence[Link]]:
    after, first, last = 0, None, ledger.head(model).position
    while batch := ledger.links(model, after=after, limit=_LINKS_AT_ONCE):
        first = batch[0].position if first is None else first
        yield batch
        after = batch[-1].position
        on_progress(min((after - first + 1) / max(last - first + 1, 1), 1.0))


def _entries(link: Link) -> list[Entry]:
    try:
        return link.read()
    except (msgspec.ValidationError, msgspec.DecodeError):
        return []  # then the link's hash is wrong, too, and it has been named


class _Rows:
    """Findings in the order of their steps, each handed out once."""

    def __init__(self, ledger: Ledger, model: str) -> None:
        self._rows = _findings(ledger, model)
        self._next = next(self._rows, None)

    def before(self, step: int | None) -> Iterator[RecordedFinding]:
        """Those of steps below `step` that are left; all that are left for None."""
        while (row := self._next) is not None and (step is None or row.step < step):
            self._next = next(self._rows, None)
            yield row


def _findings(ledger: Ledger, model: str) -> Iterator[RecordedFinding]:
    after = (-1, -1)
    while batch := ledger.recorded_findings(model, after=after, limit=_FINDINGS_AT_ONCE):
        yield from batch
        after = (batch[-1].step, batch[-1].row)


def _key(row: RecordedFinding) -> str:
    return finding_key(row.watch, row.incarnation, row.start, row.end)


def _named(row: RecordedFinding) -> str:
    return f"finding {row.row} (watch {row.watch}, window {row.start} to {row.end})"


def _spelled(first: int, last: int) -> str:
    return f"link {first} is" if first == last else f"links {first} to {last} are"

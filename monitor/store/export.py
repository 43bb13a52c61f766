"""The audit of a stretch of time as plain lines: what was found, decided, configured and asked for, and where nothing was found.

Time is that of the commits. A window in which no bound was crossed is no line of its own: windows of one watch that were judged
alike are told together as `looked`, from the first to the last. Everything else is a line, with the link that recorded it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from detectors.evidence import Crossing, Evidence
from monitor.store import codec
from monitor.store.chain import ALERT, DETAILED, FINDING, Link, finding_key
from monitor.store.protocols import Ledger
from monitor.watch.finding import Finding

_LINKS_AT_ONCE = 500


class Looked(msgspec.Struct, kw_only=True):
    """Windows of one watch that said the same: how many, from when to when (event time, ms), and the last one's reason."""

    model: str
    watch: str
    incarnation: str
    mode: str
    standing: str
    windows: int
    start: int
    end: int
    reason: str
    links: tuple[int, int]
    what: str = "looked"

    def goes_on(self, finding: Finding) -> bool:
        """Whether the finding says the same again."""
        said = finding.evidence
        return (self.incarnation, self.mode, self.standing) == (finding.incarnation, said.mode, said.standing)


def export(ledger: Ledger, model: str, start: int, end: int) -> Iterator[dict[str, Any] | Looked]:
    """One model's links committed from `start` until before `end` (ms), as lines; the last says up to which link. Raises `StoreError`."""
    spans: dict[str, Looked] = {}
    last: Link | None = None
    counted = 0
    for link, details in _committed(ledger, model, start, end):
        last, counted = link, counted + 1
        texts = _texts(ledger, model, link)
        for place, entry in enumerate(link.read()):
            if entry.kind == FINDING:
                yield from _finding(spans, link, entry.about, texts.get(entry.about))
            elif entry.kind in DETAILED:
                text = details.get((link.position, place))
                said = None if text is None else msgspec.json.decode(text)
                yield _line(link, entry.kind, about=entry.about, detail=said)
            elif entry.kind != ALERT:  # an alert's text is what it is now; what it was is told by its decisions
                yield _line(link, entry.kind, about=entry.about)
    yield from spans.values()
    head = {} if last is None else {"position": last.position, "hash": last.hash}
    yield {"what": "end", "model": model, "from": start, "to": end, "links": counted, "last": head}


def _committed(
    ledger: Ledger, model: str, start: int, end: int
) -> Iterator[tuple[Link, Mapping[tuple[int, int], str]]]:
    after = 0
    while batch := ledger.links(model, after=after, limit=_LINKS_AT_ONCE):
        after = batch[-1].position
        wanted = [link for link in batch if start <= link.at < end]
        details = ledger.details(model, wanted[0].position, wanted[-1].position) if wanted else {}
        for link in wanted:
            yield link, details


def _texts(ledger: Ledger, model: str, link: Link) -> Mapping[str, str]:
    """Findings that the link's step stored, by what their entries are about."""
    if not any(entry.kind == FINDING for entry in link.read()):
        return {}
    found: dict[str, str] = {}
    after = (link.step, -1)
    while batch := ledger.recorded_findings(model, after=after):
        for row in batch:
            if row.step != link.step:
                return found
            found[finding_key(row.watch, row.incarnation, row.start, row.end)] = row.text
        after = (batch[-1].step, batch[-1].row)
    return found


def _finding(spans: dict[str, Looked], link: Link, about: str, text: str | None) -> Iterator[dict[str, Any] | Looked]:
    if text is None:
        yield _line(link, FINDING, about=about, finding=None, note="forgotten by retention, or told before")
        return
    finding = codec.decode(text, Finding)
    span = spans.get(finding.watch)
    if span is not None and not (_is_quiet(finding.evidence) and span.goes_on(finding)):
        yield spans.pop(finding.watch)
        span = None
    if not _is_quiet(finding.evidence):
        yield _line(link, FINDING, finding=finding)
    elif span is None:
        spans[finding.watch] = Looked(
            model=link.model,
            watch=finding.watch,
            incarnation=finding.incarnation,
            mode=finding.evidence.mode,
            standing=finding.evidence.standing,
            windows=1,
            start=finding.start,
            end=finding.end,
            reason=finding.evidence.reason,
            links=(link.position, link.position),
        )
    else:
        span.windows += 1
        span.end, span.reason, span.links = finding.end, finding.evidence.reason, (span.links[0], link.position)


def _is_quiet(evidence: Evidence) -> bool:
    return evidence.crossing is Crossing.NONE


def _line(link: Link, what: str, **more: Any) -> dict[str, Any]:
    return {"what": what, "model": link.model, "at": link.at, "step": link.step, "link": link.position} | more

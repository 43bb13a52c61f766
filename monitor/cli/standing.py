"""How a model's watches stand, and what one of them last found: tables that a terminal of 80 columns shows whole."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from detectors.evidence import Crossing, Evidence, Mode
from monitor.alerting.words import moment, number
from monitor.watch.finding import Finding
from monitor.web.overview import ModelSection, State, WatchRow

_LOUD = frozenset({Crossing.WARN, Crossing.PAGE, Crossing.CRITICAL})
_COLOUR = {State.OK: "green", State.FIRING: "bold red", State.PENDING: "yellow", State.RESOLVED: "green"}


def standing(section: ModelSection, watch: str = "") -> Table:
    """A row a watch, or the one row of `watch`; above them the end of the newest window: what is older than that is not known."""
    judged = "no window has closed yet" if section.judged_to is None else f"judged up to {moment(section.judged_to)}"
    table = Table(
        title=Text(f"{section.model}, {judged}"), title_justify="left", box=SIMPLE_HEAD, collapse_padding=True
    )
    for name in ("watch", "state", "what is known"):
        table.add_column(name, overflow="fold", no_wrap=name != "what is known")
    for row in section.rows:
        if watch in ("", row.watch):
            table.add_row(
                Text(row.watch),
                Text(str(row.state).replace("_", " "), style=_COLOUR.get(row.state, "yellow")),
                Text(_known(row)),
            )
    return table


def last_findings(model: str, watch: str, findings: Sequence[Finding]) -> Table:
    """A row a finding, in the order given: when its window ended, whether it could be judged, how much, of how many, and why."""
    table = Table(
        title=Text(f"{model}, what {watch} last found, by the end of its window (UTC)"),
        title_justify="left",
        box=SIMPLE_HEAD,
        collapse_padding=True,
    )
    for name in ("end", "standing", "effect", "interval", "n", "reason"):
        table.add_column(name, overflow="fold", no_wrap=name in {"end", "standing", "n"})
    for finding in findings:
        evidence = finding.evidence
        table.add_row(
            Text("\n".join(moment(finding.end).removesuffix(" UTC").rsplit(maxsplit=1))),
            Text(_standing(evidence), style="bold red" if evidence.crossing in _LOUD else ""),
            Text("" if evidence.effect is None else f"{number(evidence.effect, sign=True)} {evidence.unit}".rstrip()),
            Text(_interval(evidence)),
            Text("\n".join(f"{arm} {n:,}" for arm, n in evidence.n.items())),
            Text("; ".join(part for part in (evidence.reason, finding.origin_reason, *finding.missing) if part)),
        )
    return table


def _standing(evidence: Evidence) -> str:
    said = str(evidence.standing).replace("_", " ")
    if evidence.mode is not Mode.WATCHING:
        said += f"\n{evidence.mode}"
    return said if evidence.crossing is Crossing.NONE else f"{said}: {evidence.crossing}"


def _interval(evidence: Evidence) -> str:
    if evidence.interval is None:
        return ""
    return f"{number(evidence.interval.low, sign=True)} to {number(evidence.interval.high, sign=True)}"


def _known(row: WatchRow) -> str:
    since = f"since {moment(row.since)}" if row.since is not None else ""
    return "; ".join(part for part in (since, row.effect, row.counts, row.reason) if part)

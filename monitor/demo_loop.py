"""The demo's loop: a recommender retrained on its own clicks, replayed; what a dashboard shows, what it hides, what is told."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from detectors.evidence import Evidence, Standing
from monitor.alerting.composite import DASHBOARD
from monitor.alerting.plot import Beneath
from monitor.simulate.closed_loop import events
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.watch.finding import Finding

SEED = 7
MODE = Mode.CLOSED_PLANTED_HARM
SHAPE = Shape(people=3_200, periods=6, event_at=4)


def files(folder: Path) -> dict[str, list[Path]]:
    """The files of a written world, by topic."""
    return {topic: [folder / f"{topic}.jsonl.gz"] for topic in events.TOPICS}


def beneath(findings: Iterable[Finding], engagement: str, hidden: str = "concentration") -> list[Beneath]:
    """By period, as shares of the first: engagement, and how many different items people see. In order of time."""
    above = {f.end: f.evidence for f in findings if f.watch == engagement}
    under = {f.end: f.evidence for f in findings if f.watch == hidden}
    ends = sorted(above.keys() & under.keys())
    return [Beneath(end, *_changed(above[end]), *_ratios(under[end])) for end in ends]


def told_at(findings: Iterable[Finding]) -> tuple[int, int] | None:
    """When the composite opened and since when it dates what it tells, ms; None if it never did."""
    for finding in sorted(findings, key=lambda f: f.end):
        if finding.watch == DASHBOARD and finding.evidence.change_at is not None:
            return finding.end, finding.evidence.change_at
    return None


def _changed(evidence: Evidence) -> tuple[float, float]:
    """Engagement of the exposed and the held out against the baseline; the baseline itself is 1."""
    detail = evidence.detail
    if evidence.standing is not Standing.OK:
        return _baseline(evidence)
    return 1.0 + detail["exposed_change"], 1.0 + detail.get("holdout_change", math.nan)


def _ratios(evidence: Evidence) -> tuple[float, float]:
    if evidence.standing is not Standing.OK:
        return _baseline(evidence)
    return evidence.arms["exposed"], evidence.arms.get("holdout", math.nan)


def _baseline(evidence: Evidence) -> tuple[float, float]:
    return (1.0, 1.0) if evidence.detail.get("learned_periods") else (math.nan, math.nan)

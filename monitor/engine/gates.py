"""Gates: while the holdout (or the split of an experiment) is not sound, what compares its arms is blind.

Every watch of the integrity family is a gate of the model, or of its experiment. A gate shuts on evidence of the strength of a page:

- its alert crosses the bound of a page; or
- after a warning, what came since then, by itself, lies beyond what is tolerated (an interval of those data alone).

A warning as such leaves it open. A team's budget allows some false warnings, and with few watches each may have many of them; a
split that was sound all along would be blind until the warning has ended, which takes as long as a real repair. A page is as rare
as the team allows false pages, and of false warnings the second rule confirms one in twenty at most. A gate whose watch may not
page, such as that of a segment, shuts by the second rule alone.

The watch on logged propensities is a gate of what is weighted by them, and of nothing else.

A gate is shut from when its trouble most likely began, and opens again when its watch has recovered, by evidence.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from detectors.detector import Family
from detectors.evidence import Crossing, Evidence, Mode
from monitor.alerting.compared import reworded
from monitor.engine.lanes import Lanes
from monitor.memory import ModelMemory, Span
from monitor.watch.finding import Finding
from monitor.watch.plan import ModelPlan, WatchPlan

_SCALE = "propensity_check"
"""The detector that says whether logged propensities can be weighed by."""


class Gates:
    """The gates of a plan. Holds no state of its own."""

    def __init__(self, plan: ModelPlan, lanes: Lanes) -> None:
        self._lanes, self._compared = lanes, plan.compared
        self._keys: dict[str, set[str]] = {}
        self._scales = {watch.key for watch in plan.watches if watch.detector == _SCALE}
        for watch in plan.watches:
            if watch.test.family is Family.INTEGRITY and watch.key not in self._scales:
                self._keys.setdefault(watch.experiment, set()).add(watch.key)

    def of(self, experiment: str = "") -> Collection[str]:
        """Watches that are gates of an experiment, or of the model's own comparisons."""
        return self._keys.get(experiment, ())

    def shut_between(self, memory: ModelMemory, start: int, end: int) -> str:
        """Why a gate of the model's own comparisons was shut in any part of [start, end), ms; "" if none was."""
        return memory.shut_between(start, end, self.of())

    def why_blind(self, memory: ModelMemory, watch: WatchPlan, start: int, end: int) -> str:
        """Why a gate of what a watch needs was shut in any part of [start, end), ms; "" if none was."""
        cohorts = self.of(watch.experiment) if watch.needs.gated else ()
        return memory.shut_between(start, end, {*cohorts, *(self._scales if watch.needs.weighed else ())})

    def judge(self, memory: ModelMemory, finding: Finding) -> None:
        """Shut or open the gate of a watch by what it found.

        Outcomes mature later than their gate judges them, so spans are kept until every lane has passed them.
        """
        evidence, spans = finding.evidence, memory.gates.setdefault(finding.watch, [])
        is_shut = bool(spans) and spans[-1].end is None
        if evidence.mode is Mode.RECOVERING and (is_shut or shuts(evidence)):
            alert = memory.alerts.get(finding.watch)
            began = (alert.since if alert is not None else None) or evidence.change_at or finding.start
            since = spans[-1].start if is_shut else min(began, finding.start)
            why = reworded(_trouble(evidence), self._compared)
            spans[-1 if is_shut else len(spans) :] = [Span(since, None, f"{finding.watch}: {why}")]
        elif is_shut:
            spans[-1] = msgspec.structs.replace(spans[-1], end=finding.end)
        oldest = self._lanes.oldest(memory)
        spans[:] = [span for span in spans if span.end is None or span.end > oldest]
        if not spans:
            del memory.gates[finding.watch]

    def in_words(self, memory: ModelMemory) -> str:
        """What the model's own gates say now; nothing where none watches, or none has judged."""
        gates = self.of()
        shut = {key: s.why for key, spans in memory.gates.items() if key in gates for s in spans if s.end is None}
        if shut:
            return "; ".join(sorted(shut.values()))
        warned = sorted(key for key in gates if memory.standings.get(key, "").startswith(Mode.RECOVERING))
        if warned:
            return (
                f"{', '.join(warned)} warned, too weakly to doubt this comparison; it turns blind if that is confirmed."
            )
        sound = gates and all(memory.standings.get(key, "").startswith("watching/ok") for key in gates)
        return "its share of new units is as planned." if sound else ""


def shuts(evidence: Evidence) -> bool:
    """Whether what a gate's watch says now is as strong as a page: see the module's text."""
    if evidence.crossing in (Crossing.PAGE, Crossing.CRITICAL):
        return True
    interval, tolerated = evidence.interval, evidence.margin or 0.0
    if evidence.mode is not Mode.RECOVERING or interval is None or interval.kind != "fresh":
        return False
    return interval.low > tolerated or interval.high < -tolerated


def _trouble(evidence: Evidence) -> str:
    if "exposed" in evidence.arms:
        came, stayed = evidence.arms["exposed"], evidence.arms["holdout"]
        return f"{came:.2%} of the exposed came, {stayed:.2%} of the held-out"
    if "expected" in evidence.arms:
        return f"by their logged propensities the draws stand for {evidence.arms['now']:.1%} of what they should"
    mixed_up = evidence.arms.get("mixed up")
    if mixed_up is not None:
        return f"{mixed_up:.2%} of the people are mixed up, at most {evidence.margin:.2%} may be"
    arm = "control" if "control" in evidence.n else "holdout"
    planned, seen = evidence.arms.get("planned"), evidence.arms.get(arm)
    known = planned is not None and seen is not None
    return f"the {arm} is {seen:.2%}, planned {planned:.2%}" if known else f"the {arm} is broken"

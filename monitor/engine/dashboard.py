"""The composite of a model after a closing: what its parts said is gathered, and its own finding and alert are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.evidence import Standing
from monitor.alerting.alert import Alert, Phase
from monitor.alerting.composite import Closing, compose
from monitor.alerting.policy import Decision
from monitor.memory import ModelMemory, keep_dashboard
from monitor.watch.finding import Finding
from monitor.watch.plan import DashboardPlan, WatchPlan


@dataclass(frozen=True, slots=True)
class Said:
    """What a watch found in a window, and what the policy made of it. `before`: its alert until then."""

    watch: WatchPlan | DashboardPlan
    finding: Finding
    before: Alert | None
    decision: Decision


def gather(
    memory: ModelMemory, plan: DashboardPlan, said: Sequence[Said], now: int
) -> tuple[Said, frozenset[str]] | None:
    """What the composite says once these watches have spoken at event time `now`, and whom it speaks for.

    None if none of them is a part or a reading of it. One that is told to nobody speaks for nobody.
    """
    own = [s for s in said if s.watch.key in plan.keys]
    if not own:
        return None
    for each in own:
        if each.finding.evidence.standing is Standing.OK:
            memory.newest[each.watch.key] = each.finding
    keep_dashboard(memory)
    parts = frozenset(plan.parts)
    before = memory.alerts.get(plan.key)
    composed = compose(
        plan.policy,
        before,
        plan.reads,
        Closing(
            model=own[0].finding.model,
            incarnation=plan.incarnation,
            start=min(s.finding.start for s in own),
            now=now,
            alerts={key: alert for key in plan.parts if (alert := memory.alerts.get(key)) is not None},
            newest=memory.newest,
            standings={key: standing for key in plan.parts if (standing := memory.standings.get(key))},
            spoke=frozenset(s.watch.key for s in own if s.watch.key in parts and s.decision.notify is not None),
            ended=frozenset(
                s.watch.key for s in own if s.decision.alert is not None and s.decision.alert.phase is Phase.RESOLVED
            ),
            remedies=memory.remedies,
        ),
    )
    is_told = bool(plan.routing.page or plan.routing.digest)
    return Said(plan, composed.finding, before, composed.decision), composed.covers if is_told else frozenset()


def keep(memory: ModelMemory, alert: Alert) -> None:
    """An alert as it stands after a decision: open, or gone."""
    if alert.phase is Phase.RESOLVED:
        memory.alerts.pop(alert.watch, None)
    else:
        memory.alerts[alert.watch] = alert

"""What was decided of alerts is recorded, and told to people; the composite first, as it may speak for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.alerting.alert import Alert, Decided, Kind, Phase, Severity
from monitor.alerting.message import Context
from monitor.alerting.rehearsal import Rehearsal
from monitor.alerting.routing import notifications
from monitor.alerting.words import moment
from monitor.engine.dashboard import Said, gather, keep
from monitor.engine.gates import Gates
from monitor.engine.origins import Origins
from monitor.memory import ModelMemory
from monitor.watch.finding import Finding
from monitor.watch.plan import DashboardPlan, ModelPlan, WatchPlan

ARMED = "told again: it opened while the model rehearsed, and is still open now that it pages"


class Teller:
    """Writes the outbox of a plan. Holds no state of its own."""

    def __init__(self, plan: ModelPlan, gates: Gates, origins: Origins) -> None:
        self._plan, self._gates, self._origins = plan, gates, origins

    def speak(self, memory: ModelMemory, said: Sequence[Said], now: int) -> None:
        """Record what was decided and tell it; what the composite speaks for is not told by itself. `now`: event time, ms."""
        board = self._plan.dashboard
        gathered = gather(memory, board, said, now) if board is not None else None
        composite, covered = gathered if gathered is not None else (None, frozenset[str]())
        if composite is not None:
            memory.turn.findings.append(composite.finding)
            if composite.decision.alert is not None:
                keep(memory, composite.decision.alert)
        for each in said if composite is None else [*said, composite]:
            alert, decision = each.decision.alert, each.decision
            if alert is None:
                continue
            silent = decision.notify is None or each.watch.key in covered
            if alert != each.before:
                reason = decision.reason
                if decision.notify is not None and silent:
                    reason += f"; told as a part of {board.key}" if board is not None else ""
                memory.turn.alerts[alert.id] = alert
                told = "" if silent or decision.notify is None else str(decision.notify[0])
                memory.turn.decisions.append(Decided.of(alert, each.finding.end, reason, told))
            if decision.notify is not None and not silent:
                context = self._context(memory, each.watch, each.finding, each.finding.end)
                kind, _ = decision.notify
                memory.turn.outbox.extend(notifications(alert, kind, each.watch.routing, context, each.finding.end))

    def arm(self, memory: ModelMemory, now: int) -> None:
        """Somebody ends the rehearsal at `now`, event time, ms; if it still lasts."""
        rehearses = self._rehearsal(memory).at(now)
        memory.armed = True
        if rehearses:
            self._tell_again(memory, now)

    def end_rehearsal(self, memory: ModelMemory, now: int) -> None:
        """The rehearsal ends by itself when its time is over."""
        if not memory.armed and self._plan.rehearsal and not self._rehearsal(memory).at(now):
            self._tell_again(memory, now)
            memory.armed = True

    def _tell_again(self, memory: ModelMemory, now: int) -> None:
        """The model pages from now on: what only rehearsed to page, and is still open, is told as a page."""
        rehearsal = Rehearsal(first_event=memory.first_event, duration_ms=self._plan.rehearsal)
        watches: dict[str, WatchPlan | DashboardPlan] = {watch.key: watch for watch in self._plan.watches}
        if self._plan.dashboard is not None:
            watches[self._plan.dashboard.key] = self._plan.dashboard
        spoken_for = self._spoken_for(memory)
        for key, alert in sorted(memory.alerts.items()):
            if key in watches and key not in spoken_for and _is_page(alert) and rehearsal.at(alert.opened_at):
                context = self._context(memory, watches[key], alert.finding, now)
                told = notifications(alert, Kind.ARMED, watches[key].routing, replace(context, rehearsal=False), now)
                memory.turn.outbox.extend(told)
                memory.turn.decisions.append(Decided.of(alert, now, ARMED, str(Kind.ARMED) if told else ""))

    def _spoken_for(self, memory: ModelMemory) -> frozenset[str]:
        """Watches whose alerts are told as parts of the composite."""
        board = self._plan.dashboard
        alert = None if board is None else memory.alerts.get(board.key)
        parts = () if alert is None else alert.finding.evidence.detail.get("parts", ())
        return frozenset(part["watch"] for part in parts if not part.get("alone", False))

    def _rehearsal(self, memory: ModelMemory) -> Rehearsal:
        return Rehearsal(armed=memory.armed, first_event=memory.first_event, duration_ms=self._plan.rehearsal)

    def _context(self, memory: ModelMemory, watch: WatchPlan | DashboardPlan, finding: Finding, now: int) -> Context:
        since = finding.evidence.change_at or finding.start
        near = self._origins.near(memory, since, finding.end, self._plan.slot)
        holdout = ""
        if self._plan.compares_people and (
            isinstance(watch, DashboardPlan) or (watch.needs.contrast and not watch.experiment)
        ):
            holdout = self._gates.in_words(memory)
        return Context(
            model=self._plan.model,
            team=watch.team,
            runbook=self._plan.runbook,
            budget=watch.budget,
            changes=tuple(f"{what} ({moment(at)})" for at, what in near.changed),
            unchanged=near.unchanged,
            holdout=holdout,
            rehearsal=self._rehearsal(memory).at(now),
        )


def _is_page(alert: Alert) -> bool:
    """Whether somebody should have been woken by it who was not, and nobody has taken it up."""
    loud = alert.severity in (Severity.PAGE, Severity.CRITICAL)
    return loud and alert.phase is Phase.FIRING and not alert.acknowledged_by

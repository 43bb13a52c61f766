"""A config that is read again while the daemon runs: taken up as a whole, or not at all and for which reasons.

What is wrong changes nothing, in no model: models of a team share its budget, so a part of a config promises what nobody
asked for. What is right takes effect with each model's next turn; states of watches whose parameters stayed are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.ingest.identity import check_of
from monitor.memory import PlanChanged, refuse_other_key, refuse_other_lengths
from monitor.settings import Settings
from monitor.watch.compile import Plans
from monitor.watch.plan import ModelPlan

RESTART = ("kafka", "database", "http", "limits", "retention", "heartbeat")
"""Keys of the shared part that only a restart can change."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The plans to run from now on, the names of those that are new or changed, and why nothing was taken up."""

    plans: tuple[ModelPlan, ...]
    changed: frozenset[str]
    refused: tuple[str, ...] = ()


def reloaded(before: Settings, running: Sequence[ModelPlan], after: Settings, plans: Plans) -> Reloaded:
    """What becomes of a config that was read again."""
    old = {plan.model: plan for plan in running}
    refused = [
        f"{key}: cannot be changed while loopwatch runs; set it back, or restart loopwatch"
        for key in RESTART
        if getattr(before, key) != getattr(after, key)
    ]
    refused += [fault.sentence for fault in plans.faults]
    for plan in plans.models:
        known = old.get(plan.model, plan)
        try:
            refuse_other_lengths([known.slot, known.arrivals], plan)
            refuse_other_key(check_of(known.hash_key), plan)
        except PlanChanged as error:
            refused.append(str(error))
    if refused:
        return Reloaded(tuple(running), frozenset(), tuple(refused))
    return Reloaded(plans.models, frozenset(plan.model for plan in plans.models if old.get(plan.model) != plan))

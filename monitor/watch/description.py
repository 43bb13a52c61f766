"""A plan in words that can be kept: what was watched, and how. No secret, no destination's address."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from monitor.watch.plan import ModelPlan, WatchPlan


class PlanDescription(msgspec.Struct, frozen=True, kw_only=True):
    """Equal fingerprints, equal descriptions. `plan` holds plain values only."""

    fingerprint: str
    plan: dict[str, Any]


def describe(plan: ModelPlan) -> PlanDescription:
    """What `plan` watches, from which topics, with which parameters, at which cost in false alarms, and who is told."""
    said = {
        "streams": {m.stream: m.topic for m in plan.mappings},
        "outcomes": {o.name: {"match": str(o.match), "within": o.within} for o in plan.outcomes},
        "metrics": {m.name: {"of": m.outcome, "value": m.value} for m in plan.metrics},
        "times": {"window": plan.slot, "lateness": plan.lateness, "future": plan.future, "rehearsal": plan.rehearsal},
        "watches": {w.key: _watch(w) for w in plan.watches},
        "not_watched": list(plan.not_watched),
        "dashboard": None
        if plan.dashboard is None
        else {"parts": list(plan.dashboard.parts), "told": list(plan.dashboard.routing.page)},
    }
    fingerprint = blake2b(msgspec.json.encode(said, order="deterministic"), digest_size=16).hexdigest()
    return PlanDescription(fingerprint=fingerprint, plan=said)


def _watch(watch: WatchPlan) -> dict[str, Any]:
    return {
        "detector": watch.detector,
        "params": watch.params.model_dump(mode="json"),
        "on": watch.on,
        "cohort": None if watch.cohort is None else watch.cohort.name.lower(),
        "window": watch.window,
        "min_units": watch.min_units,
        "incarnation": watch.incarnation,
        "may_page": watch.policy.may_page,
        "team": watch.team,
        "told": {"page": list(watch.routing.page), "digest": list(watch.routing.digest)},
        "spend": {"page": watch.spend.page, "warn": watch.spend.warn},
    }

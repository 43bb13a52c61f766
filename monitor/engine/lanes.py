"""Lanes: the orders in which rows become ready, and who watches which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detectors.detector import Stream
from monitor.ingest.mapping import PREDICTIONS
from monitor.memory import ARRIVALS, ModelMemory
from monitor.watch.plan import DAY, MetricPlan, ModelPlan, OutcomePlan, WatchPlan

HOLDOUT_ARRIVALS = "holdout"
"""Arrival stream of predictions to held-out units."""

REJECTED = "rejected/"
"""Put before the name of a stream: the arrival stream of its records that cannot be used."""

LONGEST_SILENCE = 3 * DAY
"""Of a stretch without events the part beyond this is passed over: all was said, and years may lie in an old topic."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where rows flow: predictions at their close, every outcome at its maturity, arrivals; and who watches each.

    watches   by lane, in the order of the plan; taught: by outcome, those of other lanes who are shown matured predictions too.
    """

    watches: Mapping[str, Sequence[WatchPlan]]
    outcomes: Mapping[str, OutcomePlan]
    taught: Mapping[str, Sequence[WatchPlan]]

    @staticmethod
    def of(plan: ModelPlan) -> Lanes:
        """The lanes of a plan."""
        outcomes, metrics = {o.name: o for o in plan.outcomes}, {m.name: m for m in plan.metrics}
        watches: dict[str, list[WatchPlan]] = {name: [] for name in (PREDICTIONS, *outcomes, ARRIVALS)}
        for watch in plan.watches:
            watches[_lane_of(watch, metrics, outcomes)].append(watch)
        taught = {
            name: [
                w
                for w in plan.watches
                if (w.needs.taught and w.on == o.truth)
                or (w.needs.beside in metrics and metrics[w.needs.beside].outcome == name)
            ]
            for name, o in outcomes.items()
        }
        return Lanes(watches, outcomes, taught)

    def of_events(self) -> tuple[str, ...]:
        """All but arrivals: predictions first."""
        return (PREDICTIONS, *self.outcomes)

    def reach(self, watch: WatchPlan, plan: ModelPlan) -> int:
        """How long after the end of a watch's window what belongs to it may come, ms."""
        return max(
            (o.within + plan.early for name, o in self.outcomes.items() if watch in self.watches[name]), default=0
        )

    def oldest(self, memory: ModelMemory) -> int:
        """The slot that the last of them has reached."""
        return min(memory.lanes[name] for name in self.of_events())


def _lane_of(watch: WatchPlan, metrics: Mapping[str, MetricPlan], outcomes: Mapping[str, OutcomePlan]) -> str:
    if watch.needs.stream is Stream.ARRIVALS:
        return ARRIVALS
    if watch.on in metrics:
        return metrics[watch.on].outcome
    if watch.experiment and watch.on in outcomes:
        return watch.on
    if watch.needs.stream is Stream.PREDICTIONS:
        return PREDICTIONS
    return next((name for name, outcome in outcomes.items() if watch.on == outcome.truth), PREDICTIONS)

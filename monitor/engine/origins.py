"""What is kept so that the origin of a shift can be told, and the telling of it.

Every watch whose figure can be followed by cohort has it added up slot by slot, apart for the exposed and the held out; every
hour has what came in it. When a watch speaks, `monitor.watch.origin` decides by them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import numpy as np

from detectors import judged, sides
from detectors.columns import Category, Cohort, Columns, Flag, Hash, Ragged
from detectors.detector import Family
from detectors.evidence import Crossing, Evidence, Mode
from detectors.math.unit_sample import mixed
from detectors.sides import Move, Moves
from monitor.ingest.mapping import TRUTH
from monitor.memory import ModelMemory, forget_log
from monitor.watch import near, origin
from monitor.watch.finding import Origin
from monitor.watch.near import DAY, HOUR, Hour, Near
from monitor.watch.origin import Case, Watched
from monitor.watch.plan import ModelPlan, WatchPlan

INPUTS = "features."
"""Begins the columns of what goes into the model."""

_OUTPUTS = frozenset(
    {
        "score",
        "probability",
        "label",
        "output_length",
        "finish_reason",
        "error_code",
        "format_valid",
        "refused",
        "blocked",
    }
    | {"truncated", "latency_ms", "cost", "cache_hit", "output_format", "output_shape"}
)
_LEARNING = str(Mode.LEARNING)


class Origins:
    """The origins of a plan's shifts. Holds no state of its own; `gates` are the watches on the holdout's soundness."""

    def __init__(self, plan: ModelPlan, gates: Collection[str]) -> None:
        self._plan = plan
        self._gates = gates
        self._inputs = {watch.key: watch.on for watch in plan.watches if is_input(watch)}

    def follow(self, memory: ModelMemory, watch: WatchPlan, prep: Any, slot: int, rows: Columns) -> None:
        """Add a slot's rows, of all cohorts, to the two sides of a watch; nothing while the holdout is broken."""
        if not self._plan.compares_people or watch.experiment:
            return
        end = slot + self._plan.slot
        if memory.shut_between(slot, end, self._gates):
            return
        what = judged.judged(watch.detector, prep, rows)
        if what is None:
            return
        before = memory.sides.get(watch.key)
        memory.turn.sides.setdefault(watch.key, before)
        learning = memory.standings.get(watch.key, _LEARNING).startswith(_LEARNING)
        known = sides.start(what, slot) if before is None else before
        memory.sides[watch.key] = sides.add(
            known, slot, end, sides.sums_of(rows, what), learning=learning, at_least=DAY
        )

    def count(self, memory: ModelMemory, slot: int, rows: Columns) -> None:
        """Add a slot of sealed predictions to its hour."""
        at = slot - slot % HOUR
        hour = memory.log.hours.setdefault(at, Hour())
        who = np.minimum(rows.cohort.astype(np.intp), 2)
        hour.predictions = _sum(hour.predictions, np.bincount(who, minlength=3).tolist())
        version = rows.fields.get("version")
        if isinstance(version, Category) and len(rows):
            told = version.codes >= 0
            counts = np.bincount(version.codes[told] * 3 + who[told], minlength=3 * len(version.labels)).reshape(-1, 3)
            for label, n in zip(version.labels, counts.tolist(), strict=True):
                if sum(n) and (label in hour.versions or len(hour.versions) < near.VERSIONS_AN_HOUR):
                    hour.versions[label] = _sum(hour.versions.get(label, [0, 0, 0]), n)
        self._count_items(memory, hour, slot, rows)
        for stream in self._plan.streams():
            hour.records = _sum(hour.records, memory.quality.get(stream, {}).get(slot, [0, 0]))
        memory.turn.hours.add(at)
        forget_log(memory, slot)

    def _count_items(self, memory: ModelMemory, hour: Hour, slot: int, rows: Columns) -> None:
        """Items shown to the exposed, of these what was drawn at random, and the different items shown to anybody."""
        items = rows.fields.get("items")
        if not isinstance(items, Ragged) or not isinstance(shown := items.fields.get("item"), Hash):
            return
        counted = (shown.values != 0) & (rows.cohort != Cohort.HOLDOUT)[items.owners()]
        explored = items.fields.get("explored")
        hour.items += int(counted.sum())
        hour.explored += int((explored.values & counted).sum()) if isinstance(explored, Flag) else 0
        day = slot - slot % DAY
        kept = memory.log.items.get(day, np.zeros(0, np.uint64))
        memory.log.items[day] = np.union1d(kept, mixed(shown.values[shown.values != 0]))[: near.ITEMS_A_DAY]
        memory.turn.days.add(day)

    def tell(
        self, memory: ModelMemory, watch: WatchPlan, start: int, end: int, evidence: Evidence, missing: Collection[str]
    ) -> tuple[Origin, str, Evidence]:
        """The origin of what a watch says of [start, end), its reason, and the evidence with what that rests on."""
        if not origin.speaks(evidence):
            return Origin.UNKNOWN, "", evidence
        alert = memory.alerts.get(watch.key)
        since = evidence.change_at or (alert.since if alert is not None else None) or start
        changes = self.near(memory, since, end, watch.window)
        family = Family.DEPLOYMENT if watch.experiment else watch.test.family
        moves = _of_arms(evidence) if family is Family.LOOP else self._moves(memory, watch, since)
        if family is Family.LOOP and isinstance(moves, str) and watch.needs.contrast:
            family = Family.COHORT
        step = changes.step
        where, why = origin.of(
            Case(
                family=family,
                watched=_watched(self._plan, watch),
                detector=watch.detector,
                moves=moves,
                compared=self._plan.compared,
                broken=memory.shut_between(since, end, self._gates) if self._plan.compares_people else "",
                trouble=self._trouble(memory, since, end, missing),
                versions=changes.exposed,
                of_holdout=changes.holdout,
                version="" if step is None else near.in_words(step),
                inputs_moved=tuple(on for key, on in self._inputs.items() if key in memory.alerts and key != watch.key),
            )
        )
        detail = dict(evidence.detail)
        if isinstance(moves, Moves):
            detail["origin"] = msgspec.to_builtins(moves)
            if evidence.crossing is not Crossing.NONE and family is not Family.LOOP:
                detail["origin"] |= self._sums(memory, watch, since, moves)
        if evidence.crossing is not Crossing.NONE:
            detail["near"] = {"changed": [list(c) for c in changes.changed], "unchanged": list(changes.unchanged)}
        return where, why, msgspec.structs.replace(evidence, detail=detail)

    def near(self, memory: ModelMemory, since: int, now: int, window: int) -> Near:
        """What changed near `since`, as known at `now`, both ms, for windows of `window` ms."""
        return near.around(memory.log, since, now, window, memory.versions)

    def _moves(self, memory: ModelMemory, watch: WatchPlan, since: int) -> Moves | str:
        known = memory.sides.get(watch.key)
        if known is None:
            return "its figures are not followed by cohort"
        sums = sides.since(known, since)
        return sums if isinstance(sums, str) else sides.moves(*sums, known.names, relative=known.relative)

    def _sums(self, memory: ModelMemory, watch: WatchPlan, since: int, moves: Moves) -> dict[str, Any]:
        """The sums that the moves follow from: [before, now], each by cohort and group, of the figure and of the votes."""
        known = memory.sides[watch.key]
        sums = sides.since(known, since)
        k = known.names.index(moves.name)
        return {} if isinstance(sums, str) else {"sums": [each[..., [k, -1]].tolist() for each in sums]}

    def _trouble(self, memory: ModelMemory, since: int, end: int, missing: Collection[str]) -> str:
        """What of the data is known to be at fault from the hour on in which a shift began, and was not before."""
        limit = self._plan.rejects
        said = near.unusable(memory.log, since, end, limit.at_most, limit.at_least)
        if said and not near.unusable(memory.log, since - DAY, since - HOUR, limit.at_most, limit.at_least):
            return said
        return "; ".join(missing)


def is_input(watch: WatchPlan) -> bool:
    """Whether a watch looks at what goes into the model."""
    return watch.on.startswith(INPUTS)


def _of_arms(evidence: Evidence) -> Moves | str:
    """What a detector that keeps its own baseline of both cohorts says of them; changes are logarithms."""
    changes = evidence.detail.get("changes")
    if not isinstance(changes, dict) or "holdout" not in changes:
        return "its figures are not followed by cohort"
    exposed, held_out = (
        Move(1.0, float(np.exp(log)), float(log), float(se), evidence.n.get(arm, 0))
        for arm in ("exposed", "holdout")
        for log, se in (changes[arm],)
    )
    return Moves(exposed, held_out, relative=True)


def _watched(plan: ModelPlan, watch: WatchPlan) -> Watched:
    if is_input(watch):
        return Watched.INPUT
    if watch.on in _OUTPUTS:
        return Watched.OUTPUT
    if watch.on.startswith(TRUTH) or any(metric.name == watch.on for metric in plan.metrics):
        return Watched.OUTCOME
    return Watched.OTHER


def _sum(a: list[int], b: list[int]) -> list[int]:
    return [x + y for x, y in zip(a, b, strict=True)]

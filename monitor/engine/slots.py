"""The agenda of event time: whichever lane's slot is due first is closed first."""

from __future__ import annotations

import numpy as np

from detectors import columns as cols
from detectors import snapshot
from detectors.columns import Category, Columns, Numeric
from detectors.math.unit_sample import mixed
from monitor.engine import missing, quality
from monitor.engine.dashboard import Said
from monitor.engine.judge import Judge
from monitor.engine.lanes import LONGEST_SILENCE, Lanes
from monitor.ingest.mapping import PREDICTIONS
from monitor.join.credit import credit
from monitor.join.joiner import Match, Window, came, join
from monitor.join.organic import apart, of_window
from monitor.join.units import UnitTable
from monitor.memory import ModelMemory, as_decoded, enrol
from monitor.watch import trials
from monitor.watch.plan import MetricPlan, ModelPlan, OutcomePlan

_VERSIONS_KEPT = 200
_SALT = 0x77616974


class Slots:
    """Closes the slots of a plan's lanes in order of event time: seals predictions, matures outcomes, forgets."""

    def __init__(self, plan: ModelPlan, lanes: Lanes, judge: Judge) -> None:
        self._plan = plan
        self._lanes = lanes
        self._outcomes = lanes.outcomes
        self._judge = judge

    def close_until(self, memory: ModelMemory, until: int) -> None:
        """Close every slot that is due at event time `until`."""
        self._start_lanes(memory, until)
        self._close_slots(memory, until)

    def _start_lanes(self, memory: ModelMemory, until: int) -> None:
        """The first slot that holds predictions is where every lane begins."""
        if PREDICTIONS in memory.lanes:
            return
        slots = memory.pending.slots(PREDICTIONS)
        if slots and slots[0] + self._plan.slot <= until:
            memory.lanes.update(dict.fromkeys(self._lanes.of_events(), slots[0]))

    def _next_due(self, memory: ModelMemory) -> tuple[int, int, str] | None:
        """The lane whose next slot is due first: (event time, tie break, lane)."""
        if PREDICTIONS not in memory.lanes:
            return None
        end = self._plan.slot
        due = [(memory.lanes[PREDICTIONS] + end, 0, PREDICTIONS)]
        for place, outcome in enumerate(self._plan.outcomes, 1):
            due.append((memory.lanes[outcome.name] + end + self._plan.wait(outcome), place, outcome.name))
        return min(due)

    def _close_slots(self, memory: ModelMemory, until: int) -> None:
        """Close what is due, in order of event time, and tell together what was due at one time.

        Of a stretch without predictions the part beyond three days is skipped.
        """
        empty, longest = 0, LONGEST_SILENCE // self._plan.slot * (1 + len(self._outcomes))
        while (due := self._next_due(memory)) is not None and due[0] <= until:
            if empty > longest:
                self._skip_empty(memory, until)
                empty = 0
                continue
            now, said = due[0], list[Said]()
            while due is not None and due[0] == now:
                slot = memory.lanes[due[2]]
                said += self._close_slot(memory, due[2])
                empty = 0 if slot in memory.ids else empty + 1
                due = self._next_due(memory)
            self._judge.teller.end_rehearsal(memory, now)
            self._judge.teller.speak(memory, said, now)

    def _skip_empty(self, memory: ModelMemory, until: int) -> None:
        """Every lane goes on at the next slot that holds predictions, or at the present."""
        held = memory.pending.slots(PREDICTIONS)
        following = held[0] if held else until - until % self._plan.slot
        for lane in self._lanes.of_events():
            memory.lanes[lane] = max(memory.lanes[lane], following)

    def _close_slot(self, memory: ModelMemory, lane: str) -> list[Said]:
        slot = memory.lanes[lane]
        memory.lanes[lane] = slot + self._plan.slot
        if lane == PREDICTIONS:
            self._judge.fold(memory, lane, slot, *self._seal(memory, slot))
        else:
            self._judge.fold(memory, lane, slot, *self._mature(memory, self._outcomes[lane], slot))
        said = self._judge.close_windows(memory, lane, slot + self._plan.slot)
        if lane == PREDICTIONS:
            missing.tell(memory, self._lanes, slot, slot + self._plan.slot)
        self._drop(memory, lane, slot)
        return said

    def _seal(self, memory: ModelMemory, slot: int) -> tuple[Columns, Columns]:
        """The slot's predictions, each once, in canonical order, with their units enrolled; and the shadows that nobody saw."""
        taken, everything = memory.taken_ids(), memory.pending.identities(PREDICTIONS, slot, "id")
        rows, repeated = memory.pending.seal(PREDICTIONS, slot, "id", taken)
        memory.counters[f"{PREDICTIONS}.repeated"] += repeated
        for old in [s for s in memory.ids if s <= slot - self._plan.duplicates]:
            del memory.ids[old]
            memory.page("ids", str(old), None)
        if repeated and len(taken):
            memory.drops.add(slot)
            memory.page("drops", str(slot), snapshot.pack(np.intersect1d(everything, taken)))
        if not len(rows):
            return rows, rows
        self._bound_ids(memory, slot, len(rows))
        memory.ids[slot] = np.sort(rows.hashes("id"))
        memory.page("ids", str(slot), snapshot.pack(memory.ids[slot]))
        rows, shadows = trials.seen_by_people(rows), rows.take(trials.is_shadow(rows))
        memory.counters[f"{PREDICTIONS}.shadows"] += len(shadows)
        for table in (memory.units, memory.voters):
            _observe(memory, table, rows, slot)
        self._note_versions(memory, slot, rows)
        rows = enrol(memory, slot, rows)
        memory.counters[f"{PREDICTIONS}.crossed"] += int(rows.flags("crossed").sum())
        memory.pending.replace(PREDICTIONS, slot, rows)
        self._enrol_in_experiments(memory, slot, rows, shadows)
        self._bound_waiting(memory, slot, rows)
        return rows, shadows

    def _bound_ids(self, memory: ModelMemory, slot: int, coming: int) -> None:
        """Forget the ids of the oldest slots where they are more than the cap; the new ones are always kept."""
        gone, left = 0, coming + sum(map(len, memory.ids.values()))
        while left - gone > self._plan.caps.ids and memory.ids:
            oldest = min(memory.ids)
            gone += len(memory.ids.pop(oldest))
            memory.page("ids", str(oldest), None)
        missing.fold_away(memory, missing.IDS, slot, gone, self._plan.caps.ids)

    def _bound_waiting(self, memory: ModelMemory, slot: int, rows: Columns) -> None:
        """Where more predictions wait for outcomes than the cap allows, only those of some units of this slot do."""
        cap = self._plan.caps.waiting
        excess = memory.pending.waiting(PREDICTIONS) - cap if self._plan.outcomes else 0
        if excess <= 0:
            return
        rank = mixed(np.where(rows.unit != 0, rows.unit, rows.hashes("id")), _SALT)
        limit = np.sort(rank)[max(len(rows) - excess, 0)]
        kept = rows.take(rank < limit)
        missing.fold_away(memory, missing.WAITING, slot, len(rows) - len(kept), cap)
        memory.pending.rewrite(PREDICTIONS, slot, kept)
        memory.turn.rewrite(PREDICTIONS, slot, as_decoded(kept))
        if slot in memory.drops:
            memory.drops.discard(slot)
            memory.page("drops", str(slot), None)

    def _enrol_in_experiments(self, memory: ModelMemory, slot: int, rows: Columns, shadows: Columns) -> None:
        for experiment in sorted(self._plan.experiments, key=lambda each: each.name):
            own = trials.enrolling(experiment, trials.members(experiment, trials.side_by_side(rows, shadows)))
            _observe(memory, memory.enrolled[experiment.name], own, slot)
            starts = experiment.false_discoveries is not None and experiment.room not in memory.in_turn.shares
            if starts and (own.unit != 0).any():
                memory.in_turn = memory.in_turn.started(experiment.room)

    def _note_versions(self, memory: ModelMemory, slot: int, rows: Columns) -> None:
        """When each version was first seen; where they are too many, the one that is longest known and not here is forgotten."""
        version = rows.fields.get("version")
        if not isinstance(version, Category):
            return
        here = sorted({version.labels[code] for code in np.unique(version.codes[version.codes >= 0])})
        for label in [label for label in here[:_VERSIONS_KEPT] if label not in memory.versions]:
            if len(memory.versions) >= _VERSIONS_KEPT:
                absent = memory.versions.keys() - set(here)
                if not absent:
                    return
                del memory.versions[min(absent, key=lambda known: (memory.versions[known], known))]
            memory.versions[label] = slot

    def _mature(self, memory: ModelMemory, outcome: OutcomePlan, slot: int) -> tuple[Columns, Columns, Columns | None]:
        """The slot's predictions with what came of them within the outcome's window; no shadows; and organic outcomes of the slot."""
        rows = memory.pending.sealed(PREDICTIONS, slot)
        early, end = self._plan.early, slot + self._plan.slot + outcome.within
        shown, organic = apart(memory.pending.between(outcome.name, slot - early, end + 1))
        if organic is not None:
            organic = of_window(organic, memory.units, rows, slot, slot + self._plan.slot)
            memory.counters[f"{outcome.name}.organic"] += len(organic)
        none = cols.no_rows()
        return none if rows is None else self._joined(memory, outcome, slot, rows, shown), none, organic

    def _joined(
        self, memory: ModelMemory, outcome: OutcomePlan, slot: int, rows: Columns, outcomes: Columns | None
    ) -> Columns:
        early, end = self._plan.early, slot + self._plan.slot + outcome.within
        later = None
        if outcome.match is Match.UNIT_ITEM:
            following = range(slot + self._plan.slot, end + early, self._plan.slot)
            parts = [p for s in following if (p := memory.pending.sealed(PREDICTIONS, s)) is not None]
            later = cols.concat(parts) if parts else None
        joined = join(outcome.match, Window(outcome.within, early), rows, later, outcomes)
        memory.counters[f"{outcome.name}.joined"] += joined.used
        told = self._told_in_time(rows.time, outcome.within)
        metrics = {
            m.name: Numeric(np.where(told, _metric(m, joined.count, joined.total), np.nan))
            for m in self._plan.metrics
            if m.outcome == outcome.name
        }
        of_items = {}
        if any("came" in watch.needs.columns for watch in self._lanes.watches[outcome.name]):
            of_items = _with_came(rows, came(outcome.match, Window(outcome.within, early), rows, later, outcomes))
        if (voters := memory.matured.get(outcome.name)) is not None:
            before = voters.folded
            voters.observe(rows.unit, rows.cohort, slot)
            why = missing.full(missing.VOTERS, voters.cap)
            missing.keep_out(memory, voters.name, slot, voters.folded - before, why)
        return rows.having(
            **metrics,
            **of_items,
            **self._credits(outcome, rows, outcomes),
            **{outcome.truth: Numeric(_truth(outcome, joined.count, joined.total))},
        )

    def _credits(self, outcome: OutcomePlan, rows: Columns, outcomes: Columns | None) -> dict[str, Numeric]:
        """Who won each list, for every experiment that this outcome decides."""
        window = Window(outcome.within, self._plan.early)
        return {
            trials.credit_column(e): Numeric(credit(window, rows, outcomes, trials.sign_of_team(e, rows)))
            for e in self._plan.experiments
            if e.kind == "interleaving" and e.outcome == outcome.name
        }

    def _told_in_time(self, times: cols.Ints, within: int) -> cols.Bools:
        """Whether the outcomes of predictions are complete before everybody is assigned afresh: later, the next coin has a say."""
        epoch, since = self._plan.epoch, self._plan.epoch_since
        if epoch is None:
            return np.ones(len(times), np.bool_)
        return np.asarray((times - since) // epoch == (times + within - since) // epoch)

    def _drop(self, memory: ModelMemory, lane: str, slot: int) -> None:
        """Forget what nobody can need any more."""
        oldest = self._lanes.oldest(memory)
        quality.forget(memory, self._plan, oldest)
        if oldest > slot:
            self._forget(memory, PREDICTIONS, slot)
            if slot in memory.drops:
                memory.drops.discard(slot)
                memory.page("drops", str(slot), None)
        if lane != PREDICTIONS:
            for old in memory.pending.slots(lane):
                if old + self._plan.slot > slot + self._plan.slot - self._plan.early:
                    break
                self._forget(memory, lane, old)

    def _forget(self, memory: ModelMemory, stream: str, slot: int) -> None:
        if memory.pending.drop(stream, slot):
            memory.turn.dropped.append((stream, slot))


def _with_came(rows: Columns, brought: cols.Bools) -> dict[str, cols.Column]:
    """Which of the items shown brought the outcome: a field of `items`, or a column where a prediction shows one item."""
    items = rows.fields.get("items")
    if not isinstance(items, cols.Ragged):
        return {"came": cols.flag(brought)}
    return {"items": cols.Ragged(items.starts, {**items.fields, "came": cols.flag(brought)})}


def _truth(outcome: OutcomePlan, count: cols.Ints, total: cols.Floats) -> cols.Floats:
    silence = np.nan if outcome.silence is None else outcome.silence
    return np.where(count > 0, total / np.maximum(count, 1), silence)


def _observe(memory: ModelMemory, table: UnitTable, rows: Columns, slot: int) -> None:
    """The units of a slot; that some no longer fit in is told."""
    before = table.folded
    table.observe(rows.unit, rows.cohort, slot)
    missing.fold_away(memory, table.name, slot, table.folded - before, table.cap)


def _metric(metric: MetricPlan, count: cols.Ints, total: cols.Floats) -> cols.Floats:
    if metric.value == "any":
        return (count > 0).astype(np.float64)
    return count.astype(np.float64) if metric.value == "count" else total

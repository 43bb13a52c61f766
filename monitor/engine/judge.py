"""Windows are folded and closed, and what they say becomes findings, alerts and messages."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import columns as cols
from detectors import snapshot
from detectors.columns import Cohort, Columns
from detectors.detector import Family, Stream, Tick
from detectors.evidence import Crossing, Evidence, Standing, Verdict
from monitor.alerting.compared import reworded
from monitor.alerting.policy import decide
from monitor.engine import foretelling, missing, quality
from monitor.engine.dashboard import Said, keep
from monitor.engine.gates import Gates
from monitor.engine.lanes import Lanes
from monitor.engine.origins import Origins, is_input
from monitor.engine.people import summed
from monitor.engine.rows import all_exposed, one_a_unit, with_value
from monitor.engine.telling import Teller
from monitor.ingest.mapping import PREDICTIONS
from monitor.memory import ARRIVALS, Bank, ModelMemory, OpenWindow, banks
from monitor.watch import trials
from monitor.watch.finding import Finding
from monitor.watch.in_turn import at_share
from monitor.watch.plan import DAY, ModelPlan, WatchPlan
from monitor.watch.verdicts import NEWS, Word, together

_MERGE_AT_MOST = DAY


@dataclass(frozen=True, slots=True)
class _Closed:
    """What a window of a watch, begun at `start`, says."""

    watch: WatchPlan
    start: int
    evidence: Evidence


class Judge:
    """The watches of a plan. Holds no state of its own."""

    def __init__(self, plan: ModelPlan, lanes: Lanes) -> None:
        self._plan = plan
        self._lanes = lanes
        self._lane_of = {watch.key: lane for lane, members in lanes.watches.items() for watch in members}
        self._experiments = {e.name: e for e in plan.experiments}
        self._counts_people = any("counted" in watch.needs.columns for watch in plan.watches)
        self._gates = Gates(plan, lanes)
        self._origins = Origins(plan, self._gates.of())
        self.teller = Teller(plan, self._gates, self._origins)

    def fold(
        self,
        memory: ModelMemory,
        lane: str,
        slot: int,
        rows: Columns,
        shadows: Columns | None = None,
        organic: Columns | None = None,
    ) -> None:
        """Add a slot's rows to the open windows of everyone who watches the lane; `shadows` are for experiments alone.

        `organic` are outcomes of the lane that no showing brought about, for those who ask for them; None if none are told apart.
        Where nobody is held out by the config, everybody is exposed.
        """
        if lane == PREDICTIONS:
            self._origins.count(memory, slot, rows)
        if not self._lanes.watches[lane] and not self._lanes.taught.get(lane):
            return
        if not self._plan.compares_people:
            rows = dataclasses.replace(rows, cohort=np.full(len(rows), Cohort.EXPOSED, np.int8))
        voters = memory.voters if lane == PREDICTIONS else memory.matured.get(lane)
        if voters is not None and len(rows):
            seen = voters.lookup(rows.unit, slot)
            matured = cols.flag(np.full(len(rows), lane != PREDICTIONS))
            voting = seen.known & (seen.slot == slot)
            rows = rows.having(voting=cols.flag(voting), matured=matured)
            if lane == PREDICTIONS and self._counts_people:
                rows = rows.having(counted=cols.flag(one_a_unit(rows.unit, voting)))
        inside: dict[str, Columns] = {}
        for watch in self._lanes.watches[lane]:
            bank = memory.banks[watch.detector]
            prep = bank.test.prepare(watch.params, bank.state, bank.row(watch))
            window = memory.open.get(watch.key)
            if window is None:
                window = OpenWindow(slot - slot % watch.window, bank.test.empty(prep))
                memory.open[watch.key] = window
            chosen = self._read_by(memory, watch, slot, rows, shadows, inside)
            for some in self._beside_organic(watch, chosen, organic):
                window.statistic = bank.test.fold(prep, window.statistic, some)
            self._origins.follow(memory, watch, prep, slot, with_value(watch, rows))
        if len(rows):
            self._teach(memory, lane, slot, rows)

    def _teach(self, memory: ModelMemory, lane: str, slot: int, rows: Columns) -> None:
        """Show matured predictions to watches of other lanes: in the window of theirs that is open now, or opens next."""
        for watch in self._lanes.taught.get(lane, ()):
            following = memory.lanes[self._lane_of[watch.key]]
            bank = memory.banks[watch.detector]
            prep = bank.test.prepare(watch.params, bank.state, bank.row(watch))
            opens = OpenWindow(following - following % watch.window, bank.test.empty(prep))
            window = memory.open.setdefault(watch.key, opens)
            if watch.needs.beside:
                chosen = self._summed(memory, watch, rows, slot, beside=True)
            else:
                chosen = with_value(watch, rows if watch.cohort is None else rows.take(rows.cohort == watch.cohort))
            if len(chosen):
                window.statistic = bank.test.fold(prep, window.statistic, chosen)
            memory.turn.touched.add(watch.key)

    def _read_by(
        self,
        memory: ModelMemory,
        watch: WatchPlan,
        slot: int,
        rows: Columns,
        shadows: Columns | None,
        inside: dict[str, Columns],
    ) -> Columns:
        """What a watch folds of a slot's rows; `inside` keeps the rows of experiments, which several watches share."""
        if watch.experiment:
            if watch.experiment not in inside:
                inside[watch.experiment] = self._members(memory, watch.experiment, slot, rows, shadows)
            own = inside[watch.experiment]
            return trials.compared(self._experiments[watch.experiment], own, watch.on) if len(own) else own
        if not len(rows):
            return rows
        if watch.needs.past is not None:
            return self._summed(memory, watch, rows, slot)
        if not self._plan.compares_people and "items" in watch.needs.columns:
            rows = all_exposed(rows)
        return with_value(watch, rows if watch.cohort is None else rows.take(rows.cohort == watch.cohort))

    def _beside_organic(self, watch: WatchPlan, rows: Columns, organic: Columns | None) -> list[Columns]:
        """The rows of a watch, if there are any, and the organic outcomes beside them if it asks for those."""
        if organic is None or not watch.needs.organic:
            return [rows] if len(rows) else []
        if not self._plan.compares_people:
            organic = all_exposed(organic)
        if watch.cohort is not None:
            organic = organic.take(organic.cohort == watch.cohort)
        return [part for part in (rows.having(organic=cols.flag(np.zeros(len(rows), np.bool_))), organic) if len(part)]

    def _summed(
        self, memory: ModelMemory, watch: WatchPlan, rows: Columns, slot: int, *, beside: bool = False
    ) -> Columns:
        """What a slot changes in the sums of people; none while a gate is shut. That some no longer fit in is told."""
        if watch.needs.gated and self._gates.shut_between(memory, slot, slot + self._plan.slot):
            return cols.no_rows()
        key = banks.beside(watch.key) if beside else watch.key
        table = memory.sums[key]
        before = table.folded
        changes = summed(table, rows, watch.needs.beside if beside else watch.on, slot)
        missing.keep_out(
            memory,
            f"{missing.SUMS}.{key}",
            slot,
            table.folded - before,
            missing.full(missing.SUMS, table.cap, 1 << table.halved),
        )
        if not watch.needs.beside:
            return changes
        return changes.having(beside=cols.flag(np.full(len(changes), beside)))

    def _members(self, memory: ModelMemory, name: str, slot: int, rows: Columns, shadows: Columns | None) -> Columns:
        """The rows of an experiment, with who of them was enrolled in this slot."""
        plan, table = self._experiments[name], memory.enrolled[name]
        own = trials.members(plan, rows if shadows is None else trials.side_by_side(rows, shadows))
        seen = table.lookup(own.unit, slot)
        return trials.enrolled(plan, own, seen.known & (seen.slot == slot))

    def close_windows(self, memory: ModelMemory, lane: str, end: int) -> list[Said]:
        """Close the windows that end here; those with too few units go on into the next. What they found is not told yet."""
        due: dict[str, list[WatchPlan]] = {}
        for watch in self._lanes.watches[lane]:
            window = memory.open[watch.key]
            small = watch.test.size(window.statistic) < watch.min_units and end - window.start < max(
                _MERGE_AT_MOST, watch.window
            )
            if end % watch.window or (small and watch.key not in memory.rearmed):
                memory.turn.touched.add(watch.key)
            else:
                due.setdefault(watch.detector, []).append(watch)
        gates = sorted(name for name in due if due[name][0].test.family is Family.INTEGRITY)
        said = [each for name in gates for each in self.advance(memory, memory.banks[name], due[name], end)]
        rest = sorted(due.keys() - set(gates))
        found = [each for name in rest for each in self._closed(memory, memory.banks[name], due[name], end)]
        return said + [
            self._tell(memory, each, end) for each in sorted(found, key=lambda closed: not is_input(closed.watch))
        ]

    def advance(self, memory: ModelMemory, bank: Bank, watches: Sequence[WatchPlan], end: int) -> list[Said]:
        """Close the open windows of watches of one detector; what they found is not told yet."""
        return [self._tell(memory, each, end) for each in self._closed(memory, bank, watches, end)]

    def _closed(self, memory: ModelMemory, bank: Bank, watches: Sequence[WatchPlan], end: int) -> list[_Closed]:
        """What the windows of watches of one detector say, after their gates; inputs are told first, as outputs follow them."""
        rows = np.array([bank.row(w) for w in watches])
        windows = [memory.open.pop(w.key) for w in watches]
        reasons = [self._gates.why_blind(memory, each, w.start, end) for w, each in zip(windows, watches, strict=True)]
        staleness = [self._stale(memory, each, w.start, end) for w, each in zip(windows, watches, strict=True)]
        gated = np.array([bool(why or stale) for why, stale in zip(reasons, staleness, strict=True)])
        tick = Tick(
            np.array([w.start for w in windows]),
            np.full(len(rows), end),
            np.array([w.spend.page * w.window for w in watches]),
            np.array([w.spend.warn * w.window for w in watches]),
            gated,
            np.array([w.key in memory.rearmed for w in watches]),
        )
        by_hand = memory.rearmed.intersection(w.key for w in watches)
        memory.rearmed -= by_hand
        self._begin_again(memory, [w for w in watches if w.key in by_hand])
        state, evidence = bank.test.close(
            [self._at_its_level(memory, w).params for w in watches],
            snapshot.take_rows(bank.state, rows),
            [w.statistic for w in windows],
            tick,
        )
        snapshot.put_rows(bank.state, rows, state)
        memory.turn.moved.update((bank.test.name, row) for row in rows.tolist())
        memory.turn.touched.update(watch.key for watch in watches)
        return [
            _Closed(watch, window.start, _by_hand(said) if watch.key in by_hand else _withheld(said, stale, why))
            for watch, window, said, stale, why in zip(watches, windows, evidence, staleness, reasons, strict=True)
        ]

    def _begin_again(self, memory: ModelMemory, watches: Sequence[WatchPlan]) -> None:
        """What a person has tested anew in an experiment is one more hypothesis."""
        for name in sorted({w.experiment for w in watches if self._is_in_turn(w)}):
            memory.in_turn = memory.in_turn.started(self._experiments[name].room)

    def _is_in_turn(self, watch: WatchPlan) -> bool:
        """Whether the watch compares the arms of an experiment that has its level from when it started."""
        plan = self._experiments.get(watch.experiment)
        return plan is not None and plan.false_discoveries is not None and watch.test.family is Family.DEPLOYMENT

    def _at_its_level(self, memory: ModelMemory, watch: WatchPlan) -> WatchPlan:
        """The watch with the alpha of its experiment; as it is where that has not started, or has an alpha of its own."""
        if not self._is_in_turn(watch):
            return watch
        return at_share(watch, memory.in_turn.shares.get(self._experiments[watch.experiment].room, 1.0))

    def _stale(self, memory: ModelMemory, watch: WatchPlan, start: int, end: int) -> str:
        lane = self._lane_of[watch.key]
        return "" if lane == ARRIVALS else quality.stale(memory, self._plan, lane, start, end)

    def _tell(self, memory: ModelMemory, closed: _Closed, end: int) -> Said:
        """Keep the finding, and let the policy decide what becomes of its alert."""
        watch, start, evidence = closed.watch, closed.start, closed.evidence
        if watch.experiment:
            evidence = self._in_experiment(memory, watch, evidence)
        evidence = foretelling.with_reach(memory, self._at_its_level(memory, watch), evidence, end)
        if folded := evidence.detail.get("folded_exposures"):
            told = f"{watch.key}: {evidence.detail['folded']}"
            missing.keep_out(memory, f"{missing.ITEMS}.{watch.key}", start, int(folded), told)
        elif folded is not None:
            missing.keep_out(memory, f"{missing.ITEMS}.{watch.key}", start, 0, "")
        lost = missing.of_window(memory, self._lanes, watch, start, end)
        where, why, evidence = self._origins.tell(memory, watch, start, end, evidence, lost)
        if not watch.experiment:
            evidence = msgspec.structs.replace(evidence, reason=reworded(evidence.reason, self._plan.compared))
        finding = Finding(
            model=self._plan.model,
            watch=watch.key,
            detector=watch.detector,
            incarnation=watch.incarnation,
            start=start,
            end=end,
            evidence=evidence,
            origin=where,
            origin_reason=why,
            missing=lost,
        )
        if watch.test.family is Family.INTEGRITY:
            self._gates.judge(memory, finding)
        summary = f"{evidence.mode}/{evidence.standing}/{evidence.crossing}"
        changed = memory.standings.get(watch.key) != summary
        memory.standings[watch.key] = summary
        if changed or watch.needs.stream is not Stream.ARRIVALS:
            memory.turn.findings.append(finding)
        before = memory.alerts.get(watch.key)
        decision = decide(watch.policy, before, finding, end)
        if decision.alert is not None:
            keep(memory, decision.alert)
        return Said(watch, finding, before, decision)

    def _in_experiment(self, memory: ModelMemory, watch: WatchPlan, evidence: Evidence) -> Evidence:
        """What the experiment as a whole says by this watch, with its arms by their names."""
        evidence = _with_arms_named(evidence)
        if watch.test.family is not Family.DEPLOYMENT:
            return evidence
        peers = {
            other.key: memory.words.get(other.key, Word())
            for other in self._plan.watches
            if other.experiment == watch.experiment
            and other.test.family is Family.DEPLOYMENT
            and other.key != watch.key
        }
        alone = {o.key: bool(getattr(o.params, "alone", True)) for o in self._plan.watches if o.key in peers}
        peers = {key: msgspec.structs.replace(word, alone=alone[key]) for key, word in peers.items()}
        alpha = float(getattr(self._at_its_level(memory, watch).params, "alpha", 0.05))
        evidence, word = together(watch.key, evidence, memory.words.get(watch.key), peers, alpha)
        memory.words[watch.key] = word
        if evidence.crossing in NEWS and evidence.verdict in (Verdict.TREATMENT, Verdict.CONTROL):
            memory.in_turn = memory.in_turn.discovered(self._experiments[watch.experiment].room)
        return evidence


def _with_arms_named(evidence: Evidence) -> Evidence:
    """Detectors of two cohorts call them exposed and holdout; in an experiment they are treatment and control."""
    names = {"exposed": "treatment", "holdout": "control"}
    return msgspec.structs.replace(
        evidence,
        n={names.get(arm, arm): n for arm, n in evidence.n.items()},
        arms={names.get(arm, arm): value for arm, value in evidence.arms.items()},
    )


def _by_hand(evidence: Evidence) -> Evidence:
    """A person's word ends an alert whatever the window brought; without an open alert the window speaks for itself."""
    if evidence.crossing is not Crossing.RECOVERED:
        return evidence
    return msgspec.structs.replace(evidence, standing=Standing.OK, reason="re-armed by hand")


def _withheld(evidence: Evidence, stale: str, blind: str) -> Evidence:
    """What a gate keeps from being said: the data's own comes before that of the holdout."""
    if not (stale or blind):
        return evidence
    return msgspec.structs.replace(
        evidence, standing=Standing.STALE if stale else Standing.BLIND, reason=stale or blind
    )

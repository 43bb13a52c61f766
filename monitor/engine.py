"""One model's turn: blocks go in, a step comes out. Deterministic, no clock, no I/O.

`ingest` decodes blocks and lets their rows wait; `close` finds out how far event time has come, closes every window that is
due, and gives the step. What was due is closed in the order of event time, whatever the size of the turns: so the findings of
a replay, of a live run and of a run that crashed are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from detectors import columns as cols
from detectors import snapshot
from detectors.columns import Category, Cohort, Columns, Hash, Numeric, Ragged
from detectors.detector import Family, Stream, Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from monitor.alerting.alert import Phase
from monitor.alerting.message import Context
from monitor.alerting.policy import decide
from monitor.alerting.rehearsal import Rehearsal
from monitor.alerting.routing import notifications
from monitor.events import Block, Reject, TopicPartition
from monitor.ingest.decode import Decoder, compile_mapping
from monitor.ingest.mapping import PREDICTIONS
from monitor.join import clocks
from monitor.join.joiner import Match, Window, join
from monitor.memory import ARRIVALS, Bank, ModelMemory, OpenWindow, Source, Span, build_step, enrol
from monitor.store.protocols import Command, Step
from monitor.watch import origin
from monitor.watch.finding import Finding
from monitor.watch.plan import DAY, MetricPlan, ModelPlan, OutcomePlan, WatchPlan

HOLDOUT_ARRIVALS = "holdout"
"""Arrival stream of predictions to held-out units."""

_MERGE_AT_MOST = DAY
_VERSIONS_KEPT = 200
_LONGEST_SILENCE = 3 * DAY


@dataclass(frozen=True, slots=True)
class Observed:
    """Facts about the world outside that a turn depends on; recorded with its step.

    now             wall time, ms.
    sources         every stream and partition that is read now.
    idle            those that hold nothing back: caught up, and silent for a while.
    finished        nothing will ever come again: windows up to the last event are closed.
    arrivals_until  arrival time up to which everything has been read, ms; None if unknown. In a replay arrival time is event
                    time, late records have none, and this is ignored.
    """

    now: int
    sources: frozenset[Source]
    idle: frozenset[Source] = frozenset()
    finished: bool = False
    arrivals_until: int | None = None

    def record(self) -> dict[str, Any]:
        """As stored with the step."""
        return {
            "now": self.now,
            "idle": sorted(self.idle),
            "finished": self.finished,
            "arrivals_until": self.arrivals_until,
        }


class Engine:
    """The compiled form of a model's plan: decoders and lanes. Holds no state of its own.

    `arrival_is_event_time`: for replays, where nobody knows when a record arrived.
    """

    def __init__(self, plan: ModelPlan, *, arrival_is_event_time: bool = False) -> None:
        self.plan = plan
        self._replay = arrival_is_event_time
        self._decoders: dict[str, list[tuple[str, Decoder]]] = {}
        for mapping in plan.mappings:
            decoder = compile_mapping(mapping, plan.hash_key)
            self._decoders.setdefault(mapping.topic, []).append((mapping.stream, decoder))
        self._outcomes = {o.name: o for o in plan.outcomes}
        self._metrics = {m.name: m for m in plan.metrics}
        self._lanes: dict[str, list[WatchPlan]] = {name: [] for name in (PREDICTIONS, *self._outcomes, ARRIVALS)}
        for watch in plan.watches:
            self._lanes[self._lane_of(watch)].append(watch)

    def _lane_of(self, watch: WatchPlan) -> str:
        stream = watch.needs.stream
        if stream is Stream.ARRIVALS:
            return ARRIVALS
        return self._metrics[watch.on].outcome if watch.on in self._metrics else PREDICTIONS

    def sources(self, partitions: Sequence[TopicPartition]) -> frozenset[Source]:
        """The streams that these partitions carry."""
        return frozenset((s, t, p) for t, p in partitions for s, _ in self._decoders.get(t, ()))

    # reading

    def ingest(self, memory: ModelMemory, blocks: Sequence[Block]) -> set[Source]:
        """Decode blocks and let their rows wait; returns the sources that brought rows.

        Records below the position already reached are passed over, so a block delivered twice counts once.
        """
        active: set[Source] = set()
        for given in blocks:
            block = _unread(given, memory.offsets.get(given.source, 0))
            memory.offsets[given.source] = max(given.next_offset, memory.offsets.get(given.source, 0))
            if not len(block):
                continue
            memory.turn.records += len(block)
            for stream, decoder in self._decoders.get(block.topic, ()):
                if self._take(memory, stream, decoder, block):
                    active.add((stream, block.topic, block.partition))
        return active

    def _take(self, memory: ModelMemory, stream: str, decoder: Decoder, block: Block) -> bool:
        decoded = decoder.decode(block)
        rows, count = decoded.rows, memory.counters
        count[f"{stream}.read"] += len(block)
        count[f"{stream}.filtered"] += decoded.filtered
        count[f"{stream}.tombstones"] += decoded.tombstones
        count[f"{stream}.rejected"] += len(decoded.rejects)
        memory.turn.reject(decoded.rejects)
        if not len(rows):
            return False
        arrived = block.timestamps[np.searchsorted(block.offsets, rows.offset)]
        source = (stream, block.topic, block.partition)
        plan = self.plan
        judged = clocks.judge(
            rows.time, arrived, memory.clocks.get(source, clocks.NEVER), lateness=plan.lateness, future=plan.future
        )
        memory.clocks[source] = judged.clock
        late = judged.late | (~judged.ahead & (rows.time < self._frontier(memory, stream)))
        count[f"{stream}.ahead"] += int(judged.ahead.sum())
        count[f"{stream}.late"] += int(late.sum())
        ahead = np.flatnonzero(judged.ahead)
        memory.turn.reject([_too_new(block, rows, int(row), int(arrived[row]), plan.future) for row in ahead])
        rows_kept = rows.take(~(late | judged.ahead))
        count[f"{stream}.kept"] += len(rows_kept)
        if self._replay:
            self._count_arrivals(memory, stream, rows_kept, rows_kept.time)
        else:
            came = ~judged.ahead & (arrived > 0)
            self._count_arrivals(memory, stream, rows.take(came), arrived[came])
        if len(rows_kept):
            first = int(rows_kept.time.min())
            if stream == PREDICTIONS and (memory.first_event is None or first < memory.first_event):
                memory.first_event = first
            for slot, part in memory.pending.append(stream, rows_kept).items():
                memory.turn.parts.setdefault((stream, slot), []).append(part)
        return True

    def _frontier(self, memory: ModelMemory, stream: str) -> int:
        """Rows older than this can no longer be used: their window is closed."""
        if stream == PREDICTIONS:
            return memory.lanes.get(PREDICTIONS, clocks.NEVER)
        return memory.lanes.get(stream, clocks.NEVER) - self.plan.early

    def _count_arrivals(self, memory: ModelMemory, stream: str, rows: Columns, arrived: cols.Ints) -> None:
        wanted = {watch.on for watch in self._lanes[ARRIVALS]}
        floor = memory.lanes.get(ARRIVALS, 0)
        windows = np.maximum(arrived - arrived % self.plan.arrivals, floor)
        if stream in wanted:
            _add_arrivals(memory, stream, windows)
        if stream == PREDICTIONS and HOLDOUT_ARRIVALS in wanted:
            _add_arrivals(memory, HOLDOUT_ARRIVALS, windows[rows.cohort == Cohort.HOLDOUT])

    # closing

    def close(self, memory: ModelMemory, commands: Sequence[Command], observed: Observed) -> Step:
        """Close every window that is due and give the step."""
        self._obey(memory, commands)
        until = self._watermark(memory, observed)
        if until is not None:
            self._start_lanes(memory, until)
            self._close_slots(memory, until)
        arrivals = self._replayed_until(memory, until) if self._replay else observed.arrivals_until
        if arrivals is not None:
            self._close_arrivals(memory, arrivals)
        return build_step(memory, observed.record(), [c.number for c in commands])

    def _obey(self, memory: ModelMemory, commands: Sequence[Command]) -> None:
        """Take commands: to arm the model at once, to re-arm a watch with its next window."""
        for command in commands:
            if command.verb == "arm":
                memory.armed = True
            elif command.verb == "rearm" and any(w.key == command.target for w in self.plan.watches):
                memory.rearmed.add(command.target)

    def _watermark(self, memory: ModelMemory, observed: Observed) -> int | None:
        if observed.finished:
            return max((clock for source, clock in memory.clocks.items() if source in observed.sources), default=None)
        return clocks.watermark(memory.clocks, observed.sources, observed.idle, self.plan.lateness)

    def _replayed_until(self, memory: ModelMemory, until: int | None) -> int | None:
        """In a replay, arrivals are known up to the last event of the stream that ends first: the end of a file is no silence."""
        last: dict[str, int] = {}
        for (stream, _, _), clock in memory.clocks.items():
            last[stream] = max(clock, last.get(stream, clock))
        return None if until is None else min([until, *last.values()])

    def _start_lanes(self, memory: ModelMemory, until: int) -> None:
        """The first slot that holds predictions is where every lane begins."""
        if PREDICTIONS in memory.lanes:
            return
        slots = memory.pending.slots(PREDICTIONS)
        if slots and slots[0] + self.plan.slot <= until:
            memory.lanes.update(dict.fromkeys((PREDICTIONS, *self._outcomes), slots[0]))

    def _next_due(self, memory: ModelMemory) -> tuple[int, int, str] | None:
        """The lane whose next slot is due first: (event time, tie break, lane)."""
        if PREDICTIONS not in memory.lanes:
            return None
        end = self.plan.slot
        due = [(memory.lanes[PREDICTIONS] + end, 0, PREDICTIONS)]
        for place, outcome in enumerate(self.plan.outcomes, 1):
            wait = outcome.within + self.plan.early
            wait += -wait % end  # whole slots, so that every later showing that may matter is sealed by then
            due.append((memory.lanes[outcome.name] + end + wait, place, outcome.name))
        return min(due)

    def _close_slots(self, memory: ModelMemory, until: int) -> None:
        """Close what is due, in order of event time. Of a stretch without predictions the part beyond three days is skipped."""
        empty, longest = 0, _LONGEST_SILENCE // self.plan.slot * (1 + len(self._outcomes))
        while (due := self._next_due(memory)) is not None and due[0] <= until:
            if empty > longest:
                self._skip_empty(memory, until)
                empty = 0
                continue
            slot = memory.lanes[due[2]]
            self._close_slot(memory, due[2])
            empty = 0 if slot in memory.ids else empty + 1

    def _skip_empty(self, memory: ModelMemory, until: int) -> None:
        """Every lane goes on at the next slot that holds predictions, or at the present."""
        held = memory.pending.slots(PREDICTIONS)
        following = held[0] if held else until - until % self.plan.slot
        for lane in (PREDICTIONS, *self._outcomes):
            memory.lanes[lane] = max(memory.lanes[lane], following)

    def _close_slot(self, memory: ModelMemory, lane: str) -> None:
        slot = memory.lanes[lane]
        memory.lanes[lane] = slot + self.plan.slot
        rows = self._seal(memory, slot) if lane == PREDICTIONS else self._mature(memory, self._outcomes[lane], slot)
        self._fold(memory, lane, slot, rows)
        self._close_windows(memory, lane, slot + self.plan.slot)
        self._drop(memory, lane, slot)

    def _seal(self, memory: ModelMemory, slot: int) -> Columns:
        """The slot's predictions, each once, in canonical order, with their units enrolled."""
        taken, everything = memory.taken_ids(), memory.pending.identities(PREDICTIONS, slot, "id")
        rows, repeated = memory.pending.seal(PREDICTIONS, slot, "id", taken)
        memory.counters[f"{PREDICTIONS}.repeated"] += repeated
        for old in [s for s in memory.ids if s <= slot - self.plan.duplicates]:
            del memory.ids[old]
            memory.page("ids", str(old), None)
        if repeated and len(taken):
            memory.drops.add(slot)
            memory.page("drops", str(slot), snapshot.pack(np.intersect1d(everything, taken)))
        if not len(rows):
            return rows
        memory.ids[slot] = np.sort(rows.hashes("id"))
        memory.page("ids", str(slot), snapshot.pack(memory.ids[slot]))
        memory.units.observe(rows.unit, rows.cohort, slot)
        memory.voters.observe(rows.unit, rows.cohort, slot)
        self._note_versions(memory, slot, rows)
        rows = enrol(memory, slot, rows)
        memory.counters[f"{PREDICTIONS}.crossed"] += int(rows.flags("crossed").sum())
        memory.pending.replace(PREDICTIONS, slot, rows)
        return rows

    def _note_versions(self, memory: ModelMemory, slot: int, rows: Columns) -> None:
        version = rows.fields.get("version")
        if not isinstance(version, Category):
            return
        for label in sorted({version.labels[code] for code in np.unique(version.codes[version.codes >= 0])}):
            if label not in memory.versions and len(memory.versions) < _VERSIONS_KEPT:
                memory.versions[label] = slot

    def _mature(self, memory: ModelMemory, outcome: OutcomePlan, slot: int) -> Columns:
        """The slot's predictions with what came of them within the outcome's window."""
        rows = memory.pending.sealed(PREDICTIONS, slot)
        if rows is None:
            return cols.no_rows()
        early, end = self.plan.early, slot + self.plan.slot + outcome.within
        later = None
        if outcome.match is Match.UNIT_ITEM:
            following = range(slot + self.plan.slot, end + early, self.plan.slot)
            parts = [p for s in following if (p := memory.pending.sealed(PREDICTIONS, s)) is not None]
            later = cols.concat(parts) if parts else None
        outcomes = memory.pending.between(outcome.name, slot - early, end + 1)
        joined = join(outcome.match, Window(outcome.within, early), rows, later, outcomes)
        memory.counters[f"{outcome.name}.joined"] += joined.used
        metrics = {
            m.name: Numeric(_metric(m, joined.count, joined.total))
            for m in self.plan.metrics
            if m.outcome == outcome.name
        }
        return rows.having(**metrics)

    def _drop(self, memory: ModelMemory, lane: str, slot: int) -> None:
        """Forget what nobody can need any more."""
        oldest = min(memory.lanes[name] for name in (PREDICTIONS, *self._outcomes))
        if oldest > slot:
            self._forget(memory, PREDICTIONS, slot)
            if slot in memory.drops:
                memory.drops.discard(slot)
                memory.page("drops", str(slot), None)
        if lane != PREDICTIONS:
            for old in memory.pending.slots(lane):
                if old + self.plan.slot > slot + self.plan.slot - self.plan.early:
                    break
                self._forget(memory, lane, old)

    def _forget(self, memory: ModelMemory, stream: str, slot: int) -> None:
        if memory.pending.drop(stream, slot):
            memory.turn.dropped.append((stream, slot))

    # watches

    def _fold(self, memory: ModelMemory, lane: str, slot: int, rows: Columns) -> None:
        if not self._lanes[lane]:
            return
        if lane == PREDICTIONS and len(rows):
            seen = memory.voters.lookup(rows.unit, slot)
            rows = rows.having(voting=cols.flag(seen.known & (seen.slot == slot)))
        for watch in self._lanes[lane]:
            bank = memory.banks[watch.detector]
            prep = bank.test.prepare(watch.params, bank.state, bank.watches.index(watch))
            window = memory.open.get(watch.key)
            if window is None:
                window = OpenWindow(slot - slot % watch.window, bank.test.empty(prep))
                memory.open[watch.key] = window
            if len(rows):
                chosen = rows if watch.cohort is None else rows.take(rows.cohort == watch.cohort)
                window.statistic = bank.test.fold(prep, window.statistic, _with_value(watch, chosen))

    def _close_windows(self, memory: ModelMemory, lane: str, end: int) -> None:
        """Close the windows that end here; those with too few units go on into the next."""
        due: dict[str, list[WatchPlan]] = {}
        for watch in self._lanes[lane]:
            window = memory.open[watch.key]
            small = watch.test.size(window.statistic) < watch.min_units and end - window.start < max(
                _MERGE_AT_MOST, watch.window
            )
            if end % watch.window or (small and watch.key not in memory.rearmed):
                memory.turn.touched.add(watch.key)
            else:
                due.setdefault(watch.detector, []).append(watch)
        for name in sorted(due, key=lambda n: (due[n][0].test.family is not Family.INTEGRITY, n)):
            self._advance(memory, memory.banks[name], due[name], end)

    def _advance(self, memory: ModelMemory, bank: Bank, watches: Sequence[WatchPlan], end: int) -> None:
        rows = np.array([bank.watches.index(w) for w in watches])
        windows = [memory.open.pop(w.key) for w in watches]
        reasons = [
            memory.shut_between(w.start, end) if each.needs.gated else ""
            for w, each in zip(windows, watches, strict=True)
        ]
        gated = np.array([bool(why) for why in reasons])
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
        state, evidence = bank.test.close(
            bank.params(list(rows)), snapshot.take_rows(bank.state, rows), [w.statistic for w in windows], tick
        )
        snapshot.put_rows(bank.state, rows, state)
        memory.turn.moved.update((bank.test.name, row) for row in rows.tolist())
        for watch, window, said, why in zip(watches, windows, evidence, reasons, strict=True):
            memory.turn.touched.add(watch.key)
            judged = _by_hand(said) if watch.key in by_hand else _blind(said, why) if why else said
            self._tell(memory, watch, window.start, end, judged)

    def _tell(self, memory: ModelMemory, watch: WatchPlan, start: int, end: int, evidence: Evidence) -> None:
        """Keep the finding, and let the policy decide what people hear of it."""
        where, why = origin.of(watch.test.family, evidence, has_holdout=self.plan.has_holdout)
        finding = Finding(
            model=self.plan.model,
            watch=watch.key,
            detector=watch.detector,
            incarnation=watch.incarnation,
            start=start,
            end=end,
            evidence=evidence,
            origin=where,
            origin_reason=why,
        )
        if watch.test.family is Family.INTEGRITY:
            self._set_gate(memory, watch, finding)
        summary = f"{evidence.mode}/{evidence.standing}/{evidence.crossing}"
        changed = memory.standings.get(watch.key) != summary
        memory.standings[watch.key] = summary
        if changed or watch.needs.stream is not Stream.ARRIVALS:
            memory.turn.findings.append(finding)
        before = memory.alerts.get(watch.key)
        decision = decide(watch.policy, before, finding, end)
        if decision.alert is None:
            return
        if decision.alert != before:
            memory.turn.alerts[decision.alert.id] = decision.alert
        if decision.alert.phase is Phase.RESOLVED:
            memory.alerts.pop(watch.key, None)
        else:
            memory.alerts[watch.key] = decision.alert
        if decision.notify is not None:
            context = self._context(memory, watch, finding, end)
            kind, _ = decision.notify
            memory.turn.outbox.extend(notifications(decision.alert, kind, watch.routing, context, end))

    def _set_gate(self, memory: ModelMemory, watch: WatchPlan, finding: Finding) -> None:
        """A gate is shut for the event time from when its trouble most likely began until it recovers.

        Outcomes mature later than their gate judges them, so spans are kept until every lane has passed them.
        """
        evidence, spans = finding.evidence, memory.gates.setdefault(watch.key, [])
        is_shut = bool(spans) and spans[-1].end is None
        if evidence.mode is Mode.RECOVERING:
            since = spans[-1].start if is_shut else min(evidence.change_at or finding.start, finding.start)
            spans[-1 if is_shut else len(spans) :] = [Span(since, None, f"{watch.key}: {_trouble(evidence)}")]
        elif is_shut:
            spans[-1] = msgspec.structs.replace(spans[-1], end=finding.end)
        oldest = min(memory.lanes[name] for name in (PREDICTIONS, *self._outcomes))
        spans[:] = [span for span in spans if span.end is None or span.end > oldest]
        if not spans:
            del memory.gates[watch.key]

    def _context(self, memory: ModelMemory, watch: WatchPlan, finding: Finding, now: int) -> Context:
        since = finding.evidence.change_at or finding.start
        near = [
            f"version {label} first seen"
            for label, at in sorted(memory.versions.items(), key=lambda v: (-v[1], v[0]))
            if since - DAY <= at <= now - self.plan.slot and at != min(memory.versions.values())
        ]
        rehearsal = Rehearsal(armed=memory.armed, first_event=memory.first_event, duration_ms=self.plan.rehearsal)
        holdout = ""
        if self.plan.has_holdout and watch.needs.contrast:
            holdout = self._state_of_holdout(memory)
        return Context(
            model=self.plan.model,
            team=watch.team,
            runbook=self.plan.runbook,
            budget=watch.budget,
            changes=tuple(near),
            holdout=holdout,
            rehearsal=rehearsal.at(now),
        )

    def _state_of_holdout(self, memory: ModelMemory) -> str:
        """What the gates say now; nothing where none watches, or none has judged."""
        shut = [span.why for spans in memory.gates.values() for span in spans if span.end is None]
        if shut:
            return "; ".join(sorted(shut))
        gates = [w.key for w in self.plan.watches if w.test.family is Family.INTEGRITY]
        sound = gates and all(memory.standings.get(key, "").startswith("watching/ok") for key in gates)
        return "its share of new units is as planned." if sound else ""

    # arrivals

    def _close_arrivals(self, memory: ModelMemory, until: int) -> None:
        """Close every arrival window up to `until`; the first is the earliest in which anything arrived.

        Of a silence that is longer than three days the rest is passed over: all was said, and years may lie in an old topic.
        """
        watches, length = self._lanes[ARRIVALS], self.plan.arrivals
        if not watches:
            return
        if ARRIVALS not in memory.lanes:
            seen = [start for windows in memory.arrivals.values() for start in windows]
            if not seen or min(seen) + length > until:
                return
            memory.lanes[ARRIVALS] = min(seen)
        closed = 0
        while memory.lanes[ARRIVALS] + length <= until:
            if closed == _LONGEST_SILENCE // length:
                next_arrival = min((s for windows in memory.arrivals.values() for s in windows), default=until)
                memory.lanes[ARRIVALS] = max(memory.lanes[ARRIVALS], next_arrival - next_arrival % length)
                closed = 0
                continue
            start = memory.lanes[ARRIVALS]
            closed = 0 if any(start in windows for windows in memory.arrivals.values()) else closed + 1
            memory.lanes[ARRIVALS] = start + length
            for watch in watches:
                bank = memory.banks[watch.detector]
                prep = bank.test.prepare(watch.params, bank.state, bank.watches.index(watch))
                count = memory.arrivals.get(watch.on, {}).pop(start, 0)
                statistic = bank.test.fold(prep, bank.test.empty(prep), _arrival_row(start, count))
                memory.open[watch.key] = OpenWindow(start, statistic)
            for name in sorted({w.detector for w in watches}):
                own = [w for w in watches if w.detector == name]
                self._advance(memory, memory.banks[name], own, start + length)


def _trouble(evidence: Evidence) -> str:
    planned, seen = evidence.arms.get("planned"), evidence.arms.get("holdout")
    known = planned is not None and seen is not None
    return f"the holdout is {seen:.2%}, planned {planned:.2%}" if known else "the holdout is broken"


def _unread(block: Block, position: int) -> Block:
    if not len(block) or block.offsets[0] >= position:
        return block
    skip = int(np.searchsorted(block.offsets, position))
    return replace(
        block,
        values=block.values[skip:],
        offsets=block.offsets[skip:],
        timestamps=block.timestamps[skip:],
        keys=None if block.keys is None else block.keys[skip:],
        headers=None if block.headers is None else block.headers[skip:],
    )


def _too_new(block: Block, rows: Columns, row: int, arrived: int, future: int) -> Reject:
    ahead = (int(rows.time[row]) - arrived) / 1000
    return Reject(
        topic=block.topic,
        partition=block.partition,
        offset=int(rows.offset[row]),
        timestamp=arrived,
        reason=f"event time is {ahead:,.0f} s ahead of the broker's clock; at most {future / 1000:,.0f} s are allowed",
        field="time",
    )


def _add_arrivals(memory: ModelMemory, stream: str, windows: cols.Ints) -> None:
    counts: dict[int, int] = memory.arrivals.setdefault(stream, {})
    for start, count in zip(*np.unique(windows, return_counts=True), strict=True):
        counts[int(start)] = counts.get(int(start), 0) + int(count)


def _arrival_row(start: int, count: int) -> Columns:
    rows = cols.no_rows()
    one = np.zeros(1, np.int64)
    return replace(
        rows,
        time=one + start,
        unit=one.astype(np.uint64),
        cohort=one.astype(np.int8),
        partition=one.astype(np.int32),
        offset=one,
        fields={"count": Numeric(np.array([float(count)]))},
    )


def _metric(metric: MetricPlan, count: cols.Ints, total: cols.Floats) -> cols.Floats:
    if metric.value == "any":
        return (count > 0).astype(np.float64)
    return count.astype(np.float64) if metric.value == "count" else total


def _with_value(watch: WatchPlan, rows: Columns) -> Columns:
    """The rows with what the watch is placed on as `value`, and single items as slates of one."""
    extra: dict[str, cols.Column] = {}
    if watch.on and watch.on in rows.fields:
        extra["value"] = rows.fields[watch.on]
    item = rows.fields.get("item")
    if "items" in watch.needs.columns and "items" not in rows.fields and isinstance(item, Hash):
        extra["items"] = Ragged(np.arange(len(rows) + 1), {"item": item})
    return rows.having(**extra) if extra else rows


def _by_hand(evidence: Evidence) -> Evidence:
    """A person's word ends an alert whatever the window brought; without an open alert the window speaks for itself."""
    if evidence.crossing is not Crossing.RECOVERED:
        return evidence
    return msgspec.structs.replace(evidence, standing=Standing.OK, reason="re-armed by hand")


def _blind(evidence: Evidence, why: str) -> Evidence:
    return msgspec.structs.replace(evidence, standing=Standing.BLIND, reason=why)

"""What one model's engine remembers between turns, and how it is written down.

Everything durable is in one of these rooms of pages, in chunks, or in alerts:

    progress   one page: lanes, clocks, counters, gates, versions, arrivals not yet closed, what was rejected
    units      runs of the table of enrolled units;  voters: the same for the current day
    voters.*   the same as voters, by outcome, for predictions at their maturity
    sums       per watch and incarnation, runs of the table of what each unit has done so far
    ids        per slot, prediction ids seen: against repeats in a later slot
    drops      per slot, ids that a sealed slot had to leave out because an earlier one had them
    engine     per watch and incarnation, the detector's state
    open       per watch and incarnation, the statistic of a window that is still open

A memory belongs to one turn at a time. When a commit fails it is thrown away and loaded again; `load` of what was committed
equals the memory that committed it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from detectors import columns as cols
from detectors import snapshot
from detectors.columns import Category, Cohort, Columns, Hashes
from detectors.detector import AnyDetector, Params
from monitor.alerting.alert import Alert, Decided, Notification, Phase
from monitor.events import Reject, TopicPartition
from monitor.ingest.identity import check_of, key_of
from monitor.ingest.mapping import PREDICTIONS
from monitor.join.pending import Pending, pack_rows, unpack_rows
from monitor.join.sums import SumTable
from monitor.join.units import UnitTable
from monitor.store.protocols import Chunk, Image, Page, Step
from monitor.watch.description import PlanDescription
from monitor.watch.finding import Finding
from monitor.watch.plan import DAY, ModelPlan, WatchPlan
from monitor.watch.trials import seen_by_people
from monitor.watch.verdicts import Word

ARRIVALS = "arrivals"
"""The lane of arrival minutes; every other lane is named after its stream."""

IN_EXPERIMENTS = "enrolled"
"""Begins the rooms of units enrolled in experiments."""

UNITS = "units"
"""The room of enrolled units; where everybody is assigned afresh from time to time, with the rule in its name."""

VOTERS = "voters"
"""The room of units that have voted today; of predictions at maturity, with the outcome in its name."""

SUMS = "sums"
"""The room of what units have done so far."""

REJECTS_A_TURN = 1_000
"""Dead letters stored with one step at most."""

Source = tuple[str, str, int]
"""A stream read from one partition: (stream, topic, partition)."""


class PlanChanged(ValueError):
    """What was stored cannot be used by the plan as it is now; the message says what a person can do."""


class Span(msgspec.Struct, frozen=True):
    """Event time, ms, for which a gate is shut, and why; `end` None while it still is."""

    start: int
    end: int | None
    why: str


class Missing(msgspec.Struct, frozen=True):
    """Event time, ms, of which data is known to be missing; `end` None while that is not known. `where`: the partition, of a gap."""

    kind: str
    start: int
    end: int | None
    what: str
    where: str = ""


@dataclass
class Bank:
    """The states of all watches of one detector: row i belongs to `watches[i]`."""

    test: AnyDetector
    watches: list[WatchPlan]
    state: Any

    def __post_init__(self) -> None:
        self._rows = {watch.key: row for row, watch in enumerate(self.watches)}

    def row(self, watch: WatchPlan) -> int:
        """Where a watch's state stands."""
        return self._rows[watch.key]

    def params(self, rows: Sequence[int]) -> list[Params]:
        """Parameters of the given rows."""
        return [self.watches[i].params for i in rows]


@dataclass
class OpenWindow:
    """A window that rows are still folded into: its start (ms) and the statistic so far."""

    start: int
    statistic: Any


@dataclass
class Turn:
    """What the current turn has changed so far.

    `moved` names rows of banks whose state has changed, `touched` watches whose open window has: they are packed once, at the
    end of the turn, however often they changed.
    """

    parts: dict[tuple[str, int], list[Columns]] = field(default_factory=dict)
    dropped: list[tuple[str, int]] = field(default_factory=list)
    rewritten: set[tuple[str, int]] = field(default_factory=set)
    pages: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    outbox: list[Notification] = field(default_factory=list)
    decisions: list[Decided] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    refused: set[tuple[str, int, int]] = field(default_factory=set)
    requeued: set[tuple[str, int, int]] = field(default_factory=set)
    moved: set[tuple[str, int]] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    records: int = 0

    def rewrite(self, stream: str, slot: int, rows: Columns) -> None:
        """All that is stored of a generation gives way to these rows."""
        self.rewritten.add((stream, slot))
        self.parts.pop((stream, slot), None)
        if len(rows):
            self.parts[stream, slot] = [rows]

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Keep dead letters, one a record, up to `REJECTS_A_TURN`: in a flood the first tell the story; all are counted."""
        for reject in rejects:
            place = (reject.topic, reject.partition, reject.offset)
            if len(self.rejects) < REJECTS_A_TURN and place not in self.refused:
                self.refused.add(place)
                self.rejects.append(reject)


@dataclass
class ModelMemory:
    """See the module's text. `lanes[name]` is the start of the next slot that lane will close.

    `intake` is what was last told of `missing`. `clocks` and `beside`: how far each source has come, as `monitor.join.clocks.Pace` has it.

    `matured`: voters of predictions at maturity, for outcomes that somebody watches by votes.
    `rearmed`: watches whose evidence a person asked to throw away, until their next window closes.
    `quality`: by stream and slot of event time, the rows kept and the records rejected, for windows that are not closed yet.
    """

    plan: ModelPlan
    pending: Pending
    units: UnitTable
    voters: UnitTable
    sums: dict[str, SumTable]
    banks: dict[str, Bank]
    matured: dict[str, UnitTable] = field(default_factory=dict)
    enrolled: dict[str, UnitTable] = field(default_factory=dict)
    words: dict[str, Word] = field(default_factory=dict)
    number: int = 0
    sequence: int = 0
    first_event: int | None = None
    armed: bool = False
    rearmed: set[str] = field(default_factory=set)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    clocks: dict[Source, int] = field(default_factory=dict)
    beside: dict[Source, tuple[int, int | None]] = field(default_factory=dict)
    lanes: dict[str, int] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    gates: dict[str, list[Span]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    intake: str = ""
    standings: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    arrivals: dict[str, dict[int, int]] = field(default_factory=dict)
    quality: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    ids: dict[int, Hashes] = field(default_factory=dict)
    drops: set[int] = field(default_factory=set)
    open: dict[str, OpenWindow] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    turn: Turn = field(default_factory=Turn)

    def page(self, room: str, key: str, data: bytes | None) -> None:
        """Note that a page has changed; the last word of a turn counts."""
        self.turn.pages[room, key] = data

    def shut_between(self, start: int, end: int, gates: Collection[str] | None = None) -> str:
        """Why one of these gates (None: any) was shut in any part of a window, or "" if none was."""
        spans = [span for key, spans in sorted(self.gates.items()) if gates is None or key in gates for span in spans]
        return "; ".join(dict.fromkeys(s.why for s in spans if s.start < end and (s.end is None or s.end > start)))

    def tables(self) -> list[UnitTable]:
        """All tables of units."""
        return [self.units, self.voters, *self.matured.values(), *self.enrolled.values()]

    def taken_ids(self) -> Hashes:
        """Ids of predictions in slots that are remembered, sorted."""
        known = list(self.ids.values())
        return np.unique(np.concatenate(known)) if known else np.zeros(0, np.uint64)


def _units_room(plan: ModelPlan) -> str:
    """Units are enrolled by a randomisation; under another rule all that was known of them is void."""
    return UNITS if plan.epoch is None else f"{UNITS}.{plan.epoch}.{plan.epoch_since}"


def _key(watch: WatchPlan) -> str:
    return f"{watch.key}|{watch.incarnation}"


def load(plan: ModelPlan, image: Image) -> ModelMemory:
    """The memory that an image stands for, as far as the plan still wants it.

    States and open windows of watches that the plan no longer has, or has with other parameters, are dropped with the next
    step, and so are their alerts and rows of streams that are gone. Raises `PlanChanged` if the model's window is another
    one, or if what is stored is damaged or was written by a release that kept it otherwise.
    """
    try:
        return _loaded(plan, image)
    except PlanChanged:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise PlanChanged(
            f"{plan.model}: what is stored of it cannot be read ({type(error).__name__}: {error}); it is damaged, or another release "
            "wrote it. Run that release, restore a backup, or give the model another name to start afresh"
        ) from error


def _loaded(plan: ModelPlan, image: Image) -> ModelMemory:
    pages = {(p.room, p.key): p.data for p in image.pages if p.data is not None}
    memory = ModelMemory(
        plan,
        Pending(plan.slot),
        UnitTable(_units_room(plan), plan.unit_cap, plan.epoch, plan.epoch_since),
        UnitTable(VOTERS, plan.unit_cap, DAY),
        {w.key: SumTable(_key(w), plan.sum_cap, w.needs.past) for w in plan.watches if w.needs.past is not None},
        {},
        matured=_voters_at_maturity(plan),
        enrolled={e.name: UnitTable(e.room, plan.unit_cap) for e in plan.experiments},
        number=image.number,
        offsets=dict(image.offsets),
    )
    _restore_progress(memory, pages)
    for table in memory.tables():
        table.restore({key: data for (room, key), data in pages.items() if room == table.name})
    known = {table.name for table in memory.tables()}
    for room, key in pages:
        if room.partition(".")[0] in (UNITS, VOTERS, IN_EXPERIMENTS) and room not in known:
            memory.page(room, key, None)
    _restore_sums(memory, {key: data for (room, key), data in pages.items() if room == SUMS})
    memory.ids = {int(key): snapshot.unpack(data) for (room, key), data in pages.items() if room == "ids"}
    memory.drops = {int(key) for room, key in pages if room == "drops"}
    _restore_watches(memory, pages)
    _restore_rows(memory, image, pages)
    for alert in image.alerts:
        _restore_alert(memory, alert)
    return memory


def _voters_at_maturity(plan: ModelPlan) -> dict[str, UnitTable]:
    """A table for each outcome whose truth is watched by votes."""
    watched = {w.on for w in plan.watches if "voting" in w.needs.columns}
    return {o.name: UnitTable(f"{VOTERS}.{o.name}", plan.unit_cap, DAY) for o in plan.outcomes if o.truth in watched}


def _restore_progress(memory: ModelMemory, pages: dict[tuple[str, str], bytes]) -> None:
    data = pages.get(("progress", ""))
    if data is None:
        return
    p = snapshot.unpack(data)
    refuse_other_key(p.get("key", check_of(key_of(memory.plan.model))), memory.plan)
    memory.sequence, memory.first_event, memory.armed = p["sequence"], p["first_event"], p["armed"]
    streams = memory.plan.streams()
    memory.clocks = {(s, t, n): clock for s, t, n, clock in p["clocks"] if s in streams and t in memory.plan.topics()}
    memory.beside = {source: (at, lag) for *s, at, lag in p.get("beside", ()) if (source := tuple(s)) in memory.clocks}
    memory.lanes, memory.versions = _lanes(memory.plan, p), p["versions"]
    same = {w.key for w in memory.plan.watches if ("engine", _key(w)) in pages}
    memory.gates = {key: [Span(*span) for span in spans] for key, spans in p["gates"].items() if key in same}
    memory.missing, memory.intake = [Missing(*m) for m in p.get("missing", ())], p.get("intake", "")
    memory.standings = {key: summary for key, summary in p["standings"].items() if key in same}
    memory.rearmed = {key for key in p["rearmed"] if key in same}
    words = p.get("words", {})
    memory.words = {key: msgspec.convert(word, Word) for key, word in words.items() if key in same}
    memory.counters = Counter(p["counters"])
    memory.arrivals = {stream: dict(minutes) for stream, minutes in p["arrivals"].items()}
    memory.quality = {s: {at: [good, bad] for at, good, bad in slots} for s, slots in p.get("quality", {}).items()}
    memory.units.folded, memory.voters.folded = p["folded"]


def _restore_sums(memory: ModelMemory, pages: dict[str, bytes]) -> None:
    """Sums of the plan's watches, each page under its watch; those of other watches are dropped."""
    own: dict[str, dict[str, bytes]] = {table.name: {} for table in memory.sums.values()}
    for key, data in pages.items():
        watch, _, page = key.rpartition("|")
        if watch in own:
            own[watch][page] = data
        else:
            memory.page(SUMS, key, None)
    for table in memory.sums.values():
        table.restore(own[table.name])


def refuse_other_key(check: str, plan: ModelPlan) -> None:
    """Raises `PlanChanged` if ids were hashed with another key so far: everybody would be somebody new."""
    if check != check_of(plan.hash_key):
        raise PlanChanged(
            f"{plan.model}: the key that ids are hashed with (ids:) is not the one that they were hashed with so far; nobody would "
            "be known again. Set it back, or give the model another name to start afresh"
        )


def refuse_other_lengths(lengths: Sequence[int], plan: ModelPlan) -> None:
    """Raises `PlanChanged` if the windows so far, [slot, arrivals] in ms, are not those of the plan."""
    if list(lengths) != [plan.slot, plan.arrivals]:
        was, now = lengths[0] / 60_000, plan.slot / 60_000
        raise PlanChanged(
            f"{plan.model}: its window was {was:g} min and is now {now:g} min; rows that wait for the old windows cannot be taken "
            "over. Set it back, or give the model another name to start afresh"
        )


def _lanes(plan: ModelPlan, progress: dict[str, Any]) -> dict[str, int]:
    """Lanes of the plan's streams; an outcome that is new begins where predictions are."""
    refuse_other_lengths(progress["lengths"], plan)
    lanes: dict[str, int] = progress["lanes"]
    wanted = (PREDICTIONS, *(o.name for o in plan.outcomes), ARRIVALS)
    kept = {name: at for name, at in lanes.items() if name in wanted}
    if PREDICTIONS in kept:
        for outcome in plan.outcomes:
            kept.setdefault(outcome.name, kept[PREDICTIONS])
    return kept


def pack_progress(memory: ModelMemory) -> bytes:
    """The progress page."""
    return snapshot.pack(
        {
            "key": check_of(memory.plan.hash_key),
            "sequence": memory.sequence,
            "first_event": memory.first_event,
            "armed": memory.armed,
            "rearmed": sorted(memory.rearmed),
            "clocks": sorted([*source, clock] for source, clock in memory.clocks.items()),
            "beside": sorted([*source, at, lag] for source, (at, lag) in memory.beside.items()),
            "lanes": dict(sorted(memory.lanes.items())),
            "gates": {key: [[s.start, s.end, s.why] for s in spans] for key, spans in sorted(memory.gates.items())},
            "missing": [[m.kind, m.start, m.end, m.what, m.where] for m in memory.missing],
            "intake": memory.intake,
            "lengths": [memory.plan.slot, memory.plan.arrivals],
            "standings": dict(sorted(memory.standings.items())),
            "words": {key: msgspec.to_builtins(word) for key, word in sorted(memory.words.items())},
            "versions": dict(sorted(memory.versions.items())),
            "counters": dict(sorted(memory.counters.items())),
            "arrivals": {
                s: sorted([m, c] for m, c in minutes.items()) for s, minutes in sorted(memory.arrivals.items())
            },
            "quality": {s: sorted([at, *n] for at, n in slots.items()) for s, slots in sorted(memory.quality.items())},
            "folded": [memory.units.folded, memory.voters.folded],
        }
    )


def _restore_watches(memory: ModelMemory, pages: dict[tuple[str, str], bytes]) -> None:
    watches = {_key(w): w for w in memory.plan.watches}
    by_test: dict[str, list[WatchPlan]] = {}
    for watch in memory.plan.watches:
        by_test.setdefault(watch.detector, []).append(watch)
    for name, members in by_test.items():
        test = members[0].test
        states = []
        for watch in members:
            data = pages.get(("engine", _key(watch)))
            if data is None and watch.reference is not None:
                data = watch.reference.state
            states.append(snapshot.unpack_rows(test.state, [data]) if data is not None else test.start([watch.params]))
        memory.banks[name] = Bank(test, members, snapshot.stack_rows(states))
    for (room, key), data in pages.items():
        if room in ("engine", "open") and key not in watches:
            memory.page(room, key, None)
        elif room == "open":
            start, packed = snapshot.unpack(data)
            statistic = snapshot.unpack_record(watches[key].test.statistic, packed)
            memory.open[watches[key].key] = OpenWindow(start, statistic)


def _restore_rows(memory: ModelMemory, image: Image, pages: dict[tuple[str, str], bytes]) -> None:
    streams = memory.plan.streams()
    for chunk in image.chunks:
        if chunk.stream not in streams:
            memory.turn.dropped.append((chunk.stream, chunk.slot))
            continue
        memory.pending.add(chunk.stream, chunk.slot, unpack_rows(chunk.data))
    frontier = memory.lanes.get(PREDICTIONS)
    if frontier is None:
        return
    for slot in memory.pending.slots(PREDICTIONS):
        if slot < frontier:
            taken = pages.get(("drops", str(slot)))
            rows, _ = memory.pending.seal(
                PREDICTIONS, slot, "id", snapshot.unpack(taken) if taken is not None else np.zeros(0, np.uint64)
            )
            if len(rows):
                memory.pending.replace(PREDICTIONS, slot, enrol(memory, slot, seen_by_people(rows)))


def _restore_alert(memory: ModelMemory, alert: Alert) -> None:
    plans = {w.key: w for w in memory.plan.watches}
    watch = plans.get(alert.watch)
    if watch is not None and watch.incarnation == alert.finding.incarnation:
        memory.alerts[alert.watch] = alert
        return
    reason = "the watch was removed" if watch is None else "the watch was restarted with other parameters"
    closed = msgspec.structs.replace(alert, phase=Phase.RESOLVED, resolved_at=alert.finding.end, frozen=reason)
    memory.turn.alerts[alert.id] = closed
    memory.turn.decisions.append(Decided.of(closed, alert.finding.end, reason))


ENROLLED = ("first", "crossed")
"""The columns that `enrol` adds."""


def enrol(memory: ModelMemory, slot: int, rows: Columns) -> Columns:
    """Sealed predictions with what only their unit's past, or the plan, can tell.

    first     the row by which its unit was enrolled.
    crossed   the unit was first seen in another cohort.
    leaked    the unit is held out, and was served by a policy that held-out units must not see, or by none that is named.
    """
    seen = memory.units.lookup(rows.unit, slot)
    _, index = np.unique(rows.unit, return_index=True)
    first = np.zeros(len(rows), np.bool_)
    first[index] = True
    first &= seen.known & (seen.slot == slot)
    crossed = seen.known & (seen.cohort != rows.cohort)
    rows = rows.having(first=cols.flag(first), crossed=cols.flag(crossed))
    policy, allowed = rows.fields.get("policy"), memory.plan.holdout_policies
    if allowed is None or not isinstance(policy, Category):
        return rows
    named = np.array([*(label in allowed for label in policy.labels), False])
    return rows.having(leaked=cols.flag((rows.cohort == Cohort.HOLDOUT) & ~named[policy.codes]))


def _watch_pages(memory: ModelMemory, turn: Turn) -> dict[tuple[str, str], bytes | None]:
    """States that moved, and open windows that changed or ended."""
    pages: dict[tuple[str, str], bytes | None] = {}
    for name, row in turn.moved:
        bank = memory.banks[name]
        pages["engine", _key(bank.watches[row])] = snapshot.pack_row(bank.state, row)
    for watch in memory.plan.watches:
        if watch.key in turn.touched:
            window = memory.open.get(watch.key)
            packed = None if window is None else snapshot.pack([window.start, snapshot.pack_record(window.statistic)])
            pages["open", _key(watch)] = packed
    return pages


def build_step(
    memory: ModelMemory, observed: dict[str, Any], commands: Sequence[int], plan: PlanDescription | None = None
) -> Step:
    """The turn as one step; afterwards a new turn begins. The step's number follows the last one."""
    turn, memory.turn = memory.turn, Turn()
    chunks = []
    dropped = set(turn.dropped)
    for (stream, slot), parts in sorted(turn.parts.items()):
        if (stream, slot) not in dropped:
            memory.sequence += 1
            chunks.append(Chunk(stream, slot, memory.sequence, pack_rows(cols.concat(parts))))
    turn.pages.update(_watch_pages(memory, turn))
    for table in memory.tables():
        turn.pages.update({(table.name, key): data for key, data in table.pages().items()})
    for sums in memory.sums.values():
        turn.pages.update({(SUMS, f"{sums.name}|{key}"): data for key, data in sums.pages().items()})
    turn.pages["progress", ""] = pack_progress(memory)
    memory.number += 1
    return Step(
        model=memory.plan.model,
        number=memory.number,
        offsets=dict(memory.offsets),
        chunks=chunks,
        rewritten=sorted(turn.rewritten - dropped),
        dropped=sorted(dropped),
        pages=[Page(room, key, data) for (room, key), data in sorted(turn.pages.items())],
        findings=turn.findings,
        alerts=list(turn.alerts.values()),
        outbox=turn.outbox,
        rejects=turn.rejects,
        requeued=sorted(turn.requeued),
        observed=observed,
        commands=commands,
        decisions=turn.decisions,
        plan=plan,
    )

"""How the two cohorts of every watch, and the log of hours, are written down and read again."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from detectors import snapshot
from detectors.sides import Sides, Span
from monitor.ingest.mapping import PREDICTIONS
from monitor.memory.banks import named
from monitor.memory.model import ModelMemory
from monitor.memory.turn import Turn
from monitor.watch.near import HOUR, KEPT, Hour
from monitor.watch.plan import ModelPlan, WatchPlan

SIDES, HOURS, DAYS, CONFIGS = "sides", "hours", "days", "configs"
_BASELINE = "baseline"


def pages(memory: ModelMemory, turn: Turn) -> dict[tuple[str, str], bytes | None]:
    """What the turn has changed."""
    result: dict[tuple[str, str], bytes | None] = {}
    rule = _rule(memory.plan)
    for watch in memory.plan.watches:
        if watch.key in turn.sides:
            room = f"{named(watch)}|{rule}"
            before, after = turn.sides[watch.key], memory.sides[watch.key]
            stored = {} if before is None else {span.start: span for span in before.spans}
            kept = {span.start: span for span in after.spans}
            result |= {(SIDES, f"{room}|{at}"): None for at in stored.keys() - kept.keys()}
            result |= {
                (SIDES, f"{room}|{at}"): _packed(span) for at, span in kept.items() if span is not stored.get(at)
            }
            if before is None or after.baseline is not before.baseline or after.settled is not before.settled:
                head = [list(after.names), after.relative, after.learned, after.settled, _packed(after.baseline)]
                result[SIDES, f"{room}|{_BASELINE}"] = snapshot.pack(head)
    for at in turn.hours:
        hour = memory.log.hours.get(at)
        result[HOURS, str(at)] = None if hour is None else snapshot.pack(vars(hour))
    for day in turn.days:
        items = memory.log.items.get(day)
        result[DAYS, str(day)] = None if items is None else snapshot.pack(items)
    return result


def restore(memory: ModelMemory, stored: dict[tuple[str, str], bytes]) -> None:
    """Take up what `pages` wrote; what belongs to watches, or to a rule of cohorts, that the plan no longer has is dropped."""
    rule = _rule(memory.plan)
    own: dict[str, WatchPlan] = {f"{named(watch)}|{rule}": watch for watch in memory.plan.watches}
    heads: dict[str, list[Any]] = {}
    spans: dict[str, list[Span]] = {}
    for (room, key), data in stored.items():
        if room == HOURS:
            memory.log.hours[int(key)] = Hour(**snapshot.unpack(data))
        elif room == DAYS:
            memory.log.items[int(key)] = snapshot.unpack(data)
        elif room == SIDES:
            name, _, part = key.rpartition("|")
            if name not in own:
                memory.page(room, key, None)
            elif part == _BASELINE:
                heads[name] = snapshot.unpack(data)
            else:
                spans.setdefault(name, []).append(_unpacked(data))
    for name, (names, relative, learned, settled, baseline) in heads.items():
        since = tuple(sorted(spans.get(name, []), key=lambda span: span.start))
        memory.sides[own[name].key] = Sides(tuple(names), relative, _unpacked(baseline), learned, settled, since)
    _note_config(memory, stored.get((CONFIGS, "")))


def forget(memory: ModelMemory, before: int) -> None:
    """Drop hours and days that the log no longer reaches back to."""
    for hours, changed in ((memory.log.hours, memory.turn.hours), (memory.log.items, memory.turn.days)):
        for at in [at for at in hours if at < before - KEPT]:
            del hours[at]
            changed.add(at)


def _note_config(memory: ModelMemory, data: bytes | None) -> None:
    """When what is read of the events, or how outcomes are joined, became another than it was; others than that change no figure."""
    said = repr(
        (memory.plan.mappings, memory.plan.outcomes, memory.plan.metrics, memory.plan.slot, memory.plan.lateness)
    )
    said += "".join(f"{m.stream}: {m.origin}" for m in memory.plan.mappings if m.origin is not None)
    now = blake2b(said.encode(), digest_size=2).hexdigest()
    last, changes = snapshot.unpack(data) if data is not None else ("", [])
    reached = memory.lanes.get(PREDICTIONS)
    if last and last != now and reached is not None:
        changes = [*changes, [reached, f"{last} to {now}"]]
    memory.log.config = [(at, what) for at, what in changes if reached is None or at >= reached - reached % HOUR - KEPT]
    if last != now:
        memory.page(CONFIGS, "", snapshot.pack([now, [list(change) for change in memory.log.config]]))


def _rule(plan: ModelPlan) -> str:
    """Who is in which cohort: under another rule the two sides are other people."""
    said = repr((plan.mappings[0].cohort, plan.mappings[0].unit, plan.epoch, plan.epoch_since))
    return blake2b(said.encode(), digest_size=4).hexdigest()


def _packed(span: Span) -> bytes:
    return snapshot.pack([span.start, span.end, span.slots, span.sums])


def _unpacked(data: bytes) -> Span:
    return Span(*snapshot.unpack(data))

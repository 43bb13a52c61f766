"""What of the data is known to be missing: records that the broker no longer had, and what a cap has folded away.

Every finding whose window it touches says so, and a finding of its own tells when it begins and when it is over: a verdict on
part of the data is never shown as one on all of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from detectors.detector import Stream
from detectors.evidence import Evidence, Mode, Standing
from monitor.engine.lanes import Lanes
from monitor.ingest.gap import Gap, GapReason
from monitor.join import clocks
from monitor.memory import IN_EXPERIMENTS, Missing, ModelMemory
from monitor.memory.banks import beside
from monitor.watch.finding import Finding, Origin
from monitor.watch.plan import ModelPlan, WatchPlan

INTAKE = "data.intake"
"""The name under which it is told."""
UNITS, VOTERS, SUMS, IDS, WAITING, ITEMS = "units", "voters", "sums", "ids", "waiting", "items"
"""Kinds of what a cap folds away: the names of the tables, some with what they are for behind a dot."""
_GAP = "gap"

_WHY = {
    GapReason.RETENTION: "were deleted by Kafka's retention before they were read",
    GapReason.RESET: "are gone: the topic was emptied, or deleted and made anew",
    GapReason.TRUNCATED: "are gone: a broker without the newest records took over",
}


def lose(memory: ModelMemory, plan: ModelPlan, gap: Gap) -> None:
    """Note a gap; until the partition's next row it may reach any time from where its streams had come."""
    memory.counters[f"{gap.topic}.gaps"] += 1
    memory.counters[f"{gap.topic}.missed"] += max(gap.found - gap.expected, 0)
    reached = [clock for (_, t, p), clock in memory.clocks.items() if (t, p) == (gap.topic, gap.partition)]
    start = min(reached) - plan.lateness if reached else clocks.NEVER
    where = f"{gap.topic}[{gap.partition}]"
    lost = f"{gap.found - gap.expected:,} records of {where}" if gap.found > gap.expected else f"records of {where}"
    memory.missing.append(Missing(_GAP, start, None, f"{lost} {_WHY[gap.reason]}", where))


def found_again(memory: ModelMemory, topic: str, partition: int, time: int) -> None:
    """The time of a partition's first row after a gap, of any stream: what was lost came before it, give or take the lateness."""
    where = f"{topic}[{partition}]"
    until = time + memory.plan.lateness
    memory.missing[:] = [
        Missing(m.kind, m.start, max(until, m.start), m.what, m.where) if m.end is None and m.where == where else m
        for m in memory.missing
    ]


def fold_away(memory: ModelMemory, kind: str, slot: int, count: int, cap: int) -> None:
    """Note that a table's cap has kept `count` units of a slot out."""
    if not count:
        return
    memory.counters[f"{kind}.folded"] += count
    before = next((m for m in memory.missing if m.kind == kind and m.end == slot), None)
    if before is not None:
        memory.missing.remove(before)
    start = slot if before is None else before.start
    memory.missing.append(Missing(kind, start, slot + memory.plan.slot, full(kind, cap)))


def keep_out(memory: ModelMemory, kind: str, start: int, count: int, what: str) -> None:
    """Note that a cap keeps `count` out of a window from `start` on; it stands until a later one in which it keeps out nothing.

    For what is counted behind predictions: at their maturity, or by periods.
    """
    if count:
        memory.counters[f"{kind}.folded"] += count
    standing = next((m for m in memory.missing if m.kind == kind and m.end is None), None)
    if standing is None and count:
        memory.missing.append(Missing(kind, start, None, what))
    elif standing is not None and (not count or what != standing.what):
        memory.missing.remove(standing)
        memory.missing.append(msgspec.structs.replace(standing, end=max(start, standing.start)))
        if count:
            memory.missing.append(Missing(kind, start, None, what))


def full(kind: str, cap: int, share: int = 1) -> str:
    """What a cap keeps out, in words. `share`: one in so many of the exposed is kept."""
    words = _CAPS[kind.partition(".")[0]] if share == 1 else _SHARE
    return words.format(cap=cap, share=share)


_SHARE = "the table of sums by person is full at {cap:,}: of the exposed one in {share:,} is kept for what those who come back do"
_CAPS = {
    IDS: "the ids of predictions are full at {cap:,}: repeats of predictions of an hour ago may be counted again",
    WAITING: "the predictions that wait for their outcomes are full at {cap:,}: only a share of the units is judged by outcomes",
    UNITS: "the table of units is full at {cap:,}: units that came later are compared nowhere",
    IN_EXPERIMENTS: "the table of an experiment's units is full at {cap:,}: units that came later are not in it",
    SUMS: "the table of sums by person is full at {cap:,}: people that came later are left out of what those who come back do",
    VOTERS: "the table of a day's voters is full at {cap:,}: units that came later have no vote that day",
}


def of_window(memory: ModelMemory, lanes: Lanes, watch: WatchPlan, start: int, end: int) -> tuple[str, ...]:
    """What is missing of a watch's window; of lost records also in the time in which an outcome may still come.

    Nothing of arrivals: they count what came, by another clock.
    """
    if watch.needs.stream is Stream.ARRIVALS:
        return ()
    by_outcome = watch.needs.stream is Stream.OUTCOMES or any(watch.on == m.name for m in memory.plan.metrics)
    mine = [m for m in memory.missing if _concerns(m.kind, watch, by_outcome=by_outcome)]
    return _touching(mine, start, end, lanes.reach(watch, memory.plan))


def _concerns(kind: str, watch: WatchPlan, *, by_outcome: bool) -> bool:
    """Whether what is missing can touch a watch: sums and items are a watch's own."""
    table, _, whose = kind.partition(".")
    if table in (SUMS, ITEMS):
        return whose in (watch.key, beside(watch.key))
    return table != WAITING or by_outcome


def tell(memory: ModelMemory, lanes: Lanes, start: int, end: int) -> None:
    """When predictions of a slot are closed: a finding if what is missing has changed; then forget what nobody needs."""
    now = sorted(_touching(memory.missing, start, end))
    said = "; ".join(now)
    if said != memory.intake:
        memory.intake = said
        standing = Standing.INSUFFICIENT if now else Standing.OK
        memory.turn.findings.append(
            Finding(
                model=memory.plan.model,
                watch=INTAKE,
                detector=INTAKE,
                incarnation=INTAKE,
                start=start,
                end=end,
                evidence=Evidence(mode=Mode.WATCHING, standing=standing, reason=said or "everything is taken in again"),
                origin=Origin.DATA_QUALITY if now else Origin.UNKNOWN,
                origin_reason="part of the data never reached a verdict" if now else "",
            )
        )
    oldest = min([lanes.oldest(memory), *(window.start for window in memory.open.values())])
    memory.missing[:] = [m for m in memory.missing if m.end is None or m.end > oldest]


def _touching(missing: Iterable[Missing], start: int, end: int, reach: int = 0) -> tuple[str, ...]:
    found = (m for m in missing if m.start < end + reach * (m.kind == _GAP) and (m.end is None or m.end > start))
    return tuple(dict.fromkeys(m.what for m in found))

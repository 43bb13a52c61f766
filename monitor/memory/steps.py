"""A turn as one step of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors import columns as cols
from detectors import snapshot
from monitor.join.pending import pack_rows
from monitor.memory import followed
from monitor.memory.banks import named
from monitor.memory.model import SUMS, ModelMemory
from monitor.memory.progress import pack_progress
from monitor.memory.turn import Turn
from monitor.store.protocols import Chunk, Page, Step
from monitor.watch.description import PlanDescription


def _watch_pages(memory: ModelMemory, turn: Turn) -> dict[tuple[str, str], bytes | None]:
    """States that moved, and open windows that changed or ended."""
    pages: dict[tuple[str, str], bytes | None] = {}
    for name, row in turn.moved:
        bank = memory.banks[name]
        pages["engine", named(bank.watches[row])] = snapshot.pack_row(bank.state, row)
    for watch in memory.plan.watches:
        if watch.key in turn.touched:
            window = memory.open.get(watch.key)
            packed = None if window is None else snapshot.pack([window.start, snapshot.pack_record(window.statistic)])
            pages["open", named(watch)] = packed
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
    turn.pages.update(followed.pages(memory, turn))
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

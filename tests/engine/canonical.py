"""A model's whole memory as bytes: equal bytes, equal memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detectors import snapshot
from monitor.join.pending import pack_rows
from monitor.join.sums import SumTable
from monitor.join.units import UnitTable
from monitor.memory import ModelMemory, load, pack_progress
from monitor.store import codec
from monitor.store.protocols import StateStore, Step


def rooms(memory: ModelMemory) -> dict[str, bytes]:
    """Each room of a memory between two turns, in one order whatever the order in which it was filled."""
    pack = snapshot.pack
    return {
        "number": pack(memory.number),
        "offsets": pack(sorted([*source, offset] for source, offset in memory.offsets.items())),
        "progress": pack_progress(memory),
        "units": pack(_runs(memory.units)),
        "voters": pack(_runs(memory.voters)),
        "sums": pack(sorted([name, *run] for name, table in memory.sums.items() for run in _sums(table))),
        "enrolled": pack(sorted([name, *run] for name, table in memory.enrolled.items() for run in _runs(table))),
        "ids": pack(sorted([slot, ids.tobytes()] for slot, ids in memory.ids.items())),
        "drops": pack(sorted(memory.drops)),
        "engines": pack(_engines(memory)),
        "open": pack(sorted([k, w.start, snapshot.pack_record(w.statistic)] for k, w in memory.open.items())),
        "rows": pack(_rows(memory)),
        "alerts": pack(sorted(codec.encode(alert) for alert in memory.alerts.values())),
    }


def _runs(table: UnitTable) -> list[list[Any]]:
    return sorted(
        [number, key, snapshot.pack_record(epoch.run(rows))]
        for number, epoch in table._epochs.items()
        for key, rows in epoch.runs.items()
    )


def _sums(table: SumTable) -> list[list[Any]]:
    meta = [table.began, table.halved, table.folded, table.units]
    rows = table._everybody()
    held = [rows, table._index.unit[rows], table._cohort[rows], table._sums[rows]]
    stored = table._stored
    round_ = [stored.made, stored.cursor, stored.credit, stored.fallen, *stored._log, *stored._whole.values()]
    return [["meta", snapshot.pack([*meta, *held])], ["stored", snapshot.pack([*round_, *stored.earlier])]]


def _engines(memory: ModelMemory) -> list[list[Any]]:
    return sorted(
        [watch.key, snapshot.pack_row(bank.state, row)]
        for bank in memory.banks.values()
        for row, watch in enumerate(bank.watches)
    )


def _rows(memory: ModelMemory) -> list[list[Any]]:
    found = []
    for stream in memory.plan.streams():
        for slot in memory.pending.slots(stream):
            sealed = memory.pending.sealed(stream, slot)
            waiting = memory.pending.between(stream, slot, slot + memory.plan.slot)
            kept = [b"" if rows is None else pack_rows(rows) for rows in (sealed, waiting)]
            found.append([stream, slot, *kept])
    return found


def same_as_loaded(store: StateStore) -> Callable[[ModelMemory, Step, float], None]:
    """For `ModelTurns.on_step`: asserts that what was committed adds up to the memory that committed it."""

    def compare(memory: ModelMemory, step: Step, _seconds: float) -> None:
        loaded, kept = rooms(load(memory.plan, store.load(memory.plan.model))), rooms(memory)
        differing = [room for room in kept if kept[room] != loaded[room]]
        assert not differing, f"step {step.number}: {differing}"

    return compare

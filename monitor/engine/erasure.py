"""Forgetting one unit: its rows that wait, what is known of it, and the ids of its predictions.

Tallies of windows that are still open, and experiments under way, keep a mixed hash of everyone they have counted until they
close; nothing can be taken out of them without counting everybody else anew. They leave with their window.
"""

from __future__ import annotations

import numpy as np

from detectors import snapshot
from detectors.columns import Bools, Columns, Hash, Hashes
from monitor.ingest.mapping import PREDICTIONS
from monitor.memory import ModelMemory, as_decoded
from monitor.store.erasure import in_flight


def erase(memory: ModelMemory, unit: int) -> None:
    """Take a unit (its keyed hash, not 0) out of memory, and with the next step out of the store.

    A sealed generation is written anew also where repeats of earlier predictions are stored beside its rows, whoever's they are.
    """
    mine = _predictions_of(memory, unit)
    for stream in memory.plan.streams():
        for slot in memory.pending.slots(stream):
            repeats_stored = stream == PREDICTIONS and slot in memory.drops
            rows = memory.pending.rows(stream, slot)
            kept = rows.take(~_is_of(rows, unit, mine))
            if len(kept) < len(rows) or repeats_stored:
                memory.pending.rewrite(stream, slot, kept)
                memory.turn.rewrite(stream, slot, as_decoded(kept))
            if repeats_stored:
                memory.drops.discard(slot)
                memory.page("drops", str(slot), None)
    memory.turn.rejects[:] = [in_flight(reject) for reject in memory.turn.rejects]
    for table in memory.tables():
        table.erase(unit)
    for sums in memory.sums.values():
        sums.erase(unit)
    for slot, ids in memory.ids.items():
        left = ids[~np.isin(ids, mine)]
        if len(left) < len(ids):
            memory.ids[slot] = left
            memory.page("ids", str(slot), snapshot.pack(left))


def _predictions_of(memory: ModelMemory, unit: int) -> Hashes:
    """Ids of the unit's predictions that are still at hand, ascending."""
    waiting = [memory.pending.rows(PREDICTIONS, slot) for slot in memory.pending.slots(PREDICTIONS)]
    ids = [rows.hashes("id")[rows.unit == unit] for rows in waiting]
    found = np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.uint64)
    named: Hashes = found[found != 0]
    return named


def _is_of(rows: Columns, unit: int, predictions: Hashes) -> Bools:
    """Rows of the unit, and outcomes of its predictions."""
    own: Bools = rows.unit == np.uint64(unit)
    named = rows.fields.get("id")
    if isinstance(named, Hash):
        own |= np.isin(named.values, predictions)
    return own

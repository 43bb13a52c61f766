"""The page of everything small that moves: how far a model has come, and what it has counted and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from detectors import snapshot
from detectors.detector import Stream
from monitor.ingest.identity import check_of, key_of
from monitor.ingest.mapping import PREDICTIONS
from monitor.memory.banks import named
from monitor.memory.model import ARRIVALS, Missing, ModelMemory, Span
from monitor.watch.in_turn import InTurn
from monitor.watch.plan import ModelPlan
from monitor.watch.verdicts import Word


class PlanChanged(ValueError):
    """What was stored cannot be used by the plan as it is now; the message says what a person can do."""


def restore_progress(memory: ModelMemory, pages: dict[tuple[str, str], bytes]) -> bool:
    """Take up what `pack_progress` wrote, without what belongs to watches and streams that the plan does not have as they were.

    Whether people are still in their cohorts by the rule that they were enrolled under.

    Raises `PlanChanged` if the model's windows, or the key of its ids, are others.
    """
    data = pages.get(("progress", ""))
    if data is None:
        return True
    p = snapshot.unpack(data)
    refuse_other_key(p.get("key", check_of(key_of(memory.plan.model))), memory.plan)
    memory.sequence, memory.first_event, memory.armed = p["sequence"], p["first_event"], p["armed"]
    streams = memory.plan.streams()
    memory.clocks = {(s, t, n): clock for s, t, n, clock in p["clocks"] if s in streams and t in memory.plan.topics()}
    memory.beside = {source: (at, lag) for *s, at, lag in p.get("beside", ()) if (source := tuple(s)) in memory.clocks}
    memory.lanes, memory.versions = _lanes(memory.plan, p), p["versions"]
    stored = {key for room, key in pages if room in ("engine", "open")}
    known = {key.rpartition("|")[0] for key in stored}
    same = {w.key for w in memory.plan.watches if named(w) in stored or w.key not in known}
    memory.gates = {key: [Span(*span) for span in spans] for key, spans in p["gates"].items() if key in same}
    memory.missing, memory.intake = [Missing(*m) for m in p.get("missing", ())], p.get("intake", "")
    memory.standings = {key: summary for key, summary in p["standings"].items() if key in same}
    memory.paces = {key: (at, n) for key, (at, n) in p.get("paces", {}).items() if key in same}
    memory.rearmed = {key for key in p["rearmed"] if key in same}
    words = p.get("words", {})
    memory.words = {key: msgspec.convert(word, Word) for key, word in words.items() if key in same}
    memory.in_turn = InTurn.unpacked(p.get("in_turn", InTurn().packed()), {e.room for e in memory.plan.experiments})
    memory.identities = {t: it for t, it in p.get("identities", {}).items() if t in memory.plan.topics()}
    memory.counters = Counter(p["counters"])
    if ARRIVALS in memory.lanes or ARRIVALS not in p["lanes"]:
        memory.arrivals = {stream: dict(minutes) for stream, minutes in p["arrivals"].items()}
    memory.quality = {s: {at: [good, bad] for at, good, bad in slots} for s, slots in p.get("quality", {}).items()}
    memory.units.folded, memory.voters.folded = p["folded"]
    return bool(p.get("assigned_by", memory.plan.assigned_by) == memory.plan.assigned_by)


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
    """Lanes of the plan's streams; an outcome that is new begins where predictions are.

    Arrivals are counted while somebody watches them: after a time in which nobody did, their lane begins anew.
    """
    refuse_other_lengths(progress["lengths"], plan)
    lanes: dict[str, int] = progress["lanes"]
    wanted = {PREDICTIONS, *(o.name for o in plan.outcomes)}
    if any(w.needs.stream is Stream.ARRIVALS for w in plan.watches):
        wanted.add(ARRIVALS)
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
            "assigned_by": memory.plan.assigned_by,
            "sequence": memory.sequence,
            "first_event": memory.first_event,
            "identities": dict(sorted(memory.identities.items())),
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
            "paces": {key: [*pace] for key, pace in sorted(memory.paces.items())},
            "words": {key: msgspec.to_builtins(word) for key, word in sorted(memory.words.items())},
            "in_turn": memory.in_turn.packed(),
            "versions": dict(sorted(memory.versions.items())),
            "counters": dict(sorted(memory.counters.items())),
            "arrivals": {
                s: sorted([m, c] for m, c in minutes.items()) for s, minutes in sorted(memory.arrivals.items())
            },
            "quality": {s: sorted([at, *n] for at, n in slots.items()) for s, slots in sorted(memory.quality.items())},
            "folded": [memory.units.folded, memory.voters.folded],
        }
    )

"""References built from the history that a config names, and adopted: watches look from day one instead of learning first.

Only watches that still learn, or have not begun, are given one: what has looked at the stream is replaced by a person alone. The
adoption is recorded like a person's, under the name of the config.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from detectors.evidence import Mode
from monitor import references
from monitor.clock import Clock
from monitor.ingest.source import Source, SourceError
from monitor.store.protocols import Store
from monitor.watch.plan import ModelPlan

AUTHOR = "history: in the config"

Files = Mapping[str, Sequence[Path]]


def wanting(plan: ModelPlan, store: Store) -> frozenset[str]:
    """Watches that have neither looked at the stream nor been given a reference, by key."""
    looked = {f.watch for f in store.latest(plan.model) if f.evidence.mode is not Mode.LEARNING}
    given = {r.watch: r.learned_as for r in store.references(plan.model) if r.adopted_at is not None}
    return frozenset(w.key for w in plan.watches if w.key not in looked and given.get(w.key) != w.incarnation)


def learn(
    plan: ModelPlan,
    files: Files,
    store: Store,
    clock: Clock,
    *,
    read: Callable[[Files, ModelPlan], Source],
    own: Callable[[Clock], Store],
) -> tuple[int, tuple[str, ...]]:
    """How many watches were given a reference, and a sentence for everything a person should know of it.

    plan   without references; read: a source of the files; own: an empty store for the replay.
    """
    wanted = wanting(plan, store)
    if not wanted:
        return 0, ()
    if not any(files.values()):
        return 0, ("no file of its topics matches; its watches learn from the stream",)
    try:
        history = references.build(plan, read(files, plan), own(clock), clock, AUTHOR)
    except (SourceError, OSError) as error:
        return 0, (f"{error}; its watches learn from the stream",)
    given = [r for r in history.references if r.watch in wanted]
    for each in given:
        store.keep_reference(each)
        store.adopt_reference(plan.model, each.watch, each.version, AUTHOR, clock.now())
    short = [
        f"{key}: {why}" for key, why in sorted(history.without.items()) if key in wanted and why.startswith("the h")
    ]
    return len(given), tuple(short)

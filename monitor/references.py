"""References: what watches learn from history, how they fare over the rest of it, and plans that start with them.

One replay gives both. While a watch learns, its reference fills; what follows in the history is its dry run: a watch that would
have paged there, where nothing is known to have been wrong, has a null that this stream does not keep. It may warn, and does
not page. The stored state is that of the end of the history with all evidence thrown away, as by re-arming.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np

from detectors import snapshot
from detectors.detector import Stream, Tick
from detectors.evidence import Crossing, Mode
from monitor import replay
from monitor.alerting.words import moment
from monitor.clock import Clock
from monitor.ingest.source import Source
from monitor.memory import Bank, ModelMemory
from monitor.store.protocols import Reference, StateStore, Step
from monitor.watch.finding import Finding
from monitor.watch.plan import Learned, ModelPlan, WatchPlan

_LOUD = (Crossing.PAGE, Crossing.CRITICAL)


@dataclass(frozen=True, slots=True)
class History:
    """What a replay of history gave: a reference for every watch that learned, and in words why the others have none."""

    references: tuple[Reference, ...]
    without: Mapping[str, str]


@dataclass
class _Heard:
    """What the steps of a replay said of each watch."""

    memory: ModelMemory | None = None
    learned: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    why: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    start: int | None = None
    end: int = 0

    def step(self, memory: ModelMemory, step: Step) -> None:
        self.memory = memory
        for finding in step.findings:
            self.finding(finding)

    def finding(self, finding: Finding) -> None:
        watch, evidence = finding.watch, finding.evidence
        self.start = finding.start if self.start is None else min(self.start, finding.start)
        self.end = max(self.end, finding.end)
        if evidence.mode is Mode.LEARNING:
            self.learned.add(watch)
            self.why[watch] = evidence.reason
        elif watch in self.learned:
            self.done.add(watch)
        if evidence.crossing in _LOUD and watch not in self.failed:
            self.failed[watch] = (
                f"it crossed its bound for a {evidence.crossing} at {moment(finding.end)} in the history"
            )


def build(
    plan: ModelPlan,
    source: Source,
    store: StateStore,
    clock: Clock,
    author: str,
    on_step: Callable[[ModelMemory, Step], None] | None = None,
) -> History:
    """Replay a model over a finite source into an empty store of its own. Raises `SourceError`, `StoreError`."""
    heard = _Heard()

    def listen(memory: ModelMemory, step: Step) -> None:
        heard.step(memory, step)
        if on_step is not None:
            on_step(memory, step)

    replay.run([plan], {plan.model: source}, store, clock, on_step=listen)
    if heard.memory is None or heard.start is None:
        return History((), dict.fromkeys((w.key for w in plan.watches), "the history closed no window"))
    made: list[Reference] = []
    without: dict[str, str] = {}
    for watch in plan.watches:
        why = _why_not(watch, heard)
        if why:
            without[watch.key] = why
        else:
            made.append(_reference(plan, watch, heard.memory, heard, clock, author))
    return History(tuple(made), without)


def _why_not(watch: WatchPlan, heard: _Heard) -> str:
    if watch.needs.stream is Stream.ARRIVALS:
        return "it learns when records arrive, which a file does not say"
    if watch.key in heard.done:
        return ""
    if watch.key in heard.learned:
        return f"the history is too short: {heard.why[watch.key]}"
    return "it has nothing to learn"


def _reference(
    plan: ModelPlan, watch: WatchPlan, memory: ModelMemory, heard: _Heard, clock: Clock, author: str
) -> Reference:
    state = _without_evidence(memory.banks[watch.detector], watch, heard.end)
    start, records = heard.start or 0, sum(n for name, n in memory.counters.items() if name.endswith(".kept"))
    content = b"|".join([state, f"{start}|{heard.end}|{records}|{watch.incarnation}".encode()])
    return Reference(
        model=plan.model,
        watch=watch.key,
        version=blake2b(content, digest_size=6).hexdigest(),
        learned_as=watch.incarnation,
        state=state,
        start=start,
        end=heard.end,
        records=records,
        failed=heard.failed.get(watch.key, ""),
        built_at=clock.now(),
        built_by=author,
    )


def _without_evidence(bank: Bank, watch: WatchPlan, end: int) -> bytes:
    """The watch's state after a window without data in which it is re-armed: what it learned, and nothing else."""
    row = bank.row(watch)
    own = snapshot.take_rows(bank.state, np.array([row]))
    nothing = bank.test.empty(bank.test.prepare(watch.params, own, 0))
    tick = Tick.plain(end, end + watch.window, page=0.0, warn=0.0, rearm=True)
    after, _ = bank.test.close([watch.params], own, [nothing], tick)
    return snapshot.pack_row(after, 0)


def adopted(plan: ModelPlan, references: Sequence[Reference]) -> tuple[ModelPlan, tuple[str, ...]]:
    """The plan with what a person adopted, and a sentence for each that cannot be used or did not pass the dry run."""
    latest: dict[str, Reference] = {}
    for each in references:
        known = latest.get(each.watch)
        if each.adopted_at is not None and (known is None or (known.adopted_at or 0) < each.adopted_at):
            latest[each.watch] = each
    watches, said = [], []
    for watch in plan.watches:
        reference = latest.get(watch.key)
        if reference is None:
            watches.append(watch)
        elif reference.learned_as != watch.incarnation:
            watches.append(watch)
            said.append(
                f"{watch.key}: reference {reference.version} was learned with other parameters and is not used; build a new one"
            )
        else:
            watches.append(_with(watch, reference))
            if reference.failed:
                said.append(f"{watch.key}: {capped(reference)}")
    return replace(plan, watches=tuple(watches)), tuple(said)


def capped(reference: Reference) -> str:
    """What the dry run means for a watch."""
    return f"failed the dry run: {reference.failed}; it warns and does not page"


def _with(watch: WatchPlan, reference: Reference) -> WatchPlan:
    learned = Learned(reference.version, reference.state, reference.failed)
    policy = replace(watch.policy, may_page=False) if reference.failed else watch.policy
    return replace(watch, reference=learned, policy=policy)

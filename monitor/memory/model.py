"""The memory of one model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec
import numpy as np

from detectors.columns import Hashes
from detectors.sides import Sides
from monitor.alerting.alert import Alert
from monitor.events import TopicPartition
from monitor.join.pending import Pending
from monitor.join.sums import SumTable
from monitor.join.units import UnitTable
from monitor.memory.banks import Bank, OpenWindow
from monitor.memory.turn import Turn
from monitor.watch.finding import Finding
from monitor.watch.in_turn import InTurn
from monitor.watch.near import Log
from monitor.watch.plan import ModelPlan
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

Source = tuple[str, str, int]
"""A stream read from one partition: (stream, topic, partition)."""


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
class ModelMemory:
    """See the module's text. `lanes[name]` is the start of the next slot that lane will close.

    `intake` is what was last told of `missing`. `clocks` and `beside`: how far each source has come, as `monitor.join.clocks.Pace` has it.

    `identities`: which topics the offsets are of, where their source tells topics of one name apart.
    `newest`: the newest judged finding of each watch that the composite listens to; `remedies`: what was last tried for it.
    `matured`: voters of predictions at maturity, for outcomes that somebody watches by votes.
    `sides`: by watch, its figure in both cohorts over time; `log`: what came in each hour, for what changed near a shift.
    `rearmed`: watches whose evidence a person asked to throw away, until their next window closes.
    `paces`: by watch, the end of the first window with too little to judge, ms, and what it had counted by then.
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
    in_turn: InTurn = field(default_factory=InTurn)
    number: int = 0
    sequence: int = 0
    first_event: int | None = None
    armed: bool = False
    rearmed: set[str] = field(default_factory=set)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)
    clocks: dict[Source, int] = field(default_factory=dict)
    beside: dict[Source, tuple[int, int | None]] = field(default_factory=dict)
    lanes: dict[str, int] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    gates: dict[str, list[Span]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    intake: str = ""
    standings: dict[str, str] = field(default_factory=dict)
    paces: dict[str, tuple[int, int]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    arrivals: dict[str, dict[int, int]] = field(default_factory=dict)
    quality: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    ids: dict[int, Hashes] = field(default_factory=dict)
    drops: set[int] = field(default_factory=set)
    open: dict[str, OpenWindow] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    newest: dict[str, Finding] = field(default_factory=dict)
    remedies: tuple[str, ...] = ()
    sides: dict[str, Sides] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
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
        """Ids of predictions in slots that are remembered, ascending."""
        known = list(self.ids.values())
        return np.sort(np.concatenate(known)) if known else np.zeros(0, np.uint64)

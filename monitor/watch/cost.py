"""What a model will cost to watch: memory, database and processor, estimated from its plan and its traffic.

    memory       base + 17 B a unit seen in 28 days + 17 B a unit of two days + waiting rows x their size + states
    database     one transaction a turn at most, one finding a watch and window, and what a day's waiting rows weigh
    cores        (events a second x 15 us) + (windows of watches a second x 400 us)

The two times were fitted to replays of 100,000 and 400,000 events of the demo on one core of a 2020s server; treat the result
as an order of magnitude. Waiting rows are those of the longest attribution window; a row has 48 B and 8 B a mapped field.
"""

from __future__ import annotations

from dataclasses import dataclass

from detectors import snapshot
from detectors.detector import Stream
from monitor.watch.plan import DAY, ModelPlan
from monitor.watch.reach import Traffic

BASE = 160 * 2**20
UNIT = 17
ROW, FIELD = 48, 8
EVENT_S, WINDOW_S = 15e-6, 400e-6
_MEMORY_DAYS = 28


@dataclass(frozen=True, slots=True)
class Cost:
    """memory in bytes; transactions, findings and written bytes a day; cores as a share of one."""

    memory: float
    transactions: float
    findings: float
    written: float
    cores: float

    def in_words(self) -> str:
        """One sentence.

        >>> Cost(200 * 2**20, 172_800, 2_304, 3e9, 0.031).in_words()
        'about 200 MB of memory, 172,800 transactions with 2,304 findings and 3 GB a day at most, 0.031 cores'
        """
        return (
            f"about {self.memory / 2**20:,.3g} MB of memory, {self.transactions:,.0f} transactions with {self.findings:,.0f} findings "
            f"and {_bytes(self.written)} a day at most, {_cores(self.cores)}"
        )


def cost(plan: ModelPlan, traffic: Traffic, events: float, turn: int) -> Cost:
    """The cost at `events` events a day of all streams together, with turns of `turn` ms at most."""
    waits = max((o.within + plan.early for o in plan.outcomes), default=0) + plan.slot + plan.lateness
    fields = sum(len(m.fields) for m in plan.mappings)
    row = ROW + FIELD * fields
    states = sum(len(snapshot.pack_row(w.test.start([w.params]), 0)) for w in plan.watches)
    units = UNIT * (min(traffic.new * _MEMORY_DAYS, plan.caps.units) + min(2 * traffic.units, plan.caps.units))
    windows = {w.key: DAY / w.window for w in plan.watches}
    judged = sum(
        n for w, n in zip(plan.watches, windows.values(), strict=True) if w.needs.stream is not Stream.ARRIVALS
    )
    return Cost(
        memory=BASE + units + events * waits / DAY * row + 2 * states,
        transactions=min(DAY / turn, events),
        findings=judged,
        written=events * row + sum(windows.values()) * states / max(len(windows), 1) + UNIT * traffic.new,
        cores=(events * EVENT_S + sum(windows.values()) * WINDOW_S) / (DAY / 1000),
    )


def _cores(cores: float) -> str:
    return "less than 0.01 of a core" if cores < 0.01 else f"{cores:.2g} cores"


def _bytes(n: float) -> str:
    for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n >= size:
            return f"{n / size:,.0f} {name}"
    return f"{n:,.0f} B"

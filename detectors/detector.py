"""The contract of a detector.

A detector is a test with parameters. It never reads a clock, draws global randomness, logs or does I/O. The engine calls it so:

1. `start(params)` once per watch, or `snapshot.unpack_rows` after a restart.
2. For every fixed window of event time: `prepare` freezes the nuisance values for the coming window (they may depend on
   the past only); `fold` adds rows to a statistic, in any cut and on any process; `merge` adds two statistics.
3. When the window closes: `close` advances the engines of all watches that close now, as arrays, and returns one
   `Evidence` a watch. It is pure, and is called exactly once per closed window, also for an empty one.

Laws, tested over the whole catalogue: cut, order, duplication of a fold call's boundaries and partitioning of rows do not
change a statistic (sums are integers or fixed point, so this holds to the bit); a watch alone and the same watch in a bank
of a thousand give the same numbers; a state that was packed and unpacked behaves as the one that was not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detectors.columns import Bools, Columns, Floats, Ints
    from detectors.evidence import Evidence


class Family(StrEnum):
    """Budget families (default weights in monitor/watch/spend.py)."""

    SHIFT = "shift"
    COHORT = "cohort"
    LOOP = "loop"
    INTEGRITY = "integrity"
    DEPLOYMENT = "deployment"
    FRESHNESS = "freshness"
    QUALITY = "quality"
    HINT = "hint"


class Stream(StrEnum):
    """Where rows come from: predictions at the close of their window; predictions with outcomes, at maturity; arrivals."""

    PREDICTIONS = "predictions"
    OUTCOMES = "outcomes"
    ARRIVALS = "arrivals"


class Value(StrEnum):
    """What kind of column a detector looks at as `value`."""

    NUMBER = "number"
    CATEGORY = "category"
    VECTOR = "vector"


class Params(BaseModel):
    """Parameters of a detector: frozen, unknown keys refused, every field with domain and unit in its description."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a watch reads. `columns` must be present in the rows; `contrast` means exposed and holdout are compared.

    gated   it is blind while the cohorts are not sound; weighed: while logged propensities are found wrong.
    value   what the column called `value` must hold; a flag counts as a number and as a category.
    past    for a detector that reads one row a unit, with the unit's sums before and after (`columns`), instead of one a
            prediction: how long, in ms from the first window, what a unit does counts as its past.
    beside  with `past`: another metric whose sums are shown too, in the window that is open when they are known; its rows
            are those where `beside` is true.
    organic  outcomes that no showing brought about are shown too, one a row with `organic` and no items, where the config tells
            them apart; `organic` is then False in every other row.
    """

    stream: Stream
    columns: tuple[str, ...] = ()
    contrast: bool = False
    by_unit: bool = True
    gated: bool = False
    weighed: bool = False
    value: Value = Value.NUMBER
    past: int | None = None
    beside: str = ""
    organic: bool = False

    @property
    def taught(self) -> bool:
        """Whether predictions are shown twice: as they come, and at maturity (`matured`), with what came of them."""
        return "matured" in self.columns


@dataclass(frozen=True, slots=True)
class Tick:
    """The closing of one window for W watches; every array has shape (W,).

    start, end    event time, ms; a merged window is longer than a plain one.
    page, warn    spend of this window: expected false pages and warnings, fixed when the window opened.
    gated         a gate fails: evidence stands still, and restarts when it recovers.
    rearm         a person asked to restart the watch.
    """

    start: Ints
    end: Ints
    page: Floats
    warn: Floats
    gated: Bools
    rearm: Bools

    @staticmethod
    def plain(
        start: int, end: int, *, page: float, warn: float, watches: int = 1, gated: bool = False, rearm: bool = False
    ) -> Tick:
        """The same tick for every one of `watches` watches."""
        return Tick(
            np.full(watches, start, np.int64),
            np.full(watches, end, np.int64),
            np.full(watches, page),
            np.full(watches, warn),
            np.full(watches, gated),
            np.full(watches, rearm),
        )


P = TypeVar("P", bound=Params)
R = TypeVar("R")
A = TypeVar("A")
S = TypeVar("S")


class Detector(Protocol[P, R, A, S]):
    """See the module's text. `statistic` and `state` are dataclasses of arrays; in a state every array leads with W."""

    name: str
    family: Family
    hint: bool  # a hint never pages unless the config says so
    params: type[P]
    statistic: type[A]
    state: type[S]

    def needs(self, p: P) -> Needs:
        """Which rows and columns a watch with these parameters reads."""

    def start(self, ps: Sequence[P]) -> S:
        """State of watches that have seen nothing."""

    def prepare(self, p: P, s: S, row: int) -> R:
        """What `fold` may use of the past: frozen for the coming window."""

    def empty(self, prep: R) -> A:
        """The statistic of no rows: the identity of `merge`."""

    def fold(self, prep: R, a: A, rows: Columns) -> A:
        """`a` with the rows added."""

    def merge(self, prep: R, a: A, b: A) -> A:
        """Both statistics as one: associative, commutative, exact."""

    def size(self, a: A) -> int:
        """Units in the smallest arm of a statistic: a window with fewer than the watch's minimum is merged with the next."""

    def close(self, ps: Sequence[P], s: S, stats: Sequence[A], tick: Tick) -> tuple[S, list[Evidence]]:
        """Advance W watches by one window each. Does not change `s`."""


AnyDetector = Detector[Any, Any, Any, Any]

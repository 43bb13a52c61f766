"""What a detector says of one closed window of one watch."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Crossing(StrEnum):
    """Which bound was crossed in this window; `NONE` in most. A warn or page crosses once, when the watch fires."""

    NONE = "none"
    WARN = "warn"
    PAGE = "page"
    CRITICAL = "critical"
    RECOVERED = "recovered"


class Mode(StrEnum):
    """What the detector is doing: building its reference, looking for a change, or waiting for its end."""

    LEARNING = "learning"
    WATCHING = "watching"
    RECOVERING = "recovering"


class Standing(StrEnum):
    """Whether the window could be judged at all. None of the last four is ever shown as ok."""

    OK = "ok"
    INSUFFICIENT = "insufficient"
    BLIND = "blind"
    NOT_COMPUTABLE = "not_computable"
    STALE = "stale"


class Verdict(StrEnum):
    """What a comparison that is made once comes to; a monitor that watches for ever has none.

    HOLD stands until there is enough evidence, and where the evidence speaks against going on but nobody is harmed yet.
    """

    NONE = ""
    HOLD = "hold"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    INCONCLUSIVE = "inconclusive"
    TREATMENT = "treatment is better"
    CONTROL = "control is better"


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An interval and what may be believed of it.

    kind: `since_start` (valid at every look), `recent` (descriptive: the last windows, corrected for the choice of their
    number), `fresh` (only data after the alert opened: confirms or refutes it).
    formula, inputs: how it was computed, for `detectors.recompute`.
    """

    low: float
    high: float
    level: float = 0.95
    kind: str = "since_start"
    formula: str = ""
    inputs: dict[str, float] = {}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One window's verdict for one watch, with everything that a message needs to be believed.

    n              distinct units per arm that the effect is computed from.
    arms           the measured value per arm, in `unit`.
    effect         in `unit`; the sign is that of the change (exposed minus holdout, now minus reference).
    margin         the tolerance tested, in `unit`.
    log10_e        evidence against the null since the last reset, log10; the bound it is held against is `threshold`.
    spend          expected false pages this window may cost (0 while learning, gated or firing).
    change_at      most likely start of the change, ms since the epoch.
    verdict        of a comparison that is made once: `reason` says why.
    reason         one plain sentence; for a standing other than ok it says what is missing.
    detail         further figures by name, for people and for recomputation.
    """

    mode: Mode
    standing: Standing = Standing.OK
    crossing: Crossing = Crossing.NONE
    n: dict[str, int] = {}
    arms: dict[str, float] = {}
    effect: float | None = None
    relative: float | None = None
    unit: str = ""
    interval: Interval | None = None
    margin: float | None = None
    log10_e: float | None = None
    threshold: float | None = None
    spend: float = 0.0
    change_at: int | None = None
    exact: bool = True
    verdict: Verdict = Verdict.NONE
    reason: str = ""
    detail: dict[str, Any] = {}

"""A finding: what was said of one watch for one window, and what it is taken to mean."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from detectors.evidence import Evidence


class Origin(StrEnum):
    """Where a shift comes from. Without a randomised holdout a model's part is only `ASSOCIATED`."""

    UNKNOWN = "unknown"
    MODEL_INDUCED = "model_induced"
    EXTERNAL_DRIFT = "external_drift"
    HOLDOUT_ANOMALY = "holdout_anomaly"
    VERSION_CHANGE = "version_change"
    SILENT_CHANGE = "silent_change"
    DATA_QUALITY = "data_quality"
    ASSOCIATED = "associated"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Stored once for a watch and window. `start` and `end` are event time, ms (arrival time for freshness).

    missing  what of the window's data is known to be missing, in sentences.
    """

    model: str
    watch: str
    detector: str
    incarnation: str
    start: int
    end: int
    evidence: Evidence
    origin: Origin = Origin.UNKNOWN
    origin_reason: str = ""
    missing: tuple[str, ...] = ()

"""Drift of inputs and outputs against the learned reference. It goes to the digest: it says nothing of anybody's harm."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.category_shift import CategoryShiftParams
from detectors.embedding_shift import EmbeddingShiftParams
from detectors.missing_rate import FIELDS, MissingRateParams
from detectors.numeric_shift import NumericShiftParams
from monitor.settings import mappings
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted

MISSING = "missing"
"""The watch on fields that begin or cease to be missing."""

_HOUR = 3_600_000
_NUMBERS = ("score", "probability", "latency_ms", "output_length", "cost")
_CATEGORIES = ("label", "finish_reason", "error_code", "format_valid", "refused", "blocked", "truncated", "cache_hit")


def shifts(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """One watch a mapped number, category or truth value, and one on what is missing.

    Versions are left out: each new one would be a shift that never ends.
    """
    features = model.predictions.features
    wanted = {name: "numeric_shift" for name in _NUMBERS if getattr(model.predictions, name) is not None}
    wanted |= {name: "category_shift" for name in _CATEGORIES if getattr(model.predictions, name) is not None}
    wanted |= {
        f"features.{name}": "numeric_shift" if feature.type == "number" else "category_shift"
        for name, feature in features.items()
    }
    fields = _may_be_missing(model)
    if model.predictions.unit is None:
        embedded = ["embedding"] if model.predictions.embedding is not None else []
        missing |= dict.fromkeys(
            [*wanted, *embedded, *([MISSING] if fields else [])],
            "predictions.unit is not mapped, and units are the sample",
        )
        return
    for column, detector in wanted.items():
        params = NumericShiftParams() if detector == "numeric_shift" else CategoryShiftParams()
        yield Wanted(column, detector, params, column, model.window, "warn", min_units=params.min_units)
    if model.predictions.embedding is not None:
        seen = EmbeddingShiftParams()
        length = model.window * max(-(-_HOUR // model.window), 1)
        yield Wanted("embedding", "embedding_shift", seen, "embedding", length, "warn", min_units=seen.min_units)
    for start in range(0, len(fields), FIELDS):
        key = MISSING if start == 0 else f"{MISSING}-{start // FIELDS + 1}"
        absent = MissingRateParams(fields=fields[start : start + FIELDS])
        yield Wanted(key, "missing_rate", absent, "", model.window, "warn", min_units=absent.min_units)


def _may_be_missing(model: ModelSettings) -> tuple[str, ...]:
    """Columns of predictions that come from the event, and for which nothing stands in."""
    return tuple(f.name for f in mappings(model)[0].fields if f.path and f.default is None and not f.required)

"""Whether every stream still comes, and can be used."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.freshness import FreshnessParams
from detectors.rejects import RejectsParams
from monitor.ingest.mapping import PREDICTIONS
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.contrasts import HOLDOUT
from monitor.watch.kinds.wanted import Wanted
from monitor.watch.plan import MINUTE


def arrival_window(model: ModelSettings) -> int:
    """Length of the windows in which arrivals are counted, ms: a fifth of the model's window, 1 to 5 minutes."""
    return min(max(model.window // 5, MINUTE), 5 * MINUTE)


def refused(model: ModelSettings) -> Iterator[Wanted]:
    """The share of rejected records of the predictions and of every outcome."""
    limit, window = model.rejects, arrival_window(model)
    params = RejectsParams(at_most=limit.at_most, at_least=limit.at_least, windows=max(limit.over // window, 1))
    for stream in (PREDICTIONS, *model.outcomes):
        yield Wanted(f"rejects.{stream}", "rejects", params, stream, window, "page")


def silence(model: ModelSettings) -> Iterator[Wanted]:
    """Freshness of the predictions, of every outcome, and of predictions to whom the exposed are compared with."""
    streams = [PREDICTIONS, *model.outcomes, *([HOLDOUT] if model.others is not None else [])]
    for stream in streams:
        of = str(model.comparison) if stream == HOLDOUT else ""
        yield Wanted(
            f"freshness.{stream}", "freshness", FreshnessParams(), stream, arrival_window(model), "page", metric=of
        )

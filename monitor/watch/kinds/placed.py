"""Detectors of the catalogue that a config places by hand."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.catalogue import DETECTORS
from detectors.columns import Cohort
from detectors.comparison import Comparison
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.contrasts import why_no_contrast
from monitor.watch.kinds.wanted import Wanted

_COHORTS = {"exposed": Cohort.EXPOSED, "holdout": Cohort.HOLDOUT, "exploration": Cohort.EXPLORATION, "all": None}


def placed(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """One watch for every `detector:` under `watch:`."""
    for name, settings in model.watch.items():
        if settings.off or settings.detector is None:
            continue
        test = DETECTORS[settings.detector.kind]
        params = settings.detector.params()
        needs = test.needs(params)
        beside_draws = model.comparison is Comparison.SLICE and getattr(params, "slice", False)
        if needs.contrast and not beside_draws and (why := why_no_contrast(model)):
            missing[name] = why
            continue
        yield Wanted(
            key=name,
            detector=test.name,
            params=params,
            on=settings.on or "",
            window=settings.window or model.window,
            severity=settings.severity or ("warn" if test.hint else "page"),
            metric=settings.on if settings.on in model.metrics else "",
            cohort=_COHORTS[settings.cohort],
            min_units=getattr(params, "min_units", 0),
        )

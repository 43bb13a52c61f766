"""B4: who lies beyond the usual quantiles, exposed or held out; see `detectors.cohort_quantile.detector`."""

from __future__ import annotations

from detectors.cohort_quantile.detector import CohortQuantile
from detectors.cohort_quantile.state import CohortQuantileParams

__all__ = ["CohortQuantile", "CohortQuantileParams"]

"""U3: what the same people do over time, exposed or held out; see `detectors.cohort_sticky.detector`."""

from __future__ import annotations

from detectors.cohort_sticky.detector import CohortSticky
from detectors.cohort_sticky.state import CohortStickyParams

__all__ = ["CohortSticky", "CohortStickyParams"]

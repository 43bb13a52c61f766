"""B2: the difference between cohorts in a value without bounds; see `detectors.cohort_block.detector`."""

from __future__ import annotations

from detectors.cohort_block.detector import CohortBlock
from detectors.cohort_block.state import CohortBlockParams

__all__ = ["CohortBlock", "CohortBlockParams"]

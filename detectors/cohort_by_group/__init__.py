"""Exposed against held out in every group of people; see `detectors.cohort_by_group.detector`."""

from detectors.cohort_by_group.detector import CohortByGroup
from detectors.cohort_by_group.state import CohortByGroupParams

__all__ = ["CohortByGroup", "CohortByGroupParams"]

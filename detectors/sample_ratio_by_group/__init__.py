"""The cohorts' sizes in every group of people; see `detectors.sample_ratio_by_group.detector`."""

from detectors.sample_ratio_by_group.detector import SampleRatioByGroup
from detectors.sample_ratio_by_group.state import SampleRatioByGroupParams

__all__ = ["SampleRatioByGroup", "SampleRatioByGroupParams"]

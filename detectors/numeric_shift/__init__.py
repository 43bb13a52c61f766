"""A1: has the distribution of a number moved away from its reference by more than a tolerated distance?"""

from __future__ import annotations

from detectors.numeric_shift.detector import NumericShift
from detectors.numeric_shift.state import NumericShiftParams

__all__ = ["NumericShift", "NumericShiftParams"]

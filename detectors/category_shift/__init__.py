"""A2: have the shares of categories moved away from their reference by more than a tolerated difference?"""

from __future__ import annotations

from detectors.category_shift.detector import CategoryShift
from detectors.category_shift.state import CategoryShiftParams

__all__ = ["CategoryShift", "CategoryShiftParams"]

"""C8: engagement up while quality falls, both against the holdout; see `detectors.divergence.detector`."""

from __future__ import annotations

from detectors.divergence.detector import Divergence
from detectors.divergence.state import DivergenceParams

__all__ = ["Divergence", "DivergenceParams"]

"""A3: have vectors moved away from their reference, in direction, length or spread?"""

from __future__ import annotations

from detectors.embedding_shift.detector import EmbeddingShift
from detectors.embedding_shift.state import EmbeddingShiftParams

__all__ = ["EmbeddingShift", "EmbeddingShiftParams"]

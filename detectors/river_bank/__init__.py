"""Drift detectors of the river library, as hints: they show where to look and never page of themselves."""

from __future__ import annotations

from detectors.river_bank.detector import RiverHint
from detectors.river_bank.state import RiverHintParams

__all__ = ["RiverHint", "RiverHintParams"]

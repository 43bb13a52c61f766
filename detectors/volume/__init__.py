"""A5: do as many predictions come as on the same weekdays before?"""

from __future__ import annotations

from detectors.volume.detector import Volume
from detectors.volume.state import VolumeParams

__all__ = ["Volume", "VolumeParams"]

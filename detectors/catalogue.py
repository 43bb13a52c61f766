"""The one list of detectors: being listed is being configurable, documented and tested by the laws."""

from __future__ import annotations

from detectors.detector import AnyDetector

DETECTORS: dict[str, AnyDetector] = {detector.name: detector for detector in ()}
"""Every shipped detector by its name in the config."""

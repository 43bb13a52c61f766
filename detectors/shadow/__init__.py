"""D1: a release that answers beside the live one, unseen. See `detectors.shadow.detector`."""

from detectors.shadow.detector import Compare, Shadow, ShadowParams

__all__ = ["Compare", "Shadow", "ShadowParams"]

"""A detector that stands in for the catalogue: only its name and its parameters are ever looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, cast

from pydantic import Field

from detectors.detector import AnyDetector, Params


class ProbeParams(Params):
    share: Annotated[float, Field(gt=0, lt=1, description="share of something")]
    size: Annotated[int, Field(ge=1, description="number of somethings")] = 10


PROBE = cast("AnyDetector", SimpleNamespace(name="probe", params=ProbeParams))

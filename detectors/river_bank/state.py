"""Parameters and memory of `river_hint`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

import msgspec
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from detectors.columns import Floats, Hashes
from detectors.detector import Params
from detectors.river_bank.memory import freeze, thaw
from detectors.snapshot import SnapshotError


class Algorithm(StrEnum):
    """River's detectors by their usual names."""

    ADWIN = "ADWIN"
    PAGE_HINKLEY = "PageHinkley"
    KSWIN = "KSWIN"
    DDM = "DDM"
    EDDM = "EDDM"
    FHDDM = "FHDDM"
    HDDM_A = "HDDM_A"
    HDDM_W = "HDDM_W"


@functools.cache
def _class_of(algorithm: Algorithm) -> type[Any]:
    """River's class; river takes a second to load, and most configs place none of its detectors."""
    from river import drift
    from river.drift import binary

    classes: dict[Algorithm, type[Any]] = {
        Algorithm.ADWIN: drift.ADWIN,
        Algorithm.PAGE_HINKLEY: drift.PageHinkley,
        Algorithm.KSWIN: drift.KSWIN,
        Algorithm.DDM: binary.DDM,
        Algorithm.EDDM: binary.EDDM,
        Algorithm.FHDDM: binary.FHDDM,
        Algorithm.HDDM_A: binary.HDDMA,
        Algorithm.HDDM_W: binary.HDDMW,
    }
    return classes[algorithm]


_NUMERIC = frozenset({Algorithm.ADWIN, Algorithm.PAGE_HINKLEY, Algorithm.KSWIN})
_NOT_SETTINGS = frozenset({"self", "window"})
_SEED = 0


class RiverHintParams(Params):
    """Parameters of `river_hint`."""

    algorithm: Annotated[Algorithm, Field(description="which of river's detectors")] = Algorithm.ADWIN
    settings: dict[str, bool | int | float | str | None] = Field(
        default_factory=dict,
        description="the detector's own parameters by river's names; those left out have river's defaults",
    )
    max_values: Annotated[
        int, Field(ge=1, le=100_000, description="units fed per window, one value each, chosen by the unit's hash")
    ] = 500
    calm_windows: Annotated[
        int, Field(ge=1, description="windows with data and without a new detection after which the hint ends")
    ] = 12

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        allowed = sorted(set(inspect.signature(_class_of(self.algorithm)).parameters) - _NOT_SETTINGS)
        unknown = sorted(set(self.settings) - set(allowed))
        if unknown:
            raise ValueError(
                f"settings of {self.algorithm}: {', '.join(unknown)} is unknown; allowed are {', '.join(allowed)}"
            )
        if self.algorithm is Algorithm.KSWIN and self.settings.get("seed", _SEED) is None:
            raise ValueError(
                "settings of KSWIN: seed must be a whole number, or a replay would not give the same hints"
            )
        try:
            made(self).update(0)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(f"settings of {self.algorithm}: river refuses them: {error}") from error
        return self


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """One watch. Pairs are (number of values, their sum).

    memory         attributes of the river detector, as plain values.
    since          values fed since river last reported a drift (that window's own included).
    opened_at      start of the window of the last report, event time ms; None if no hint is open.
    calm           windows with data since that report.
    before, after  values before that window, and from it on.
    """

    memory: dict[str, Any]
    since: tuple[int, float] = (0, 0.0)
    opened_at: int | None = None
    calm: int = 0
    before: tuple[int, float] = (0, 0.0)
    after: tuple[int, float] = (0, 0.0)


@dataclass(frozen=True)
class RiverHintState:
    """W watches: `hints` (W,) of dtype object holds every `Hint` as a plain map."""

    hints: npt.NDArray[Any]


@dataclass(frozen=True)
class Values:
    """One window's values, one a unit: see `math.unit_sample`."""

    keys: Hashes
    ties: Hashes
    values: Floats


def made(p: RiverHintParams) -> Any:
    """A new detector of river."""
    seed = {"seed": _SEED} if p.algorithm is Algorithm.KSWIN else {}
    return _class_of(p.algorithm)(**{**seed, **p.settings})


def remembered(p: RiverHintParams, memory: dict[str, Any]) -> Any:
    """The detector of river that `freeze` was given. SnapshotError if the memory is of another kind."""
    return thaw(made(p), memory)


def fed(p: RiverHintParams, values: Floats) -> Floats:
    """Values as the algorithm takes them: binary ones get whether a value is at least one half."""
    return values if p.algorithm in _NUMERIC else (values >= 0.5).astype(np.float64)


def unfed(p: RiverHintParams) -> Hint:
    """A watch that has seen nothing."""
    return Hint(memory=freeze(made(p)))


def state_of(hints: Sequence[Hint]) -> RiverHintState:
    """The hints as cells."""
    cells = np.empty(len(hints), object)
    cells[:] = [msgspec.structs.asdict(hint) for hint in hints]
    return RiverHintState(cells)


def hint_of(s: RiverHintState, row: int) -> Hint:
    """A cell as a hint. SnapshotError if it is none."""
    try:
        return msgspec.convert(s.hints[row], Hint)
    except msgspec.ValidationError as error:
        raise SnapshotError(f"not a hint: {error}") from error

"""River's detectors as plain values and back, so that stored bytes are never executed.

A detector is written as its attributes. On the way back a new one is made from the watch's own settings, and exactly its
attributes are filled in, each with a value of a known kind: plain values, deques, the generator of KSWIN, and the classes
of river in the tables below, which stored text can only choose among. The two counters that river keeps in Rust give and
take their state as bytes of fixed meaning: numbers, no code.
"""

from __future__ import annotations

import collections
import functools
import random
import types
from typing import Any

import numpy as np

from detectors.snapshot import SnapshotError

_PANIC = "pyo3_runtime"


@functools.cache
def _parts() -> dict[str, type[Any]]:
    """Classes of river that stored text may choose among."""
    from river import stats
    from river.drift.binary.hddm_w import SampleInfo

    return {"Mean": stats.Mean, "Var": stats.Var, "EWMean": stats.EWMean, "SampleInfo": SampleInfo}


@functools.cache
def _counters() -> dict[str, type[Any]]:
    """Those that river keeps in Rust."""
    from river import _river_rust as counters

    return {
        "AdaptiveWindowing": counters.drift.AdaptiveWindowing,  # type: ignore[attr-defined]  # not in river's stubs
        "RsEWMean": counters.stats.RsEWMean,
    }


def freeze(detector: Any) -> dict[str, Any]:
    """The attributes of a detector as plain values; bound methods are left out, a new detector has its own.

    TypeError for an attribute of a kind that is not known here.
    """
    return {name: _freeze(value) for name, value in _attributes(detector).items()}


def thaw(fresh: Any, frozen: dict[str, Any]) -> Any:
    """`fresh`, a new detector of the same settings, with the attributes of `freeze`. SnapshotError if they do not fit."""
    name = type(fresh).__name__
    expected = _attributes(fresh).keys()
    if not isinstance(frozen, dict) or frozen.keys() != expected:
        raise SnapshotError(f"not the memory of river's {name}: its attributes are {', '.join(sorted(expected))}")
    try:
        for attribute, value in frozen.items():
            setattr(fresh, attribute, _thaw(value))
    except BaseException as error:  # a failed check in Rust is a panic, which is no Exception
        if isinstance(error, (KeyError, TypeError, ValueError)) or type(error).__module__ == _PANIC:
            raise SnapshotError(f"not the memory of river's {name}: {error}") from error
        raise
    return fresh


def _attributes(detector: Any) -> dict[str, Any]:
    return {n: v for n, v in vars(detector).items() if not isinstance(v, types.MethodType)}


def _freeze(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, collections.deque):
        return {"deque": [_freeze(v) for v in value], "maxlen": value.maxlen}
    if isinstance(value, random.Random):
        version, words, gauss = value.getstate()
        return {"random": list(words), "version": version, "gauss": gauss}
    kind = type(value).__name__
    if _counters().get(kind) is type(value):
        return {"counter": kind, "made_with": list(value.__getnewargs__()), "bytes": value.__getstate__()}
    if _parts().get(kind) is type(value):
        return {"part": kind, "attributes": {n: _freeze(v) for n, v in vars(value).items()}}
    raise TypeError(f"river keeps a {kind}, which cannot be stored as plain values")


def _thaw(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "deque" in value:
        return collections.deque([_thaw(v) for v in value["deque"]], maxlen=value["maxlen"])
    if "random" in value:
        generator = random.Random()  # noqa: S311 - KSWIN draws a sample with it
        generator.setstate((value["version"], tuple(value["random"]), value["gauss"]))
        return generator
    if "counter" in value:
        counter = _counters()[value["counter"]](*value["made_with"])
        counter.__setstate__(value["bytes"])
        return counter
    part = object.__new__(_parts()[value["part"]])
    vars(part).update({n: _thaw(v) for n, v in value["attributes"].items()})
    return part

"""Rows as JSON text that any database takes and that gives back the same value.

JSON knows no infinite floats, and databases know neither NUL nor lone surrogates; yet figures and names from events hold
them. Floats that are not finite become `{"$float": "inf"}`; NUL and lone surrogates become U+FFFD. Arrays and numbers of NumPy become plain
ones. All else is as `msgspec` writes it.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")
_MARK = "$float"
_NUL = b"\\u0000"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode(value: Any) -> str:
    """A struct, map or list as JSON. TypeError if it holds something that is no plain value."""
    try:
        raw = _encoder.encode(value)
        if _NUL not in raw and msgspec.json.decode(raw, type=type(value)) == value:
            return raw.decode()
    except (UnicodeEncodeError, msgspec.ValidationError, ValueError):
        pass  # something that JSON cannot say as it stands
    return _encoder.encode(_sayable(msgspec.to_builtins(value, enc_hook=_plain))).decode()


def decode(raw: str | bytes, kind: type[T]) -> T:
    """The value of `encode`. `msgspec.ValidationError` if it is no `kind`."""
    mark = _MARK if isinstance(raw, str) else _MARK.encode()
    if mark in raw:  # type: ignore[operator]  # both are str, or both bytes
        return msgspec.convert(_restored(msgspec.json.decode(raw)), kind)
    return msgspec.json.decode(raw, type=kind)


def storable(text: str) -> str:
    """Free text without what a database refuses: NUL and lone surrogates become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def finite(value: float | None) -> float | None:
    """A figure for a column of its own: None instead of one that is not finite."""
    return value if value is not None and math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no plain value and cannot be stored")


def _sayable(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else {_MARK: str(value)}
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_sayable(name): _sayable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(each) for each in value]
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        mark = value.get(_MARK) if len(value) == 1 else None
        if isinstance(mark, str) and mark in _WORDS:
            return _WORDS[mark]
        return {name: _restored(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_restored(each) for each in value]
    return value


_encoder = msgspec.json.Encoder(enc_hook=_plain)

"""Statistics and states as bytes, without executing any: MessagePack, arrays as (dtype, shape, raw little-endian bytes).

A *record* is a dataclass whose fields are arrays, plain values (None, bool, int, float, str, bytes, lists and maps of them)
or records; one that has a default may be absent from the bytes, as it was added since. In a *state* every array leads with the
watch axis, so that a row can be taken out, stored and put back.
Arrays of dtype object may hold plain values only.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
_ARRAY = 1
_PLAIN_DTYPES = frozenset({"|b1", "|i1", "|u1", "<i2", "<i4", "<i8", "<u4", "<u8", "<f4", "<f8"})


class SnapshotError(ValueError):
    """Bytes that are no snapshot, or one of another shape. The message says which."""


def pack(value: Any) -> bytes:
    """A plain value, possibly holding arrays, as bytes. TypeError for anything else."""
    return _encoder.encode(value)


def unpack(data: bytes) -> Any:
    """The value of `pack`. SnapshotError if the bytes are damaged."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise SnapshotError(f"not a snapshot: {error}") from error


def _encode_array(value: Any) -> msgspec.msgpack.Ext:
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        raise TypeError(f"cannot be stored: {type(value).__name__}")
    if value.dtype == object:
        return msgspec.msgpack.Ext(_ARRAY, _encoder.encode(["O", list(value.shape), list(value.ravel())]))
    little = value.astype(value.dtype.newbyteorder("<"), copy=False)
    return msgspec.msgpack.Ext(_ARRAY, _encoder.encode([little.dtype.str, list(value.shape), little.tobytes()]))


def _decode_array(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code}")
    dtype, shape, body = _decoder.decode(data)
    if dtype == "O":
        array = np.empty(len(body), dtype=object)
        array[:] = body
        return array.reshape(shape)
    if dtype not in _PLAIN_DTYPES:
        raise ValueError(f"unknown dtype {dtype!r}")
    return np.frombuffer(body, dtype).reshape(shape).copy()


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_array)
_decoder = msgspec.msgpack.Decoder(ext_hook=_decode_array)


def _plain(record: Any) -> Any:
    if is_dataclass(record) and not isinstance(record, type):
        return {f.name: _plain(getattr(record, f.name)) for f in fields(record)}
    return record


def _parts(kind: Any) -> tuple[tuple[str, Any], ...]:
    """A dataclass's fields, each with its type where that is a dataclass itself, else None."""
    return _parts_of(kind)


@cache
def _parts_of(kind: Any) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name] if is_dataclass(hints[f.name]) else None) for f in fields(kind))


def _needed(kind: Any) -> frozenset[str]:
    """Names of the fields without a default."""
    return _needed_of(kind)


@cache
def _needed_of(kind: Any) -> frozenset[str]:
    return frozenset(f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING)


def _record(kind: type[T], values: Any) -> T:
    parts = _parts(kind)
    names = [name for name, _ in parts]
    if not isinstance(values, dict) or not _needed(kind) <= set(values) <= set(names):
        raise SnapshotError(f"not a {kind.__name__}: its fields are {', '.join(names)}")
    told = [(name, part) for name, part in parts if name in values]
    return kind(**{name: _record(part, values[name]) if part else values[name] for name, part in told})


def pack_record(record: Any) -> bytes:
    """A record as bytes."""
    return pack(_plain(record))


def unpack_record(kind: type[T], data: bytes) -> T:
    """The record that was packed. SnapshotError if the bytes are damaged or of another type."""
    return _record(kind, unpack(data))


def take_rows(state: T, rows: npt.NDArray[np.intp]) -> T:
    """The state of the given watches, in that order (a copy)."""
    kind = type(state)
    return kind(
        **{
            name: take_rows(getattr(state, name), rows) if inner else getattr(state, name)[rows]
            for name, inner in _parts(kind)
        }
    )


def put_rows(state: T, rows: npt.NDArray[np.intp], part: T) -> None:
    """Write `part`, the state of the given watches, into `state`, in place."""
    for name, inner in _parts(type(state)):
        whole, piece = getattr(state, name), getattr(part, name)
        if inner:
            put_rows(whole, rows, piece)
        else:
            whole[rows] = piece


def stack_rows(states: Sequence[T]) -> T:
    """Several states as one, watch axes joined. At least one state."""
    kind = type(states[0])
    return kind(
        **{
            name: (stack_rows if inner else np.concatenate)([getattr(s, name) for s in states])
            for name, inner in _parts(kind)
        }
    )


def pack_row(state: Any, row: int) -> bytes:
    """One watch's state as bytes."""
    return pack_record(take_rows(state, np.array([row])))


def unpack_rows(kind: type[T], rows: Sequence[bytes]) -> T:
    """The state of several watches from their bytes, in order. At least one."""
    return stack_rows([unpack_record(kind, data) for data in rows])

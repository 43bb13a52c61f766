"""CloudEvents 1.0 on Kafka (JSON event format and Kafka protocol binding): where the data and the attributes are.

Structured: the body is an object with `specversion` "1.0" and `data` or `data_base64`. Anything else is a plain event, also
one that has a field `data` of its own. Binary: a header `ce_specversion`; the body is the data, and the other `ce_` headers
are the attributes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from monitor.ingest.json_records import UNREADABLE, Fault

SPECVERSION = "1.0"


class Envelope(msgspec.Struct, gc=False):
    """What tells a structured event from a plain one."""

    specversion: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def structured(self) -> bool:
        """Whether this is the envelope of a structured CloudEvent."""
        if self.specversion is msgspec.UNSET or (self.data is msgspec.UNSET and self.data_base64 is msgspec.UNSET):
            return False
        return text(self.specversion) == SPECVERSION

    def body(self) -> bytes | Fault:
        """The JSON of a structured event's data, or why there is none."""
        if self.data is not msgspec.UNSET:
            if bytes(self.data) == b"null":
                return Fault("", "a CloudEvent whose data is null; allowed: an object")
            return bytes(self.data)
        decoded = None if self.data_base64 is msgspec.UNSET else from_base64(text(self.data_base64))
        return Fault("", "a CloudEvent whose data_base64 is not Base64 text") if decoded is None else decoded


envelope = msgspec.json.Decoder(Envelope).decode
"""Parses the envelope's own members only; raises what msgspec raises."""


def text(raw: msgspec.Raw) -> str | None:
    """The text that a raw JSON value is, or None if it is something else."""
    try:
        return msgspec.json.decode(raw, type=str)
    except UNREADABLE:
        return None


def structured_type(record: Any) -> Any:
    """A struct type with members `specversion`, `data` (a `record`) and `data_base64`: envelope and data in one parse."""
    return msgspec.defstruct(
        "Structured",
        [
            ("specversion", Any, None),
            ("data", record | None | msgspec.UnsetType, msgspec.UNSET),
            ("data_base64", Any, None),
        ],
        gc=False,
    )


def from_base64(told: object) -> bytes | None:
    """The bytes that Base64 text stands for, or None if it is none.

    >>> from_base64("e30="), from_base64("e3"), from_base64(5)
    (b'{}', None, None)
    """
    if not isinstance(told, str):
        return None
    try:
        return base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError):
        return None


class Binary(NamedTuple):
    """The attributes of a binary event, as a JSON object of text."""

    attributes: bytes


def binary(headers: Sequence[tuple[str, bytes]]) -> Binary | None:
    """The attributes of a binary event, or None if these are not the headers of one."""
    told = {name[3:]: value for name, value in headers if name.startswith("ce_")}
    if "specversion" not in told:
        return None
    return Binary(msgspec.json.encode({name: (value or b"").decode(errors="replace") for name, value in told.items()}))

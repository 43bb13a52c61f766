"""Which format a record is in, and its data as a typed record: plain JSON, or CloudEvents.

The format is recognised per record. The order in which formats are tried changes the speed, never the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from monitor.ingest import cloudevents, conditions
from monitor.ingest.cloudevents import Binary, Envelope
from monitor.ingest.json_records import UNREADABLE, Fault, NotAnObject, Path, Tree, Use, described, found
from monitor.ingest.mapping import Condition
from monitor.ingest.reasons import dotted

ATTRIBUTES = "ce"
"""First key of the paths that reach CloudEvents attributes; in a plain event it is a key like any other."""

_VERSION = ("specversion",)


class Formats:
    """Reads bodies into records of one type; `tree` has every mapped path, the conditions' too, and is not yet compiled."""

    def __init__(self, tree: Tree, where: Sequence[Condition]) -> None:
        if not tree.has(_VERSION):
            tree.add(Use("", _VERSION, Any))
        self._tree = tree
        self._where = [(condition.path, conditions.compiled(condition)) for condition in where]
        record = tree.compile()
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(record).decode
        self._decode_structured: Callable[[bytes], Any] = msgspec.json.Decoder(
            cloudevents.structured_type(record)
        ).decode
        self._version = tree.attribute(_VERSION)
        self._attributes: Callable[[bytes], Any] | None = None
        if tree.inside(ATTRIBUTES):
            self._attributes = msgspec.json.Decoder(tree.subtype(ATTRIBUTES)).decode
            self._ce = tree.attribute((ATTRIBUTES,))

    def plain(self, body: bytes) -> Any:
        """The record of a plain event, or None if it is none or cannot be read as mapped."""
        try:
            record = self._decode(body)
            if getattr(record, self._version) != cloudevents.SPECVERSION:
                return record
            return None if cloudevents.envelope(body).structured else record
        except UNREADABLE:
            return None

    def structured(self, body: bytes) -> Any:
        """The record of a structured CloudEvent, or None if it is none or cannot be read as mapped."""
        try:
            event = self._decode_structured(body)
            if event.specversion != cloudevents.SPECVERSION:
                return None
            record = event.data
            if record is msgspec.UNSET:
                data = cloudevents.from_base64(event.data_base64)
                record = None if data is None else self._decode(data)
            return self._with_attributes(record, body)
        except UNREADABLE:
            return None

    def binary(self, body: bytes, event: Binary) -> Any:
        """The record of a binary CloudEvent, or None if it cannot be read as mapped."""
        try:
            return self._with_attributes(self._decode(body), event.attributes)
        except UNREADABLE:
            return None

    def why_not(self, body: bytes, event: Binary | None) -> Fault | None:
        """Why a body that none of the above reads is unusable; None if it is not ours, as far as its conditions can be read."""
        envelope = _envelope(body, "the record")
        if isinstance(envelope, Fault):
            return envelope
        structured = event is None and envelope.structured
        if structured:
            data = envelope.body()
            if isinstance(data, Fault):
                return data
            inside = _envelope(data, "the CloudEvent's data")
            return inside if isinstance(inside, Fault) else self._fault_within(data, body)
        return self._fault_within(body, None if event is None else event.attributes)

    def _fault_within(self, data: bytes, attributes: bytes | None) -> Fault | None:
        """What is wrong with data of which no more is known than that it is there; None if it is not ours."""
        wrapped = None if attributes is None else b'{"%s":%s}' % (ATTRIBUTES.encode(), attributes)

        def document(path: Path) -> bytes:
            return wrapped if wrapped is not None and path[0] == ATTRIBUTES and len(path) > 1 else data

        for path, met in self._where:
            raw = None
            try:
                raw = found(document(path), path)
                ours = met(None if raw is None else msgspec.json.decode(raw))
            except NotAnObject:
                ours = met(None)
            except UNREADABLE as error:
                holds = described(raw or b"", error)
                return Fault("where", f"{dotted(path)} holds {holds}, so that the mapping's `where` cannot be decided")
            if not ours:
                return None
        return self._tree.fault(document) or Fault("", "the record cannot be read as mapped")

    def _with_attributes(self, record: Any, attributes: bytes) -> Any:
        if record is not None and self._attributes is not None:
            setattr(record, self._ce, self._attributes(attributes))
        return record


def _envelope(body: bytes, subject: str) -> Envelope | Fault:
    """The envelope's members of a body that is a JSON object, or why it is none."""
    try:
        if body and body[0] != 0 and not body.startswith(b"\xef\xbb\xbf"):
            return cloudevents.envelope(body)
        return Fault("", _unfit(body, subject))
    except msgspec.ValidationError as error:
        what = f"is {described(body, error)}; allowed: one JSON object a record"
    except RecursionError:
        what = "nests lists or objects too deeply"
    except UnicodeDecodeError:
        what = "is not UTF-8; allowed: JSON in UTF-8"
    except msgspec.MsgspecError as error:
        what = f"is not JSON: {error}"
    return Fault("", f"{subject} {what}")


def _unfit(body: bytes, subject: str) -> str:
    if not body:
        return f"{subject} is empty; allowed: one JSON object (a tombstone has no value at all)"
    if body[0] == 0:
        schema = f" (schema id {int.from_bytes(body[1:5], 'big')})" if len(body) >= 5 else ""
        return f"Confluent wire format{schema}: only JSON is read"
    return f"{subject} starts with a UTF-8 byte order mark; allowed: JSON without one"

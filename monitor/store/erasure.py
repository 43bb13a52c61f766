"""One person's id in what is kept of a record that could not be used."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import msgspec

from monitor.events import Reject

ERASED = "erased: it held the id of a person who asked to be forgotten"


IN_FLIGHT = "erased: it came while a person asked to be forgotten, and may have held the id"


def in_flight(reject: Reject) -> Reject:
    """A dead letter of a turn that was under way when an erasure was asked for: what it held can no longer be searched for the id."""
    return msgspec.structs.replace(reject, raw=None, reason=IN_FLIGHT)


def without(reject: Reject, text: str) -> Reject:
    """The dead letter without its bytes if they hold `text` anywhere, and without its reason if that quotes it as a word.

    The very same object if neither does. Bytes are searched as UTF-8, with JSON's escapes, and percent-encoded; within compressed
    or encrypted bytes nothing can be found. A short id is found in many records by chance: they lose their bytes for nothing.
    """
    raw = reject.raw
    if raw is not None and any(spelling in raw for spelling in _spellings(text)):
        raw = None
    word = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
    quotes = word.search(reject.reason) is not None
    if raw is reject.raw and not quotes:
        return reject
    return msgspec.structs.replace(reject, raw=raw, reason=ERASED if quotes else reject.reason)


def _spellings(text: str) -> set[bytes]:
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], quote(text, safe="")}
    return {each.encode("utf-8", "surrogatepass") for each in (text, *escaped)}

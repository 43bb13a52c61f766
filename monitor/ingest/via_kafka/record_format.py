"""Records out of Kafka's record batches, format 2.

Format: https://kafka.apache.org/documentation/#recordbatch. A batch's header and codec are the client's business; what
comes here is the uncompressed body.
"""

from __future__ import annotations

from collections.abc import Iterator

Header = tuple[str, bytes]
RawRecord = tuple[int, int, bytes | None, bytes | None, tuple[Header, ...]]
"""Offset, timestamp (ms), key, value, headers. A header without a value has an empty one.

Brokers check neither a header's name, so bytes of it that are not UTF-8 are spelled as `\\xff`, nor that a record's time fits
into 64 bits, so it wraps as theirs does.
"""
_LARGEST_TIME = (1 << 63) - 1


def records(
    body: bytes, count: int, base_offset: int, base_timestamp: int, append_timestamp: int | None
) -> Iterator[RawRecord]:
    """The `count` records of a batch's `body`.

    `append_timestamp`, if given, is the time of every record (the broker's); else a record's own difference is added to
    `base_timestamp`. Raises `ValueError` or `IndexError` if the body is broken.

    >>> body = bytes([18, 0, 4, 2, 1, 2, ord("v"), 2, 2, ord("h"), 1])
    >>> list(records(bytes([len(body[1:]) * 2]) + body[1:], 1, 100, 5_000, None))
    [(101, 5002, None, b'v', (('h', b''),))]
    """
    at = 0
    for _ in range(count):
        length, at = varint(body, at)
        end = at + length
        at += 1
        elapsed, at = varint(body, at)
        distance, at = varint(body, at)
        size, at = varint(body, at)
        key = None
        if size >= 0:
            key = body[at : at + size]
            at += size
        size, at = varint(body, at)
        value = None
        if size >= 0:
            value = body[at : at + size]
            at += size
        headers: tuple[Header, ...] = ()
        if body[at]:
            headers, at = record_headers(body, at)
        else:
            at += 1
        if at != end:
            raise ValueError(f"a record says that it ends at byte {end} of its batch, and its content ends at {at}")
        stamp = base_timestamp + elapsed if append_timestamp is None else append_timestamp
        if not -_LARGEST_TIME <= stamp <= _LARGEST_TIME:
            stamp = (stamp + _LARGEST_TIME + 1) % (1 << 64) - _LARGEST_TIME - 1
        yield base_offset + distance, stamp, key, value, headers
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes follow the last record of a batch")


def varint(body: bytes, at: int) -> tuple[int, int]:
    """The zigzag-coded integer at `at`, and where the next field begins.

    >>> varint(bytes([0xAC, 0x02]), 0)
    (150, 2)
    """
    byte = body[at]
    at += 1
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at
    bits = byte & 127
    shift = 7
    while byte > 127:
        byte = body[at]
        at += 1
        bits |= (byte & 127) << shift
        shift += 7
    return (bits >> 1) ^ -(bits & 1), at


def record_headers(body: bytes, at: int) -> tuple[tuple[Header, ...], int]:
    """The headers whose number stands at `at`, and where the record ends. Raises `ValueError` on negative sizes."""
    number, at = varint(body, at)
    if number < 0:
        raise ValueError(f"a record has {number} headers")
    found: list[Header] = []
    for _ in range(number):
        size, at = varint(body, at)
        if size < 0:
            raise ValueError("a header has no name")
        name = body[at : at + size].decode(errors="backslashreplace")
        at += size
        size, at = varint(body, at)
        value = b"" if size < 0 else body[at : at + size]
        at += max(size, 0)
        found.append((name, value))
    return tuple(found), at

"""Event times: RFC 3339 text with a zone, or numbers since the epoch, to ms since the epoch, UTC.

Fractions of a millisecond are cut off. Times before 2000 or from 2200 on are refused: they are broken clocks, wrong units
or "never" spelled as a date.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np

from detectors.columns import Ints
from monitor.ingest.mapping import TimeUnit
from monitor.ingest.reasons import TIME_ALLOWED, shown

EARLIEST = 946_684_800_000
"""2000-01-01T00:00:00Z in ms: the first time that is believed."""
LATEST = 7_258_118_400_000
"""2200-01-01T00:00:00Z in ms: the first time that is not believed any more."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_PER_SECOND = {
    TimeUnit.SECONDS: 1,
    TimeUnit.MILLISECONDS: 1_000,
    TimeUnit.MICROSECONDS: 1_000_000,
    TimeUnit.NANOSECONDS: 1_000_000_000,
}
_SHAPES = {"-T", "-t", "- "}
"""Characters 4 and 10 of a calendar date that is followed by a time."""
_BY_MAGNITUDE = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (math.inf, 1_000_000_000))

Told = str | int | float | None
"""A time as an event tells it."""


class NotATime(ValueError):
    """Not a time, or not one that is believed. The message says what was found and what is allowed."""


def milliseconds(told: Told, unit: TimeUnit) -> int:
    """One time in ms since the epoch; raises `NotATime`. Text has its own unit; numbers are in `unit`.

    >>> milliseconds("2026-05-01T12:00:00.5+02:00", TimeUnit.AUTO), milliseconds(1_777_629_600.5, TimeUnit.AUTO)
    (1777629600500, 1777629600500)
    """
    if told is None:
        raise NotATime("is absent or null, but required")
    return _believed(_of_text(told) if isinstance(told, str) else _of_number(told, unit), told)


def column(told: Sequence[Told], unit: TimeUnit) -> tuple[Ints, dict[int, str]]:
    """Many times, int64 of shape (n,), and what is wrong with which of them (their value is then 0)."""
    kinds = set(map(type, told))
    try:
        if kinds == {str}:
            times = _texts(told)
        elif kinds == {int}:
            times = _integers(np.array(told, np.int64), unit)
        else:
            return _one_by_one(told, unit)
    except (ValueError, TypeError, OverflowError):
        return _one_by_one(told, unit)
    if len(times) and (times.min() < EARLIEST or times.max() >= LATEST):
        return _one_by_one(told, unit)
    return times, {}


def believed(times: Ints) -> dict[int, str]:
    """What is wrong with which of a broker's record times, int64 ms of shape (n,)."""
    return {
        int(row): f"the record's own time, {times[row]} ms since the epoch, is outside 2000-01-01 to 2200-01-01"
        for row in np.flatnonzero((times < EARLIEST) | (times >= LATEST))
    }


def _one_by_one(told: Sequence[Told], unit: TimeUnit) -> tuple[Ints, dict[int, str]]:
    times = np.zeros(len(told), np.int64)
    faults: dict[int, str] = {}
    for row, value in enumerate(told):
        try:
            times[row] = milliseconds(value, unit)
        except NotATime as fault:
            faults[row] = str(fault)
    return times, faults


def _texts(told: Sequence[Told]) -> Ints:
    read = datetime.fromisoformat
    texts = cast("Sequence[str]", told)
    if set([text[4:11:6] for text in texts]) - _SHAPES:  # noqa: C403  # a list first: a third faster
        raise NotATime
    seconds = np.array([(read(text) - _EPOCH).total_seconds() for text in texts])
    return np.rint(seconds * 1e6).astype(np.int64) // 1_000


def _integers(numbers: Ints, unit: TimeUnit) -> Ints:
    if unit is not TimeUnit.AUTO:
        return _scaled(numbers, _PER_SECOND[unit])
    times = np.zeros(len(numbers), np.int64)
    lowest = -1.0
    for below, per_second in _BY_MAGNITUDE:
        rows = (numbers < below) & (numbers >= lowest)
        times[rows] = _scaled(numbers[rows], per_second)
        lowest = below
    return times


def _scaled(numbers: Ints, per_second: int) -> Ints:
    if per_second > 1_000:
        return numbers // (per_second // 1_000)
    if per_second == 1 and len(numbers) and (numbers.max() >= LATEST or numbers.min() < 0):
        raise OverflowError
    return numbers * (1_000 // per_second)


def _of_text(text: str) -> int:
    if text[4:11:6] not in _SHAPES:
        raise NotATime(f"holds {shown(text)}; allowed: {TIME_ALLOWED}")
    try:
        when = datetime.fromisoformat(text.upper())
    except ValueError:
        raise NotATime(f"holds {shown(text)}; allowed: {TIME_ALLOWED}") from None
    if when.tzinfo is None:
        raise NotATime(f"holds {shown(text)}, a time without a zone; write the zone, as in 2026-05-01T12:00:00Z")
    return (when - _EPOCH) // _MS


def _of_number(number: float, unit: TimeUnit) -> int:
    if isinstance(number, float) and not math.isfinite(number):
        raise NotATime(f"holds {shown(number)}; allowed: {TIME_ALLOWED}")
    if abs(number) > 1e20:
        return -1
    per_second = _PER_SECOND.get(unit) or next(per for below, per in _BY_MAGNITUDE if number < below)
    if isinstance(number, int):
        return number * 1_000 // per_second
    # seconds by way of microseconds: 0.123 is no binary fraction and must not become 122 ms
    return round(number * 1e6) // 1_000 if per_second == 1 else math.floor(number / (per_second // 1_000))


def _believed(time: int, told: Told) -> int:
    if EARLIEST <= time < LATEST:
        return time
    raise NotATime(f"holds {shown(told)}, a time outside 2000-01-01 to 2200-01-01")

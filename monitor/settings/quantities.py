"""Values as people write them: durations, shares, rates, periods, paths and names.

Each is a type for a settings field: text in the file, a plain number or tuple after validation. A validator that refuses
raises `refusal(...)`; the sentence is completed with what was found by monitor.settings.sentences.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

REFUSAL = "refusal"
"""Type of an error whose message continues "<what was found> ..."."""
SENTENCE = "sentence"
"""Type of an error whose message is a whole sentence."""

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)")
_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) per (\S+)")
_PERIODS = {"hourly": _UNITS["h"], "daily": _UNITS["d"], "weekly": 7 * _UNITS["d"]}
_LONGEST = 3650 * _UNITS["d"]


def refusal(message: str) -> PydanticCustomError:
    """An error that continues "<what was found> ...": `is not a duration; write ...`."""
    return PydanticCustomError(REFUSAL, "{message}", {"message": message})


def sentence(message: str) -> PydanticCustomError:
    """An error that says everything itself."""
    return PydanticCustomError(SENTENCE, "{message}", {"message": message})


def duration(text: object) -> int:
    """Milliseconds of `500ms`, `30s`, `5m`, `2h`, `14d`; at most 3650d.

    >>> duration("5m")
    300000
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise refusal("is not a duration; write a number and a unit: 500ms, 30s, 5m, 2h, 14d")
    ms = float(match[1]) * _UNITS[match[2]]
    if ms != int(ms):
        raise refusal("is not a whole number of milliseconds")
    if ms > _LONGEST:
        raise refusal("is longer than 3650d, the longest duration")
    return int(ms)


def duration_text(ms: int) -> str:
    """The shortest way to write a duration.

    >>> duration_text(300_000)
    '5m'
    """
    unit = next(u for u in ("d", "h", "m", "s", "ms") if ms % _UNITS[u] == 0 and (ms or u == "s"))
    return f"{ms // _UNITS[unit]}{unit}"


def _positive_duration(text: object) -> int:
    ms = duration(text)
    if ms == 0:
        raise refusal("is no time at all; it must be longer than 0s")
    return ms


def period(text: object) -> int:
    """Milliseconds of `hourly`, `daily`, `weekly` or a duration longer than nothing."""
    if isinstance(text, str) and text in _PERIODS:
        return _PERIODS[text]
    if not isinstance(text, str) or _DURATION.fullmatch(text) is None:
        raise refusal("is not a period; write hourly, daily, weekly, or a duration: 6h, 3d")
    return _positive_duration(text)


def share(value: object) -> float:
    """A fraction strictly between 0 and 1, from `2%` or `0.02`.

    >>> share("2%")
    0.02
    """
    number = _fraction(value)
    if number is None:
        raise refusal("is not a share; write a percentage or a fraction: 2% or 0.02")
    if not 0 < number < 1:
        raise refusal("is not between 0% and 100%; write a percentage or a fraction: 2% or 0.02")
    return number


def _fraction(value: object) -> float | None:
    percent = isinstance(value, str) and value.endswith("%")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value.removesuffix("%")) if isinstance(value, str) else float(value)
    except ValueError:
        return None
    return (number / 100 if percent else number) if math.isfinite(number) else None


def percent_as_fraction(value: object) -> object:
    """`2%` as 0.02; anything else as it is."""
    if isinstance(value, str) and value.endswith("%"):
        number = _fraction(value)
        return value if number is None else number
    return value


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` expected per `period` ms."""

    count: float
    period: int


def rate(text: object) -> Rate:
    """A rate from `1 per 28d`.

    >>> rate("1 per 28d").count
    1.0
    """
    if isinstance(text, Rate):
        return text
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None or _DURATION.fullmatch(match[2]) is None:
        raise refusal("is not a rate; write a number per duration: 1 per 28d")
    count, per = float(match[1]), duration(match[2])
    if count <= 0 or per <= 0:
        raise refusal("must be more than 0 per more than 0s: 1 per 28d")
    return Rate(count, per)


def path(value: object) -> tuple[str, ...]:
    """Keys that lead to a value in a foreign event: `viewer.account_id`, or a list for keys that have dots in them."""
    keys = value.split(".") if isinstance(value, str) else value
    if not isinstance(keys, list | tuple) or not keys or not all(isinstance(key, str) and key for key in keys):
        raise refusal("is not a field; write its name, with dots for nesting: viewer.account_id (or a list of keys)")
    return tuple(keys)


def moment(value: object) -> int:
    """Milliseconds since the epoch of an RFC 3339 time with a zone. ValueError for anything else."""
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("not a time")
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError("no zone")
    return round(parsed.timestamp() * 1000)


def _moment(value: object) -> int:
    try:
        return value if isinstance(value, int) and not isinstance(value, bool) else moment(value)
    except ValueError:
        raise refusal('is not a time; write it with a zone, in quotes: "2026-01-05T00:00:00Z"') from None


def _name(value: object) -> str:
    if not isinstance(value, str) or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value) is None:
        raise refusal("is not a name; use letters, digits, '_', '-' and '.', at most 100, a letter or digit first")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise refusal("is empty")
    return value


_DURATION_SCHEMA = {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["5m"], "x-kind": "duration"}

Duration = Annotated[int, BeforeValidator(duration), WithJsonSchema(_DURATION_SCHEMA)]
"""A time span of 0 or more, ms."""
PositiveDuration = Annotated[int, BeforeValidator(_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]
"""A time span longer than 0, ms."""
Period = Annotated[
    int,
    BeforeValidator(period),
    WithJsonSchema({"type": "string", "examples": ["daily"], "x-kind": "hourly, daily, weekly or a duration"}),
]
"""The length of a retrain cycle, ms."""
Moment = Annotated[
    int,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "examples": ["2026-01-05T00:00:00Z"], "x-kind": "time with a zone"}),
]
"""A point in time, ms since the epoch."""
Share = Annotated[
    float,
    BeforeValidator(share),
    WithJsonSchema({"type": ["string", "number"], "examples": ["2%", 0.02], "x-kind": "share, 2% or 0.02"}),
]
"""A fraction strictly between 0 and 1."""
FalseAlarms = Annotated[
    Rate,
    BeforeValidator(rate),
    WithJsonSchema({"type": "string", "examples": ["1 per 28d"], "x-kind": "rate, 1 per 28d"}),
]
"""How many false alarms may be expected."""
FieldPath = Annotated[
    tuple[str, ...],
    BeforeValidator(path),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            "x-kind": "field, dots for nesting",
        }
    ),
]
"""Where a value lives in a foreign event: the keys that lead to it."""
Name = Annotated[
    str,
    BeforeValidator(_name),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", "x-kind": "name"}),
]
"""A name of the config: short, printable, safe in labels and file names."""
Text = Annotated[str, AfterValidator(_text)]
"""A text that is not empty."""


def as_written(text: str, description: str, **more: Any) -> Any:
    """A settings field whose default is given as a person would write it, and is validated like it."""
    return Field(default=text, validate_default=True, description=description, **more)

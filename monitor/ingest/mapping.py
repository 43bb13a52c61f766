"""How a foreign event becomes one row of columns: the compiled form of a config's `ours: theirs`.

A mapping belongs to one stream of one model: its predictions, or one kind of outcome. Paths are dotted paths split into
keys. Only what a mapping names is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from detectors.columns import Cohort

PREDICTIONS = "predictions"
"""Name of the prediction stream; every other stream is named after its outcome."""

TRUTH = "outcomes."
"""What a column begins with that says what came of a prediction; the outcome's name follows."""

ORGANIC = "organic"
"""Name of the column that says of an outcome, where its mapping tells origins apart, that no showing brought it about."""

Scalar = str | int | float | bool | None


class Kind(StrEnum):
    """What a field is read as.

    HASH accepts text (empty text is missing) and integers; NUMBER also booleans; SHARE numbers from 0 to 1; FLAG booleans,
    0 and 1; CATEGORY text, integers and booleans; VECTOR a list of numbers (an empty one is missing).
    """

    HASH = "hash"
    NUMBER = "number"
    SHARE = "share"
    FLAG = "flag"
    CATEGORY = "category"
    VECTOR = "vector"


class TimeUnit(StrEnum):
    """Unit of numeric times; AUTO decides by magnitude. Text is RFC 3339 with a zone, whatever the unit."""

    AUTO = "auto"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One column: `path` in the foreign event, else `constant`. `default` stands in for an absent or null value.

    A required field that is absent, null or of the wrong type sends the record to the dead letters; an optional one of the
    wrong type too (it is a broken record), but absent or null it is a missing value.
    """

    name: str
    kind: Kind
    path: tuple[str, ...] = ()
    constant: Scalar = None
    default: Scalar = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A `where` entry: the value at `path` is one of `one_of` (if any), and within [at_least, at_most] (if given).

    Records that do not meet every condition are not ours: filtered and counted, no dead letters.
    """

    path: tuple[str, ...]
    one_of: tuple[Scalar, ...] = ()
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class CohortField:
    """Cohort from a field of the event: `arms` maps their text to a cohort; any other value is UNASSIGNED."""

    path: tuple[str, ...]
    arms: tuple[tuple[str, Cohort], ...]


@dataclass(frozen=True, slots=True)
class CohortHash:
    """Cohort by a hash rule: sha256(salt + ":" + unit), first 8 bytes big-endian / 2^64 < share means HOLDOUT."""

    salt: str
    share: float


CohortRule = CohortField | CohortHash


@dataclass(frozen=True, slots=True)
class OriginField:
    """Where an outcome came from: it is organic, brought about by no showing, where the text at `path` is one of `organic`.

    An organic outcome must name its unit, and need name neither prediction nor item.
    """

    path: tuple[str, ...]
    organic: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """A list in the event, one ragged column `items`: `path` of the list, `fields` with paths inside an element.

    A field with neither path, constant nor default is the element itself: a list of plain ids.
    """

    path: tuple[str, ...]
    fields: tuple[FieldSpec, ...]


@dataclass(frozen=True, slots=True)
class EventMapping:
    """One stream of one model.

    time       path of the event time, or () for the broker's record time.
    unit       path of the unit, or () if the stream has none (unit 0 in every row).
    cohort     None: every row is UNASSIGNED.
    fields     columns of the row; for predictions among them `id` (HASH, required).
    origin     None: every outcome is credited to what was shown.
    """

    model: str
    stream: str
    topic: str
    time: tuple[str, ...] = ()
    time_unit: TimeUnit = TimeUnit.AUTO
    unit: tuple[str, ...] = ()
    cohort: CohortRule | None = None
    fields: tuple[FieldSpec, ...] = ()
    items: Each | None = None
    where: tuple[Condition, ...] = ()
    keep_raw: bool = False
    max_bytes: int = 1_000_000
    max_items: int = 1_000
    origin: OriginField | None = field(default=None, repr=False)

"""Blocks and mappings that the decoding tests share."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from detectors.columns import Cohort
from monitor.events import Block
from monitor.ingest.mapping import CohortField, Condition, Each, EventMapping, FieldSpec, Kind

NOON = 1_777_636_800_000
"""2026-05-01T12:00:00Z."""
KEY = b"a key of the tests"

FIELDS = (
    FieldSpec("id", Kind.HASH, ("id",), required=True),
    FieldSpec("version", Kind.CATEGORY, ("model", "tag"), default="unknown"),
    FieldSpec("score", Kind.NUMBER, ("p", "score")),
    FieldSpec("probability", Kind.SHARE, ("p", "chance")),
    FieldSpec("served", Kind.FLAG, ("served",)),
    FieldSpec("embedding", Kind.VECTOR, ("embedding",)),
    FieldSpec("role", Kind.CATEGORY, constant="champion"),
)
SLATE = Each(
    ("items",),
    (
        FieldSpec("id", Kind.HASH, ("item_id",), required=True),
        FieldSpec("category", Kind.CATEGORY, ("category",)),
        FieldSpec("score", Kind.NUMBER, ("score",)),
    ),
)
ARMS = CohortField(("arm",), (("treatment", Cohort.EXPOSED), ("control", Cohort.HOLDOUT)))
MAPPING = EventMapping(
    "feed",
    "predictions",
    "feed.shown.v1",
    time=("ts",),
    unit=("user", "id"),
    cohort=ARMS,
    fields=FIELDS,
    items=SLATE,
    where=(Condition(("kind",), ("shown", None)),),
)


def block(values: Sequence[bytes | None], first: int = 0, **rest: object) -> Block:
    """Records at consecutive offsets from `first`, with record times at noon."""
    n = len(values)
    offsets = np.arange(first, first + n, dtype=np.int64)
    return Block("feed.shown.v1", 3, values, offsets, np.full(n, NOON, np.int64), first + n, **rest)  # type: ignore[arg-type]  # as named


def event(**changes: object) -> dict[str, object]:
    """A valid event of `MAPPING`, with keys added or replaced."""
    return {
        "id": "p-1",
        "ts": "2026-05-01T12:00:00.250Z",
        "user": {"id": "u-1", "country": "de"},
        "arm": "treatment",
        "model": {"tag": "v7"},
        "p": {"score": 0.25},
        "served": True,
        "embedding": [1, 2.5],
        "items": [{"item_id": "a", "category": "news", "score": 1}, {"item_id": 7}],
        "unmapped": {"deep": [1, {"x": None}]},
    } | changes


def body(**changes: object) -> bytes:
    """A valid event of `MAPPING` as JSON."""
    return msgspec.json.encode(event(**changes))

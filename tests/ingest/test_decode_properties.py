"""Laws of decoding: no bytes raise, cuts change nothing, and what was encoded is decoded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Category, Column, Columns, Ragged, concat
from monitor.ingest.decode import Decoded, compile_mapping
from monitor.ingest.identity import Identities
from tests.ingest.decode_cases import ARMS, KEY, MAPPING, NOON, block, body, event

DECODER = compile_mapping(MAPPING, KEY)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
IDS = TEXT | st.integers(-(2**63), 2**64 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
VECTORS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=5)
SLATES = st.lists(
    st.fixed_dictionaries({"item_id": IDS}, optional={"category": TEXT, "score": NUMBERS | st.booleans()}), max_size=4
)
EVENTS = st.fixed_dictionaries(
    {
        "id": IDS,
        "ts": st.datetimes(datetime(2000, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)
        | st.integers(10**9, 7 * 10**9),
        "user": st.fixed_dictionaries({"id": IDS}),
        "arm": st.sampled_from(["treatment", "control", "elsewhere"]),
    },
    optional={
        "model": st.fixed_dictionaries({}, optional={"tag": TEXT}),
        "p": st.fixed_dictionaries({"score": NUMBERS}),
        "served": st.booleans(),
        "embedding": VECTORS,
        "items": SLATES,
        "else": JSON,
    },
)
MANGLED = st.dictionaries(st.sampled_from(sorted([*event(), "kind", "specversion", "data", "ce"])), JSON, max_size=6)
PYTHON_JSON = st.builds(lambda v: json.dumps(v).encode("utf-8", "surrogatepass"), MANGLED.map(lambda m: event() | m))
RECORDS = st.one_of(
    st.none(),
    st.binary(max_size=60),
    EVENTS.map(msgspec.json.encode),
    PYTHON_JSON,
    MANGLED.map(lambda m: json.dumps(m).encode()),
    st.tuples(st.integers(0, len(body()) - 1), st.integers(0, 255)).map(lambda change: _flipped(body(), *change)),
    st.builds(lambda e: msgspec.json.encode({"specversion": "1.0", "data": e}), EVENTS),
)


def _flipped(value: bytes, place: int, byte: int) -> bytes:
    return value[:place] + bytes([byte]) + value[place + 1 :]


def _ends(result: Decoded) -> int:
    return len(result.rows) + len(result.rejects) + result.filtered + result.tombstones


def _same_column(one: Column, other: Column) -> None:
    assert type(one) is type(other)
    if isinstance(one, Ragged) and isinstance(other, Ragged):
        np.testing.assert_array_equal(one.starts, other.starts)
        for name, inner in one.fields.items():
            _same_column(inner, other.fields[name])
        return
    if isinstance(one, Category) and isinstance(other, Category):
        assert one.labels == other.labels
    for attribute in ("values", "missing", "codes"):
        if hasattr(one, attribute):
            left, right = getattr(one, attribute), getattr(other, attribute)
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)


def _same(one: Columns, other: Columns) -> None:
    for name in ("time", "unit", "cohort", "partition", "offset"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.fields.keys() == other.fields.keys()
    for name, made in one.fields.items():
        _same_column(made, other.fields[name])


@given(st.binary(max_size=200) | RECORDS)
@settings(max_examples=300)
def test_any_bytes_have_exactly_one_end_and_never_raise(value: bytes | None) -> None:
    result = DECODER.decode(block([value]))
    assert _ends(result) == 1
    for rejected in result.rejects:
        assert rejected.reason.isprintable()
        assert len(rejected.reason) < 300


@given(st.lists(RECORDS, max_size=8), st.data())
def test_cutting_a_block_changes_nothing(values: list[bytes | None], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(values)), max_size=3)) | {0, len(values)})
    whole = DECODER.decode(block(values))
    parts = [DECODER.decode(block(values[a:b], first=a)) for a, b in pairwise(cuts)]
    assert _ends(whole) == len(values)
    if parts:
        _same(concat([part.rows for part in parts]), whole.rows)
    assert [r for part in parts for r in part.rejects] == whole.rejects
    assert sum(part.filtered for part in parts) == whole.filtered
    assert [w for part in parts for w in part.withdrawn.tolist()] == whole.withdrawn.tolist()


@given(st.lists(EVENTS, min_size=1, max_size=5))
def test_what_was_encoded_is_decoded(events: list[dict[str, object]]) -> None:
    result = DECODER.decode(block([msgspec.json.encode(e) for e in events]))
    assert (result.rejects, result.filtered) == ([], 0)
    rows, ids, arms = result.rows, Identities(KEY), dict(ARMS.arms)
    assert rows.hashes("id").tolist() == [ids.of(e["id"]) for e in events]  # type: ignore[arg-type]  # text or int
    for row, told in enumerate(events):
        assert rows.time[row] == _told_time(told["ts"])
        assert rows.unit[row] == ids.of(told["user"]["id"])  # type: ignore[index]  # an object
        assert rows.cohort[row] == arms.get(str(told["arm"]), 3)
        _same_number(rows.numbers("score")[row], told.get("p", {}).get("score"))  # type: ignore[attr-defined]  # an object
        _same_number(rows.numbers("served")[row], told.get("served"))
        version = rows.fields["version"]
        assert isinstance(version, Category)
        assert version.labels[version.codes[row]] == told.get("model", {}).get("tag", "unknown")  # type: ignore[attr-defined]  # likewise
        vector = rows.fields["embedding"].values[row]  # type: ignore[union-attr]  # a vector
        assert vector[~np.isnan(vector)].tolist() == told.get("embedding", [])
        items = rows.take(np.array([row])).fields["items"]
        assert isinstance(items, Ragged)
        slate: Sequence[dict[str, object]] = told.get("items", [])  # type: ignore[assignment]  # a list
        assert items.fields["id"].values.tolist() == [ids.of(i["item_id"]) for i in slate]  # type: ignore[arg-type, union-attr]  # hashes
        for score, item in zip(items.fields["score"].values, slate, strict=True):  # type: ignore[union-attr]  # numbers
            _same_number(score, item.get("score"))


def _told_time(told: object) -> int:
    if isinstance(told, int):
        return told * 1000
    exact = datetime.fromisoformat(str(told)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (exact.days * 86_400 + exact.seconds) * 1000 + exact.microseconds // 1000


def _same_number(found: float, told: object) -> None:
    if told is None:
        assert np.isnan(found)
    else:
        assert found == float(told)  # type: ignore[arg-type]  # a number or truth value


def test_the_shared_event_is_valid() -> None:
    assert DECODER.decode(block([body()])).rows.time.tolist() == [NOON + 250]

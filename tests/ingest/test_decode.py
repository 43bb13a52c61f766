"""Rows, rejects, filtered and tombstones of a block."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from detectors.columns import Category, Cohort, Flag, Numeric, Ragged, Vector
from monitor.events import Reject
from monitor.ingest.decode import Decoded, compile_mapping
from monitor.ingest.fields import LONGEST_VECTOR
from monitor.ingest.identity import Identities
from monitor.ingest.json_records import MappingRefused
from monitor.ingest.mapping import (
    CohortField,
    CohortHash,
    Condition,
    Each,
    EventMapping,
    FieldSpec,
    Kind,
    OriginField,
    TimeUnit,
)
from tests.ingest.decode_cases import ARMS, KEY, MAPPING, NOON, block, body


def decoded(*values: bytes | None, mapping: EventMapping = MAPPING) -> Decoded:
    return compile_mapping(mapping, KEY).decode(block(values))


def reject(value: bytes, mapping: EventMapping = MAPPING) -> Reject:
    result = decoded(value, mapping=mapping)
    assert (len(result.rows), result.filtered, result.tombstones) == (0, 0, 0)
    assert len(result.rejects) == 1
    return result.rejects[0]


def mapped(*fields: FieldSpec, **rest: object) -> EventMapping:
    return EventMapping("feed", "predictions", "t", fields=fields, **rest)  # type: ignore[arg-type]  # as named


def codes(column: object) -> tuple[list[int], tuple[str, ...]]:
    assert isinstance(column, Category)
    return column.codes.tolist(), column.labels


def test_every_mapped_field_becomes_its_column() -> None:
    rows = decoded(body(), body(id=2, user={"id": 7}, arm="control", p=None, served=None, embedding=None)).rows
    ids = Identities(KEY)
    assert rows.time.tolist() == [NOON + 250] * 2
    assert rows.unit.tolist() == [ids.of("u-1"), ids.of("7")]
    assert rows.cohort.tolist() == [Cohort.EXPOSED, Cohort.HOLDOUT]
    assert rows.partition.tolist() == [3, 3]
    assert rows.offset.tolist() == [0, 1]
    assert rows.hashes("id").tolist() == [ids.of("p-1"), ids.of("2")]
    assert codes(rows.fields["version"]) == ([0, 0], ("v7",))
    assert codes(rows.fields["role"]) == ([0, 0], ("champion",))
    np.testing.assert_array_equal(rows.numbers("score"), [0.25, np.nan])
    served = rows.fields["served"]
    assert isinstance(served, Flag)
    assert (served.values.tolist(), served.missing.tolist()) == ([True, False], [False, True])
    embedding = rows.fields["embedding"]
    assert isinstance(embedding, Vector)
    np.testing.assert_array_equal(embedding.values, np.array([[1, 2.5], [np.nan, np.nan]], np.float32))
    items = rows.fields["items"]
    assert isinstance(items, Ragged)
    assert items.starts.tolist() == [0, 2, 4]
    assert codes(items.fields["category"]) == ([0, -1, 0, -1], ("news",))
    np.testing.assert_array_equal(items.fields["score"].values, [1, np.nan, 1, np.nan])  # type: ignore[union-attr]  # numeric


def test_types_and_shapes_do_not_depend_on_whether_there_are_rows() -> None:
    full, empty = decoded(body()).rows, decoded().rows
    assert len(empty) == 0
    assert {n: type(c) for n, c in full.fields.items()} == {n: type(c) for n, c in empty.fields.items()}
    for name in ("time", "unit", "cohort", "partition", "offset"):
        assert getattr(full, name).dtype == getattr(empty, name).dtype


def test_an_object_that_is_absent_or_null_on_the_way_makes_its_fields_missing() -> None:
    rows = decoded(body(model=None, user=None), body(model={}, user={}), body()).rows
    assert codes(rows.fields["version"]) == ([0, 0, 1], ("unknown", "v7"))
    assert (rows.unit == 0).tolist() == [True, True, False]


def test_a_record_is_a_row_or_a_reject_or_filtered_or_a_tombstone() -> None:
    result = decoded(body(), b"{", None, body(kind="hidden"), body(kind="shown"))
    assert result.rows.offset.tolist() == [0, 4]
    assert [r.offset for r in result.rejects] == [1]
    assert (result.filtered, result.tombstones) == (1, 1)


def test_rejects_carry_coordinates_and_come_in_offset_order() -> None:
    result = compile_mapping(MAPPING, KEY).decode(block([body(id=None), b"[]", body(ts="soon"), b"x"], first=40))
    assert [(r.topic, r.partition, r.offset, r.timestamp) for r in result.rejects] == [
        ("feed.shown.v1", 3, offset, NOON) for offset in (40, 41, 42, 43)
    ]


def test_raw_bytes_are_kept_only_if_asked_for() -> None:
    assert reject(b"{secret").raw is None
    assert reject(b"{secret", replace(MAPPING, keep_raw=True)).raw == b"{secret"


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        (b"", "", "the record is empty; allowed: one JSON object (a tombstone has no value at all)"),
        (b"\x00\x00\x00\x00\x07abc", "", "Confluent wire format (schema id 7): only JSON is read"),
        (b"\xef\xbb\xbf" + body(), "", "the record starts with a UTF-8 byte order mark; allowed: JSON without one"),
        (b'{"id": "p', "", "the record is not JSON: Input data was truncated"),
        (b"[1, 2]", "", "the record is a list of 2; allowed: one JSON object a record"),
        (b'{"z":' + b"[" * 100_000, "", "the record nests lists or objects too deeply"),
        (b"null", "", "the record is null; allowed: one JSON object a record"),
        (body(id=None), "id", '"id" is absent, null or empty, but required'),
        (body(id=""), "id", '"id" is absent, null or empty, but required'),
        (body(id=1.5), "id", '"id" holds the number 1.5; allowed: text or an integer'),
        (body(id=True), "id", '"id" holds true; allowed: text or an integer'),
        (body(user="u-1"), "unit", '"user" holds the text "u-1"; allowed: an object with the key "id"'),
        (body(p={"score": "high"}), "score", '"p.score" holds the text "high"; allowed: a number, true or false'),
        (body(served=2), "served", '"served" holds the number 2; allowed: true, false, 0 or 1'),
        (body(p={"chance": 1.01}), "probability", '"p.chance" holds the number 1.01; allowed: a number from 0 to 1'),
        (body(p={"chance": -1e-9}), "probability", '"p.chance" holds the number -1e-09; allowed: a number from 0 to 1'),
        (body(model={"tag": []}), "version", '"model.tag" holds a list of 0; allowed: text, an integer, true or false'),
        (body(embedding=[1, None]), "embedding", '"embedding" holds a list of 2; allowed: a list of numbers'),
        (body(embedding=[1e39]), "embedding", '"embedding" holds a number beyond ±3.4e38; allowed: numbers of single precision'),
        (body(embedding=[0] * 5000), "embedding", f'"embedding" holds a list of 5000; allowed: at most {LONGEST_VECTOR} numbers'),
        (body(items={"item_id": 1}), "items", '"items" holds an object; allowed: a list of items'),
        (body(items=[None]), "items", 'element 0 of "items" is null; allowed: no nulls in the list'),
        (body(items=[{"item_id": 1}, 5]), "items.id",
         'element 1 of "items": the value is the number 5; allowed: an object with the key "item_id"'),
        (body(items=[{"item_id": 1}, {}]), "items.id", 'element 1 of "items": "item_id" is absent, null or empty, but required'),
        (body(items=[{"item_id": 1}, {"item_id": []}]), "items.id",
         'element 1 of "items": "item_id" holds a list of 0; allowed: text or an integer'),
        (body(items=[{"item_id": 1}] * 1001), "items", '"items" holds 1001 items; allowed: at most 1000'),
        (body(ts=None), "time", '"ts" is absent or null, but required'),
        (body(ts=[]), "time", '"ts" holds a list of 0; allowed: RFC 3339 text with a zone, or a number'),
        (b'{"kind": 1e999}', "where",
         '"kind" holds what cannot be read (Number out of range), so that the mapping\'s `where` cannot be decided'),
        (b'{"id": "\xff"}', "id", '"id" holds text that is not UTF-8; allowed: text or an integer'),
        (b'{"id": "x", "p": {"score": 1e999}}', "score",
         '"p.score" holds what cannot be read (Number out of range); allowed: a number, true or false'),
    ],
)  # fmt: skip
def test_a_reason_says_what_was_found_and_what_is_allowed(value: bytes, field: str, reason: str) -> None:
    found = reject(value)
    assert (found.field, found.reason) == (field, reason)


def test_a_record_over_the_limit_is_not_parsed() -> None:
    assert (
        reject(b"x" * 101, replace(MAPPING, max_bytes=100)).reason == "the record has 101 bytes; allowed: at most 100"
    )


def test_reasons_quote_little_and_escape_what_is_not_printable() -> None:
    reason = reject(body(p={"score": "a\nb\u202e\x1b[31m" + "x" * 500})).reason
    assert reason.isprintable()
    assert '"a\\nb\\u202e\\x1b[31mxxx' in reason
    assert len(reason) < 140


def test_a_rejected_row_leaves_no_trace_in_the_others() -> None:
    rows = decoded(
        body(id=None, model={"tag": "v8"}, embedding=[1, 2, 3], items=[{"item_id": 1, "category": "gone"}]), body()
    ).rows
    alone = decoded(body()).rows
    assert codes(rows.fields["version"]) == codes(alone.fields["version"])
    assert rows.fields["embedding"].values.shape == (1, 2)  # type: ignore[union-attr]  # a vector
    assert rows.fields["items"].fields["category"].labels == ("news",)  # type: ignore[union-attr]  # ragged


def test_a_record_that_is_not_ours_is_never_a_dead_letter_for_its_other_fields() -> None:
    result = decoded(
        body(kind="hidden", id=1.5, ts="never"),
        body(kind="hidden", items=5, user=[]),
        b'{"id": 1e999, "kind": "hidden"}',
        body(kind="hidden", ts=None),
    )
    assert (result.filtered, result.rejects) == (4, [])


def test_a_condition_through_something_that_is_no_object_is_not_met() -> None:
    mapping = replace(MAPPING, where=(Condition(("meta", "kind"), ("shown",)),))
    result = decoded(body(meta="shown"), body(meta={"kind": "shown"}), mapping=mapping)
    assert (len(result.rows), result.filtered) == (1, 1)


def test_shorter_vectors_end_in_missing_numbers() -> None:
    vectors = decoded(body(embedding=[1]), body(embedding=[]), body(embedding=[1, 2, 3])).rows.fields["embedding"]
    assert isinstance(vectors, Vector)
    expected = np.array([[1, np.nan, np.nan], [np.nan] * 3, [1, 2, 3]], np.float32)
    np.testing.assert_array_equal(vectors.values, expected)


def test_categories_are_coded_in_order_of_first_appearance_in_their_text_form() -> None:
    tags = ("b", 1, True, "a", "1", "true", None, False)
    rows = decoded(
        *(msgspec.json.encode({"c": tag}) for tag in tags), mapping=mapped(FieldSpec("c", Kind.CATEGORY, ("c",)))
    ).rows
    assert codes(rows.fields["c"]) == ([0, 1, 2, 3, 1, 2, -1, 4], ("b", "1", "true", "a", "false"))


def test_long_labels_are_cut_with_an_ellipsis() -> None:
    rows = decoded(
        msgspec.json.encode({"c": "x" * 200}),
        msgspec.json.encode({"c": "x" * 300}),
        msgspec.json.encode({"c": "x" * 301}),
        mapping=mapped(FieldSpec("c", Kind.CATEGORY, ("c",))),
    ).rows
    assert codes(rows.fields["c"]) == ([0, 1, 1], ("x" * 200, "x" * 199 + "…"))


def test_one_path_may_be_read_as_two_kinds_and_each_checks_for_itself() -> None:
    mapping = mapped(FieldSpec("stars", Kind.NUMBER, ("r",)), FieldSpec("rating", Kind.CATEGORY, ("r",)))
    result = decoded(b'{"r": 5}', b'{"r": 4.5}', b'{"r": "x"}', b'{"r": null}', mapping=mapping)
    assert result.rows.numbers("stars")[0] == 5
    assert codes(result.rows.fields["rating"]) == ([0, -1], ("5",))
    assert [(r.field, r.reason) for r in result.rejects] == [
        ("rating", '"r" holds the number 4.5; allowed: text, an integer, true or false'),
        ("stars", '"r" holds the text "x"; allowed: a number, true or false'),
    ]


def test_a_list_of_plain_values_is_read_by_a_field_without_a_path() -> None:
    mapping = mapped(
        items=Each(
            ("ids",), (FieldSpec("id", Kind.HASH, required=True), FieldSpec("team", Kind.CATEGORY, constant="A"))
        )
    )
    result = decoded(b'{"ids": ["a", 7]}', b"{}", b'{"ids": ["a", null]}', b'{"ids": ["a", 1.5]}', mapping=mapping)
    items = result.rows.fields["items"]
    assert isinstance(items, Ragged)
    assert items.starts.tolist() == [0, 2, 2]
    assert items.fields["id"].values.tolist() == [Identities(KEY).of("a"), Identities(KEY).of(7)]  # type: ignore[union-attr]  # hash
    assert [(r.offset, r.field) for r in result.rejects] == [(2, "items.id"), (3, "items.id")]


def test_without_a_time_path_the_record_time_counts() -> None:
    assert decoded(b"{}", mapping=mapped()).rows.time.tolist() == [NOON]
    early = replace(block([b"{}"]), timestamps=np.array([-1]))
    (rejected,) = compile_mapping(mapped(), KEY).decode(early).rejects
    assert rejected.field == "time"
    assert "the record's own time, -1 ms" in rejected.reason


def test_tombstones_tell_the_identity_of_their_key() -> None:
    keys = [b"p-1", b'"p-1"', b"7", None, b"\xff", b"live"]
    result = compile_mapping(MAPPING, KEY).decode(block([None] * 5 + [body()], keys=keys))
    ids = Identities(KEY)
    assert result.withdrawn.tolist() == [ids.of("p-1"), ids.of("p-1"), ids.of(7), 0, 0]
    assert decoded(None).withdrawn.tolist() == [0]


CLICKS = EventMapping(
    "feed",
    "click",
    "t",
    time=("ts",),
    unit=("u",),
    fields=(FieldSpec("id", Kind.HASH, ("id",)), FieldSpec("item", Kind.CATEGORY, ("item",))),
)


def test_an_outcome_without_an_event_id_is_known_by_stream_unit_id_item_and_time() -> None:
    first = {"ts": NOON, "u": "u", "id": "p", "item": "a"}
    variants = [
        first,
        first,
        *({**first, **c} for c in ({"ts": NOON + 1}, {"u": "v"}, {"id": "q"}, {"item": "b"}, {"item": None})),
    ]
    bodies = [msgspec.json.encode(v) for v in variants]
    clicks = decoded(*bodies, mapping=CLICKS).rows.hashes("event")
    reads = decoded(*bodies, mapping=replace(CLICKS, stream="read")).rows.hashes("event")
    assert clicks[0] == clicks[1]
    assert len({*clicks.tolist(), *reads.tolist()}) == 12
    assert 0 not in clicks


def test_an_outcome_with_an_event_id_keeps_it_and_is_derived_only_where_it_is_missing() -> None:
    own = replace(CLICKS, fields=(*CLICKS.fields, FieldSpec("event", Kind.HASH, ("eid",))))
    told = decoded(msgspec.json.encode({"ts": NOON, "eid": "e"}), msgspec.json.encode({"ts": NOON}), mapping=own).rows
    assert told.hashes("event")[0] == Identities(KEY).of("e")
    assert told.hashes("event")[1] not in (0, told.hashes("event")[0])


def test_an_organic_outcome_needs_its_unit_and_nothing_else_and_others_need_what_they_needed() -> None:
    named = tuple(FieldSpec(name, Kind.HASH, (name,), required=True) for name in ("id", "item"))
    own = replace(CLICKS, fields=named, origin=OriginField(("from", "kind"), ("search", "7")))
    shown, found, numbered, nobody, lost, odd = (
        {"ts": NOON, "u": "u", "id": "p", "item": "a", "from": {"kind": "feed"}},
        {"ts": NOON, "u": "u", "from": {"kind": "search"}},
        {"ts": NOON, "u": "u", "from": {"kind": 7}},
        {"ts": NOON, "id": "p", "item": "a", "from": {"kind": "search"}},
        {"ts": NOON, "u": "u", "item": "a"},
        {"ts": NOON, "u": "u", "item": "a", "from": {"kind": ["search"]}},
    )
    told = decoded(*map(msgspec.json.encode, (shown, found, numbered, nobody, lost, odd)), mapping=own)
    assert told.rows.flags("organic").tolist() == [False, True, True]
    assert [(r.offset, r.field, r.reason) for r in told.rejects] == [
        (3, "unit", '"u" is absent, null or empty, but an organic outcome needs it'),
        (4, "id", '"id" is absent, null or empty, but required'),
        (5, "id", '"id" is absent, null or empty, but required'),
    ]
    assert "organic" not in decoded(msgspec.json.encode(shown), mapping=CLICKS).rows.fields


def test_predictions_get_no_event_column() -> None:
    assert "event" not in decoded(body()).rows.fields


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (mapped(FieldSpec("a", Kind.HASH, ("a",)), FieldSpec("b", Kind.HASH, ("a", "b"))),
         'b: path "a.b" and path "a" of a: "a" cannot be both'),
        (mapped(FieldSpec("a", Kind.HASH, ("x", "y")), FieldSpec("b", Kind.HASH, ("x",))), '"x" cannot be both a value and an object'),
        (mapped(FieldSpec("a", Kind.HASH, ("items", "id")), items=Each(("items",), ())), '"items" cannot be both'),
        (mapped(FieldSpec("a", Kind.HASH, ("items",)), items=Each(("items",), ())), 'the list "items" is read in two ways'),
        (mapped(FieldSpec("a", Kind.HASH, ("a",)), FieldSpec("a", Kind.HASH, ("b",))), "a: named twice"),
        (mapped(FieldSpec("items", Kind.HASH, ("a",)), items=Each(("i",), ())), "items: named twice"),
        (mapped(FieldSpec("a", Kind.NUMBER, constant="x")), 'a: constant is the text "x"; allowed: a number, true or false'),
        (mapped(FieldSpec("a", Kind.FLAG, ("a",), default=2)), "a: default is the number 2"),
        (mapped(FieldSpec("a", Kind.SHARE, ("a",), default=2)), "a: default is the number 2; allowed: a number from 0 to 1"),
        (mapped(FieldSpec("a", Kind.VECTOR, ("a",), default=2)), "a: a vector has no default"),
        (mapped(FieldSpec("a", Kind.HASH, required=True)), "a: required, but the mapping gives neither a path nor a constant"),
        (mapped(items=Each(("i",), (FieldSpec("v", Kind.VECTOR, ("v",)),))), "items.v: an item holds no vectors"),
        (mapped(FieldSpec("a", Kind.HASH, ('x"y',))), "such keys cannot be mapped"),
        (mapped(cohort=CohortHash("s", 0.5)), "cohort: a hash rule needs the path of the unit"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_compiled_is_refused_in_words(mapping: EventMapping, words: str) -> None:
    with pytest.raises(MappingRefused) as refused:
        compile_mapping(mapping, KEY)
    assert words in str(refused.value)


def test_keys_may_be_any_text_that_json_need_not_escape() -> None:
    mapping = mapped(FieldSpec("n", Kind.NUMBER, ("user-id", "$é", "", "class")))
    rows = decoded('{"user-id": {"$é": {"": {"class": 4}}}}'.encode(), mapping=mapping).rows
    assert rows.fields["n"] == Numeric(rows.numbers("n"))
    assert rows.numbers("n").tolist() == [4]


def test_text_and_numbers_may_mix_in_one_time_column() -> None:
    mapping = replace(mapped(), time=("t",), time_unit=TimeUnit.MILLISECONDS)
    rows = decoded(
        b'{"t": "2026-05-01T12:00:00Z"}', b'{"t": 1777636800000}', b'{"t": 1777636800000.9}', mapping=mapping
    ).rows
    assert rows.time.tolist() == [NOON] * 3


def test_an_arm_shared_with_a_field_is_read_by_both() -> None:
    mapping = mapped(FieldSpec("variant", Kind.CATEGORY, ("arm",)), cohort=CohortField(("arm",), ARMS.arms))
    rows = decoded(b'{"arm": "control"}', b'{"arm": "other"}', mapping=mapping).rows
    assert rows.cohort.tolist() == [Cohort.HOLDOUT, Cohort.UNASSIGNED]
    assert codes(rows.fields["variant"]) == ([0, 1], ("control", "other"))

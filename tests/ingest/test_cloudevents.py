"""CloudEvents, structured and binary, beside plain events."""

from __future__ import annotations

import base64
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from monitor.ingest.decode import Decoded, compile_mapping
from monitor.ingest.identity import Identities
from monitor.ingest.mapping import Condition, EventMapping, FieldSpec, Kind
from tests.ingest.decode_cases import KEY, MAPPING, NOON, block, body, event

ATTRIBUTES = {"specversion": "1.0", "id": 4.5, "source": "/shop", "type": "shown", "time": "2026-05-01T12:00:00Z"}
HEADERS = [("ce_specversion", b"1.0"), ("ce_id", b"e-1"), ("ce_time", b"2026-05-01T12:00:00Z"), ("trace", b"\xff")]


def structured(**members: object) -> bytes:
    return msgspec.json.encode(ATTRIBUTES | members)


def decoded(*values: bytes, mapping: EventMapping = MAPPING, headers: object = None) -> Decoded:
    return compile_mapping(mapping, KEY).decode(block(values, headers=headers))


def test_plain_structured_base64_and_binary_records_of_one_event_give_equal_rows() -> None:
    bodies = [body(), structured(data=event()), structured(data_base64=base64.b64encode(body()).decode()), body()]
    result = decoded(*bodies * 2, headers=[[], [], [], HEADERS] * 2)
    assert result.rejects == []
    rows = result.rows
    assert len(rows) == 8
    assert set(rows.hashes("id").tolist()) == {Identities(KEY).of("p-1")}
    assert set(rows.time.tolist()) == {NOON + 250}
    assert set(rows.numbers("score").tolist()) == {0.25}


def test_attributes_are_reached_by_paths_that_start_with_ce() -> None:
    mapping = EventMapping(
        "feed",
        "click",
        "t",
        time=("ce", "time"),
        fields=(FieldSpec("event", Kind.HASH, ("ce", "id"), required=True), FieldSpec("n", Kind.NUMBER, ("n",))),
    )
    values = [structured(id="e-1", data={"n": 1}), b'{"n": 2}', b'{"n": 3, "ce": {"id": "e-1", "time": 1777636800}}']
    result = decoded(*values, mapping=mapping, headers=[[], HEADERS, []])
    assert result.rejects == []
    assert result.rows.numbers("n").tolist() == [1, 2, 3]
    assert set(result.rows.hashes("event").tolist()) == {Identities(KEY).of("e-1")}
    assert set(result.rows.time.tolist()) == {NOON}


def test_conditions_reach_attributes_before_anything_else_is_understood() -> None:
    mapping = replace(MAPPING, where=(Condition(("ce", "type"), ("shown",)),))
    values = [structured(data=event()), structured(type="other", data=5), structured(type="other", data=event(id=[]))]
    values.append(body(id=[]))
    result = decoded(*values, mapping=mapping, headers=[[], [], [], [("ce_specversion", b"1.0"), ("ce_type", b"no")]])
    assert (len(result.rows), result.filtered) == (1, 2)
    assert [(r.offset, r.reason) for r in result.rejects] == [
        (1, "the CloudEvent's data is the number 5; allowed: one JSON object a record")
    ]


@pytest.mark.parametrize(
    "extra",
    [
        {"data": "text"},
        {"data": {"id": []}},
        {"specversion": "1.0"},
        {"specversion": 1, "data": {}},
        {"specversion": "2.0", "data": {}},
        {"specversion": None, "data": None, "data_base64": 4},
    ],
)
def test_a_plain_event_may_have_members_that_look_like_an_envelope(extra: dict[str, object]) -> None:
    for values in ([body(**extra)], [structured(data=event()), body(**extra)]):
        result = decoded(*values)
        assert (len(result.rows), result.rejects) == (len(values), [])


def test_a_plain_event_may_be_mapped_through_its_own_data() -> None:
    mapping = EventMapping("m", "predictions", "t", fields=(FieldSpec("n", Kind.NUMBER, ("data", "n")),))
    rows = decoded(b'{"data": {"n": 4}}', structured(data={"data": {"n": 5}}), mapping=mapping).rows
    assert rows.numbers("n").tolist() == [4, 5]


@pytest.mark.parametrize(
    ("members", "field", "reason"),
    [
        ({"data": None}, "", "a CloudEvent whose data is null; allowed: an object"),
        ({"data": "x"}, "", "the CloudEvent's data is the text \"x\"; allowed: one JSON object a record"),
        ({"data_base64": 5}, "", "a CloudEvent whose data_base64 is not Base64 text"),
        ({"data_base64": "e3"}, "", "a CloudEvent whose data_base64 is not Base64 text"),
        ({"data_base64": ""}, "", "the CloudEvent's data is empty; allowed: one JSON object (a tombstone has no value at all)"),
        ({"data_base64": "ew=="}, "", "the CloudEvent's data is not JSON: Input data was truncated"),
        ({"data": event(id=None)}, "id", '"id" is absent, null or empty, but required'),
        ({"data": event(id=1.5)}, "id", '"id" holds the number 1.5; allowed: text or an integer'),
    ],
)  # fmt: skip
def test_a_broken_cloudevent_is_rejected_in_words(members: dict[str, object], field: str, reason: str) -> None:
    (rejected,) = decoded(structured(**members)).rejects
    assert (rejected.field, rejected.reason) == (field, reason)


def test_a_binary_body_is_never_unwrapped() -> None:
    result = decoded(structured(data=event()), headers=[HEADERS])
    assert [r.field for r in result.rejects] == ["id"]


def test_the_order_of_formats_in_a_block_changes_nothing() -> None:
    values = [body(), structured(data=event()), b"{", body(id=1.5), structured(data=event(id=2.5)), body(kind="no")]
    order = np.random.default_rng(7).permutation(np.repeat(np.arange(len(values)), 20))
    together = decoded(*[values[i] for i in order])
    alone = [decoded(value) for value in values]
    assert len(together.rows) == sum(len(alone[i].rows) for i in order)
    assert together.filtered == sum(alone[i].filtered for i in order)
    assert [r.reason for r in together.rejects] == [r.reason for i in order for r in alone[i].rejects]

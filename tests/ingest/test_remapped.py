"""Rows that wait while the config changes what is read of the events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors import columns as cols
from detectors.columns import Columns
from monitor.ingest.decode import compile_mapping
from monitor.ingest.mapping import EventMapping, FieldSpec, Kind, OriginField
from monitor.ingest.remapped import as_mapped
from tests.ingest.decode_cases import FIELDS, KEY, MAPPING, SLATE, block, body

BARE = replace(MAPPING, fields=(FieldSpec("id", Kind.HASH, ("id",), required=True),), items=None)
FEWER = replace(MAPPING, items=replace(SLATE, fields=SLATE.fields[:1]))
OTHERWISE = replace(MAPPING, fields=(*FIELDS[:2], FieldSpec("score", Kind.CATEGORY, ("served",))))
OUTCOME = replace(MAPPING, stream="click", cohort=None, items=None)
ORGANIC = replace(OUTCOME, origin=OriginField(("kind",), ("search",)))


def decoded(mapping: EventMapping) -> Columns:
    return compile_mapping(mapping, KEY).decode(block([body(), body(id="p-2")])).rows


@pytest.mark.parametrize(
    ("before", "now"),
    [(BARE, MAPPING), (MAPPING, BARE), (FEWER, MAPPING), (MAPPING, FEWER), (MAPPING, OTHERWISE), (OUTCOME, ORGANIC), (ORGANIC, OUTCOME)],
)  # fmt: skip
def test_rows_of_an_earlier_mapping_stand_beside_those_of_the_one_that_is_read_now(
    before: EventMapping, now: EventMapping
) -> None:
    old, new = as_mapped(decoded(before), now), decoded(now)
    both = cols.concat([old, new])
    assert {name: type(column) for name, column in old.fields.items()} == {
        name: type(column) for name, column in new.fields.items()
    }
    assert both.hashes("id").tolist() == 2 * new.hashes("id").tolist()
    for name in decoded(before).fields.keys() & new.fields.keys() - {"items", "score"}:
        assert repr(old.fields[name]) == repr(new.fields[name])
    if now is ORGANIC:
        assert not old.flags("organic").any()


def test_rows_of_the_mapping_itself_stay_as_they_are() -> None:
    rows = decoded(MAPPING)
    assert repr(as_mapped(rows, MAPPING)) == repr(rows)
    assert np.isnan(as_mapped(decoded(BARE), MAPPING).numbers("score")).all()

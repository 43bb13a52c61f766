"""Rows as JSON text and back."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from monitor.alerting.alert import Alert
from monitor.store.codec import decode, encode, finite, storable
from monitor.store.protocols import Command
from monitor.watch.finding import Finding
from tests.store.places import alert, finding


@pytest.mark.parametrize(
    "value", [finding(), alert(frozen="ünd", resolved_at=3), Command(number=1, model="m", verb="v")]
)
def test_a_struct_comes_back_equal_and_is_readable_json(value: Finding | Alert | Command) -> None:
    text = encode(value)
    assert decode(text, type(value)) == value
    assert decode(text.encode(), type(value)) == value
    assert msgspec.json.decode(text)["model"] == value.model


def test_floats_that_are_not_finite_are_told_apart() -> None:
    text = encode({"low": -math.inf, "high": math.inf, "n": [math.nan]})
    assert text == '{"low":{"$float":"-inf"},"high":{"$float":"inf"},"n":[{"$float":"nan"}]}'
    back = decode(text, dict)
    assert (back["low"], back["high"]) == (-math.inf, math.inf)
    assert math.isnan(back["n"][0])


def test_a_map_that_looks_like_a_marked_float_but_is_none_stays_a_map() -> None:
    assert decode(encode({"$float": "wood"}), dict) == {"$float": "wood"}
    assert decode(encode({"$float": 1, "inf": 2}), dict) == {"$float": 1, "inf": 2}
    assert decode(encode({"$float": [1]}), dict) == {"$float": [1]}


def test_no_text_holds_what_a_database_refuses() -> None:
    text = encode({"a\0": "\ud83d", "ok": "\U0001f600"})
    assert decode(text, dict) == {"a\ufffd": "\ufffd", "ok": "\U0001f600"}
    assert "\\u0000" not in text


def test_numbers_and_arrays_of_numpy_become_plain_ones() -> None:
    assert decode(encode({"a": np.float64(math.inf), "b": np.arange(2), "c": np.bool_(True)}), dict) == {
        "a": math.inf,
        "b": [0, 1],
        "c": True,
    }


def test_what_is_no_plain_value_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="object is no plain value and cannot be stored"):
        encode({"a": object()})


def test_free_text_loses_only_nul_and_lone_surrogates() -> None:
    assert storable("plain") == "plain"
    assert storable("a\0b") == "a\ufffdb"
    assert storable("é\udfff\U0001f600") == "é\ufffd\U0001f600"


def test_only_finite_figures_get_a_column() -> None:
    assert [finite(value) for value in (0.5, None, math.nan, math.inf)] == [0.5, None, None, None]

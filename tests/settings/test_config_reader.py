from __future__ import annotations

import math
from pathlib import Path

import pytest

from monitor.settings.errors import ConfigErrors
from monitor.settings.reader import MAX_BYTES, Document, parse, read


def refused(text: str) -> str:
    with pytest.raises(ConfigErrors) as info:
        parse(text, "c.yaml", {})
    return info.value.errors[0].sentence


def parsed(text: str, **environ: str) -> Document:
    return parse(text, "c.yaml", environ)


def test_words_that_yaml_1_1_took_for_booleans_are_texts() -> None:
    assert parsed("{on: NO, off: yes, y: n}").data == {"on": "NO", "off": "yes", "y": "n"}


def test_plain_scalars_have_their_types_and_times_stay_texts() -> None:
    data = parsed("[1_000, -0x1f, 0o17, 1.5, .inf, true, ~, 2030-01-31T06:00:00Z, 010]").data
    assert data == [1000, -31, 15, 1.5, math.inf, True, None, "2030-01-31T06:00:00Z", 10]


def test_every_key_and_list_entry_knows_its_line() -> None:
    document = parsed("a: 1\nb:\n  - x\n  - c:\n      2\n")
    assert {keys: document.line(keys) for keys in [("a",), ("b",), ("b", 1), ("b", 1, "c")]} == {
        ("a",): 1,
        ("b",): 2,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
    }


def test_what_is_not_written_is_placed_at_what_stands_around_it() -> None:
    assert parsed("a:\n  b: 1\n").line(("a", "b", "c", 3)) == 2


def test_an_alias_stands_for_its_anchor() -> None:
    assert parsed("a: &x [1, 2]\nb: *x\n").data == {"a": [1, 2], "b": [1, 2]}


def test_an_anchor_may_be_used_again_without_a_warning() -> None:
    assert parsed("a: &x 1\nb: &x 2\nc: *x\n").data == {"a": 1, "b": 2, "c": 2}


def test_an_alias_that_holds_itself_is_refused() -> None:
    assert refused("a: &x [*x]") == "c.yaml:1: a[0]: an alias that holds itself"


def test_aliases_that_multiply_are_refused_before_they_fill_memory() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert "more than 100,000 values" in refused("\n".join(levels))


def test_deep_nesting_is_refused() -> None:
    assert "nested deeper than 40 levels" in refused("[" * 5000)


def test_a_directive_cannot_bring_yaml_1_1_back() -> None:
    assert "directives" in refused("%YAML 1.1\n---\na: NO\n")


def test_an_undefined_alias_is_refused_without_showing_it() -> None:
    sentence = refused("password: *example-only")
    assert "put texts like this in quotes" in sentence
    assert "example-only" not in sentence


def test_variables_are_replaced_in_texts_and_the_written_form_is_kept_for_messages() -> None:
    document = parsed("a: 'http://${HOST:-localhost}/$${x}'\nb: ${B}\n", B="secret")
    assert document.data == {"a": "http://localhost/${x}", "b": "secret"}
    assert document.found(("b",)) == "${B}"


def test_an_empty_variable_takes_the_default_where_there_is_one_and_is_empty_where_not() -> None:
    assert parsed("[ '${A:-d}', '${A}' ]", A="").data == ["d", ""]


def test_a_value_of_a_variable_is_not_looked_at_again() -> None:
    assert parsed("a: ${A}", A="${B}").data == {"a": "${B}"}


def test_all_missing_variables_are_told_at_once() -> None:
    with pytest.raises(ConfigErrors) as info:
        parse("a: ${A}\nb: ${B}\nc: ${\n", "c.yaml", {})
    assert [(error.line, error.keys) for error in info.value.errors] == [(1, ("a",)), (2, ("b",)), (3, ("c",))]


def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"absent\.yaml: cannot be read: No such file"):
        read(tmp_path / "absent.yaml", {})


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigErrors, match="larger than 1,000,000 bytes"):
        read(tmp_path / "c.yaml", {})


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigErrors, match=r"c\.yaml:2: not UTF-8"):
        read(tmp_path / "c.yaml", {})

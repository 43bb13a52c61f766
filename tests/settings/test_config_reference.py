from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from monitor.settings import ModelSettings, Settings, json_schema, reference_markdown
from monitor.settings.sentences import settings_type


def settings_types(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield kind
    for field in kind.model_fields.values():
        inner, _ = settings_type(field.annotation)
        if inner is not None:
            yield from settings_types(inner)


KINDS = {kind.__name__: kind for root in (Settings, ModelSettings) for kind in settings_types(root)}


def section(name: str) -> str:
    match = re.search(rf"^## {re.escape(name)}$(.*?)(?=^## |\Z)", reference_markdown(), re.DOTALL | re.MULTILINE)
    return match[1] if match else ""


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_field_of_every_settings_type_appears_with_its_meaning(name: str) -> None:
    rows = section(name).splitlines()
    for field_name, field in KINDS[name].model_fields.items():
        (row,) = [row for row in rows if row.startswith(f"| `{field.alias or field_name}` |")]
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert cells[1]
        assert field.description
        assert cells[3] == field.description.replace("|", "\\|")
        assert (cells[2] == "needed") == field.is_required()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_settings_type_says_what_it_is(name: str) -> None:
    assert KINDS[name].__doc__


@pytest.mark.usefixtures("only_probe")
def test_detectors_appear_with_the_domains_of_their_parameters() -> None:
    assert "| `share` | number, more than 0, less than 1 | needed | share of something |" in section("detector.probe")
    assert "| `size` | whole number, at least 1 | `10` | number of somethings |" in section("detector.probe")


def test_defaults_are_shown_as_a_person_would_write_them() -> None:
    assert "| `window` | duration | `5m` |" in section("ModelSettings")
    assert "| `false_pages` | rate, 1 per 28d | `1 per 28d` |" in section("TeamSettings")


def references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = json_schema()
    assert {reference.removeprefix("#/$defs/") for reference in references(schema)} <= set(schema["$defs"])


def test_the_schema_knows_that_a_shared_file_needs_models_and_allows_nothing_unknown() -> None:
    shared = json_schema()["$defs"]["Settings"]
    assert shared["required"] == ["models"]
    assert shared["additionalProperties"] is False

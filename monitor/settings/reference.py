"""The reference of the config, for people and for editors, made from the settings types and the catalogue."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.json_schema import models_json_schema

from detectors.catalogue import DETECTORS
from monitor.settings.model import ModelSettings
from monitor.settings.service import Settings

_REF = "#/$defs/"
_NEAR = 6
_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a shared file, a model's file and a one-file config."""
    _, schema = models_json_schema([(Settings, "validation"), (ModelSettings, "validation")])
    definitions: dict[str, Any] = schema["$defs"]
    shared, model = definitions["Settings"], definitions["ModelSettings"]
    definitions["OneFile"] = {
        "title": "OneFile",
        "description": "A one-file config: the shared keys beside those of the only model.",
        "type": "object",
        "properties": dict(shared["properties"]) | model["properties"],
        "required": model["required"],
        "additionalProperties": False,
    }
    shared["properties"]["models"] = {
        "description": "The models: files like models/*.yaml, or a list of such texts and of models.",
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": _REF + "ModelSettings"}]}},
        ],
        "x-kind": "files, or a list of models",
    }
    shared["required"] = ["models"]
    definitions.pop("Rate", None)
    definitions.update(_detectors())
    if DETECTORS:
        definitions["DetectorSettings"]["anyOf"] = [{"$ref": _REF + _title(name)} for name in DETECTORS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "loopwatch config",
        "anyOf": [{"$ref": _REF + name} for name in ("Settings", "ModelSettings", "OneFile")],
        "$defs": definitions,
    }


def _title(name: str) -> str:
    return f"detector.{name}"


def _detectors() -> dict[str, Any]:
    """A definition for the parameters of every detector, `kind` among them, and for the types that they use."""
    definitions: dict[str, Any] = {}
    for name, detector in DETECTORS.items():
        schema = detector.params.model_json_schema(ref_template=_REF + _title(name) + ".{model}")
        for inner, definition in schema.pop("$defs", {}).items():
            definitions[f"{_title(name)}.{inner}"] = definition
        kind = {"const": name, "description": "Name of the detector."}
        schema["title"] = _title(name)
        schema["properties"] = {"kind": kind} | schema.get("properties", {})
        schema["required"] = ["kind", *schema.get("required", [])]
        definitions[_title(name)] = schema
    return definitions


def reference_markdown() -> str:
    """Every key of the config with what is allowed, its default and its meaning: one section a settings type."""
    definitions: dict[str, Any] = json_schema()["$defs"]
    first = ["Settings", "ModelSettings"]
    others = sorted(name for name in definitions if name not in first and name != "OneFile")
    sections = [
        _section(name, definitions[name], definitions)
        for name in [*first, *others]
        if "properties" in definitions[name]
    ]
    head = (
        "# Config reference\n\n"
        "Durations are a number and a unit (`500ms`, `30s`, `5m`, `2h`, `14d`), shares are `2%` or `0.02`, rates are "
        "`1 per 28d`. A field of an event is its name, with dots for nesting, or a list of names. `${NAME}` stands for an "
        "environment variable, `${NAME:-default}` gives it a default, `$${` is a plain `${`. Paths of files are relative to "
        "the file they stand in.\n"
    )
    return "\n".join([head, *sections])


class NoSuchKey(LookupError):
    """The config has no such key; `near` are names that may be meant."""

    def __init__(self, key: str, near: list[str]) -> None:
        self.near = near
        super().__init__(key)


@dataclass(frozen=True, slots=True)
class _Key:
    """One key of the config: the section it stands in, and what is allowed there."""

    name: str
    owner: dict[str, Any]
    schema: dict[str, Any]


def reference_part(key: str) -> str:
    """The part of the reference on one key, or on one section by its name; a name of a user's own may stand within the key.

    `outcomes.origin` and `outcomes.click.origin` are the same. Raises `NoSuchKey`.
    """
    definitions: dict[str, Any] = json_schema()["$defs"]
    keys = {path: each for root in ("ModelSettings", "Settings") for path, each in _keys(definitions, root)}
    sections = {name.lower(): name for name, schema in definitions.items() if "properties" in schema}
    words = key.split(".")
    spelled = [key, *(".".join(words[:i] + words[i + 1 :]) for i in range(1, len(words) - 1))]
    found = next((path for path in spelled if path in keys), None)
    if found is not None:
        each = keys[found]
        table = _table({each.name: each.schema}, set(each.owner.get("required", [])), definitions)
        inner = [_section(name, definitions[name], definitions) for name in _types(each.schema, definitions)]
        return "\n".join([f"# {found}", "", *table, "", *inner])
    named = next((sections[name] for name in (key.lower(), f"detector.{key}".lower()) if name in sections), None)
    if named is None:
        ending = [path for path in keys if path.rpartition(".")[2] == words[-1]]
        close = difflib.get_close_matches(key, [*keys, *sections.values()], n=_NEAR, cutoff=0.6)
        raise NoSuchKey(key, list(dict.fromkeys([*ending, *close]))[:_NEAR])
    return _section(named, definitions[named], definitions)


def _keys(
    definitions: dict[str, Any], name: str, before: str = "", above: tuple[str, ...] = ()
) -> Iterator[tuple[str, _Key]]:
    """Every dotted key below a section; a section within itself is not entered again."""
    for key, schema in definitions[name]["properties"].items():
        yield before + key, _Key(key, definitions[name], schema)
        for inner in _types(schema, definitions):
            if inner not in (*above, name, "ModelSettings"):
                yield from _keys(definitions, inner, f"{before}{key}.", (*above, name))


def _types(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    """The sections that say what a value may be, in itself or in its list or map."""
    name = str(schema.get("$ref", "")).removeprefix(_REF)
    if name:
        return [name] if "properties" in definitions[name] else _types(definitions[name], definitions)
    inner = [o for u in ("anyOf", "oneOf", "allOf") for o in schema.get(u, ())]
    inner += [each for each in (schema.get("items"), _values(schema)) if isinstance(each, dict)]
    return list(dict.fromkeys(name for each in inner for name in _types(each, definitions)))


def _section(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    text = re.sub(r"\s+", " ", schema.get("description", "")).strip()
    table = _table(schema["properties"], set(schema.get("required", [])), definitions)
    return "\n".join([f"## {name}", "", text, "", *table, ""])


def _table(properties: dict[str, Any], required: set[str], definitions: dict[str, Any]) -> list[str]:
    rows = [
        f"| `{key}` | {_cell(_allowed(value, definitions))} | {_default(key, value, required)} | "
        f"{_cell(_meaning(value, definitions))} |"
        for key, value in properties.items()
    ]
    return ["| key | allowed | default | meaning |", "|---|---|---|---|", *rows]


def _meaning(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    target = definitions.get(str(schema.get("$ref", "")).removeprefix(_REF), {})
    return str(schema.get("description") or target.get("description", ""))


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def _default(key: str, schema: dict[str, Any], required: set[str]) -> str:
    if key in required:
        return "needed"
    value = schema.get("default")
    if value is None or value in ({}, [], ""):
        return ""
    if isinstance(value, dict):
        return "see there"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _allowed(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a value may be, in a few words."""
    inner = [
        _allowed(o, definitions)
        for u in ("anyOf", "oneOf", "allOf")
        for o in schema.get(u, ())
        if o != {"type": "null"}
    ]
    if "x-kind" in schema:
        text = str(schema["x-kind"])
    elif "$ref" in schema:
        read_as = f", read as {schema['x-read-as']}" if "x-read-as" in schema else ""
        text = _named(str(schema["$ref"]).removeprefix(_REF), definitions) + read_as
    elif "const" in schema or "enum" in schema:
        text = ", ".join(f"`{option}`" for option in schema.get("enum", [schema.get("const")]))
    elif inner:
        text = " or ".join(dict.fromkeys(inner))
    elif schema.get("type") == "array":
        text = f"list of {_allowed(schema.get('items', {}), definitions)}"
    elif schema.get("type") == "object" and (values := _values(schema)):
        text = f"map of name to {_allowed(values, definitions)}"
    else:
        limits = [f"{words} {schema[key]:,}" for key, words in _LIMITS.items() if key in schema]
        text = ", ".join([_type(schema), *limits])
    return text


def _values(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of a map's values."""
    values = schema.get("additionalProperties")
    return values if isinstance(values, dict) else next(iter(schema.get("patternProperties", {}).values()), None)


def _named(name: str, definitions: dict[str, Any]) -> str:
    schema = definitions[name]
    return f"[{name}](#{name.lower().replace('.', '')})" if "properties" in schema else _allowed(schema, definitions)


def _type(schema: dict[str, Any]) -> str:
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    kinds = schema.get("type", "any value")
    return " or ".join(words.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))

"""The reference of the config, for people and for editors, made from the settings types and the catalogue."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic.json_schema import models_json_schema

from detectors.catalogue import DETECTORS
from monitor.settings.model import ModelSettings
from monitor.settings.service import Settings

_REF = "#/$defs/"
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


def _section(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = [
        f"| `{key}` | {_cell(_allowed(value, definitions))} | {_default(key, value, required)} | "
        f"{_cell(_meaning(value, definitions))} |"
        for key, value in schema["properties"].items()
    ]
    text = re.sub(r"\s+", " ", schema.get("description", "")).strip()
    table = ["| key | allowed | default | meaning |", "|---|---|---|---|", *rows]
    return "\n".join([f"## {name}", "", text, "", *table, ""])


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

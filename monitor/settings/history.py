"""Where a model's history lies: files of the same events as its topics have."""

from __future__ import annotations

from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from monitor.settings.base import beside
from monitor.settings.quantities import sentence

TOPIC = "{topic}"
"""Stands for a topic's name in a path."""

_EVERY = ""


def _patterns(value: object, info: ValidationInfo) -> dict[str, tuple[str, ...]]:
    if isinstance(value, str):
        if TOPIC not in value:
            raise sentence(
                f"does not say which files are of which topic; write {TOPIC} where its name stands, "
                f"as in history/{TOPIC}/*.parquet, or a map of topics to files"
            )
        value = {_EVERY: value}
    if not isinstance(value, dict) or not value:
        raise sentence(f"is not a path with {TOPIC} in it, nor a map of topics to files")
    return {str(topic): tuple(_beside(path, info) for path in _listed(files)) for topic, files in value.items()}


def _listed(files: object) -> list[Any]:
    return files if isinstance(files, list) else [files]


def _beside(path: object, info: ValidationInfo) -> str:
    if not isinstance(path, str) or not path:
        raise sentence("names no files; write a path, patterns like *.parquet are understood")
    if "://" in path:
        raise sentence("is not a path of files; object stores are not read: mount the bucket, or copy the files")
    return str(beside(path, info))


HistoryFiles = Annotated[
    dict[str, tuple[str, ...]],
    BeforeValidator(_patterns),
    WithJsonSchema({"type": ["string", "object"], "x-kind": "path of files, with {topic} in it, or paths by topic"}),
]
"""Patterns of paths by topic, relative to the config; those of "" are for every topic."""


def files_of(history: Mapping[str, tuple[str, ...]], topic: str) -> list[Path]:
    """The files of a topic, in order of their names; patterns are looked up now."""
    patterns = [p.replace(TOPIC, topic) for p in history.get(topic, history.get(_EVERY, ()))]
    return sorted({Path(found) for pattern in patterns for found in glob(pattern, recursive=True)})  # noqa: PTH207 - any root

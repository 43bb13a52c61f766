"""A file as JSON records, one after the other: JSON lines as they are, rows of CSV and Parquet as JSON objects.

A column named `viewer.country` is the field `country` in the map `viewer`. CSV has no types: a cell that is a JSON number as
JSON would write it, or `true` or `false`, is one; an empty cell is a field that is not there; everything else is text.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Generator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes; a longer line is no event, and would have to be held in memory."""

NEEDS_PYARROW = "Parquet needs pyarrow: pip install 'loopwatch[parquet]'"

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][-+]?\d{1,3})?")
_ROWS = 10_000


def lines(path: Path) -> Generator[bytes]:
    """Every record of a file, an empty line included. OSError, EOFError, ValueError or zlib.error where it cannot be read."""
    kind = "".join(path.suffixes).removesuffix(".gz").rpartition(".")[2].lower()
    if kind == "parquet":
        return _parquet(path)
    return _csv(path) if kind == "csv" else _json_lines(path)


def _json_lines(path: Path) -> Generator[bytes]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise ValueError(f"longer than {LONGEST_LINE:,} bytes")
            yield line.rstrip(b"\r\n")


def _csv(path: Path) -> Generator[bytes]:
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8-sig", newline="")
    ) as file:
        try:
            for row in csv.DictReader(file, strict=True, restkey=None):
                if None in row:
                    raise ValueError("the row has more cells than the header")
                yield _record({name: _cell(text) for name, text in row.items() if text})
        except csv.Error as error:
            raise ValueError(str(error)) from error


def _cell(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if any(c in text for c in ".eE") else int(text)
    return text


def _parquet(path: Path) -> Generator[bytes]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError(NEEDS_PYARROW) from None
    try:
        with closing(parquet.ParquetFile(path)) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    yield _record({name: value for name, value in row.items() if value is not None})
    except arrow.ArrowException as error:
        raise ValueError(str(error)) from error


def _record(row: Mapping[str, Any]) -> bytes:
    """A row as a JSON object, dots in names as nesting. Times without a zone are UTC, as Parquet's are."""
    nested: dict[str, Any] = {}
    for name, value in row.items():
        *above, last = name.split(".")
        place = nested
        for part in above:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ValueError(f"columns {part!r} and {name!r} cannot both be there")
        place[last] = value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
    return msgspec.json.encode(nested, enc_hook=str)

"""CSV and Parquet as records: the same events as the same rows in JSON lines."""

from __future__ import annotations

import builtins
import gzip
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from monitor.events import TopicPartition
from monitor.ingest.source import SourceRefused
from monitor.ingest.via_files import FileSource

CSV = """slate,at,viewer.country,viewer.age,s,clicked,note
a1,2024-01-01T00:00:00Z,NO,31,0.5,true,"x, ""y\"""
007,2024-01-01T00:00:01Z,,,1e-3,false,
"""
EVENTS = [
    {
        "slate": "a1",
        "at": "2024-01-01T00:00:00Z",
        "viewer": {"country": "NO", "age": 31},
        "s": 0.5,
        "clicked": True,
        "note": 'x, "y"',
    },
    {"slate": "007", "at": "2024-01-01T00:00:01Z", "s": 0.001, "clicked": False},
]


def read(path: Path, poll: int = 100) -> list[dict[str, Any]]:
    source = FileSource({"t": [path]})
    values: list[bytes] = []
    while not source.finished():
        for block in source.poll(poll, 0):
            values.extend(v for v in block.values if v is not None)
    return [json.loads(v) for v in values]


@pytest.mark.parametrize("poll", [1, 100])
def test_csv_gives_the_events_with_nesting_types_and_gaps(tmp_path: Path, poll: int) -> None:
    path = tmp_path / "events.csv"
    path.write_text(CSV)
    assert read(path, poll) == EVENTS
    with gzip.open(tmp_path / "events.csv.gz", "wt") as file:
        file.write(CSV)
    assert read(tmp_path / "events.csv.gz", poll) == EVENTS


def test_parquet_gives_the_events_and_its_times_are_utc(tmp_path: Path) -> None:
    rows: Sequence[dict[str, Any]] = [
        {"slate": "a1", "at": datetime(2024, 1, 1, tzinfo=UTC), "naive": datetime(2024, 1, 1), "viewer": {"age": 31}},
        {"slate": "007", "at": None, "naive": None, "viewer": None},
    ]
    path = tmp_path / "events.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    first = {"slate": "a1", "at": "2024-01-01T00:00:00Z", "naive": "2024-01-01T00:00:00Z", "viewer": {"age": 31}}
    assert read(path) == [first, {"slate": "007"}]
    assert read(path, poll=1) == read(path)


def test_reading_goes_on_at_a_row(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(CSV)
    source = FileSource({"t": [path]})
    source.seek({TopicPartition("t", 0): 1})
    (block,) = source.poll(100, 0)
    assert list(block.offsets) == [1]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("long.csv", b"a,b\n1,2,3\n", "line 1: cannot be read: the row has more cells than the header"),
        ("both.csv", b"a,a.b\n1,2\n", "columns 'a' and 'a.b' cannot both be there"),
        ("broken.parquet", b"no parquet", "broken.parquet, line 1: cannot be read: "),
        ("latin.csv", b"a\n\xff\n", "latin.csv, line 1: cannot be read: "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceRefused, match=re.escape(told)):
        read(path)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return imported(name, *rest, **more)

    (tmp_path / "events.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SourceRefused, match=r"pip install 'loopwatch\[parquet\]'"):
        read(tmp_path / "events.parquet")

"""What the file and memory sources promise beyond the contract of all sources."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from monitor.events import TopicPartition
from monitor.ingest.source import SourceRefused
from monitor.ingest.via_files import FileSource
from monitor.ingest.via_memory import MemorySource, Record

EVENTS = TopicPartition("events", 0)
OTHER = TopicPartition("events", 1)


def lines(start: int, end: int) -> bytes:
    return b"".join(b'{"at": %d}\n' % i for i in range(start, end))


def written(path: Path, body: bytes) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(body, mtime=0))
    else:
        path.write_bytes(body)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_lines_are_records_without_their_line_breaks(name: str, tmp_path: Path) -> None:
    source = FileSource({"events": [written(tmp_path / name, b'{"a": 1}\r\n\n{"a": 2}')]})
    (block,) = source.poll(10, 0)
    assert list(block.values) == [b'{"a": 1}', b'{"a": 2}']
    assert block.offsets.tolist() == [0, 2]
    assert block.next_offset == 3
    source.close()


def test_times_come_from_the_function_that_was_given(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", lines(5, 8))
    source = FileSource({"events": [path]}, timestamp=lambda _topic, value: int(json.loads(value)["at"]))
    assert source.poll(10, 0)[0].timestamps.tolist() == [5, 6, 7]
    source.close()


def test_files_take_equal_shares_of_a_poll(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{i}.jsonl", lines(0, 100)) for i in range(3)]
    source = FileSource({"events": paths})
    assert [len(block) for block in source.poll(30, 0)] == [10, 10, 10]
    source.close()


def test_fewer_records_than_files_are_given_in_turn(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{i}.jsonl", lines(0, 100)) for i in range(3)]
    source = FileSource({"events": paths})
    first = [block.partition for _ in range(3) for block in source.poll(1, 0)]
    assert sorted(first) == [0, 1, 2]
    source.close()


def test_a_file_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    source = FileSource({"events": [tmp_path / "absent.jsonl"]})
    with pytest.raises(SourceRefused, match=r"absent\.jsonl, line 1: cannot be read: No such file or directory"):
        source.poll(1, 0)


def test_a_broken_gzip_file_is_refused_after_the_lines_before_the_fault_and_every_time(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    body = gzip.compress(lines(0, 20_000), mtime=0)
    path.write_bytes(body[: len(body) // 2])
    source = FileSource({"events": [path]})
    given = sum(map(len, source.poll(1_000_000, 0)))
    assert 0 < given < 20_000
    for _ in range(2):
        with pytest.raises(
            SourceRefused, match=rf"a\.jsonl\.gz, line {given + 1}: cannot be read: Compressed file ended"
        ):
            source.poll(10, 0)
    source.close()


def test_a_file_that_is_no_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(lines(0, 3))
    with pytest.raises(SourceRefused, match="line 1: cannot be read: Not a gzipped file"):
        FileSource({"events": [path]}).poll(1, 0)


def test_a_line_without_end_is_refused_before_it_fills_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.ingest.via_files.lines.LONGEST_LINE", 1000)
    source = FileSource({"events": [written(tmp_path / "a.jsonl", lines(0, 2) + b"x" * 1001)]})
    assert len(source.poll(10, 0)[0]) == 2
    for _ in range(2):
        with pytest.raises(SourceRefused, match=r"a\.jsonl, line 3: cannot be read: longer than 1,000 bytes"):
            source.poll(10, 0)
    source.close()


def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"text": "%s"}\n' % (b"x" * 1000) * 20_000)
    source = FileSource({"events": [path]})
    tracemalloc.start()
    while not source.finished():
        source.poll(100, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 20_000_000
    assert peak < 2_000_000


def test_a_seek_back_after_the_end_reads_again(tmp_path: Path) -> None:
    source = FileSource({"events": [written(tmp_path / "a.jsonl", lines(0, 5))]})
    source.poll(10, 0)
    assert not source.poll(10, 0)
    assert source.finished()
    source.seek({EVENTS: 3})
    assert not source.finished()
    assert source.poll(10, 0)[0].offsets.tolist() == [3, 4]
    source.close()


def test_a_seek_past_the_end_finishes_without_records(tmp_path: Path) -> None:
    source = FileSource({"events": [written(tmp_path / "a.jsonl", lines(0, 5))]})
    source.seek({EVENTS: 9})
    assert not source.poll(10, 0)
    assert source.finished()


def test_a_seek_of_a_partition_that_has_no_file_has_no_effect(tmp_path: Path) -> None:
    source = FileSource({"events": [written(tmp_path / "a.jsonl", lines(0, 2))]})
    source.seek({OTHER: 9})
    assert source.positions() == {EVENTS: 0}


def test_records_in_memory_keep_their_keys_headers_times_and_holes() -> None:
    source = MemorySource({EVENTS: [Record(b"a", 3, 7, b"k", (("h", b"v"),)), Record(None, 9, 8)]})
    (block,) = source.poll(10, 0)
    assert block.offsets.tolist() == [3, 9]
    assert block.timestamps.tolist() == [7, 8]
    assert (list(block.values), list(block.keys or ())) == ([b"a", None], [b"k", None])
    assert block.headers == [(("h", b"v"),), ()]


def test_a_live_source_in_memory_goes_on_with_what_is_appended_and_never_finishes() -> None:
    source = MemorySource({}, live=True)
    source.append(OTHER, [b"1"])
    assert [list(block.values) for block in source.poll(10, 0)] == [[b"1"]]
    source.append(OTHER, [b"2"])
    assert source.behind() == {OTHER: 1}
    assert [block.offsets.tolist() for block in source.poll(10, 0)] == [[1]]
    assert not source.finished()


def test_offsets_in_memory_cannot_go_back() -> None:
    source = MemorySource({EVENTS: [b"a", b"b"]})
    with pytest.raises(ValueError, match="offset 1 after 1"):
        source.append(EVENTS, [Record(b"c", 1)])
